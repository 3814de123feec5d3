"""A bundle is whole or not there, takes nothing away that is not its own, and lets no name inject a line."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from mlship.cli import main
from mlship.model.artifact import read_artifact, sign
from mlship.targets import TARGET_NAMES, bundle
from mlship.targets.contract import MIB, Memory, ModelFacts
from mlship.targets.registry import TARGETS
from mlship.targets.wheel import wheel, wheel_name
from tests.serve.server import run_code

COMMON = {"README.md", "mlship-bundle.json", "model.onnx", wheel_name()}
HOSTILE = {
    "injection": (
        "x\"; $(touch /tmp/owned) `id` {{ 7 * 7 }} <<slug>> ${HOME} %n '\\"
        "\n- evil: true\nRUN rm -rf /\n[Service]\nUser=root #"
    ),
    "newlines": "\n\n",
    "dots": "..",
    "yaml": "true",
    "unicode": "İ" * 300,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to work in; memory, for which each bundle starts two processes, is given and not measured."""
    monkeypatch.setattr(bundle, "measured", lambda _: Memory(100 * MIB, 120 * MIB))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(artifact: Path, target: str, folder: str, *options: str) -> int:
    """Make a bundle by the command line."""
    return main.run(["export", str(artifact), "--target", target, "-o", folder, "--quiet", *options])


def test_names_of_targets_are_those_of_the_registry() -> None:
    """The names that the help shows without loading the targets are the targets' own."""
    assert tuple(TARGETS) == TARGET_NAMES
    assert all(name == target.name for name, target in TARGETS.items())


@pytest.mark.parametrize("target", TARGETS)
def test_json_tells_what_was_written(
    quick: Path, artifact: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json names the bundle's files, which are what is in the folder, with the very model and a sound wheel."""
    assert export(artifact, target, "out", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    found = {path.relative_to(quick / "out").as_posix() for path in (quick / "out").rglob("*") if path.is_file()}
    assert told["status"] == "done"
    assert told["error"] is None
    assert told["outputs"] == ["out"]
    assert told["bundle"].keys() == {"name", "folder", "files", "notes"}
    assert set(told["bundle"]["files"]) == found
    assert found >= {*COMMON, TARGETS[target].lock_name}
    assert told["model"]["name"] == "penguins"
    assert (quick / "out" / "model.onnx").read_bytes() == artifact.read_bytes()
    assert (quick / "out" / wheel_name()).read_bytes() == wheel()
    assert hashlib.sha256(wheel()).hexdigest() in (quick / "out" / TARGETS[target].lock_name).read_text()
    assert not list(quick.glob(".*"))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        pytest.param(
            text, target, id=f"{name}-{target}", marks=() if name in ("injection", part) else pytest.mark.whole
        )
        for name, text in HOSTILE.items()
        for target, part in zip(TARGETS, itertools.cycle(HOSTILE), strict=False)
    ],
)
def test_no_name_changes_anything_but_names(quick: Path, artifact: Path, target: str, text: str) -> None:
    """Whatever a model is called, its bundle differs in names made of harmless letters, and nowhere else."""
    (quick / "tame.onnx").write_bytes(_called(artifact, "qqnameqq", "qqversionqq"))
    (quick / "wild.onnx").write_bytes(_called(artifact, text, text))
    assert export(quick / "tame.onnx", target, "tame") == 0
    assert export(quick / "wild.onnx", target, "wild") == 0

    tame, wild = _facts(quick / "tame"), _facts(quick / "wild")
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,44}[a-z0-9])?", wild.slug)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", wild.tag)

    def renamed(told: str) -> str:
        for old, new in ((tame.slug, wild.slug), (tame.tag, wild.tag), (tame.digest, wild.digest)):
            told = told.replace(old, new)
        return told

    expected = {renamed(name): renamed(content) for name, content in _texts(quick / "tame").items()}
    assert _texts(quick / "wild") == expected


def _called(artifact: Path, name: str, version: str) -> bytes:
    """The artifact under another name and version, and with a label."""
    card = read_artifact(artifact).card
    assert card is not None
    model = onnx.load_model(artifact)
    model.ClearField("metadata_props")
    return sign(model.SerializeToString(), replace(card, name=name, version=version, labels={name: version}))


def _facts(folder: Path) -> ModelFacts:
    model = json.loads((folder / "mlship-bundle.json").read_text())["model"]
    return ModelFacts(**model, size=0, proven=True, memory=Memory(0, 0))


def _texts(folder: Path) -> dict[str, str]:
    """The text files of a bundle that something else than mlship reads."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".onnx", ".whl")]
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in files if path.name != "mlship-bundle.json"
    }


def test_what_others_put_there_stays(quick: Path, artifact: Path) -> None:
    """A bundle is made anew over an older one, whose files go, and files of somebody else's stay as they are."""
    assert export(artifact, "kubernetes", "out") == 0
    secret = quick / "out" / "tokens"
    secret.write_text("first:0123456789abcdef")
    secret.chmod(0o600)
    (quick / "out" / "wheelhouse").mkdir()
    (quick / "out" / "wheelhouse" / "some.whl").write_text("wheel")
    (quick / "out" / "link").symlink_to("/nonexistent")
    (quick / "out" / "shut" / "empty").mkdir(parents=True)
    (quick / "out" / "shut" / "key").write_text("key")
    (quick / "out" / "shut").chmod(0o700)

    assert export(artifact, "docker", "out") == 0

    assert not (quick / "out" / "manifests").exists()
    assert (quick / "out" / "compose.yaml").is_file()
    assert secret.read_text() == "first:0123456789abcdef"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (quick / "out" / "wheelhouse" / "some.whl").read_text() == "wheel"
    assert (quick / "out" / "link").is_symlink()
    assert (quick / "out" / "shut").stat().st_mode & 0o777 == 0o700
    assert (quick / "out" / "shut" / "empty").is_dir()
    assert (quick / "out" / "shut" / "key").read_text() == "key"
    assert not list(quick.glob(".*"))


def test_what_somebody_changed_is_not_overwritten(
    quick: Path, artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle in which a file was changed is refused by its name, until --overwrite is given."""
    assert export(artifact, "docker", "out") == 0
    changed = quick / "out" / "compose.yaml"
    changed.write_text("mine")

    assert export(artifact, "docker", "out") == 2

    assert "compose.yaml" in capsys.readouterr().err
    assert changed.read_text() == "mine"
    assert export(artifact, "docker", "out", "--overwrite") == 0
    assert changed.read_text() != "mine"


def test_what_somebody_added_is_not_overwritten(
    quick: Path, artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that mlship did not write is not replaced by one of the new bundle, until --overwrite is given."""
    assert export(artifact, "docker", "out") == 0
    added = quick / "out" / "kustomization.yaml"
    added.write_text("mine")

    assert export(artifact, "kubernetes", "out") == 2

    assert "kustomization.yaml" in capsys.readouterr().err
    assert added.read_text() == "mine"
    assert (quick / "out" / "compose.yaml").is_file()
    assert export(artifact, "kubernetes", "out", "--overwrite") == 0
    assert added.read_text() != "mine"


def test_what_is_interrupted_between_two_names_goes_back(
    quick: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the older bundle is aside brings it back, with what others put there."""
    assert export(artifact, "docker", "out") == 0
    (quick / "out" / "mlship.env").write_text("MLSHIP_TOKEN=mine")
    rename, calls = os.rename, []

    def interrupted(old: Path, new: Path) -> None:
        calls.append(new)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(old, new)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bundle.write_bundle(bundle.BundleJob(artifact, "docker", quick / "out"))

    assert (quick / "out" / "mlship.env").read_text() == "MLSHIP_TOKEN=mine"
    assert not list(quick.glob(".*"))


def test_a_folder_of_others_is_refused(quick: Path, artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that mlship did not make is refused; --overwrite puts the bundle into it and takes nothing away."""
    (quick / "out").mkdir()
    (quick / "out" / "mine").write_text("mine")

    assert export(artifact, "docker", "out") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert [path.name for path in (quick / "out").iterdir()] == ["mine"]

    assert export(artifact, "docker", "out", "--overwrite") == 0
    assert (quick / "out" / "mine").read_text() == "mine"
    assert (quick / "out" / "Dockerfile").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["--target", "docker"], "-o docker-bundle", id="no folder"),
        pytest.param(["--target", "docker", "-o", "absent/out"], "mkdir -p", id="no parent"),
        pytest.param(["--target", "docker", "-o", "file"], "is a file", id="a file"),
        pytest.param(["--target", "docker", "-o", "."], "current folder", id="the current folder"),
        pytest.param(["--target", "dokcer", "-o", "out"], "docker|", id="no such target"),
        *(
            pytest.param(["--target", "docker", "-o", "out", *option.split()], option.split()[0], id=option.split()[0])
            for option in (
                "--name other",
                "--precision float32",
                "--tolerance 1e-3",
                "--time-limit 9",
                "--memory-limit 1GiB",
                "--trust a.B",
                "--python-path .",
                "--allow-version-mismatch",
            )
        ),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    quick: Path, artifact: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage ends with exit code 2 and one thing to type, and nothing is written."""
    (quick / "file").write_text("")

    assert main.run(["export", str(artifact), *arguments]) == 2

    assert told in capsys.readouterr().err
    assert [path.name for path in quick.iterdir()] == ["file"]


_DIES = """
import os, signal, sys
from pathlib import Path
from mlship.targets import bundle, folder
from mlship.targets.contract import Memory
bundle.measured = lambda _: Memory(1 << 27, 1 << 27)
write = Path.write_bytes
def dying(self, data):
    if self.name == "mlship.lock":
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, data)
Path.write_bytes = dying
bundle.write_bundle(bundle.BundleJob(Path(sys.argv[1]), "docker", Path(sys.argv[2])))
"""


@pytest.mark.parametrize("there", [False, True], ids=["new", "over an older one"])
def test_a_kill_leaves_no_half_of_it(quick: Path, artifact: Path, there: bool) -> None:
    """What is killed while it writes leaves the name free, or the bundle of before whole."""
    if there:
        assert export(artifact, "docker", "out") == 0

    done = run_code(_DIES, artifact, quick / "out")

    assert done.returncode == -9
    assert (quick / "out").exists() == there
    assert export(artifact, "docker", "out") == 0  # what is there is whole, else it would be refused


_NOT_MEASURED = """
import sys
from mlship.cli import main
from mlship.targets import bundle
from mlship.targets.contract import Memory
bundle.measured = lambda _: Memory(1 << 27, 1 << 27)
sys.exit(main.run(sys.argv[1:]))
"""


def test_a_fitted_model_is_exported_on_the_way(quick: Path) -> None:
    """A pickle is exported and proven first; what is told of both comes as one object."""
    samples = Path(__file__).resolve().parents[2] / "sample_models"
    command = ["export", str(samples / "diabetes" / "model.joblib"), "--target", "systemd", "-o", str(quick / "out")]

    done = run_code(_NOT_MEASURED, *command, "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bundle"]["name"] == "systemd"
    assert told["outputs"] == [str(quick / "out")]
    assert told["parity"]["rung"] == "exact"
    assert (quick / "out" / "mlship-serve-model.service").is_file()
