"""Encoders of category_encoders give what their originals give for categories, null and what is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import category_encoders
import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.export.grids import crossed, picked
from tests.export.judging import assert_equal, export
from tests.export.tables import kinds_of, table, with_holes

HELD = {
    "category_encoders.one_hot": ["OneHotEncoder"],
    "category_encoders.ordinal": ["OrdinalEncoder"],
    "category_encoders.target_encoder": ["TargetEncoder"],
    "category_encoders.woe": ["WOEEncoder"],
    "pandas": ["DataFrame", "Index", "RangeIndex", "Series", "StringDtype"],
    "pandas._libs.internals": ["_unpickle_block"],
    "pandas.arrays": ["ArrowStringArray"],
    "pandas.core.indexes.base": ["_new_Index"],
    "pandas.core.internals.managers": ["BlockManager", "SingleBlockManager"],
    "pyarrow.lib": ["_restore_array", "py_buffer", "type_for_alias"],
}
"""What a file of such an encoder holds, which its user has to trust."""
TRUST = [text for module, names in HELD.items() for name in names for text in ("--trust", f"{module}.{name}")]
NAMES = ["a", "city", "k", "c"]
PLAIN, HOLED = table(300, 1)[NAMES], with_holes(table(300, 1), ["city"], 3)[NAMES]
KINDS = kinds_of(table(300, 1))
FRESH = with_holes(table(400, 2), ["city", "k"], 4)[NAMES]
FRESH = FRESH.assign(
    city=FRESH["city"].where(FRESH.index % 7 != 0, "Braga"), k=FRESH["k"].where(FRESH.index % 9 != 0, 17)
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # which it asks pandas for
TOLD = {"value": ("value", "value"), "return_nan": ("return_nan", "return_nan"), "error": ("error", "value")}
"""What an encoder is told to do with unknown categories and with null."""
ENCODERS = [
    getattr(category_encoders, name) for name in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder", "WOEEncoder")
]


@pytest.mark.parametrize(
    ("encoder", "cols", "told", "holes"),
    crossed(ENCODERS, {"texts": None, "both": ["city", "k"]}, TOLD, {"": False, "null": True}),
)
def test_settings(tmp_path: Path, encoder: Any, cols: Any, told: tuple[str, str], holes: bool) -> None:
    """Null and unknown categories have the encoder's own numbers, or are refused; other columns stay as they are."""
    trained = HOLED if holes else PLAIN
    unknown, missing = told
    fitted = encoder(cols=cols, handle_unknown=unknown, handle_missing=missing).fit(trained, KINDS)

    assert export(tmp_path, fitted, *TRUST) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize("encoder", picked(ENCODERS, 0, 2), ids=lambda encoder: encoder.__name__)
def test_inside_of_a_pipeline(tmp_path: Path, encoder: Any) -> None:
    """An encoder stands in front of a scaler and a classifier."""
    fitted = make_pipeline(encoder(cols=["city", "k"]), StandardScaler(), LogisticRegression()).fit(PLAIN, KINDS)

    assert export(tmp_path, fitted, *TRUST) == 0
    assert_equal(tmp_path, fitted, FRESH)


@pytest.mark.parametrize(
    "given",
    [{"min_group_size": 100}, {"drop_invariant": True}, {"composite_cols": [("city", "word")]}],
    ids=["groups", "invariant", "composite"],
)
def test_refused(tmp_path: Path, given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Settings with which a value's numbers are not its own are refused."""
    trained = table(300, 1)[["city", "word"]].assign(word="w")
    fitted = category_encoders.TargetEncoder(**given).fit(trained, np.asarray(KINDS))

    assert export(tmp_path, fitted, *TRUST) == 5
    assert f"TargetEncoder with {next(iter(given))}".replace("with drop", "that left out columns by drop") in (
        capsys.readouterr().err
    )


def test_an_encoder_without_a_converter_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named by its path, with what comes nearest, although the original refuses the first rows tried."""
    part = make_column_transformer((category_encoders.LeaveOneOutEncoder(), ["city"]), ("passthrough", ["k"]))
    fitted = make_pipeline(part, LogisticRegression()).fit(PLAIN, KINDS)

    assert export(tmp_path, fitted, *TRUST) == 5
    told = capsys.readouterr().err
    assert "pipeline.columntransformer.leaveoneoutencoder: LeaveOneOutEncoder is not supported" in told
    assert "TargetEncoder and OrdinalEncoder" in told
