"""One file on a disk as output.

`.<output name>.mlship/` holds, while a run works, the journal, the output so far (or its parts, for formats whose
files are no appended chunks), and the rejects; so nothing partial ever stands under a final name. After a success it
holds `record.json`, by which the next run knows the output as ours, and knows that nothing is left to do.

The record is written right before the output gets its name and tells both the new file's digest and that of the
one it replaces, so that whichever of the two a crash leaves is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlship.batch.journal import Journal, write_all
from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.work import (
    JOURNAL,
    OVERWRITE,
    FileState,
    WorkFolder,
    check_rejects,
    copy_published,
    has_rejects,
    publish_rejects,
    system_errors,
    truncate,
    verified,
)
from mlship.errors import DamagedChunk, OutputLocked, UsageError
from mlship.files import file_digest, give_name

_SPARE_DESCRIPTOR = 0o600


@dataclass(frozen=True)
class FileTarget:
    """Where a file goes, and how it is made.

    Attributes:
        output: Its final name.
        rejects: The final name of its rejects file.
        assemble: Makes it of parts, for formats that do not append; else None.
    """

    output: Path
    rejects: Path
    assemble: Callable[[Sequence[Path], Path], None] | None = None


class FileOutput:
    """One output file; see `batch.outputs.contract.Output`.

    Args:
        target: Where it goes.
    """

    whole_files = False
    resumable = True

    def __init__(self, target: FileTarget) -> None:
        self.name = str(target.output)
        self.dropped: str | None = None
        self._target = target
        self._work = WorkFolder(target.output)
        self._journal = Journal(self._work / JOURNAL)
        self._found: FileState | None = None
        self._replaces: str | None = None
        self._part = self._work / f"output{target.output.suffix}"
        self._rejects_part = self._work / "rejects.ndjson"
        self._streams: tuple[IO[bytes], IO[bytes]] | None = None
        self._head: dict[str, Any] = {}

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """Refuse to replace what mlship did not write, and tell whether the job is done already."""
        with system_errors(self.name, "looked at"):
            record = self._work.record() or {}
            self._found = FileState.of(self._target.output)
            check_rejects(self._target.rejects, self._target.output, overwrite=overwrite)
            if self._found is None:
                return None
            self._replaces = file_digest(self._target.output)
        ours = self._replaces in (record.get("output_sha256"), record.get("replaced_sha256"))
        if not ours and not overwrite:
            raise UsageError(
                f"'{self.name}' is there already and was not written by mlship, or was changed since.",
                hint=OVERWRITE,
                code="output_exists",
            )
        if self._replaces != record.get("output_sha256") or record.get("job") != job:
            return None
        if not has_rejects(record, self._target.rejects):
            return None
        self._work.tidy(self.name)
        return record

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Hold the output for the length of a `with` block."""
        return self._held()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with self._work.held():
            self._check_unchanged()
            try:
                yield
            finally:
                self._close()

    def _check_unchanged(self) -> None:
        if FileState.of(self._target.output) != self._found:
            raise OutputLocked(
                f"'{self.name}' was written by something else meanwhile.",
                hint="Look at it, then run the command again.",
            )

    def resume(self, job: dict[str, Any], *, restart: bool, same: Callable[[Done], bool]) -> list[Done]:
        """Return the chunks of an unfinished run of this job that are whole."""
        with system_errors(self.name):
            head, done = self._journal.read()
            self._head = {"job": job}
            done, self.dropped = of_job(head, done, job, same=None if restart else same)
            if head is not None and done:
                self._head = {**head, "job": job}
                done = self._whole(done)
            if not done:
                self._work.clear()
                self._head = {"job": job}
                return []
            self._cut(done)
            self._open(done)
        return done

    def _whole(self, done: list[Done]) -> list[Done]:
        """The chunks all of whose bytes are as the journal says."""
        with contextlib.suppress(FileNotFoundError):
            return done[: max(0, self._count(done))]
        return []

    def _count(self, done: list[Done], whole: Any = None) -> int:
        """How many chunks are whole up to the first that is not; -1 when what the file begins with is not.

        Args:
            done: The chunks.
            whole: A running hash that gets every byte of a file that is appended to, or None.
        """
        count = verified(self._rejects_part, 0, [(chunk.rejects_size, chunk.rejects_digest) for chunk in done])
        head = self._head["head_size"], self._head["head_digest"]
        if self._target.assemble is None:
            pieces = [head, *((chunk.size, chunk.digest) for chunk in done)]
            return min(count, verified(self._part, 0, pieces, whole) - 1)
        if not verified(self._part_of(None), 0, [head]):
            return -1
        bad = (at for at, chunk in enumerate(done) if not is_part(self._part_of(chunk.index), chunk))
        return min(count, next(bad, count))

    def _cut(self, done: list[Done]) -> None:
        """Take off what is not whole."""
        truncate(self._rejects_part, sum(chunk.rejects_size for chunk in done))
        if self._target.assemble is None:
            truncate(self._part, self._head["head_size"] + sum(chunk.size for chunk in done))

    def begin(self, head: bytes) -> None:
        """Begin the file."""
        self._head |= {"head_size": len(head), "head_digest": hashlib.sha256(head).hexdigest()}
        with system_errors(self.name):
            if self._target.assemble is not None:
                (self._work / "parts").mkdir()
                self._part_of(None).write_bytes(head)
            else:
                self._part.write_bytes(head)
            self._open([])

    def _open(self, done: list[Done]) -> None:
        self._journal.begin(self._head, done)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        rejects = os.fdopen(os.open(self._rejects_part, flags, _SPARE_DESCRIPTOR), "ab", buffering=0)
        self._streams = self._part.open("ab", buffering=0), rejects

    def _part_of(self, index: int | None) -> Path:
        """The part of a chunk, or of what a file begins with."""
        return self._work / "parts" / ("head" if index is None else f"{index:08d}")

    def add(self, done: Done, data: bytes, rejects: bytes) -> None:
        """Append a chunk."""
        assert self._streams is not None
        output, rejected = self._streams
        with system_errors(self.name):
            if self._target.assemble is not None:
                self._part_of(done.index).write_bytes(data)
            else:
                write_all(output, data)
            write_all(rejected, rejects)
            self._journal.add(done, *(() if self._target.assemble else (output,)), rejected)

    def publish(self, record: dict[str, Any], done: Sequence[Done]) -> Published:
        """Look at every byte once more, then give output and rejects file their names."""
        self._check_unchanged()
        with system_errors(self.name):
            digest = self._checked(list(done))
            if self._target.assemble is not None:
                parts = [self._part_of(None), *(self._part_of(chunk.index) for chunk in done)]
                self._part.unlink(missing_ok=True)
                self._target.assemble(parts, self._part)
                digest = file_digest(self._part)
            with self._part.open("rb+") as stream:
                self._journal.sync(stream)
        rejects = self._target.rejects if any(chunk.rejects_size for chunk in done) else None
        published = Published((self.name,), None if rejects is None else str(rejects), {self.name: digest})
        told = {"outputs": [self.name], "rejects_file": published.rejects}
        # Before the record: where the output stays the same, the record alone says that all is done.
        publish_rejects(self._rejects_part, self._target.rejects, there=rejects is not None)
        self._work.write_record({**record, **told, "output_sha256": digest, "replaced_sha256": self._replaces})
        give_name(self._part, self._target.output)
        self._close()
        self._work.clear()
        return published

    def _checked(self, done: list[Done]) -> str:
        """The digest of the whole output, every chunk of which is what was written."""
        whole = hashlib.sha256()
        count = self._count(done, whole)
        if self._target.assemble is None:
            size = self._head["head_size"] + sum(chunk.size for chunk in done)
            if self._part.stat().st_size != size:
                count = min(count, len(done) - 1)
        if count < len(done):
            raise DamagedChunk(
                f"Chunk {max(count, 0)} of '{self.name}' is not on the disk as it was written.",
                hint="Check the disk, then run the same command again: it scores that chunk anew.",
            )
        return whole.hexdigest()

    def publish_rejects(self) -> str | None:
        """Give a copy of the rejects its name."""
        copy_published(self._rejects_part, self._target.rejects)
        return str(self._target.rejects)

    def _close(self) -> None:
        self._journal.close()
        for stream in self._streams or ():
            with contextlib.suppress(OSError):  # what is not on the disk as it should be is found before it is used
                stream.close()
        self._streams = None


def is_part(path: Path, done: Done) -> bool:
    """Tell whether a file is the part that a journal tells of."""
    with contextlib.suppress(OSError):
        return path.stat().st_size == done.size and file_digest(path) == done.digest
    return False


def of_job(
    head: dict[str, Any] | None, done: list[Done], job: dict[str, Any], same: Callable[[Done], bool] | None
) -> tuple[list[Done], str | None]:
    """Return which chunks of a journal are of a job, as a prefix, and why the others are dropped.

    Args:
        head: The journal's first line, or None when there is no journal.
        done: Its chunks.
        job: The job.
        same: Asked of each chunk where inputs were touched since; None to drop them all.
    """
    if head is None:
        return [], None
    before = head.get("job")
    if same is None:
        return [], "it was told to"
    if before == job or not isinstance(before, dict):
        return (done, None) if before == job else ([], "its journal cannot be read")
    other = [name for name in job if before.get(name) != job[name]]
    if other != ["times"]:
        return [], f"it was of {' and '.join(f'another {name}' for name in other if name != 'times')}"
    kept = next((at for at, chunk in enumerate(done) if not same(chunk)), len(done))
    return done[:kept], None if kept == len(done) else "an input changed since"
