"""Files are whole or not there, keep the user's rights, and are locked against a second run."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlship.errors import OutputFailed, OutputLocked
from mlship.files import current_umask, file_digest, locked, publish, write_atomic

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python on a piece of code."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def umask() -> Iterator[None]:
    """Put the process's umask back after a test."""
    before = current_umask()
    yield
    os.umask(before)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_digest(tmp_path: Path, size: int) -> None:
    """The digest of a file is the sha256 of its bytes, whatever the size."""
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    assert file_digest(tmp_path / "f") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["model.onnx", "São é.onnx", "a b", "-x", "x" * 200])
def test_write(tmp_path: Path, name: str) -> None:
    """A file is written and written over, and nothing else is left in its folder."""
    for data in (b"old", b"newer", b""):
        write_atomic(tmp_path / name, data)
        assert (tmp_path / name).read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)])
@pytest.mark.usefixtures("umask")
def test_umask_is_respected(tmp_path: Path, mask: int, mode: int) -> None:
    """A new file has the rights that the user's umask gives, and the umask is left as it was."""
    os.umask(mask)
    write_atomic(tmp_path / "f", b"x")
    assert (tmp_path / "f").stat().st_mode & 0o777 == mode
    assert current_umask() == mask


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name is written into the current directory."""
    monkeypatch.chdir(tmp_path)
    write_atomic(Path("f"), b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_disk_full_keeps_the_old_file(tmp_path: Path) -> None:
    """When the system takes no more bytes the old file is whole, and no half of the new one is left."""
    write_atomic(tmp_path / "f", b"old")
    code = """
    import resource, signal, sys
    from pathlib import Path
    from mlship.errors import OutputFailed
    from mlship.files import write_atomic
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        write_atomic(Path(sys.argv[1]), bytes(1 << 20))
    except OutputFailed as error:
        print(error.exit_code, error.message)
    """
    output, _ = python(code, tmp_path / "f").communicate(timeout=60)
    assert output == f"6 '{tmp_path / 'f'}' could not be written: {os.strerror(errno.EFBIG)}.\n"
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is named, with the command that makes it."""
    with pytest.raises(OutputFailed) as caught:
        write_atomic(tmp_path / "no" / "f", b"x")
    assert caught.value.message == f"'{tmp_path / 'no' / 'f'}' could not be written: No such file or directory."
    assert caught.value.hint == f"Make the folder first: mkdir -p '{tmp_path / 'no'}'"
    assert caught.value.exit_code == 6


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, a folder that even root cannot write into")
def test_folder_that_takes_no_files() -> None:
    """A folder in which nothing can be made is an error of the output, not a crash."""
    with pytest.raises(OutputFailed, match=r"^'/proc/f' could not be written: ") as caught:
        write_atomic(Path("/proc/f"), b"x")
    assert caught.value.hint is None


def test_devices_pipes_and_folders_are_never_replaced(tmp_path: Path) -> None:
    """What is no regular file stays what it is: root would replace /dev/null for the whole machine."""
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "null"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to("/dev/null")
    for path in (pipe, folder, link):
        with pytest.raises(OutputFailed) as caught:
            write_atomic(path, b"x")
        assert caught.value.message == f"'{path}' could not be written: it is not a regular file."
    assert pipe.is_fifo()
    assert folder.is_dir()
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "null", "pipe"]


def test_link_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    """A link to a file, or to nothing, gives way to the new file; what it pointed to stays."""
    (tmp_path / "old").write_bytes(b"old")
    for name, target in (("link", "old"), ("dangling", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / target)
        write_atomic(tmp_path / name, b"new")
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "old").read_bytes() == b"old"


def test_publish_moves_a_finished_file(tmp_path: Path) -> None:
    """Publishing puts the part under the final name, over an older file."""
    (tmp_path / "part").write_bytes(b"new")
    (tmp_path / "f").write_bytes(b"old")
    publish(tmp_path / "part", tmp_path / "f")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("f", b"new")]


def test_publish_of_nothing(tmp_path: Path) -> None:
    """A part that is not there leaves the final file as it was."""
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(OutputFailed, match=r"'.*f' could not be written: No such file or directory"):
        publish(tmp_path / "part", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"old"


def test_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems cannot sync a folder; the file is whole under its name all the same."""
    sync = os.fsync

    def files_only(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112 - a descriptor's link
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr("mlship.files.os.fsync", files_only)
    write_atomic(tmp_path / "f", b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_readers_see_one_whole_file_or_the_other(tmp_path: Path) -> None:
    """While a file is written over and over, a reader never sees a part of one."""
    path, sizes = tmp_path / "f", (10, 200_000)
    write_atomic(path, bytes(sizes[0]))
    done = threading.Event()
    seen: set[int] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        write_atomic(path, bytes(sizes[turn % 2]))
    done.set()
    reader.join()
    assert seen <= set(sizes)


HOLD = """
import sys
from pathlib import Path
from mlship.files import locked
with locked(Path(sys.argv[1]), "out.csv"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_excludes_another_process_and_dies_with_it(tmp_path: Path) -> None:
    """A second process is refused while the first lives, and let in as soon as it was killed."""
    lock = tmp_path / "lock"
    holder = python(HOLD, lock)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputLocked) as caught, locked(lock, "out.csv"):
            pytest.fail("held twice")
        assert caught.value.message == "Another run of mlship is writing 'out.csv'."
        assert caught.value.hint == "Wait for it to end, or write elsewhere with -o."
        assert caught.value.exit_code == 7
        holder.kill()
        holder.wait(30)
        with locked(lock, "out.csv"):
            assert lock.exists()
    finally:
        holder.kill()
        holder.communicate()


def test_lock_is_freed_after_the_block(tmp_path: Path) -> None:
    """A lock is held within its block only, also when the block fails, and within one process too."""
    lock = tmp_path / "lock"
    with pytest.raises(ValueError, match="inside"), locked(lock, "f"):
        raise ValueError("inside")
    with locked(lock, "f"), pytest.raises(OutputLocked), locked(lock, "f"):
        pytest.fail("held twice")
    with locked(lock, "f"), locked(tmp_path / "other", "g"):
        pass


def test_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A lock file that cannot be made is an error of the output."""
    for path in (tmp_path / "no" / "lock", tmp_path):
        with pytest.raises(OutputFailed, match=r"^'out\.csv' could not be written: "), locked(path, "out.csv"):
            pytest.fail("held")


def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no locks is an error of the output."""

    def no_locks(_stream: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OutputFailed) as caught, locked(tmp_path / "lock", "out.csv"):
        pytest.fail("held")
    assert caught.value.message == "'out.csv' could not be locked: No locks available."
