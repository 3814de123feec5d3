"""A folder of parts on a disk as output: each chunk a file of its own, `_SUCCESS` when all are there.

While a run works, its parts lie in the work folder. A run that writes all of them gives the folder its name as a
whole. Runs that share the output (`--shard`) each move their parts into it and leave a note `_shard-I-of-N.json`;
the one that finds all notes there writes `_SUCCESS`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlship.batch.job import Shard
from mlship.batch.journal import Journal, write_all
from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.file import is_part, of_job
from mlship.batch.outputs.joining import (
    SHORTLY,
    SUCCESS,
    check_no_shard,
    check_strangers,
    is_joined,
    join,
    known_names,
    note_name,
    patient,
)
from mlship.batch.outputs.listing import DiskListing
from mlship.batch.outputs.work import (
    JOURNAL,
    WorkFolder,
    check_rejects,
    copy_published,
    has_rejects,
    publish_rejects,
    system_errors,
    truncate,
    verified,
)
from mlship.errors import DamagedChunk
from mlship.files import file_digest, sync_directory


@dataclass(frozen=True)
class FolderTarget:
    """Where parts go.

    Attributes:
        output: The folder's final name.
        rejects: The final name of the rejects file.
        suffix: What parts' names end in.
        shard: The share of the work whose parts these are, or None for all.
    """

    output: Path
    rejects: Path
    suffix: str
    shard: Shard | None = None


class FolderOutput:
    """A folder of parts; see `batch.outputs.contract.Output`.

    Args:
        target: Where it goes.
    """

    whole_files = True
    resumable = True

    def __init__(self, target: FolderTarget) -> None:
        self.name = f"{target.output}/"
        self.dropped: str | None = None
        self._target = target
        share = "" if target.shard is None else f"shard-{target.shard.name}"
        self._work = WorkFolder(target.output, share)
        self._journal = Journal(self._work / JOURNAL)
        self._parts = self._work / "parts"
        self._old = self._work / "old"
        self._rejects_part = self._work / "rejects.ndjson"
        self._rejects: IO[bytes] | None = None
        self._job: dict[str, Any] = {}

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """Refuse to replace what mlship did not write, and tell whether the job is done already."""
        with system_errors(self.name, "looked at"):
            check_rejects(self._target.rejects, self._target.output, overwrite=overwrite)
            record = self._work.record() or {}
            folder, shard = self._target.output, self._target.shard
            if not folder.exists():
                return None
            check_strangers(folder, overwrite=overwrite)
            whole = all(_digest(folder / name) == digest for name, digest in record.get("parts", {}).items())
            whole = whole and ((folder / SUCCESS).exists() if shard is None else is_joined(folder, shard))
        if record.get("job") != job or not whole or not has_rejects(record, self._target.rejects):
            return None
        self._work.tidy(self.name)
        return record

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Hold the output for the length of a `with` block."""
        return self._held()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with self._work.held():
            with system_errors(self.name):
                self._check_alone()
                self._put_back()
            try:
                yield
            finally:
                self._close()

    def _check_alone(self) -> None:
        """Make sure that shards and a run that is none never write at a time."""
        shard, output = self._target.shard, self._target.output
        if shard is not None:
            with patient(output, SHORTLY):
                self._check_run()
            return
        check_no_shard(output)

    def _check_run(self) -> None:
        shard = self._target.shard
        assert shard is not None
        DiskListing(self._target.output).check_run(shard.run)

    def resume(self, job: dict[str, Any], *, restart: bool, same: Callable[[Done], bool]) -> list[Done]:
        """Return the chunks of an unfinished run of this job that are whole."""
        with system_errors(self.name):
            head, done = self._journal.read()
            self._job = job
            done, self.dropped = of_job(head, done, job, same=None if restart else same)
            done = self._whole(done)
            if not done:
                self._work.clear()
                self._parts.mkdir(exist_ok=True)
                return []
            for path in self._parts.iterdir():
                if path.name not in {self._part(chunk).name for chunk in done}:
                    path.unlink()
            truncate(self._rejects_part, sum(chunk.rejects_size for chunk in done))
            self._open(done)
        return done

    def _part(self, done: Done) -> Path:
        """Where a chunk's part lies."""
        return self._parts / f"{done.part}{self._target.suffix}"

    def _whole(self, done: list[Done]) -> list[Done]:
        count = 0
        with contextlib.suppress(FileNotFoundError):
            count = verified(self._rejects_part, 0, [(chunk.rejects_size, chunk.rejects_digest) for chunk in done])
        bad = next((at for at, chunk in enumerate(done[:count]) if not is_part(self._part(chunk), chunk)), count)
        return done[:bad]

    def begin(self, head: bytes) -> None:
        """Begin the parts; each has its own head."""
        assert not head
        with system_errors(self.name):
            self._open([])

    def _open(self, done: list[Done]) -> None:
        self._journal.begin({"job": self._job}, done)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._rejects = os.fdopen(os.open(self._rejects_part, flags, 0o600), "ab", buffering=0)

    def add(self, done: Done, data: bytes, rejects: bytes) -> None:
        """Append a part."""
        assert self._rejects is not None
        with system_errors(self.name), self._part(done).open("wb", buffering=0) as stream:
            write_all(stream, data)
            write_all(self._rejects, rejects)
            self._journal.add(done, stream, self._rejects)

    def publish(self, record: dict[str, Any], done: Sequence[Done]) -> Published:
        """Look at every part once more, then give them and the rejects file their names."""
        with system_errors(self.name):
            if len(self._whole(list(done))) < len(done):
                raise DamagedChunk(
                    f"A part of '{self.name}' is not on the disk as it was written.",
                    hint="Check the disk, then run the same command again: it scores that part anew.",
                )
            for chunk in done:
                with self._part(chunk).open("rb+") as stream:
                    self._journal.sync(stream)
        parts = {self._part(chunk).name: chunk.digest for chunk in done}
        rejects = self._target.rejects if any(chunk.rejects_size for chunk in done) else None
        known = {
            **record,
            "parts": parts,
            "outputs": [self.name],
            "rejects_file": None if rejects is None else str(rejects),
            "replaced": sorted(known_names(self._target.output)),
        }
        shard = self._target.shard
        # Before the record: where the parts stay the same, the record alone says that all is done.
        publish_rejects(self._rejects_part, self._target.rejects, there=rejects is not None)
        self._work.write_record({**known, "note": None if shard is None else note_name(shard)})
        with system_errors(self.name):
            if shard is None:
                self._replace_folder()
            else:
                join(self._target.output, self._parts, shard, known, self._check_run)
        self._close()
        self._work.clear()
        return Published(
            (self.name,),
            None if rejects is None else str(rejects),
            {f"{self.name}{name}": digest for name, digest in parts.items()},
        )

    def _replace_folder(self) -> None:
        """Give the folder of parts its name; an older one is moved away first."""
        output = self._target.output
        (self._parts / SUCCESS).write_bytes(b"")
        try:
            sync_directory(self._parts)
        except OSError:
            self._journal.drop()
            raise
        if output.exists():
            shutil.rmtree(self._old, ignore_errors=True)
            output.rename(self._old)
        try:
            self._parts.rename(output)
        except OSError:
            self._put_back()
            raise
        sync_directory(output.parent)

    def _put_back(self) -> None:
        """Give an older folder its name again where a run got no further than to move it away."""
        if self._old.is_dir() and not self._target.output.exists():
            self._old.rename(self._target.output)

    def publish_rejects(self) -> str | None:
        """Give a copy of the rejects its name."""
        copy_published(self._rejects_part, self._target.rejects)
        return str(self._target.rejects)

    def _close(self) -> None:
        self._journal.close()
        if self._rejects is not None:
            with contextlib.suppress(OSError):  # what is not on the disk as it should be is found before it is used
                self._rejects.close()
            self._rejects = None


def _digest(path: Path) -> str:
    with contextlib.suppress(OSError):
        return file_digest(path)
    return ""
