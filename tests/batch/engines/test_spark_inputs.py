"""Names of files that only the cluster reaches, as a command gives them and as Spark lists them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlship.batch.engines import spark_frames
from mlship.batch.engines.spark_inputs import find_spark_inputs, inside

BELOW = {
    ("hdfs://n:8020/in/a=1/x.csv", "hdfs://n:8020/in/"): "a=1/x.csv",
    ("hdfs://n:8020/in/x.csv", "hdfs:///in"): "x.csv",
    ("hdfs://n:8020/in/x.csv", "hdfs:/in/x.csv"): "",
    ("s3a://b/in/x.csv", "s3a://b/"): "in/x.csv",
    ("s3a://b/in/x.csv", "s3a://c/"): None,
    ("s3a://b/inside/x.csv", "s3a://b/in/"): None,
    ("s3a://b/in/x.csv", "gs://b/in/"): None,
}


@pytest.mark.parametrize(("names", "expected"), BELOW.items(), ids=[" in ".join(names) for names in BELOW])
def test_what_a_file_is_called_below_a_folder(names: tuple[str, str], expected: str | None) -> None:
    """The name of a file system may be left away, and a name that merely begins alike is another folder's."""
    assert inside(*names) == expected


LISTED = ("hdfs://n:8020/run=5/in/city=Porto/a.csv", "hdfs://n:8020/run=5/in/_old/b.csv")
KEYS = {
    "hdfs:///run=5/in/": {"city": "Porto"},
    "hdfs://n:8020/run=5/*/": {"city": "Porto"},
    "hdfs://n:8020/run=5/in/city=Porto/*.csv": {},
    "hdfs:///run=5/in/city=Porto/a.csv": {},
}


@pytest.mark.parametrize(("uri", "keys"), KEYS.items(), ids=list(KEYS))
def test_only_folders_below_the_named_one_are_columns(
    uri: str, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk: neither what was named, nor what stands before a pattern, and hidden folders are passed over."""
    there = LISTED[:1] if uri.endswith(".csv") else LISTED
    changed = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    monkeypatch.setattr(spark_frames, "listed", lambda *_: [(path, 10, changed) for path in there])
    session: Any = object()
    (found,) = find_spark_inputs([uri], None, lambda: session)
    assert (found.name, found.keys) == (LISTED[0], keys)
