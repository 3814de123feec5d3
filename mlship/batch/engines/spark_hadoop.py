"""A folder of parts on a file system of the cluster, reached through the session of Spark.

With a session of this machine's Java, parts get their names by Hadoop's FileSystem, and beside the output lies the
same record as on a disk. Through Spark Connect nothing can be renamed: parts are then written where they belong, and
only where nothing is; they keep the names that Spark gives them. There is no lock: two runs must not write to one URI.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlship.batch.engines import spark_frames as frames
from mlship.batch.engines.spark_folder import Expected, Places
from mlship.batch.outputs.contract import Published
from mlship.batch.outputs.joining import SUCCESS
from mlship.batch.outputs.work import OVERWRITE, RECORD
from mlship.errors import OutputFailed, UsageError

_PART = re.compile(r"part-(\d+)-.*?(?:-c(\d+))?\..*")

_OUR_REJECTS = re.compile(r"part-\d{5,}-\d{5,}\.ndjson")


class ClusterFolder:
    """Where a run on Spark writes on a cluster; see `spark_folder.DiskFolder`.

    Args:
        uri: The folder's final name.
        suffix: What parts' names end in.
        spark: Gives the session.
    """

    log: Path | None = None
    dropped: str | None = None

    def __init__(self, uri: str, suffix: str, spark: Callable[[], Any]) -> None:
        self.name = uri
        self._output = uri.rstrip("/")
        self._rejects = f"{self._output}.rejects"
        self._suffix = suffix
        self._spark = spark
        parent, _, name = self._output.rpartition("/")
        self._work = f"{parent}/.{name}.mlship"
        self._run = f"{self._work}/spark-{uuid.uuid4().hex[:12]}"

    @property
    def _java(self) -> Any:
        """The session's Java, or None through Spark Connect."""
        spark = self._spark()
        return None if "connect" in type(spark).__module__ else spark._jvm

    def _files(self) -> tuple[Any, Callable[[str], Any]]:
        """Hadoop's FileSystem, and what makes paths of it."""
        make = self._java.org.apache.hadoop.fs.Path
        conf = self._spark()._jsparkSession.sessionState().newHadoopConf()
        return make(self._output).getFileSystem(conf), make

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """Refuse to replace what mlship did not write, and tell whether the job is done already."""
        if self._java is None:  # Spark itself refuses to write where something is
            if overwrite:
                raise UsageError(
                    f"--overwrite does not go with '{self.name}': through Spark Connect nothing there can be removed.",
                    hint="Name another folder with -o.",
                )
            return None
        files, path = self._files()
        self._check_rejects(overwrite=overwrite)
        if not files.exists(path(self._output)):
            return None
        record = self._record()
        parts = record.get("parts", {})
        there = {status.getPath().getName(): status.getLen() for status in files.listStatus(path(self._output))}
        known = {*parts, SUCCESS, *record.get("replaced", ())}
        strangers = sorted(there.keys() - known)
        if strangers and not overwrite:
            raise UsageError(
                f"'{self.name}' holds '{strangers[0]}', which mlship did not write.",
                hint=OVERWRITE,
                code="output_exists",
            )
        whole = SUCCESS in there and all(there.get(name) == size for name, size in parts.items())
        return record if whole and record.get("job") == job else None

    def _check_rejects(self, *, overwrite: bool) -> None:
        files, path = self._files()
        if overwrite or not files.exists(path(self._rejects)):
            return
        names = [status.getPath().getName() for status in files.listStatus(path(self._rejects))]
        if not all(name == SUCCESS or _OUR_REJECTS.fullmatch(name) for name in names):
            raise UsageError(
                f"'{self._rejects}' is there already and holds no rejected rows of mlship.",
                hint=OVERWRITE,
                code="output_exists",
            )

    def _record(self) -> dict[str, Any]:
        files, path = self._files()
        where = path(f"{self._work}/{RECORD}")
        if not files.exists(where):
            return {}
        stream = files.open(where)
        try:
            found = json.loads(self._java.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        except ValueError:
            return {}
        finally:
            stream.close()
        return found if isinstance(found, dict) else {}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Remove what the run leaves when it ends."""
        try:
            yield
        finally:
            with contextlib.suppress(Exception):  # of a session that has ended
                if self._java is not None:
                    files, path = self._files()
                    files.delete(path(self._run), True)

    def begin(self) -> Places:
        """Return where Spark is to write."""
        if self._java is None:
            return Places(self._output, self._rejects)
        return Places(f"{self._run}/scored", f"{self._run}/rejects")

    def finish(self, expected: Expected) -> None:
        """Count what Spark wrote, by another way than it was counted before.

        Raises:
            OutputFailed: Something of it is not there.
        """
        spark, place = self._spark(), self.begin().scored
        wanted = expected.size
        if expected.rows is not None:
            found, wanted = frames.read_parquet(spark, [frames.literal(place)]).count(), expected.rows
        elif self._suffix.endswith(".gz"):
            found = frames.unpacked_size(spark, frames.literal(place))
        else:
            found = sum(size for _, size, _ in frames.listed(spark, frames.literal(place)))
        if found != wanted:
            raise OutputFailed(
                f"What Spark wrote for '{self.name}' does not add up: {found:,} of {wanted:,} are there.",
                hint="Run the command again.",
                code="rows_lost",
            )

    def finish_rejects(self) -> None:
        """Nothing is to be done before they get their name."""

    def publish(self, record: dict[str, Any], *, rejected: bool) -> Published:
        """Give output and rejects their names and keep the record."""
        if self._java is None:
            return Published((self.name,), self._rejects if rejected else None, {})
        files, path = self._files()
        before = self._record()
        known = sorted({*before.get("parts", {}), *before.get("replaced", ())})
        parts = self._named(f"{self._run}/scored", self._suffix)
        files.delete(path(self._rejects), True)
        rejects = self.publish_rejects() if rejected else None
        told = {**record, "parts": parts, "outputs": [self.name], "rejects_file": rejects, "replaced": known}
        stream = files.create(path(f"{self._work}/{RECORD}"), True)
        try:
            stream.write(bytearray(json.dumps(told, ensure_ascii=False).encode()))
        finally:
            stream.close()
        files.delete(path(self._output), True)
        self._rename(f"{self._run}/scored", self._output)
        return Published((self.name,), rejects, {})

    def publish_rejects(self) -> str:
        """Give the rejected rows their name."""
        if self._java is not None:
            files, path = self._files()
            self._named(f"{self._run}/rejects", ".ndjson")
            files.delete(path(self._rejects), True)
            self._rename(f"{self._run}/rejects", self._rejects)
        return self._rejects

    def _named(self, folder: str, suffix: str) -> dict[str, int]:
        files, path = self._files()
        parts: dict[str, int] = {}
        for status in files.listStatus(path(folder)):
            found = _PART.fullmatch(status.getPath().getName())
            if found is None:
                continue
            if status.getLen() == 0:
                files.delete(status.getPath(), False)
                continue
            name = f"part-{found[1]}-{int(found[2] or 0):05d}{suffix}"
            self._rename(f"{folder}/{status.getPath().getName()}", f"{folder}/{name}")
            parts[name] = status.getLen()
        return parts

    def _rename(self, source: str, target: str) -> None:
        files, path = self._files()
        if not files.rename(path(source), path(target)):
            raise OutputFailed(f"'{source}' could not be renamed to '{target}'.", hint="Run the command again.")
