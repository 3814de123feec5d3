"""One pass of Spark over the inputs, and the writing of what came of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlship.batch.engines import spark_frames as frames
from mlship.batch.engines.spark_check import check_counts, check_unchanged
from mlship.batch.engines.spark_errors import of_spark
from mlship.batch.engines.spark_folder import disk_uri
from mlship.batch.engines.spark_plan import work_of
from mlship.batch.engines.spark_session import OpenSession
from mlship.batch.engines.spark_settings import RECORDS
from mlship.batch.engines.spark_work import WHOLE_FILES, Counted, Work
from mlship.batch.plan import BatchPlan
from mlship.batch.run import Check
from mlship.errors import InputRefused, MlshipError, UsageError
from mlship.model.session import Session, SessionSpec, open_session
from mlship.tables.registry import Kind, open_encoder

if TYPE_CHECKING:
    from mlship.batch.inputs import Input
    from mlship.monitor.contract import Monitor

_AT_ONCE = 8 << 20
"""About how many bytes come to a worker at a time."""
_FEWEST, _MOST = 64, 1 << 16
"""Rows that come to a worker at a time."""
_LARGEST_WHOLE = 1 << 30
"""The largest file, in bytes, that is read as a whole, in one worker's memory."""
_LARGEST_MODELS = 100 << 20
"""The largest models that Spark Connect takes, in bytes: its messages hold 128 MiB."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Models:
    """The model, and the one to compare with.

    Attributes:
        session: The model, open.
        other: The other one, open, or None.
        specs: What workers open both with.
    """

    session: Session
    other: Session | None
    specs: tuple[SessionSpec, SessionSpec | None]

    @classmethod
    def of(cls, path: Path, session: Session, compare: Path | None) -> Models:
        """Read the files of an open model and of one to compare with."""
        other = None if compare is None else open_session(SessionSpec(compare, "bulk"))
        return cls(session, other, (_spec(path), None if compare is None else _spec(compare)))

    @property
    def both(self) -> tuple[Session, Session | None]:
        """Both, open."""
        return self.session, self.other


def _spec(path: Path) -> SessionSpec:
    return SessionSpec(path.read_bytes(), "bulk", str(path))


class SparkJob:
    """Scores and writes; a context that lets go of what Spark keeps.

    Args:
        opened: The session.
        planned: What is read and written of each row.
        models: The models.
        kind: The output's format and packing.
        checks: Asked again and again whether to go on.
    """

    def __init__(
        self, opened: OpenSession, planned: BatchPlan, models: Models, kind: Kind, checks: tuple[Check, ...]
    ) -> None:
        self._opened = opened
        self._planned = planned
        self._models = models
        self._kind = kind
        self._checks = checks
        self._paths = [frames.literal(_uri(given)) for given in planned.job.inputs]
        self._rows: dict[int, int] = {}
        self._types: Any = planned.none
        if opened.connect:
            self._check_size()
        if not planned.job.inputs[0].kind.format.bytewise:
            self._learn_types()
        else:
            self._look_at_others()
        self.encoder = open_encoder(Kind(kind.format), self._planned.none, planned.outputs)
        self._given: Any = None
        self._written = 0

    def __enter__(self) -> SparkJob:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self._given is not None:
            with contextlib.suppress(Exception):  # of a session that has ended
                self._given.unpersist()
            self._given = None

    def _act(self, action: Callable[[], _T]) -> _T:
        try:
            return self._opened.act(action, self._checks)
        except MlshipError:
            raise
        except Exception as error:  # pyspark has many kinds, and py4j others
            raise of_spark(error, shipped=self._opened.shipped) from error

    def _check_size(self) -> None:
        size = sum(len(spec.model) for spec in self._models.specs if spec is not None and isinstance(spec.model, bytes))
        if size > _LARGEST_MODELS:
            raise UsageError(
                f"The models have {size >> 20} MiB, and Spark Connect takes messages of up to 128 MiB.",
                hint="Run it on the cluster itself, with spark-submit.",
            )

    def _learn_types(self) -> None:
        """Look at every file's types, and whether Spark has a form for those that are read."""
        planned, job = self._planned, self._planned.job
        source = replace(job.inputs[0], keys={}).open(job.chunk_size, planned.told)
        columns = source.none_of(source.columns)
        self._count_rows(0, source.total)
        for place in range(1, len(job.inputs)):
            self._check_types(place, columns.schema)
        self._types = columns.select([name for name in planned.wanted.names if name in source.columns])
        if job.inputs[0].path is not None:  # what lies elsewhere has the types that Spark tells
            self._check_forms()

    def _check_forms(self) -> None:
        from mlship.tables.arrow import no_rows, other_kind

        found = self._act(lambda: frames.read_parquet(self._opened.spark, self._paths).schema)
        name = other_kind(no_rows(frames.arrow_schema(found), self._types.columns), self._types)
        if name is not None:
            raise InputRefused(
                f"The column '{name}' of '{self._planned.job.inputs[0].name}' is of a type that Spark does not have.",
                hint="Score it with: --engine local",
                code="type_unknown_to_spark",
            )

    def _count_rows(self, place: int, rows: int | None) -> None:
        """Keep how many rows an input has, of which Spark itself tells where nobody else does."""
        if rows is None:
            rows = self._act(lambda: frames.read_parquet(self._opened.spark, [self._paths[place]]).count())
        self._rows[place] = rows

    def _check_types(self, place: int, schema: Any) -> None:
        job = self._planned.job
        self._planned.open(place).close()  # which looks at its columns
        source = replace(job.inputs[place], keys={}).open(job.chunk_size, self._planned.told)
        self._count_rows(place, source.total)
        if dict(source.none_of(source.columns).schema) != dict(schema):
            raise InputRefused(
                f"'{job.inputs[place].name}' has columns of other types than '{job.inputs[0].name}', or others.",
                hint="Score it by itself.",
                code="other_columns",
            )

    def _look_at_others(self) -> None:
        """Look at the columns of every file, as the local engine does when it comes to it."""
        for place, given in enumerate(self._planned.job.inputs):
            if place and given.path is not None:  # tasks look at what lies elsewhere
                self._planned.open(place).close()

    def score(self, say: Callable[[str], None], monitors: Sequence[Monitor]) -> Counted:
        """Score all rows, and return what was counted.

        Args:
            say: Tells the user something.
            monitors: What counts.

        Raises:
            InputRefused: An input is not what it should be.
            OutputFailed: Spark failed, or rows do not add up.
        """
        work = self._work()
        if work.dialect is not None and work.dialect.encoding != "utf-8":
            work = self._whole(work, f"'{work.job.inputs[0].name}' is in {work.dialect.encoding}.", say)
        try:
            found = self._scored(work)
        except InputRefused as error:
            if error.code != WHOLE_FILES or work.reading == "files":
                raise
            work = self._whole(work, error.message, say)
            found = self._scored(work)
        counted = Counted.of(found, monitors)
        check_unchanged(self._planned.job)
        check_counts(counted, work, self._rows)
        self._written = counted.tally.written
        return counted

    def _work(self) -> Work:
        from mlship.tables.arrow import packed_frame

        models = self._models
        return work_of(
            self._planned,
            models.specs,
            self._kind,
            digests=(models.session.digest, None if models.other is None else models.other.digest),
            none=packed_frame(self._planned.none),
            types=packed_frame(self._types),
            places={_path(given): place for place, given in enumerate(self._planned.job.inputs)},
        )

    def _whole(self, work: Work, why: str, say: Callable[[str], None]) -> Work:
        """Read each file as a whole from here on."""
        for given in work.job.inputs:
            size = given.state.get("size") or 0
            if size > _LARGEST_WHOLE:
                raise InputRefused(
                    f"{why} Such files are read as a whole, and '{given.name}' is larger than 1 GiB.",
                    hint="Score it with: --engine local",
                    code="too_large_as_a_whole",
                )
        say(f"{why} Each file is read as a whole, in one task.")
        self._let_go()
        return replace(work, reading="files")

    def _scored(self, work: Work) -> list[bytes]:
        spark = self._opened.spark
        if work.reading == "typed":
            frame = frames.with_path(frames.read_parquet(spark, self._paths), work.own)
        else:
            frame = frames.read_texts(spark, self._paths, whole=work.reading == "files")
        spark.conf.set(RECORDS, str(self._at_once(work)))
        self._given = self._act(lambda: frames.scored(frame, work))
        return self._act(lambda: frames.counts_of(self._given))

    def _at_once(self, work: Work) -> int:
        if work.reading == "files":
            return 1
        row = 8 * max(1, len(work.wanted.names)) if work.reading == "typed" else _line_size(work.job.inputs[0])
        return min(_MOST, max(_FEWEST, _AT_ONCE // row))

    def write_rejects(self, path: str, parts: int | None) -> None:
        """Write the rejected rows into so many parts, or as many as there are."""
        self._act(lambda: frames.write_rejects(self._given, path, parts))

    def write_scored(self, path: str) -> None:
        """Write the parts of the output, with one that tells its columns where there are no rows."""
        appends, packing = self.encoder.appends, self._kind.packing
        given = self._given
        if not appends and not self._written:
            nothing = self.encoder.file(self._planned.none, self._planned.no_outputs)
            given = frames.one_part(self._opened.spark, nothing)
        self._act(lambda: frames.write_scored(given, path, packing, appends=appends))


def _uri(given: Input) -> str:
    return given.name if given.path is None else disk_uri(given.path)


def _path(given: Input) -> str:
    """How tasks know an input; see `spark_pieces.path_of`."""
    return given.name if given.path is None else os.path.abspath(given.path)  # noqa: PTH100


def _line_size(given: Input) -> int:
    """About how many bytes a line has."""
    if given.path is None or given.kind.packing:
        return 128
    with given.path.open("rb") as stream:
        data = stream.read(1 << 20)
    return max(1, len(data) // max(1, data.count(b"\n")))
