"""Writing a bundle: a model, what it needs, and the files that a target takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship import __version__
from mlship.errors import OutputFailed, UsageError
from mlship.model.artifact import read_file
from mlship.model.session import SessionSpec, open_session
from mlship.targets.contract import Layout, ModelFacts, Target
from mlship.targets.folder import MARK, check_folder, check_names, mark, put
from mlship.targets.lock import lock
from mlship.targets.measure import measured
from mlship.targets.registry import TARGETS
from mlship.targets.render import rendered
from mlship.targets.wheel import wheel, wheel_name

MODEL = "model.onnx"


@dataclass(frozen=True)
class BundleJob:
    """A bundle to write.

    Attributes:
        model: The artifact.
        target: Name of the target.
        output: The folder to make.
        overwrite: Whether what is there may be replaced although mlship did not write it so.
    """

    model: Path
    target: str
    output: Path
    overwrite: bool = False


@dataclass(frozen=True)
class BundleReport:
    """A bundle that was written.

    Attributes:
        target: Name of the target.
        folder: Where it is.
        files: The names of its files, sorted.
        facts: What is known of the model.
        notes: What the user has to know.
    """

    target: str
    folder: Path
    files: tuple[str, ...]
    facts: ModelFacts
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"name": self.target, "folder": str(self.folder), "files": list(self.files), "notes": list(self.notes)}


def check_bundle(target: str, output: Path | None, *, overwrite: bool) -> Path:
    """Refuse, before any work, a bundle that cannot be written, and return its folder.

    Raises:
        UsageError: There is no such target, no folder is named, or see `check_folder`.
    """
    if target not in TARGETS:
        raise UsageError(f"There is no target '{target}'.", hint=f"--target {'|'.join(TARGETS)}")
    if output is None:
        raise UsageError(f"A bundle for {target} is a folder, which has to be named.", hint=f"-o {target}-bundle")
    check_folder(output, overwrite=overwrite)
    return output


def write_bundle(job: BundleJob) -> BundleReport:
    """Write a bundle, whole or not at all.

    Raises:
        UsageError: See `check_bundle` and `check_names`; or there is no such model.
        ModelRefused: The model does not open, or answers its golden rows differently.
        OutputFailed: The system refused to write.
    """
    folder = check_bundle(job.target, job.output, overwrite=job.overwrite)
    data = read_file(job.model)
    facts = _facts(job.model, data)
    target = TARGETS[job.target]
    layout = target.layout(facts)
    files = {**_common(target, data), **_files(facts, layout)}
    if not job.overwrite:
        check_names(folder, files)
    told = {"format": 1, "target": target.name, "mlship": __version__, "model": facts.to_json()}
    files[MARK] = mark(told, files)
    try:
        put(folder, files)
    except OSError as error:
        raise OutputFailed(f"The bundle '{folder}' could not be written: {error.strerror or error}.") from error
    return BundleReport(target.name, folder, tuple(sorted(files)), facts, layout.notes)


def _facts(model: Path, data: bytes) -> ModelFacts:
    session = open_session(SessionSpec(data, origin=str(model)))
    card = session.card
    return ModelFacts(card.name, card.version, session.digest, len(data), session.proven, measured(model))


def _common(target: Target, model: bytes) -> dict[str, bytes]:
    own = wheel()
    return {MODEL: model, wheel_name(): own, target.lock_name: lock(target.lock, own)}


def _files(facts: ModelFacts, layout: Layout) -> dict[str, bytes]:
    values = {
        "slug": facts.slug,
        "tag": facts.tag,
        "digest": facts.digest,
        "wheel": wheel_name(),
        "mlship": __version__,
        **layout.values,
    }
    return {name: rendered(template, values) for name, template in layout.files.items()}
