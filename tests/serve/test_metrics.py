"""Metrics of a running server: all its workers', also of those that have ended."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import mlship.monitor
from mlship.export.baseline import make_baseline
from mlship.model.signature import Column
from tests.serve.models import city_model, sum_model
from tests.serve.scrape import Samples, scrape, scraped_until
from tests.serve.server import Server, serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
ANSWERED = "mlship_requests_total{code=200,model=cities,protocol=predict}"
TWO = ("--workers", "2", "--threads", "2")
ALERTS = Path(mlship.monitor.__file__).with_name("alerts.yml")


def _ask(server: Server, times: int) -> None:
    for _ in range(times):
        assert server.ask("POST", "/predict", GOOD).status == 200


def _until_started(server: Server, workers: int) -> None:
    scraped_until(server, lambda found: found["mlship_workers_started_total"] == workers)


def _models(found: Samples) -> list[str]:
    return [match[1] for name in found if (match := re.fullmatch(r"mlship_model_info\{.*version=(.*)\}", name))]


def test_counts_outlive_workers_and_reloads(tmp_path: Path) -> None:
    """Counts of both workers add up, a worker that is killed loses nothing, and a reload begins no count anew."""
    model = tmp_path / "cities.onnx"
    model.write_bytes(city_model())
    with serving(model, *TWO) as server:
        _ask(server, 20)
        found = scraped_until(server, lambda found: found[ANSWERED] == 20)
        assert found["mlship_rows_total{model=cities}"] == 20
        assert found["mlship_batch_rows_count"] == found["mlship_stage_seconds_count{stage=score}"] == 20
        assert found["mlship_request_seconds_count{model=cities}"] == 20
        os.kill(server.children()[0], signal.SIGKILL)
        scraped_until(server, lambda found: found["mlship_workers_started_total"] == 3 and found["mlship_workers"] == 2)
        _ask(server, 10)
        scraped_until(server, lambda found: found[ANSWERED] == 30)
        (model.parent / "new.onnx").write_bytes(city_model(version="v2"))
        (model.parent / "new.onnx").replace(model)
        server.process.send_signal(signal.SIGHUP)
        found = scraped_until(server, lambda found: _models(found) == ["v2"] and found["mlship_workers"] == 2)
        assert found["mlship_reloads_total{result=succeeded}"] == 1
        assert found[ANSWERED] == 30
        _ask(server, 5)
        scraped_until(server, lambda found: found[ANSWERED] == 35)


@pytest.mark.whole
def test_ten_replacements_leave_no_files(city_path: Path, tmp_path: Path) -> None:
    """A worker that is killed ten times leaves as many files as one that was never replaced."""
    with serving(city_path, "--workers", "1", env={"TMPDIR": str(tmp_path)}) as server:
        _ask(server, 1)
        scraped_until(server, lambda found: found[ANSWERED] == 1)
        (folder,) = tmp_path.glob("mlship-serve-*")
        before = sorted(str(file) for file in folder.rglob("*"))
        for killed in range(10):
            os.kill(server.children()[0], signal.SIGKILL)
            _until_started(server, killed + 2)
        _ask(server, 1)
        assert scrape(server)[ANSWERED] == 2
        assert sorted(str(file) for file in folder.rglob("*")) == before


def test_refusals_are_counted_by_code(server: Server) -> None:
    """What a protocol refuses, what Flask does and what never became a request are told apart by codes of ours."""
    server.ask("POST", "/predict", {"my age": "old"})
    server.ask("GET", "/nowhere")
    server.raw(b"NOT HTTP\r\n\r\n")
    server.ask("POST", "/predict", b" " * (2 << 20))
    codes = ("input_refused", "not_found", "bad_request", "body_too_large")
    names = [f"mlship_errors_total{{code={code}}}" for code in codes]
    names.append("mlship_requests_total{code=422,model=cities,protocol=predict}")
    scraped_until(server, lambda found: all(found.get(name, 0) >= 1 for name in names))


def _psi(found: Samples, column: str) -> float:
    return found.get(f"mlship_drift_psi{{column={column},model=sum}}", -1.0)


def test_drift_tells_shifted_rows(tmp_path: Path) -> None:
    """Rows like the sample leave the index low, shifted ones raise it, and a killed worker's share is kept."""
    random = np.random.default_rng(3)
    sample = {name: random.normal(size=2_000) for name in "ab"}
    columns = [Column(name, "float64", "x") for name in "ab"]
    model = tmp_path / "sum.onnx"
    model.write_bytes(sum_model(("a", "b"), baseline=make_baseline(columns, sample, 2_000)))

    def rows(count: int, shift: float) -> list[dict[str, float | None]]:
        return [{"a": float(random.normal()), "b": float(random.normal(shift))} for _ in range(count)]

    with serving(model, *TWO) as server:
        for _ in range(8):
            assert server.ask("POST", "/predict", rows(250, 0.0)).status == 200
        found = scraped_until(server, lambda found: found["mlship_drift_rows{model=sum}"] == 2_000)
        assert 0 <= _psi(found, "b") < 0.1
        os.kill(server.children()[0], signal.SIGKILL)
        scraped_until(server, lambda found: found["mlship_workers_started_total"] == 3 and found["mlship_workers"] == 2)
        shifted = rows(2_000, 2.0)
        shifted[0] = {"a": None, "b": None}
        assert server.ask("POST", "/predict", shifted).status == 200
        found = scraped_until(server, lambda found: found["mlship_drift_rows{model=sum}"] == 4_000)
        assert _psi(found, "b") > 0.25 > _psi(found, "a")
        assert found["mlship_drift_psi_max{model=sum}"] == _psi(found, "b")
        assert found["mlship_missing_ratio{column=a,model=sum}"] == pytest.approx(1 / 4_000)
        assert found["mlship_prediction_quantile{model=sum,output=prediction,quantile=0.9}"] > 0


def test_labels_are_counted(server: Server) -> None:
    """The labels that were answered are counted, by name."""
    before = scrape(server).get("mlship_predictions_total{label=no,model=cities,output=prediction}", 0.0)
    server.ask("POST", "/predict", [{**GOOD, "my age": -9.0}, {**GOOD, "my age": -8.0}])
    name = "mlship_predictions_total{label=no,model=cities,output=prediction}"
    scraped_until(server, lambda found: found.get(name, 0.0) == before + 2)


def test_clients_make_no_series(server: Server) -> None:
    """Paths, ids, methods and names that clients think of make no new series."""
    server.ask("GET", "/nowhere")
    server.ask("PUT", "/predict")
    time.sleep(0.6)
    before = set(scrape(server))
    for number in range(20):
        server.ask("GET", f"/nowhere-{number}", headers={"X-Request-Id": f"id-{number}"})
        server.ask("POST", f"/models/none-{number}/predict", {"a": 1})
        server.ask(f"ODD{number}", "/predict")
    time.sleep(0.6)
    told = "".join(set(scrape(server)) - before)
    assert not re.search(r"nowhere|none|ODD|id-", told)
    assert told.count("mlship_errors_total") <= 3


def test_alert_rules_name_metrics_that_exist(tmp_path: Path) -> None:
    """Every metric in the alert rules, but those of streams, is one of a server that does all there is to do."""
    random = np.random.default_rng(3)
    model = tmp_path / "sum.onnx"
    columns = [Column("a", "float64", "x")]
    model.write_bytes(sum_model(("a",), baseline=make_baseline(columns, {"a": random.normal(size=100)}, 100)))
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert all({"alert", "expr", "annotations", "labels"} <= rule.keys() for rule in rules)
    used = {name for rule in rules for name in re.findall(r"mlship_(?!stream_)\w+", rule["expr"])}
    assert len(used) >= 8
    with serving(model, "--workers", "1", "--log-predictions", tmp_path / "record") as server:
        server.ask("POST", "/predict", {"a": 1.0})
        server.ask("POST", "/predict", {"a": "x"})
        found = scraped_until(server, lambda found: any("mlship_drift_psi_max" in name for name in found))
        assert used <= {name.partition("{")[0] for name in found}


def test_ready_server_without_requests_can_be_scraped(city_path: Path) -> None:
    """The first scrape of all, of a server that nobody has asked, tells versions and workers."""
    with serving(city_path, "--workers", "1") as server:
        found = scrape(server)
        assert found["mlship_workers"] == 1
        assert json.loads(server.ask("GET", "/readyz").body)["model"]["version"] in _models(found)
