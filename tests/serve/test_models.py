"""Several models in one server, and models that come from a store."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from mlship import objects
from tests.serve.models import city_model, expected_score, sum_model
from tests.serve.server import run, serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models."""
    made = tmp_path_factory.mktemp("models")
    (made / "cities.onnx").write_bytes(city_model())
    (made / "sum.onnx").write_bytes(sum_model(("a", "b")))
    return made


def test_models_by_name(folder: Path) -> None:
    """Each model answers under its name, /predict names them all, and readiness tells of both."""
    with serving(folder / "cities.onnx", f"total={folder / 'sum.onnx'}", "--workers", "1") as server:
        assert [one["served_as"] for one in server.ready["models"]] == ["cities", "total"]
        cities = server.ask("POST", "/models/cities/predict", GOOD)
        assert cities.json["predictions"][0]["score"] == expected_score(1.0, 2.0, "Porto")
        assert server.ask("POST", "/models/total/predict", {"a": 1, "b": 2}).json["predictions"] == [
            {"prediction": 3.0}
        ]
        plain = server.ask("POST", "/predict", GOOD)
        assert (plain.status, plain.json["error"]["code"]) == (404, "which_model")
        assert "'cities', 'total'" in plain.json["error"]["message"]
        unknown = server.ask("POST", "/models/sum/predict", GOOD)
        assert (unknown.status, unknown.json["error"]["code"]) == (404, "unknown_model")
        assert len(server.ask("GET", "/readyz").json["models"]) == 2


def test_one_name_for_two_models(folder: Path) -> None:
    """Two models of one name are exit code 2 with a way out."""
    result = run("serve", folder / "sum.onnx", folder / "sum.onnx", "--port", "0")
    assert result.returncode == 2
    assert "Two models are called 'sum'" in result.stderr


def test_model_out_of_a_store(bucket: str) -> None:
    """A model is served from S3, and a reload takes over what stands there then."""
    place = objects.parse(f"{bucket}/models/cities.onnx")
    objects.put(place, city_model())
    with serving(place.uri, "--workers", "1") as server:
        assert server.ask("POST", "/predict", GOOD).json["model"]["version"] == "v1"
        objects.put(place, city_model(version="v2"))
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while (told := server.ask("POST", "/predict", GOOD).json["model"]["version"]) == "v1":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert told == "v2"


def test_no_such_object(bucket: str) -> None:
    """An object that is not there ends the start with the URI."""
    result = run("serve", f"{bucket}/none.onnx", "--port", "0")
    assert result.returncode == 3
    assert f"{bucket}/none.onnx" in result.stderr
    assert "SECRET" not in result.stderr
