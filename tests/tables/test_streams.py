"""Packed files are unpacked in little memory, or refused as damaged; a pipe is read once."""

from __future__ import annotations

import gzip
import io
import shlex
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.errors import DependencyMissing, InputRefused, UsageError
from mlship.tables.streams import LocalFile, Packed, Packing, Pipe, packed

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
PACKINGS: tuple[Packing, ...] = ("gz", "zst")
TEXT = b"".join(b"line %d of a text\n" % (line * line) for line in range(20_000))

both = pytest.mark.parametrize("how", PACKINGS)


def put(folder: Path, data: bytes) -> LocalFile:
    """Write a file."""
    path = folder / "input.packed"
    path.write_bytes(data)
    return LocalFile(path)


def test_a_file_is_read_from_a_position_on(tmp_path: Path) -> None:
    """A file tells its size and name, and begins where it is told to."""
    given_file = put(tmp_path, b"0123456789")
    assert (given_file.size, given_file.seekable, given_file.name) == (10, True, str(tmp_path / "input.packed"))
    with given_file.open(7) as stream:
        assert stream.read() == b"789"


@both
@SAME_FOLDER
@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=5), start=st.integers(0, 300))
def test_packed_chunks_make_one_file(tmp_path: Path, how: Packing, parts: list[bytes], start: int) -> None:
    """Chunks packed one by one unpack, put together, to what they were, from any position on."""
    data = b"".join(packed(part, how) for part in parts)
    assert data == b"".join(packed(part, how) for part in parts)
    with Packed(put(tmp_path, data), how).open(start) as stream:
        assert stream.read() == b"".join(parts)[start:]


def test_other_tools_read_what_was_packed() -> None:
    """Python's gzip and the library for Zstandard unpack the same bytes, and no time is in them."""
    assert gzip.decompress(packed(TEXT, "gz")) == TEXT
    assert packed(TEXT, "gz")[4:8] == bytes(4)
    assert zstandard.ZstdDecompressor().decompress(packed(TEXT, "zst")) == TEXT


@both
@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
def test_reading_returns_what_was_asked_for(tmp_path: Path, how: Packing, step: int) -> None:
    """However much is read at a time, the bytes are the same."""
    data = packed(TEXT[:5000], how) + packed(b"", how) + packed(TEXT[5000:9000], how)
    with Packed(put(tmp_path, data), how).open() as stream:
        parts = list(iter(lambda: stream.read(step), b""))
    assert all(len(part) <= step for part in parts)
    assert b"".join(parts) == TEXT[:9000]


@both
def test_files_cut_anywhere_are_refused(tmp_path: Path, how: Packing) -> None:
    """A file that ends too early is refused, unless it ends where a chunk does, and never read as a shorter one."""
    first, second = packed(TEXT[:300], how), packed(TEXT[300:600], how)
    data = first + second
    for length in range(1, len(data)):
        if length == len(first):
            continue
        with Packed(put(tmp_path, data[:length]), how).open() as stream:
            with pytest.raises(InputRefused, match=r"input\.packed' is no .* it ends too early") as caught:
                stream.read()
            assert caught.value.code == "damaged_input"


@both
@pytest.mark.parametrize("tail", [b"x", b"garbage", bytes(512), b"\x1f\x8b", b"\x28\xb5\x2f\xfd\0"])
def test_what_follows_the_end_is_refused(tmp_path: Path, how: Packing, tail: bytes) -> None:
    """Bytes after the last chunk that are none are refused, zeros too: a disk that lost power leaves such."""
    with Packed(put(tmp_path, packed(TEXT, how) + tail), how).open() as stream, pytest.raises(InputRefused) as caught:
        stream.read()
    assert caught.value.code == "damaged_input"


@both
def test_changed_bytes_are_refused(tmp_path: Path, how: Packing) -> None:
    """A byte changed in the packed data ends in a refusal, or changes nothing of what it unpacks to."""
    data = packed(TEXT[:2000], how)
    refused = 0
    for at in range(20, len(data)):
        changed = data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]
        with Packed(put(tmp_path, changed), how).open() as stream:
            try:
                assert stream.read() == TEXT[:2000]
            except InputRefused:
                refused += 1
    assert refused > 0.9 * (len(data) - 20)


@both
def test_other_bytes_are_refused(tmp_path: Path, how: Packing) -> None:
    """What is not packed at all is refused; an empty file is one without bytes."""
    with Packed(put(tmp_path, b"a,b\n1,2\n"), how).open() as stream, pytest.raises(InputRefused, match="is no "):
        stream.read()
    with Packed(put(tmp_path, b""), how).open() as stream:
        assert stream.read() == b""


@both
def test_the_hint_can_be_typed(tmp_path: Path, how: Packing) -> None:
    """The tool that the hint names finds the same damage."""
    with Packed(put(tmp_path, packed(TEXT, how)[:-3]), how).open() as stream, pytest.raises(InputRefused) as caught:
        stream.read()
    command = shlex.split((caught.value.hint or "").partition(": ")[2])
    assert command[:2] == [{"gz": "gzip", "zst": "zstd"}[how], "-t"]
    if shutil.which(command[0]):
        result = subprocess.run(
            ["/bin/sh", "-c", f"{command[0]} -t < '{command[2]}'"], capture_output=True, check=False
        )
        assert result.returncode != 0


@both
def test_a_bomb_takes_little_memory(tmp_path: Path, how: Packing) -> None:
    """A file that unpacks to a thousand times its size is read in bounded memory."""
    size = 1 << 27
    bomb = gzip.compress(bytes(size), 1) if how == "gz" else zstandard.ZstdCompressor().compress(bytes(size))
    assert size / len(bomb) > 200
    given_file = Packed(put(tmp_path, bomb), how)
    tracemalloc.start()
    try:
        with given_file.open() as stream:
            read = sum(len(part) for part in iter(lambda: stream.read(1 << 16), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == size
    assert peak < 4 << 20


def test_a_window_too_large_is_refused_with_what_makes_it_smaller(tmp_path: Path) -> None:
    """A frame that asks for gigabytes of memory is refused as such."""
    settings_of_frame = zstandard.ZstdCompressionParameters(window_log=30)
    frames = zstandard.ZstdCompressor(compression_params=settings_of_frame).compressobj()
    data = frames.compress(TEXT) + frames.flush()
    with Packed(put(tmp_path, data), "zst").open() as stream, pytest.raises(InputRefused) as caught:
        stream.read()
    assert caught.value.code == "window_too_large"
    assert "zstd -d --long=31" in (caught.value.hint or "")


def test_frames_that_hold_no_data_are_passed_over(tmp_path: Path) -> None:
    """A skippable frame, and one without checksum or size, are as the format has them."""
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    writer = zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compressobj()
    bare = writer.compress(TEXT) + writer.flush()
    with Packed(put(tmp_path, skippable + bare + skippable), "zst").open() as stream:
        assert stream.read() == TEXT
    with Packed(put(tmp_path, bare + skippable[:-1]), "zst").open() as stream, pytest.raises(InputRefused):
        stream.read()


def test_zstandard_is_asked_for_when_it_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its library, a .zst file ends with what to install."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for use in (lambda: Packed(put(tmp_path, b""), "zst").open(), lambda: packed(b"", "zst")):
        with pytest.raises(DependencyMissing, match="zstandard") as caught:
            use()
        assert caught.value.hint == "pip install 'mlship[zstd]'"


def test_a_pipe_is_opened_once() -> None:
    """Standard input has no second reading, and no other place to begin."""
    pipe = Pipe("-", io.BytesIO(b"abc"))
    assert (pipe.name, pipe.size, pipe.seekable) == ("-", None, False)
    with pytest.raises(UsageError, match="'-' can be read only once, and only from its beginning"):
        pipe.open(1)
    assert pipe.open().read() == b"abc"
    with pytest.raises(UsageError) as caught:
        pipe.open()
    assert caught.value.hint == "Save it to a file first, and name that file."


@both
def test_a_packed_pipe_is_unpacked(how: Packing) -> None:
    """What is packed may come through a pipe."""
    with Packed(Pipe("-", io.BytesIO(packed(TEXT, how))), how).open(10) as stream:
        assert stream.read() == TEXT[10:]
