"""What a session of Spark has to be set to, so that what is read and written is what the file says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

RECORDS = "spark.sql.execution.arrow.maxRecordsPerBatch"
"""The setting that says how many rows come to a worker at a time."""

_EXACT = {
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    # Bytes are no texts, and times neither integers nor in a zone that they have not.
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # INT96, the default, is read as nanoseconds
    # Old dates are what the file says, as others read and write them; Spark 3.5 refuses them else.
    **{
        f"spark.sql.parquet.{kind}RebaseModeIn{way}": "CORRECTED"
        for kind in ("datetime", "int96")
        for way in ("Read", "Write")
    },
}


@contextlib.contextmanager
def exact_settings(spark: Any) -> Iterator[None]:
    """Set what reading exactly needs, and put back what was there."""
    before = {name: spark.conf.get(name, None) for name in (*_EXACT, RECORDS)}
    for name, value in _EXACT.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # a session that has ended
            for name, value in before.items():
                if value is None:
                    spark.conf.unset(name)
                else:
                    spark.conf.set(name, value)
