"""The distribution of predictions, with figures computed again by numpy on the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlship.model.signature import OutputDtype
from mlship.model.values.codes import Array
from mlship.monitor.predictions import Predictions
from tests.monitor.pieces import CUTS, alike, output, result_of, seen_of

RANDOM = np.random.default_rng(3)
LABELS: list[tuple[OutputDtype, Array]] = [
    ("int64", RANDOM.integers(-1, 3, 1000)),
    ("float64", RANDOM.integers(0, 2, 1000).astype(np.float64)),
    ("bool", RANDOM.random(1000) < 0.3),
    ("string", np.array(RANDOM.choice(["cat", "dog, big", "São"], 1000), dtype=object)),
]
WIDE = np.concatenate([RANDOM.lognormal(3, 2, 600), -RANDOM.lognormal(-5, 1, 300), np.zeros(60), np.full(40, 7.5)])
NUMBERS = {
    "normal": RANDOM.normal(150, 40, 1000),
    "both signs": RANDOM.permutation(WIDE),
    "one": np.full(1000, -2.5),
    "holes": np.where(
        RANDOM.random(1000) < 0.1, RANDOM.choice([np.nan, np.inf, -np.inf], 1000), RANDOM.normal(size=1000)
    ),
    "huge": RANDOM.normal(size=1000) * 1e300,
}


def true_deciles(values: Array) -> Array:
    """Return the numbers that a tenth, two tenths and so on of all do not exceed; numpy rounds their ranks."""
    return np.sort(values)[[max(-(-tenth * len(values) // 10) - 1, 0) for tenth in range(11)]]


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize(("dtype", "labels"), LABELS)
def test_labels(dtype: OutputDtype, labels: Array, cuts: tuple[int, ...]) -> None:
    """Labels are counted by their text, the most frequent first."""
    result = result_of(
        Predictions([output("prediction", "label", dtype)]), seen_of(outputs={"prediction": labels}), cuts
    )
    told, counts = np.unique(labels.astype(object).astype(str), return_counts=True)
    expected = sorted(zip((-counts).tolist(), told.tolist(), strict=True))
    assert result == {
        "rows": 1000,
        "outputs": [
            {
                "output": "prediction",
                "kind": "labels",
                "labels": [{"label": name, "rows": -count, "share": -count / 1000} for count, name in expected],
            }
        ],
    }


@pytest.mark.parametrize("cuts", CUTS)
def test_probabilities(cuts: tuple[int, ...]) -> None:
    """Probabilities are counted in 20 bins from 0 to 1; ends and mean are exact."""
    values = np.concatenate([RANDOM.beta(0.5, 2, 900), np.zeros(50), np.ones(48), [np.nan, 0.5]])
    monitor = Predictions([output("probability_1", "probability")])
    (told,) = result_of(monitor, seen_of(outputs={"probability_1": values}), cuts)["outputs"]

    known = values[~np.isnan(values)]
    assert told["histogram"] == pytest.approx((np.histogram(known, 20, (0, 1))[0] / 999).tolist())
    assert (told["min"], told["max"], told["not_a_number"], told["rows"]) == (0, 1, 1, 1000)
    assert told["mean"] == pytest.approx(known.mean())
    assert told["standard_deviation"] == pytest.approx(known.std())
    assert told["kind"] == "probability"


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str, cuts: tuple[int, ...]) -> None:
    """Ends, mean and spread are exact, deciles within the accuracy that is told."""
    values = NUMBERS[name]
    (told,) = result_of(Predictions([output("p", "value")]), seen_of(outputs={"p": values}), cuts)["outputs"]

    finite = values[np.isfinite(values)]
    assert (told["min"], told["max"]) == (finite.min(), finite.max())
    assert told["mean"] == pytest.approx(finite.mean(), rel=1e-9)
    spread = None if name == "huge" else pytest.approx(finite.std(), rel=1e-9, abs=1e-12)
    assert told["standard_deviation"] == spread
    assert told["not_a_number"] == np.isnan(values).sum()
    assert told["infinite"] == np.isinf(values).sum()
    true = true_deciles(finite)
    allowed = np.maximum(np.abs(true) * told["relative_error"], told["absolute_error"])
    assert (np.abs(told["deciles"] - true) <= allowed).all()
    if name != "one":
        assert sum(told["histogram"]) == pytest.approx(1)
        exact = np.histogram(finite, 20, (finite.min(), finite.max()))[0] / len(finite)
        assert np.abs(np.cumsum(told["histogram"]) - np.cumsum(exact)).max() < 0.05


@given(
    hnp.arrays(np.float64, st.integers(1, 2000), elements=st.floats(allow_subnormal=False, allow_nan=False)),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_any_numbers_in_any_pieces(values: Array, cuts: list[int]) -> None:
    """Deciles of any numbers keep the accuracy told, and bins, ends and counts do not depend on the cuts."""
    monitor = Predictions([output("p", "raw")])
    cuts = sorted(min(cut, len(values)) for cut in cuts)
    (told,) = result_of(monitor, seen_of(outputs={"p": values}), cuts)["outputs"]
    (whole,) = result_of(monitor, seen_of(outputs={"p": values}))["outputs"]
    exact = ("rows", "infinite", "min", "max", "deciles", "absolute_error", "histogram")
    assert {key: told.get(key) for key in exact} == {key: whole.get(key) for key in exact}
    if "deciles" in told:
        finite = values[np.isfinite(values)].astype(np.float64)
        true = true_deciles(finite)
        allowed = np.maximum(np.abs(true) / 64 * (1 + 1e-15), told["absolute_error"])
        assert (np.abs(told["deciles"] - true) <= allowed).all()


def test_numbers_of_very_many_sizes_are_bounded() -> None:
    """Numbers of more sizes than are kept are still described, and those counted as zero are told."""
    values = 2.0 ** RANDOM.uniform(-300, 300, 20_000) * RANDOM.choice([-1, 1], 20_000)
    monitor = Predictions([output("p", "score")])
    assert len(str(monitor.count(seen_of(outputs={"p": values})))) < 8000
    (told,) = result_of(monitor, seen_of(outputs={"p": values}))["outputs"]
    (cut,) = result_of(monitor, seen_of(outputs={"p": values}), (1, 700, 15_000))["outputs"]
    assert alike(told, cut)
    true = true_deciles(values)
    assert told["absolute_error"] > 0
    assert (np.abs(told["deciles"] - true) <= np.maximum(np.abs(true) / 64, told["absolute_error"])).all()


def test_very_many_labels_are_bounded() -> None:
    """Of more than 500 labels the first in order are counted, whatever the cuts, and the rest together."""
    labels = RANDOM.integers(0, 1500, 20_000)
    monitor = Predictions([output("p", "raw", "int64")])
    whole = result_of(monitor, seen_of(outputs={"p": labels}))
    assert whole == result_of(monitor, seen_of(outputs={"p": labels}), (10, 400, 9000))
    told = whole["outputs"][0]["labels"]
    assert len(told) == 501
    assert told[-1]["label"] is None
    assert sum(one["rows"] for one in told) == 20_000
    assert all(one["rows"] == (labels == int(one["label"])).sum() for one in told[:-1])


def test_no_rows() -> None:
    """Without rows, and without numbers, there is nothing to tell, and no failure."""
    monitor = Predictions([output("p", "value"), output("q", "label", "string"), output("r", "probability")])
    empty = {"p": np.empty(0), "q": np.empty(0, dtype=object), "r": np.empty(0)}
    assert monitor.result({}) == result_of(monitor, seen_of(outputs=empty)) == {"rows": 0, "outputs": []}
    nan = {"p": np.full(2, np.nan), "q": np.array(["a", "b"], dtype=object), "r": np.full(2, np.nan)}
    told = result_of(monitor, seen_of(outputs=nan), (1,))["outputs"]
    assert told[0] == {"output": "p", "kind": "number", "rows": 2, "not_a_number": 2, "infinite": 0}
