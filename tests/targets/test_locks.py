"""What bundles install: lists that keep to what pyproject.toml allows, for each platform, and to what CI can renew."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlship.targets.registry import TARGETS
from tests.targets.conftest import Bundle

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "mlship" / "targets" / "locks").glob("*.txt"))
_ENTRY = re.compile(r"^([\w.-]+)==([\w.]+)([^\\\n]*)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE)


def entries(lock: Path) -> dict[str, Version]:
    """Return the version of each library, and see that nothing else stands in the file."""
    text = lock.read_text()
    assert _ENTRY.sub("", text) == ""
    return {canonicalize_name(name): Version(version) for name, version, _, _ in _ENTRY.findall(text)}


def bounds() -> list[Requirement]:
    """Return all that pyproject.toml asks of libraries."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [
        Requirement(text) for text in (*project["dependencies"], *chain(*project["optional-dependencies"].values()))
    ]


def test_every_target_has_its_lock() -> None:
    """Each target names a list that is there, and each list is named by a target and has what it is made from."""
    assert {target.lock for target in TARGETS.values()} == {lock.stem for lock in LOCKS}
    assert all(lock.with_suffix(".in").is_file() for lock in LOCKS)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_keeps_to_the_bounds(lock: Path) -> None:
    """Each library has hashes and a version that pyproject.toml allows, and all that was asked for is there."""
    found = entries(lock)
    lines = (line.partition(" #")[0] for line in lock.with_suffix(".in").read_text().splitlines())
    asked = [Requirement(line) for line in lines if not line.startswith("#")]
    assert {canonicalize_name(one.name) for one in asked} <= found.keys()
    for bound in bounds():
        version = found.get(canonicalize_name(bound.name))
        assert version is None or bound.specifier.contains(version), f"{bound} {version}"
    assert not found.keys() & {"scikit-learn", "pandas", "joblib", "skops", "xgboost", "lightgbm", "catboost"}


@pytest.mark.whole
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.11", "3.13", "3.14"])
def test_a_wheelhouse_is_filled_for_every_platform(bundle: Bundle, machine: str, python: str, tmp_path: Path) -> None:
    """There is a wheel of everything for each Python and processor; needs a package index."""
    folder = bundle("docker")
    for name in ("wheelhouse.sh", "mlship.lock", *(path.name for path in folder.glob("*.whl"))):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    command = ["sh", "wheelhouse.sh", python, machine]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "wheelhouse").iterdir())) >= 35
