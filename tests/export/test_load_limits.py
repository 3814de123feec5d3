"""A load that crashes, hangs or eats memory ends in a child process; this one goes on and says what happened."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pickle
import signal
import socket
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mlship.cli.main import run
from mlship.errors import MlshipError, ModelRefused
from mlship.export.child import rehearse
from mlship.export.load import load_model
from mlship.export.loading import Bounds, Loading
from tests.export.files import fitted

MIB = 2**20


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
        load_model(tmp_path / "model.pkl", Loading(bounds=Bounds(unpacked=16 * MIB)))


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
        load_model(tmp_path / "model.pkl", Loading(bounds=Bounds(seconds=1)))
    assert refused.value.exit_code == 4
    assert refused.value.code == "load_limit"


def test_a_load_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    """A file that asks for more memory than a model of its size needs is refused."""
    lists = pickle.MARK + pickle.EMPTY_LIST * 4_000_000 + pickle.LIST  # some 60 bytes of memory for each of its own
    (tmp_path / "model.pkl").write_bytes(pickle.PROTO + b"\x04" + lists + pickle.STOP)

    with pytest.raises(ModelRefused, match=r"model.pkl' cannot be loaded within 123 MiB of memory") as refused:
        load_model(tmp_path / "model.pkl", Loading(bounds=Bounds(bytes=MIB)))
    assert refused.value.code == "load_limit"


def test_a_crash_is_told() -> None:
    """Work that kills its process is refused with the signal's name."""
    with pytest.raises(ModelRefused, match=r"'m.pkl' cannot be loaded: the process that tried was ended by SIGSEGV"):
        rehearse(lambda: os.kill(os.getpid(), signal.SIGSEGV), "'m.pkl'", 1, Bounds())


def test_what_is_said_of_the_file_passes_through() -> None:
    """An error of the work arrives with its text, its hint and its code."""

    def refuse() -> None:
        raise ModelRefused("Not this one.", hint="Take another.", code="untrusted")

    with pytest.raises(ModelRefused, match="Not this one") as refused:
        rehearse(refuse, "'m.pkl'", 1, Bounds())
    assert (refused.value.hint, refused.value.code) == ("Take another.", "untrusted")


def test_the_child_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the child no file can be written, no variable of the parent's read, and nothing printed."""
    monkeypatch.setenv("MLSHIP_TEST_SECRET", "1")

    def look() -> None:
        print("not to be seen")  # noqa: T201
        found = [name for name in os.environ if not name.endswith("_THREADS")]
        try:
            (tmp_path / "written").write_text("x")
        except OSError:
            found.append("no file")
        raise ModelRefused(" ".join(found))

    with pytest.raises(ModelRefused, match=r"^no file$"):
        rehearse(look, "'m.pkl'", 1, Bounds())


def test_a_refusal_leaves_this_process_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After a file was refused, a sound one is loaded, the environment is whole, and nothing was printed."""
    before = dict(os.environ)
    (tmp_path / "hostile.pkl").write_bytes(_nested_keys()[:-2])
    (tmp_path / "sound.pkl").write_bytes(pickle.dumps(fitted()))

    with pytest.raises(MlshipError):
        load_model(tmp_path / "hostile.pkl", Loading(bounds=Bounds(seconds=1)))
    assert load_model(tmp_path / "sound.pkl").kind == "pickle"
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


def test_the_network_is_out_of_reach_where_the_system_has_that() -> None:
    """A server of this process cannot be reached from the child where namespaces can be made; else it can."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def connect() -> None:
            names = {name for _, name in socket.if_nameindex()}
            try:
                socket.create_connection(server.getsockname(), timeout=5).close()
            except OSError:
                raise ModelRefused("out of reach") from None
            raise ModelRefused("alone" if names == {"lo"} else "reached")

        with pytest.raises(ModelRefused, match=r"out of reach|reached"):
            rehearse(connect, "'m.pkl'", 1, Bounds())


def test_zeros_without_end_are_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    """A device is refused before anything of it is read."""
    assert run(["export", os.devnull]) == 4
    assert "is not a regular file" in capsys.readouterr().err
