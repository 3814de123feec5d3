"""Another model is asked what was asked, and how its answers differ is told, but not to clients."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from mlship.model.artifact import Card, sign
from tests.serve.models import city_model, sum_graph, sum_model, sum_signature
from tests.serve.scrape import scrape
from tests.serve.server import Server, run, serving

NAMES = ("a", "b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, one that answers 0.25 more, and one that has nothing to do with it."""
    made = tmp_path_factory.mktemp("models")
    (made / "sum.onnx").write_bytes(sum_model(NAMES))
    (made / "more.onnx").write_bytes(sign(sum_graph(NAMES, more=0.25), Card("more", "v2", {}, sum_signature(NAMES))))
    (made / "cities.onnx").write_bytes(city_model())
    return made


def told(server: Server, wanted: dict[str, float]) -> dict[str, float]:
    """Wait until the metrics say what is wanted, and return what they say in the end."""
    deadline = time.monotonic() + 10
    while True:
        found = scrape(server)
        values = {name: found.get(name, 0.0) for name in wanted}
        if values == wanted or time.monotonic() > deadline:
            return values
        time.sleep(0.1)


def test_differences_are_counted(folder: Path) -> None:
    """Clients get the first model's answers; rows, and how far the second lies from it, are in the metrics."""
    with serving(folder / "sum.onnx", "--workers", "1", "--shadow", folder / "more.onnx") as server:
        for count in (1, 5):
            rows = [{"a": float(place), "b": 2.0} for place in range(count)]
            answer = server.ask("POST", "/predict", rows).json
            assert [row["prediction"] for row in answer["predictions"]] == list(np.arange(count) + 2.0)
            assert answer["model"]["name"] == "sum"
        assert server.ask("POST", "/predict", {"a": "x"}).status == 422
        wanted = {
            "mlship_shadow_rows_total": 6.0,
            "mlship_shadow_changed_rows_total": 0.0,
            "mlship_shadow_failed_rows_total": 0.0,
            "mlship_shadow_difference_sum_total{output=prediction}": 1.5,
            "mlship_shadow_difference_max{output=prediction}": 0.25,
        }
        assert told(server, wanted) == wanted


def test_shadow_that_does_not_fit(folder: Path) -> None:
    """A shadow that wants other columns is refused at the start, as a reload would be."""
    result = run("serve", folder / "sum.onnx", "--port", "0", "--shadow", folder / "cities.onnx")
    assert result.returncode == 4
    assert "takes the column 'my age'" in result.stderr


def test_shadow_of_several_models(folder: Path) -> None:
    """Which of several models it would shadow nobody knows: exit code 2."""
    arguments = (folder / "sum.onnx", folder / "cities.onnx", "--shadow", folder / "more.onnx")
    result = run("serve", *arguments, "--port", "0")
    assert result.returncode == 2
    assert "--shadow" in result.stderr
