"""Two models on the same rows, with figures computed again by numpy on the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlship.errors import UsageError
from mlship.model.values.codes import Array
from mlship.monitor.comparison import Comparison, changed_share
from mlship.monitor.contract import Seen
from tests.monitor.pieces import CUTS, alike, output, result_of, seen_of

RANDOM = np.random.default_rng(11)
CLASSIFIER = [output("prediction", "label", "string"), output("probability_a", "probability")]
REGRESSOR = [output("prediction", "value")]


def classified(moved: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answers of two classifiers, the second of which moved."""
    ours = RANDOM.beta(0.5, 0.5, 1000)
    theirs = np.clip(ours + RANDOM.normal(0, moved, 1000), 0, 1)
    return _answers(ours), _answers(theirs)


def _answers(probability: Array) -> dict[str, Any]:
    labels = np.where(probability > np.float64(0.5), "a", "b").astype(object)
    return {"prediction": labels, "probability_a": probability}


@pytest.mark.parametrize("cuts", CUTS)
def test_classifiers(cuts: tuple[int, ...]) -> None:
    """Flips by pair, differences and the rows that moved most are those of the whole; values are not told."""
    ours, theirs = classified(0.2)
    result = result_of(Comparison(CLASSIFIER, CLASSIFIER), seen_of(outputs=ours, other=theirs), cuts)

    flips = ours["prediction"] != theirs["prediction"]
    apart = np.abs(ours["probability_a"] - theirs["probability_a"])
    assert result["flipped"] == flips.sum() > 0
    assert changed_share(result) == result["flipped_share"] == flips.mean()
    (labels,) = result["labels"]
    assert {(pair["from"], pair["to"]): pair["rows"] for pair in labels["pairs"]} == {
        (one, other): ((ours["prediction"] == one) & (theirs["prediction"] == other)).sum()
        for one, other in (("a", "b"), ("b", "a"))
    }
    (numbers,) = result["numbers"]
    assert numbers["largest"] == apart.max()
    assert numbers["mean"] == pytest.approx(apart.mean())
    assert (apart > 2e-6).sum() <= numbers["changed"] <= (apart > 9e-7).sum()
    farthest = np.argsort(-apart, kind="stable")[:20]
    assert [(one["file"], one["row"]) for one in result["moved"]] == [(0, row + 1) for row in farthest]
    assert [one["difference"] for one in result["moved"]] == pytest.approx(
        apart[farthest] / ours["probability_a"].max()
    )


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("moved", [0.05, 1.0])
def test_the_index_of_scores(cuts: tuple[int, ...], moved: float) -> None:
    """The index of scores is about that over the exact deciles of ours, and does not depend on the cuts."""
    ours, theirs = RANDOM.normal(50, 10, 1000), RANDOM.normal(50 + 10 * moved, 10, 1000)
    seen = seen_of(outputs={"prediction": ours}, other={"prediction": theirs})
    monitor = Comparison(REGRESSOR, REGRESSOR)
    result = result_of(monitor, seen, cuts)

    edges = [-np.inf, *np.quantile(ours, np.linspace(0.1, 0.9, 9)), np.inf]
    then, now = (np.maximum(np.histogram(part, edges)[0] / 1000, 1e-4) for part in (ours, theirs))
    assert result["numbers"][0]["psi"] == pytest.approx(((now - then) * np.log(now / then)).sum(), rel=0.2, abs=0.02)
    assert alike(result, result_of(monitor, seen))


def test_the_same_model() -> None:
    """A model differs from itself in nothing, NaN and infinity included."""
    ours = {"prediction": np.array([1.0, np.nan, np.inf, -np.inf])}
    result = result_of(Comparison(REGRESSOR, REGRESSOR), seen_of(outputs=ours, other=ours))
    assert result["moved"] == []
    assert changed_share(result) == 0
    assert result["numbers"][0] == {
        "output": "prediction", "largest": 0.0, "mean": 0.0, "changed": 0, "no_number": 0, "psi": 0.0,
    }  # fmt: skip


def test_a_regressor_that_changed() -> None:
    """Without labels a row has changed when its number differs by more than 1e-6 of the column's largest."""
    ours = np.linspace(-1000, 500, 1000)
    theirs = ours + np.where(np.arange(1000) < 30, 2.5e-3, 4e-4)  # a millionth of the largest is 1e-3
    theirs[999] = np.nan
    seen = seen_of(outputs={"prediction": ours}, other={"prediction": theirs})
    result = result_of(Comparison(REGRESSOR, REGRESSOR), seen, (400,))

    assert changed_share(result) == 0.031
    assert result["flipped"] is None
    assert result["numbers"][0]["no_number"] == 1
    assert result["moved"][0] == {"file": 0, "row": 1000, "difference": None}
    assert {one["row"] for one in result["moved"][1:]} <= set(range(1, 31))
    assert result["moved"][1]["difference"] == pytest.approx(2.5e-6)


def test_columns_of_other_sizes() -> None:
    """Rows of several numbers are ranked by the share of the largest number in their own column."""
    outputs = [output("small", "value"), output("large", "value")]
    ours = {"small": np.full(100, 1.0), "large": np.full(100, 1e6)}
    theirs = {"small": ours["small"].copy(), "large": ours["large"].copy()}
    theirs["small"][10] += 0.5
    theirs["large"][20] += 1000
    result = result_of(Comparison(outputs, outputs), seen_of(outputs=ours, other=theirs), (50,))
    assert [one["row"] for one in result["moved"]] == [11, 21]
    assert changed_share(result) == 0.01


def test_labels_only() -> None:
    """Of models that give labels only, the first rows that flipped are told."""
    outputs, others = [output("prediction", "label", "int64")], [output("prediction", "label", "string")]
    ours = np.arange(100) % 3
    theirs = np.array([str(label) for label in np.where(np.arange(100) >= 70, 5, ours)], dtype=object)
    seen = seen_of(outputs={"prediction": ours}, other={"prediction": theirs})
    result = result_of(Comparison(outputs, others), seen, (10, 75))
    assert result["flipped"] == 30
    assert [one["row"] for one in result["moved"]] == list(range(71, 91))


def test_rows_are_those_of_the_file() -> None:
    """A row is told by its file and its number there, also where rows before it were rejected."""
    monitor = Comparison(REGRESSOR, REGRESSOR)
    seen = Seen(np.array([2, 5]), {}, {"prediction": np.array([1.0, 2.0])}, {"prediction": np.array([1.0, 3.0])})
    counts = monitor.place(monitor.count(seen), 4, 100)
    (moved,) = monitor.result(monitor.add({}, counts))["moved"]
    assert (moved["file"], moved["row"]) == (4, 106)


def test_outputs_that_only_one_has() -> None:
    """Outputs are matched by name; those that only one model has are named."""
    other = [output("prediction", "label", "string"), output("score", "score")]
    monitor = Comparison([*CLASSIFIER, output("x", "value")], [*other, output("x", "label", "int64")])
    result = monitor.result({})
    assert (result["missing"], result["added"], result["unlike"]) == (["probability_a"], ["score"], ["x"])
    assert changed_share(result) == 0


def test_nothing_in_common() -> None:
    """Two models without a common output column are refused before any work."""
    with pytest.raises(UsageError, match="no output column in common") as caught:
        Comparison(CLASSIFIER, [output("score", "score")])
    assert "--compare" in str(caught.value.hint)
