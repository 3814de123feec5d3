"""A load that crashes, hangs or eats memory ends in a child process; this one goes on and says what happened."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mlship.cli.main import run
from mlship.errors import MlshipError, ModelRefused
from mlship.export.job import ExportJob, ExportReport
from mlship.export.loading import Bounds, Loading
from mlship.export.run import run_export
from tests.export.files import fitted

MIB = 2**20


def export(path: Path, bounds: Bounds) -> ExportReport:
    """Export a file beside itself."""
    return run_export(ExportJob(path, path.with_suffix(".onnx"), loading=Loading(bounds=bounds)))


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
}


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_a_bomb_is_not_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A small file that would unpack to a large one is refused once the limit is reached."""
    (tmp_path / "model.pkl").write_bytes(pack(bytes(32 * MIB)))

    with pytest.raises(ModelRefused, match=r"model.pkl' unpacks to more than 16 MiB, which no model of its size does"):
        export(tmp_path / "model.pkl", Bounds(unpacked=16 * MIB))


def _nested_keys() -> bytes:
    """A pickle of some hundred bytes with a key whose hash takes 2 to the power of 60 steps."""
    code = pickle.PROTO + b"\x04" + pickle.EMPTY_DICT + b"K\x01"
    for _ in range(60):
        code += pickle.DUP + pickle.TUPLE2
    return code + b"K\x01" + pickle.SETITEM + pickle.STOP


def test_a_load_that_takes_for_ever_is_ended(tmp_path: Path) -> None:
    """A file that keeps the processor busy without end is refused when the time is over."""
    (tmp_path / "model.pkl").write_bytes(_nested_keys())

    with pytest.raises(ModelRefused, match=r"model.pkl' cannot be loaded within 1 seconds") as refused:
        export(tmp_path / "model.pkl", Bounds(seconds=1))
    assert refused.value.exit_code == 4
    assert refused.value.code == "load_limit"


def test_a_load_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    """A file that asks for more memory than a model of its size needs is refused."""
    sets = pickle.MARK + pickle.EMPTY_SET * 2_000_000 + pickle.LIST  # some 220 bytes of memory for each of its own
    (tmp_path / "model.pkl").write_bytes(pickle.PROTO + b"\x04" + sets + pickle.STOP)

    with pytest.raises(ModelRefused, match=r"model.pkl' cannot be loaded within 62 MiB of memory") as refused:
        export(tmp_path / "model.pkl", Bounds(bytes=MIB))
    assert refused.value.code == "load_limit"


def test_a_refusal_leaves_this_process_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After a file was refused, a sound one is loaded, the environment is whole, and nothing was printed."""
    before = dict(os.environ)
    (tmp_path / "hostile.pkl").write_bytes(_nested_keys()[:-2])
    (tmp_path / "sound.pkl").write_bytes(pickle.dumps(fitted()))

    with pytest.raises(MlshipError):
        export(tmp_path / "hostile.pkl", Bounds(seconds=1))
    assert export(tmp_path / "sound.pkl", Bounds()).output.exists()
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


def test_zeros_without_end_are_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    """A device is refused before anything of it is read."""
    assert run(["export", os.devnull]) == 4
    assert "is not a regular file" in capsys.readouterr().err
