"""What outputs on a disk share: the work folder beside them, its lock, its record of what was done."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.batch.outputs.contract import Done
from mlship.batch.rejects import is_rejects_file
from mlship.errors import OutputFailed, OutputLocked, UsageError
from mlship.files import locked, publish, sync_directory, write_atomic

LOCK, RECORD, JOURNAL = "lock", "record.json", "journal"
OVERWRITE = "Write elsewhere with -o, or replace it with --overwrite."
_BLOCK = 1 << 20


@dataclass(frozen=True)
class FileState:
    """What changes when a file is written to or replaced.

    Attributes:
        size: Its size in bytes.
        changed_ns: When it was last written to, in nanoseconds.
        device: The file system that it is on.
        inode: Its number there.
    """

    size: int
    changed_ns: int
    device: int
    inode: int

    def to_json(self) -> dict[str, int]:
        """Return it as plain JSON values."""
        return {"size": self.size, "changed_ns": self.changed_ns, "device": self.device, "inode": self.inode}

    @classmethod
    def of(cls, path: Path) -> FileState | None:
        """Return a file's present state, or None when it is not there."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino)


class WorkFolder:
    """The folder `.<output name>.mlship` beside an output.

    The lock file in it is never removed: another run may just be about to lock it.

    Args:
        output: The output's final name.
        share: A folder in it for one of several runs that share the output, or empty.
    """

    def __init__(self, output: Path, share: str = "") -> None:
        self.output = output
        self.folder = work_folder(output) / share if share else work_folder(output)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the output's lock for the length of a `with` block.

        Raises:
            OutputFailed: The folder cannot be made.
            OutputLocked: Another run holds it.
        """
        try:
            self.folder.mkdir(parents=self.folder.parent != self.output.parent, exist_ok=True)
        except OSError as error:
            parent = self.output.parent
            hint = None if parent.is_dir() else f"Make the folder first: mkdir -p '{parent}'"
            raise OutputFailed(f"'{self.output}' cannot be written: {error.strerror or error}.", hint=hint) from error
        with locked(self.folder / LOCK, str(self.output)):
            yield

    def record(self) -> dict[str, Any] | None:
        """Return the record of the last finished run, or None when there is no readable one."""
        try:
            record = json.loads((self.folder / RECORD).read_bytes())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def write_record(self, record: dict[str, Any]) -> None:
        """Keep a record.

        Raises:
            OutputFailed: The system refused.
        """
        text = json.dumps(record, ensure_ascii=False, indent=2)
        write_atomic(self.folder / RECORD, text.encode() + b"\n")

    def tidy(self, what: str) -> None:
        """After a finished run that could not do so: make its names durable, and remove what it left.

        Args:
            what: The output, for messages.

        Raises:
            OutputFailed: The disk failed.
        """
        with system_errors(what):
            sync_directory(self.output.parent)
        with contextlib.suppress(OSError, OutputLocked, OutputFailed):  # whoever holds it does that itself
            left = {path.name for path in self.folder.iterdir()} - {LOCK, RECORD}
            if left and not any(name.startswith("shard-") for name in left):  # those began after the run had finished
                with self.held():
                    self.clear()

    def clear(self) -> None:
        """Remove all but lock and record; what cannot be removed is left for the next run to remove or to name."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name in (LOCK, RECORD):
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def work_folder(output: Path) -> Path:
    """Return the work folder of an output."""
    return output.with_name(f".{output.name}.mlship")


def check_rejects(path: Path, output: Path | None, *, overwrite: bool) -> None:
    """Refuse to replace a file that is no rejects file of ours, or that of another output.

    Args:
        path: The rejects file.
        output: The output whose rejected rows it will tell, or None for standard output.
        overwrite: Whether it may be replaced all the same.

    Raises:
        UsageError: It is something else.
    """
    owner = None if overwrite else _owner(path)
    if owner is not None and (output is None or owner != work_folder(output).absolute()):
        raise UsageError(
            f"'{path}' tells the rejected rows of another output, '{owner.name[1:].removesuffix('.mlship')}'.",
            hint=f"Name another: --rejects '{path.with_name('other.' + path.name)}'",
            code="output_exists",
        )
    if path.exists() and not is_rejects_file(path) and not overwrite:
        raise UsageError(
            f"'{path}' is there already and is no rejects file of mlship.", hint=OVERWRITE, code="output_exists"
        )


def _owner(path: Path) -> Path | None:
    """The work folder of the output whose rejected rows a file tells; None when no output beside it says so."""
    if not path.exists():
        return None
    for record in path.absolute().parent.glob(".*.mlship/record.json"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            told = json.loads(record.read_bytes()).get("rejects_file")
            if told and Path(told).name == path.name:
                return record.parent
    return None


def has_rejects(record: dict[str, Any], path: Path) -> bool:
    """Tell whether the rejects file that a record tells of is there, under the name that it should have now."""
    told = record.get("rejects_file")
    return told is None or (told == str(path) and path.is_file())


def verified(path: Path, start: int, pieces: list[tuple[int, str]], whole: Any = None) -> int:
    """Return how many of a file's pieces, one after the other, are what their digests say.

    Args:
        path: The file.
        start: Where the first piece begins.
        pieces: For each its size and sha256.
        whole: A running hash that gets every byte looked at, or None.

    Raises:
        OSError: The system could not read.
    """
    with path.open("rb") as stream:
        stream.seek(start)
        for count, (size, digest) in enumerate(pieces):
            found = hashlib.sha256()
            left = size
            while left and (block := stream.read(min(left, _BLOCK))):
                found.update(block)
                if whole is not None:
                    whole.update(block)
                left -= len(block)
            if left or found.hexdigest() != digest:
                return count
    return len(pieces)


def truncate(path: Path, size: int) -> None:
    """Cut a file to a size, and leave it absent where it is."""
    with contextlib.suppress(FileNotFoundError):
        os.truncate(path, size)


def copy_published(part: Path, final: Path) -> None:
    """Give a copy of a file that only its owner may read a final name.

    Raises:
        OutputFailed: The system refused.
    """
    copy = part.with_name(part.name + ".copy")
    try:
        copy.unlink(missing_ok=True)
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream, part.open("rb") as source:
            shutil.copyfileobj(source, stream)
    except OSError as error:
        raise OutputFailed(f"'{final}' could not be written: {error.strerror or error}.") from error
    publish(copy, final)


def publish_rejects(part: Path, final: Path, *, there: bool) -> None:
    """Give the rejects of a run their name, or remove those of an earlier one when it has none.

    Raises:
        OutputFailed: The system refused.
    """
    with system_errors(final):
        if there:
            copy_published(part, final)
        else:
            final.unlink(missing_ok=True)


@contextlib.contextmanager
def system_errors(path: Path | str, done: str = "written") -> Iterator[None]:
    """Tell a failure of the system with the path that the user knows."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(
            f"'{path}' could not be {done}: {error.strerror or error}.",
            hint="Make room and run the same command again, which goes on: df -h" if done == "written" else None,
        ) from error


def prefix(done: list[Done], checks: list[Callable[[list[Done]], int]]) -> list[Done]:
    """Return the chunks that all checks find whole, as a prefix."""
    return done[: min((check(done) for check in checks), default=len(done))]
