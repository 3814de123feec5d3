"""Writing a bundle: a model, what it needs, and the files that a target takes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship import __version__
from mlship.errors import OutputFailed, UsageError
from mlship.files import current_umask, sync_directory
from mlship.model.artifact import read_file
from mlship.model.session import SessionSpec, open_session
from mlship.targets.contract import Layout, ModelFacts, Target
from mlship.targets.lock import NAME, lock
from mlship.targets.measure import measured
from mlship.targets.registry import TARGETS
from mlship.targets.render import is_script, rendered
from mlship.targets.wheel import wheel, wheel_name

MARK = "mlship-bundle.json"
"""The file that tells what a bundle holds, and by which a later export knows that it may replace the folder."""
MODEL = "model.onnx"


@dataclass(frozen=True)
class BundleJob:
    """A bundle to write.

    Attributes:
        model: The artifact.
        target: Name of the target.
        output: The folder to make.
        overwrite: Whether a folder that is no bundle may be replaced.
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
        UsageError: There is no such target, or the folder is missing, a file, or not a bundle of ours.
    """
    if target not in TARGETS:
        raise UsageError(f"There is no target '{target}'.", hint=f"--target {'|'.join(TARGETS)}")
    if output is None:
        raise UsageError(f"A bundle for {target} is a folder, which has to be named.", hint=f"-o {target}-bundle")
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder '{output.parent}'.", hint=f"mkdir -p '{output.parent}'")
    if output.exists() and not output.is_dir():
        raise UsageError(f"'{output}' is a file; a bundle is a folder.", hint="Name a folder with -o.")
    if output.is_dir() and not overwrite and any(output.iterdir()) and not (output / MARK).is_file():
        raise UsageError(
            f"The folder '{output}' holds something that mlship did not write.",
            hint="Name a new folder with -o, or replace it with --overwrite.",
            code="output_exists",
        )
    return output


def write_bundle(job: BundleJob) -> BundleReport:
    """Write a bundle, whole or not at all.

    Raises:
        UsageError: See `check_bundle`; or there is no such model.
        ModelRefused: The model does not open, or answers its golden rows differently.
        OutputFailed: The system refused to write.
    """
    folder = check_bundle(job.target, job.output, overwrite=job.overwrite)
    data = read_file(job.model)
    facts = _facts(job.model, data)
    target = TARGETS[job.target]
    layout = target.layout(facts)
    files = {**_common(target, data), **_files(facts, layout)}
    files[MARK] = _mark(target, facts, tuple(sorted((*files, MARK))))
    try:
        _put(folder, files)
    except OSError as error:
        raise OutputFailed(f"The bundle '{folder}' could not be written: {error.strerror or error}.") from error
    return BundleReport(target.name, folder, tuple(sorted(files)), facts, layout.notes)


def _facts(model: Path, data: bytes) -> ModelFacts:
    session = open_session(SessionSpec(data, origin=str(model)))
    card = session.card
    return ModelFacts(card.name, card.version, session.digest, len(data), session.proven, measured(model))


def _common(target: Target, model: bytes) -> dict[str, bytes]:
    own = wheel()
    return {MODEL: model, wheel_name(): own, NAME: lock(target.lock, own)}


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


def _mark(target: Target, facts: ModelFacts, files: tuple[str, ...]) -> bytes:
    told = {"format": 1, "target": target.name, "mlship": __version__, "model": facts.to_json(), "files": files}
    return (json.dumps(told, indent=2) + "\n").encode()


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files into a new folder, and give it the name at the end."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        mask = current_umask()
        made.chmod(0o777 & ~mask)
        for name, data in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod((0o777 if is_script(name) else 0o666) & ~mask)
        _give_name(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _give_name(made: Path, folder: Path) -> None:
    """Rename, with what was there before moved aside, since a folder with files in it cannot be renamed over."""
    aside = made.with_name(f"{made.name}.old")
    there = folder.exists()
    if there:
        os.rename(folder, aside)  # noqa: PTH104  the same
    try:
        os.rename(made, folder)  # noqa: PTH104
    except OSError:
        if there:
            os.rename(aside, folder)  # noqa: PTH104
        raise
    sync_directory(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)
