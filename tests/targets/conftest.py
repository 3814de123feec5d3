"""Bundles of a real model, and what the image that a bundle describes has in it, made once for all tests."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlship.cli import main
from mlship.targets import bundle as made
from mlship.targets.contract import Memory
from mlship.targets.measure import measured
from tests.serve.server import run
from tests.targets.box import Box, missing
from tests.targets.dockerfile import Stage, stages

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
INPUT = SAMPLES / "penguins" / "input.csv"
Bundle = Callable[[str], Path]


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The penguins' model, exported."""
    file = tmp_path_factory.mktemp("artifact") / "penguins.onnx"
    done = run("export", SAMPLES / "penguins" / "model.pkl", "--name", "penguins", "-o", file, "--quiet")
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="session")
def bundle(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Makes the bundle of that model for a target, or returns the one that is there; nobody changes it."""

    def make(target: str) -> Path:
        with _once(tmp_path_factory, f"bundle-{target}") as place:
            folder = place / target
            if not folder.exists():
                make_bundle(artifact, target, folder)
        return folder

    return make


def make_bundle(model: Path, target: str, folder: Path) -> dict[str, Any]:
    """Make a bundle in this process, and return what is told of it.

    The memory of a model, for which two processes are started, is measured once.
    """
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(told):
        patched.setattr(made, "measured", _measured)
        assert main.run(["export", str(model), "--target", target, "-o", str(folder), "--json"]) == 0
    found = json.loads(told.getvalue())
    assert isinstance(found, dict)
    return found


@cache
def _measured(model: Path) -> Memory:
    return measured(model)


@dataclass(frozen=True)
class Image:
    """What the Dockerfile describes.

    Attributes:
        stage: Its last stage.
        libraries: What is /opt/mlship in it.
        wheelhouse: What it was made of.
        bundle: The bundle that it was made from.
    """

    stage: Stage
    libraries: Path
    wheelhouse: Path
    bundle: Path

    def box(self, scratch: Path, model: Path | None = None) -> Box:
        """Return a container of the image, which may have another model in it."""
        env = {**self.stage.env, "PATH": self.stage.env["PATH"].replace("$PATH", "/opt/python:/usr/bin:/bin")}
        user = int(self.stage.user.partition(":")[0])
        binds = {"/opt/mlship": self.libraries, "/srv/model.onnx": model or self.bundle / "model.onnx"}
        return Box(scratch, binds, env, user)


@pytest.fixture(scope="session")
def image(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the docker bundle's Dockerfile builds, without a network: its RUN is run, on a wheelhouse filled before."""
    if (why := missing()) is not None:
        pytest.skip(why)
    folder = bundle("docker")
    first, last = stages((folder / "Dockerfile").read_text())
    with _once(tmp_path_factory, "image") as place:
        if not (place / "done").exists():
            _build(folder, first, place)
            (place / "done").touch()
    return Image(last, place / "libraries", place / "wheelhouse", folder)


@contextlib.contextmanager
def _once(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that all processes of a run share, for one of them at a time."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place


def _build(folder: Path, stage: Stage, place: Path) -> None:
    """Do what an engine would: the files that COPY names, and then RUN."""
    shutil.rmtree(place / "context", ignore_errors=True)
    shutil.copytree(folder, place / "context")
    context, libraries = place / "context", place / "libraries"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    fill = [str(context / "wheelhouse.sh"), version, platform.machine()]
    subprocess.run(fill, env={**os.environ, "PYTHON": sys.executable}, check=True, capture_output=True, timeout=240)
    shutil.move(context / "wheelhouse", place / "wheelhouse")
    built = place / "build"
    built.mkdir()
    for file in (context / "mlship.lock", *context.glob("*.whl"), *(place / "wheelhouse").iterdir()):
        shutil.copy(file, built)
    libraries.mkdir()
    env = {"PATH": "/opt/python:/usr/bin:/bin", "HOME": "/root", "PIP_NO_INDEX": "1"}
    box = Box(place / "root", {"/build": built, "/opt/mlship:rw": libraries}, env, user=0, folder="/build")
    (command,) = stage.run
    done = box.run(["/bin/sh", "-c", command], timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
