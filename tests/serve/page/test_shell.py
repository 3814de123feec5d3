"""The page without a browser: who is answered what, with which headers, and what the charts are made of."""

from __future__ import annotations

import contextlib
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from mlship.serve.page import charts, figures
from mlship.serve.page.samples import sampled
from tests.serve.models import NUMBERS, sum_model
from tests.serve.scrape import scrape
from tests.serve.server import JSON, Server, serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
RECORD = {NUMBERS[0]: 1.0, NUMBERS[1]: 2.0, "city": "Porto"}
STRICT = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'none'", "base-uri 'none'"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/docs", "text/html"), ("/page/page.js", "text/javascript"), ("/page/page.css", "text/css"),
     ("/page/pictures.css", "text/css"), ("/page/icon.svg", "image/svg+xml")],
)  # fmt: skip
def test_files_of_the_page(server: Server, path: str, kind: str) -> None:
    """Each file has its type and the strict policy alone, and holds no word of the model."""
    with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", path, headers=BROWSER)
        names = [name.lower() for name, _ in connection.getresponse().getheaders()]
    assert len(names) == len(set(names))  # of two policies a browser keeps both
    answer = server.ask("GET", path, headers=BROWSER)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(kind)
    policy = answer.headers["content-security-policy"]
    assert set(policy.split("; ")) >= STRICT
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert b"cities" not in answer.body
    assert b" style=" not in answer.body
    assert b" onclick=" not in answer.body


def test_programs_are_answered_as_before(server: Server) -> None:
    """At `/` only who names HTML gets the page; a data answer keeps the strictest policy."""
    for accept in ("*/*", "application/json", "", "application/json, text/html;q=0", "text/html; q=0.0, */*"):
        answer = server.ask("GET", "/", headers={"Accept": accept})
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert server.ask("POST", "/", RECORD, {**JSON, **BROWSER}).status == 405


def test_metrics_elsewhere_are_no_charts_here(city_path: Path) -> None:
    """With a port of their own for metrics, the page tells none of them to who may ask for predictions."""
    with serving(city_path, "--workers", "1", "--metrics-port", "0") as server:
        assert server.ask("GET", "/page/about").json["live"] is False
        assert server.ask("GET", "/page/live").status == 404
        for path in ("/", "/docs", "/page/about", "/page/page.js"):
            assert server.ask("GET", path, headers=BROWSER, port=server.metrics_port).status == 404


def live(server: Server, query: str = "") -> dict[str, Any]:
    """Return the charts by their keys."""
    answer = server.ask("GET", f"/page/live{query}")
    assert answer.status == 200, answer.body
    return {chart["key"]: chart for chart in answer.json["charts"]}


def test_charts_say_what_metrics_say(tmp_path: Path) -> None:
    """Rates, errors, batches and the shadow's differences of the charts are those of /metrics, from any worker."""
    model, other = tmp_path / "sum.onnx", tmp_path / "other.onnx"
    model.write_bytes(sum_model(("a", "b")))
    other.write_bytes(sum_model(("a",)))
    with serving(model, "--workers", "2", "--shadow", other) as server:
        live(server)
        for place in range(30):
            assert server.ask("POST", "/predict", [{"a": place, "b": 2.0}] * 3).status == 200
        assert server.ask("POST", "/predict", {"a": "x", "b": 1}).status == 422
        time.sleep(3.0)  # what workers count is written by then, and looked at for drift
        charts = live(server)
        found = scrape(server)
        rates = [float(answered) for _, answered, _ in charts["requests"]["rows"]]
        assert len(rates) == 1  # between the two times that somebody looked
        assert 30 / 8 < rates[0] < 30 / 3
        assert charts["errors"]["rows"] == [["input_refused", "1", "1"]]
        assert found["mlship_errors_total{code=input_refused}"] == 1
        assert charts["batch"]["rows"] == [["3 to 4", "30", "100 %"]]
        shadow = dict(charts["shadow"]["rows"])
        assert shadow["asked too"] == f"{found['mlship_shadow_rows_total']:.0f}" == "90"
        assert shadow["prediction: mean difference"] == "2"
        assert charts["shadow"]["say"].startswith("The shadow was asked 90 rows too; numbers lie apart by 2 at most")
        assert charts["output0"]["rows"][0] == ["0 %", "2"]
        assert "not counted" in charts["drift"]["say"]
        for chart in charts.values():
            assert chart["say"]
            assert bool(chart["svg"]) is bool(chart["rows"])
            assert "style=" not in chart["svg"]
        assert live(server)["requests"] == charts["requests"]  # another viewer, within 2 s, costs no sample
        assert server.ask("GET", "/page/live?model=none").status == 404


def test_the_most_requests_are_no_fewer_than_those_now() -> None:
    """The sentence counts refused requests in both of its figures, as there may be no others."""
    empty: dict[str, Any] = {"errors": {}, "seconds": {}, "batch": [], "shadow": {}}
    counts = ({"422": 0.0}, {"422": 40.0}, {"422": 50.0, "200": 10.0})
    samples: Any = [{**empty, "time": 2.0 * place, "requests": {"m": codes}} for place, codes in enumerate(counts)]
    said = charts.of_requests(samples, "m")[0].say
    assert said == "10 requests a second now, the most in the last 5 minutes 20."


def test_samples_are_shared_and_bounded(tmp_path: Path) -> None:
    """A sample is added every 2 s at most, and what is older than 5 minutes is dropped."""
    taken = [len(sampled(tmp_path, now)) for now in (1000.0, 1000.5, 1001.9, 1002.0, 1299.0, 1301.0, 1700.0)]
    assert taken == [1, 1, 2, 2, 3, 3, 1]


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([], 0.5, None),
        ([(1.0, 0.0), (float("inf"), 0.0)], 0.5, None),
        ([(1.0, 10.0), (2.0, 10.0), (float("inf"), 10.0)], 0.5, 0.5),
        ([(1.0, 0.0), (3.0, 10.0), (float("inf"), 10.0)], 0.5, 2.0),
        ([(1.0, 0.0), (3.0, 10.0), (float("inf"), 100.0)], 0.99, 3.0),
    ],
)
def test_quantiles(buckets: list[tuple[float, float]], share: float, expected: float | None) -> None:
    """Quantiles are those of Prometheus: even within a bucket, the last bound beyond it, none of nothing."""
    found = figures.quantile(buckets, share)
    assert (None if found != found else found) == expected  # noqa: PLR0124 - not-a-number
