"""The frames of a run on Spark: what is read, what is scored, what is written. DataFrame API only."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

from mlship.batch.engines.spark_parts import FILE_END, LINE_END
from mlship.batch.engines.spark_work import COUNTS, FILE, REJECTS, SCORED, START, VALUE, Work
from mlship.batch.engines.spark_worker import Scoring
from mlship.errors import InputRefused

_METADATA = "_metadata"
_SPECIAL = re.compile(r"([\\{}\[\]*?,])")
_STRICT = {"ignoreCorruptFiles": "false", "ignoreMissingFiles": "false", "recursiveFileLookup": "true"}
"""What no setting of a session may turn round: files that cannot be read are an error, folders say no columns."""

_COMMITTED = {
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "true",
    "maxRecordsPerFile": "0",
}


def literal(path: str) -> str:
    """Return a path in which nothing means a pattern to Spark."""
    return _SPECIAL.sub(r"\\\1", path)


def quoted(name: str) -> str:
    """Return a column's name in which nothing means a structure to Spark."""
    return "`" + name.replace("`", "``") + "`"


def read_texts(spark: Any, paths: Sequence[str], *, whole: bool) -> Any:
    """Return lines, or whole files, as bytes, with the path of the file and where the piece of it begins."""
    from pyspark.sql import functions as f

    reader = spark.read.options(**_STRICT)
    frame = reader.text(list(paths), wholetext=True) if whole else reader.text(list(paths), lineSep="\n")
    about = _about(frame)
    return frame.select(
        f.col("value").cast("binary").alias(VALUE),
        about.getField("file_path").alias(FILE),
        about.getField("file_block_start").alias(START),
    )


def read_parquet(spark: Any, paths: Sequence[str]) -> Any:
    """Return typed columns."""
    return spark.read.options(**_STRICT, mergeSchema="false").parquet(*paths)


def with_path(frame: Any, names: Iterable[str]) -> Any:
    """Return columns of typed ones, and the path of the file.

    They are named by their places, since `mapInArrow` cannot take names with points or quotes in them.
    """
    from pyspark.sql import functions as f

    about = _about(frame)
    columns = (f.col(quoted(name)).alias(str(place)) for place, name in enumerate(names))
    return frame.select(*columns, about.getField("file_path").alias(FILE))


def _about(frame: Any) -> Any:
    """The column in which Spark tells where a row comes from."""
    from pyspark.sql import functions as f

    if hasattr(frame, "metadataColumn"):
        return frame.metadataColumn(_METADATA)
    if _METADATA in frame.columns:  # in Spark 3.5 it hides what Spark tells
        raise InputRefused(
            f"The column '{_METADATA}' has a name that this version of Spark keeps for itself.",
            hint="Rename the column, or use Spark 4.",
            code="column_clash",
        )
    return f.col(_METADATA)


def scored(frame: Any, work: Work) -> Any:
    """Return what tasks give for a frame, kept where it is found again."""
    from pyspark import StorageLevel
    from pyspark.sql.types import BinaryType, ByteType, StructField, StructType

    schema = StructType([StructField("kind", ByteType()), StructField("payload", BinaryType())])
    return frame.mapInArrow(Scoring(work), schema).persist(StorageLevel.MEMORY_AND_DISK)


def counts_of(given: Any) -> list[bytes]:
    """Return what tasks counted; this is when they run."""
    return [bytes(row[0]) for row in _of_kind(given, COUNTS).collect()]


def write_rejects(given: Any, path: str, parts: int | None) -> None:
    """Write the lines of rejected rows into so many parts, or as many as there are."""
    frame = _of_kind(given, REJECTS)
    _write(frame if parts is None else frame.coalesce(parts), path, {"lineSep": LINE_END})


def write_scored(given: Any, path: str, packing: str | None, *, appends: bool) -> None:
    """Write the parts of the output: one for each task, or, where they cannot be appended, one for each payload."""
    options = {"lineSep": LINE_END} if appends else {"lineSep": FILE_END, "maxRecordsPerFile": "1"}
    _write(_of_kind(given, SCORED), path, {**options, "compression": "gzip" if packing else "none"})


def one_part(spark: Any, part: bytes) -> Any:
    """Return what tasks would have given for one part that is a file of its own."""
    payload = bytearray(part.removesuffix(FILE_END.encode()))
    return spark.createDataFrame([(SCORED, payload)], "kind byte, payload binary")


def listed(spark: Any, uri: str) -> list[tuple[str, int, str]]:
    """Return path, size in bytes and time of change of all files that a URI names: a file, a folder or a pattern."""
    found = spark.read.format("binaryFile").options(**_STRICT).load(uri).select("path", "length", "modificationTime")
    return [(row[0], row[1], row[2].isoformat()) for row in found.collect()]


def unpacked_size(spark: Any, path: str) -> int:
    """Return how many bytes the lines of packed files have, line feeds included."""
    from pyspark.sql import functions as f

    lines = read_texts(spark, [path], whole=False).select((f.length(f.col(VALUE)) + 1).alias("size"))
    return int(lines.agg(f.sum("size")).collect()[0][0] or 0)


def head_of(spark: Any, path: str, lines: int) -> bytes:
    """Return the first lines of a file."""
    from pyspark.sql import functions as f

    first = read_texts(spark, [path], whole=False).filter(f.col(START) == 0).select(VALUE).limit(lines)
    return b"".join(bytes(row[0]) + b"\n" for row in first.collect())


def _of_kind(given: Any, kind: int) -> Any:
    from pyspark.sql import functions as f

    return given.filter(f.col("kind") == f.lit(kind)).select("payload")


def _write(frame: Any, path: str, options: dict[str, str]) -> None:
    from pyspark.sql import functions as f

    texts = frame.select(f.col("payload").cast("string").alias("value"))
    texts.write.options(**{"compression": "none", **_COMMITTED, **options}).mode("error").text(path)


def arrow_schema(schema: Any) -> Any:
    """Return the pyarrow.Schema of one of Spark's; instants are in UTC, as the session is."""
    from pyspark.sql.pandas.types import to_arrow_schema

    # From Spark 4.2 on it asks for the zone that times are in, which before was always this one.
    zone: dict[str, Any] = {"timezone": "UTC"} if "timezone" in inspect.signature(to_arrow_schema).parameters else {}
    return to_arrow_schema(schema, **zone)
