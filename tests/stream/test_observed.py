"""What a process tells of its part of a stream, without a broker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import mlship.monitor
from mlship.model.session import SessionSpec, open_session
from mlship.monitor.metrics import Metrics, exposed
from mlship.stream.observed import Observed
from tests.serve.models import sum_model
from tests.serve.scrape import samples_of

ALERTS = Path(mlship.monitor.__file__).with_name("alerts.yml")


@pytest.fixture
def observed(tmp_path: Path) -> Observed:
    """What counts for one process, in `metrics` below the test's folder."""
    model = tmp_path / "sum.onnx"
    model.write_bytes(sum_model(("a",)))
    return Observed(Metrics(tmp_path / "metrics"), open_session(SessionSpec(model)))


def test_lag_is_of_partitions_that_are_ours(observed: Observed, tmp_path: Path) -> None:
    """A partition that went to another process counts there alone, and counts here again once it is back."""
    told = []
    for lags in ({0: 5, 1: 7}, {1: 6}, {0: 9, 1: 0}, {}):
        observed.tick(lags, 0)
        found = samples_of(exposed(tmp_path / "metrics"))
        told.append([found[f"mlship_stream_lag{{partition={number}}}"] for number in (0, 1)])

    assert told == [[5, 7], [0, 6], [9, 0], [0, 0]]


def test_alert_rules_name_metrics_that_exist(observed: Observed, tmp_path: Path) -> None:
    """Every metric of streams in the alert rules is one that a process tells."""
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"mlship_stream_\w+", rule["expr"])}
    observed.tick({0: 1}, 1)

    assert used == {"mlship_stream_lag", "mlship_stream_retries_total", "mlship_stream_records_total"}
    assert used <= {name.partition("{")[0] for name in samples_of(exposed(tmp_path / "metrics"))}
