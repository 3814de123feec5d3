"""Conversion and proof within limits of time and memory, and in the arithmetic that the user asks for."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr
from mlship.export.graph.table import Table
from mlship.export.registry import own_family
from tests.export.judging import assert_equal, export, opened
from tests.export.tables import NUMBERS, kinds_of, table

ROWS = table(200, 3)
KINDS = kinds_of(ROWS)


def tree() -> DecisionTreeClassifier:
    """Fit a small tree."""
    return DecisionTreeClassifier(max_depth=4, random_state=0).fit(ROWS[NUMBERS], KINDS)


def test_a_conversion_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A converter that never returns is stopped at the time limit: exit 5, no file, and the alarm is off again."""

    def never(_ctx: Context, _model: DecisionTreeClassifier, _table: Table) -> Expr:
        while True:
            time.sleep(0.01)

    methods = own_family()[DecisionTreeClassifier]
    monkeypatch.setitem(own_family(), DecisionTreeClassifier, replace(methods, predict=never))

    assert export(tmp_path, tree(), "--json", "--time-limit", "0.5") == 5
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "took longer than 0.5 seconds" in error["message"]) == ("time_limit", True)
    assert not (tmp_path / "model.onnx").exists()
    time.sleep(0.6)


def test_a_conversion_without_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A converter that takes more memory than is allowed is exit 5 and no file, and later exports have all again."""

    def huge(ctx: Context, _model: DecisionTreeClassifier, table: Table) -> Expr:
        return table.numbers() @ ctx.constant(np.ones((1 << 15, 1 << 15)))

    methods = own_family()[DecisionTreeClassifier]
    with monkeypatch.context() as patched:
        patched.setitem(own_family(), DecisionTreeClassifier, replace(methods, predict=huge))
        assert export(tmp_path, tree(), "--json", "--memory-limit", "1GiB") == 5
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["message"]) == (
        "memory_limit",
        "Conversion and proof ran out of memory. Nothing was written.",
    )
    assert not (tmp_path / "model.onnx").exists()
    assert len(np.ones(1 << 28, dtype=np.int8)) == 1 << 28
    assert export(tmp_path, tree()) == 0


def test_single_precision_is_asked_for(tmp_path: Path) -> None:
    """With --precision float32 and a tolerance that lets it, the graph is of float32 and the proof says so."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS[["a", "b"]].fillna(0.0), KINDS)

    assert export(tmp_path, model, "--precision", "float32", "--tolerance", "1e-3") == 0
    session = opened(tmp_path)
    assert [tensor.dtype for tensor in session.signature.tensors] == ["float32"]
    assert session.card.parity is not None
    assert (session.card.parity.precision, session.card.parity.rung) == ("float32", "tolerance")
    assert 1e-12 < session.card.parity.largest < 1e-3
    assert all(column.limit is not None and column.limit < 2.0**128 for column in session.signature.inputs)
    assert_equal(tmp_path, model, table(300, 4)[["a", "b"]].fillna(0.0), within=1e-3)


def test_single_precision_that_is_not_equal_is_refused(tmp_path: Path) -> None:
    """What float32 answers otherwise by more than the tolerance is refused with exit 5, as in double precision."""
    model = RandomForestRegressor(20, random_state=0).fit(ROWS[["a", "b"]].fillna(0.0), np.arange(200.0))

    assert export(tmp_path, model, "--precision", "float32", "--tolerance", "1e-12") == 5
    assert not (tmp_path / "model.onnx").exists()


def test_double_precision_is_the_default(tmp_path: Path) -> None:
    """Left to itself and with --precision float64, a model of scikit-learn is converted in float64, byte for byte."""
    assert export(tmp_path, tree()) == 0
    first = (tmp_path / "model.onnx").read_bytes()
    assert export(tmp_path, tree(), "--precision", "float64") == 0
    assert (tmp_path / "model.onnx").read_bytes() == first
    assert opened(tmp_path).signature.tensors[0].dtype == "float64"
