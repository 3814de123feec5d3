"""A folder of parts on a disk, written by Spark: nothing under its name before all of it is there and adds up.

Spark writes into a fresh folder beside the output, which then gets the output's name as a whole. Rejected rows are
in a folder of their own, `<output>.rejects/`. Lock and record are those of the local engine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.batch.outputs.contract import Published
from mlship.batch.outputs.joining import SUCCESS, check_no_shard, check_strangers, known_names
from mlship.batch.outputs.work import JOURNAL, OVERWRITE, FileState, WorkFolder, system_errors
from mlship.batch.rejects import is_rejects_file
from mlship.errors import OutputFailed, UsageError
from mlship.files import sync_directory

_PART = re.compile(r"part-(\d+)-.*?(?:-c(\d+))?\..*")
_RUN, _OLD = "spark-", "old"
_MODULUS = 1 << 32


@dataclass(frozen=True)
class Places:
    """Where Spark writes.

    Attributes:
        scored: The path or URI of the output's parts, where nothing is yet.
        rejects: That of the rejected rows.
    """

    scored: str
    rejects: str


@dataclass(frozen=True)
class Expected:
    """What must be there after Spark has written.

    Attributes:
        size: Bytes of all parts, unpacked, or None where their rows are counted.
        rows: Rows of all parts, or None where the parts are texts.
        rejected: The number of rejected rows.
    """

    size: int | None
    rows: int | None
    rejected: int


class DiskFolder:
    """Where a run on Spark writes on a disk.

    Args:
        output: The folder's final name.
        suffix: What parts' names end in.
    """

    def __init__(self, output: Path, suffix: str) -> None:
        self.name = f"{output}/"
        self.dropped: str | None = None
        self._output = output
        self._rejects = output.with_name(f"{output.name}.rejects")
        self._suffix = suffix
        self._work = WorkFolder(output)
        self._run = self._work / f"{_RUN}{uuid.uuid4().hex[:12]}"

    @property
    def log(self) -> Path:
        """Where what Spark said of a failure is kept until the next run."""
        return self._work / "spark.log"

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """Refuse to replace what mlship did not write.

        Returns:
            The record of the run that finished this very job, whose output is still there untouched; else None.

        Raises:
            UsageError: The output, or its rejects, is there and mlship did not write it.
            OutputFailed: It cannot be looked at.
        """
        with system_errors(self.name, "looked at"):
            record = self._work.record() or {}
            self._check_rejects(overwrite=overwrite)
            if not self._output.exists():
                return None
            check_strangers(self._output, overwrite=overwrite)
            whole = (self._output / SUCCESS).exists() and self._untouched(record)
        return record if whole and record.get("job") == job else None

    def _untouched(self, record: dict[str, Any]) -> bool:
        rejects = record.get("rejects_file")
        if rejects is not None and not Path(rejects).is_dir():
            return False
        parts: dict[str, Any] = record.get("parts", {})
        return all(_state(self._output / name) == state for name, state in parts.items())

    def _check_rejects(self, *, overwrite: bool) -> None:
        if not self._rejects.exists() or overwrite:
            return
        ours = self._rejects.is_dir() and all(
            path.name == SUCCESS or is_rejects_file(path) for path in self._rejects.iterdir()
        )
        if not ours:
            raise UsageError(
                f"'{self._rejects}' is there already and holds no rejected rows of mlship.",
                hint=OVERWRITE,
                code="output_exists",
            )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the output for the length of a `with` block, and drop what earlier runs left unfinished.

        Raises:
            OutputLocked: Another run holds it.
            OutputFailed: It cannot be written.
        """
        with self._work.held():
            with system_errors(self.name):
                check_no_shard(self._output)
                self._put_back()
                if (self._work / JOURNAL).exists():
                    self.dropped = "it was one of the local engine"
                self._work.clear()
            try:
                yield
            finally:
                shutil.rmtree(self._run, ignore_errors=True)

    def _put_back(self) -> None:
        """Give an older folder its name again where a run got no further than to move it away."""
        old = self._work / _OLD
        if old.is_dir() and not self._output.exists():
            old.rename(self._output)

    def begin(self) -> Places:
        """Make the fresh folder, and return where Spark is to write."""
        private = self._run / "private"
        with system_errors(self.name):
            self._run.mkdir()
            private.mkdir(mode=0o700)
        return Places(disk_uri(self._run / "scored"), disk_uri(private / "rejects"))

    def finish(self, expected: Expected) -> None:
        """Look at what Spark wrote, and give the parts their names.

        Raises:
            OutputFailed: Something of it is not there.
        """
        with system_errors(self.name):
            parts = self._named(self._run / "scored", self._suffix)
            self._check(parts, expected)
            if not parts:  # of a format that needs no bytes to hold no rows
                (self._run / "scored" / f"part-00000-00000{self._suffix}").touch()
            if expected.rejected:
                self.finish_rejects()

    def finish_rejects(self) -> None:
        """Give the parts of the rejected rows their names; only their owner may read them."""
        with system_errors(self.name):
            for path in self._named(self._run / "private" / "rejects", ".ndjson"):
                path.chmod(0o600)

    def _named(self, folder: Path, suffix: str) -> list[Path]:
        if not (folder / SUCCESS).exists():
            raise OutputFailed(
                f"Spark ended, but what it wrote for '{self.name}' is not on this machine's disk.",
                hint="Write where all of Spark's machines write, such as -o hdfs://HOST/FOLDER/",
                code="output_elsewhere",
            )
        parts: list[Path] = []
        for path in sorted(folder.iterdir()):
            found = _PART.fullmatch(path.name)
            if path.name.startswith("."):
                path.unlink()  # checksums of Hadoop
            elif found is not None and path.stat().st_size == 0:
                path.unlink()
            elif found is not None:
                parts.append(path.rename(folder / f"part-{found[1]}-{int(found[2] or 0):05d}{suffix}"))
        return parts

    def _check(self, parts: list[Path], expected: Expected) -> None:
        """Count what is there, by another way than it was counted before."""
        from mlship.tables.parquet import rows_of

        if expected.rows is not None:
            rows = sum(rows_of(path) for path in parts)
            found, right = f"{rows:,} rows of {expected.rows:,}", rows == expected.rows
        else:
            size = sum(map(_unpacked_size, parts))
            found, right = f"{size:,} bytes of {expected.size:,}", (size - (expected.size or 0)) % _MODULUS == 0
        if right:
            return
        raise OutputFailed(
            f"What Spark wrote for '{self.name}' does not add up: {found} are on this machine's disk.",
            hint="Write where all of Spark's machines write, such as -o hdfs://HOST/FOLDER/",
            code="rows_lost",
        )

    def publish(self, record: dict[str, Any], *, rejected: bool) -> Published:
        """Give output and rejects their names and keep the record.

        Raises:
            OutputFailed: The system refused; the output of an earlier run is still there.
        """
        before = self._work.record() or {}
        known = known_names(self._output)
        with system_errors(self.name):
            scored = self._run / "scored"
            parts = {path.name: _state(path) for path in sorted(scored.glob("part-*"))}
            rejects = self.publish_rejects() if rejected else None
            if rejects is None:
                self._no_rejects(before)
            told = {
                **record,
                "parts": parts,
                "outputs": [self.name],
                "rejects_file": rejects,
                "replaced": sorted(known),
            }
            self._work.write_record(told)
            if self._output.exists():
                shutil.rmtree(self._work / _OLD, ignore_errors=True)
                self._output.rename(self._work / _OLD)
            try:
                scored.rename(self._output)
            except OSError:
                self._put_back()
                raise
            sync_directory(self._output.parent)
        self._work.clear()
        return Published((self.name,), rejects, {})

    def publish_rejects(self) -> str:
        """Give the rejected rows their name."""
        with system_errors(str(self._rejects)):
            self._no_rejects(self._work.record() or {})
            (self._run / "private" / "rejects").rename(self._rejects)
            self._rejects.chmod(0o700)
        return str(self._rejects)

    def _no_rejects(self, record: dict[str, Any]) -> None:
        """Remove the rejected rows of earlier runs."""
        if self._rejects.is_dir():
            shutil.rmtree(self._rejects)
        else:
            self._rejects.unlink(missing_ok=True)
        told = record.get("rejects_file")
        own = self._output.with_name(f"{self._output.name}.rejects.ndjson")  # of the local engine
        if told is not None and Path(told) == own:
            own.unlink(missing_ok=True)


def _unpacked_size(path: Path) -> int:
    """A text's size in bytes; a packed one ends in it, modulo 2^32 (RFC 1952), and Spark packs each as one member."""
    if path.suffix != ".gz":
        return path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(4), "little")


def _state(path: Path) -> dict[str, int] | None:
    found = FileState.of(path)
    return None if found is None else {"size": found.size, "changed_ns": found.changed_ns}


def disk_uri(path: Path) -> str:
    """Return a path of this machine as Hadoop takes it, in which nothing is encoded."""
    return f"file://{os.path.abspath(path)}"  # noqa: PTH100 - links stay links
