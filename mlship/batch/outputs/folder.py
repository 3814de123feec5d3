"""A folder of parts on a disk as output: each chunk a file of its own, `_SUCCESS` when all are there.

While a run works, its parts lie in the work folder. A run that writes all of them gives the folder its name as a
whole. Runs that share the output (`--shard`) each move their parts into it and leave a note `_shard-I-of-N.json`;
the one that finds all notes there writes `_SUCCESS`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlship.batch.job import Shard
from mlship.batch.journal import Journal
from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.file import is_part, of_job, write_all
from mlship.batch.outputs.work import (
    JOURNAL,
    OVERWRITE,
    WorkFolder,
    check_rejects,
    copy_published,
    has_rejects,
    system_errors,
    truncate,
    verified,
    work_folder,
)
from mlship.errors import DamagedChunk, OutputFailed, UsageError
from mlship.files import file_digest, locked, sync_directory, write_atomic

SUCCESS = "_SUCCESS"


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
        share = "" if target.shard is None else f"shard-{target.shard.index}-of-{target.shard.of}"
        self._work = WorkFolder(target.output, share)
        self._journal = Journal(self._work / JOURNAL)
        self._parts = self._work / "parts"
        self._rejects_part = self._work / "rejects.ndjson"
        self._rejects: IO[bytes] | None = None
        self._job: dict[str, Any] = {}

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """Refuse to replace what mlship did not write, and tell whether the job is done already."""
        with system_errors(self.name, "looked at"):
            check_rejects(self._target.rejects, overwrite=overwrite)
            record = self._work.record() or {}
            folder = self._target.output
            if not folder.exists():
                return None
            if not folder.is_dir():
                raise UsageError(
                    f"The output '{self.name}' is there and is no folder.", hint="Name another folder with -o."
                )
            strangers = sorted({path.name for path in folder.iterdir()} - self._known_names())
            if strangers and not overwrite:
                raise UsageError(
                    f"'{self.name}' holds '{strangers[0]}', which mlship did not write.",
                    hint=OVERWRITE,
                    code="output_exists",
                )
            whole = all(_digest(folder / name) == digest for name, digest in record.get("parts", {}).items())
            whole = whole and has_rejects(record, self._target.rejects)
        return record if record.get("job") == job and whole else None

    def _known_names(self) -> set[str]:
        """The names in the folder that our runs gave."""
        known = {SUCCESS}
        for path in (self._work / "record.json", *work_folder(self._target.output).glob("shard-*/record.json")):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                record = json.loads(path.read_bytes())
                known |= (
                    set(record.get("parts", {})) | set(record.get("replaced", ())) | {record.get("note") or SUCCESS}
                )
        return known

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Hold the output for the length of a `with` block."""
        return self._held()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with self._work.held():
            try:
                yield
            finally:
                self._close()

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
                    os.fsync(stream.fileno())
        parts = {self._part(chunk).name: chunk.digest for chunk in done}
        rejects = self._target.rejects if any(chunk.rejects_size for chunk in done) else None
        known = {
            **record,
            "parts": parts,
            "outputs": [self.name],
            "rejects_file": None if rejects is None else str(rejects),
            "replaced": sorted(self._known_names()),
        }
        shard = self._target.shard
        note = None if shard is None else f"_shard-{shard.index}-of-{shard.of}.json"
        self._work.write_record({**known, "note": note})
        with system_errors(self._target.rejects):
            if rejects is None:
                self._target.rejects.unlink(missing_ok=True)
            else:
                copy_published(self._rejects_part, rejects)
        with system_errors(self.name):
            if note is None:
                self._replace_folder()
            else:
                self._join_folder(note, record, parts)
        self._close()
        self._work.clear()
        return Published(
            (self.name,),
            None if rejects is None else str(rejects),
            {f"{self.name}{name}": digest for name, digest in parts.items()},
        )

    def _replace_folder(self) -> None:
        """Give the folder of parts its name; an older one is moved away first."""
        output, old = self._target.output, self._work / "old"
        (self._parts / SUCCESS).write_bytes(b"")
        sync_directory(self._parts)
        if output.exists():
            shutil.rmtree(old, ignore_errors=True)
            output.rename(old)
        self._parts.rename(output)
        sync_directory(output.parent)

    def _join_folder(self, note: str, record: dict[str, Any], parts: dict[str, str]) -> None:
        """Move the parts into the folder that shards share, and say so; the last one writes `_SUCCESS`."""
        output, shard = self._target.output, self._target.shard
        assert shard is not None
        output.mkdir(exist_ok=True)
        with _patient(work_folder(output) / "lock", self.name):
            whole = {**record["job"], "options": {**record["job"]["options"], "shard": None}}
            self._clear_others(whole, parts)
            for name in parts:
                (self._parts / name).replace(output / name)
            told = {"job": whole, "parts": parts, "rows": record["report"]["rows"]}
            write_atomic(output / note, json.dumps(told, indent=2).encode() + b"\n")
            notes = [output / f"_shard-{index}-of-{shard.of}.json" for index in range(shard.of)]
            if all(path.exists() for path in notes):
                (output / SUCCESS).write_bytes(b"")
            sync_directory(output)

    def _clear_others(self, job: dict[str, Any], parts: dict[str, str]) -> None:
        """Remove what shards of another job left in the folder, and our own older parts."""
        output = self._target.output
        (output / SUCCESS).unlink(missing_ok=True)
        for path in output.glob("_shard-*.json"):
            try:
                told = json.loads(path.read_bytes())
            except ValueError:
                told = {}
            if told.get("job") != job:
                for name in told.get("parts", {}):
                    if name not in parts:
                        (output / name).unlink(missing_ok=True)
                path.unlink()

    def publish_rejects(self) -> str | None:
        """Give a copy of the rejects its name."""
        copy_published(self._rejects_part, self._target.rejects)
        return str(self._target.rejects)

    def _close(self) -> None:
        self._journal.close()
        if self._rejects is not None:
            self._rejects.close()
            self._rejects = None


def _digest(path: Path) -> str:
    with contextlib.suppress(OSError):
        return file_digest(path)
    return ""


@contextlib.contextmanager
def _patient(lock: Path, what: str) -> Iterator[None]:
    """Hold the short lock under which shards join their folder, waiting for others that do."""
    import time

    from mlship.errors import OutputLocked

    for _ in range(600):
        try:
            with locked(lock, what):
                yield
                return
        except OutputLocked:
            time.sleep(0.1)
    raise OutputFailed(f"'{what}' is held by another run for a minute.", hint="Run the same command again.")
