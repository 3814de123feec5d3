"""What came true, with figures computed again by scikit-learn on the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from mlship.errors import UsageError
from mlship.model.signature import Column, Output, OutputDtype, Signature, Tensor
from mlship.model.values.codes import Array
from mlship.model.values.text import read_texts
from mlship.monitor.actual import Actual, actual_signature
from tests.monitor.pieces import CUTS, alike, output, result_of, seen_of

RANDOM = np.random.default_rng(5)
KNOWN: NDArray[np.bool_] = RANDOM.random(1000) < 0.9
CLASSES: list[tuple[OutputDtype, list[Any]]] = [
    ("int64", [0, 1]),
    ("float64", [0.5, 1.5]),
    ("bool", [False, True]),
    ("string", ["NA", "yes"]),
    ("int64", [3, 5, 7]),
    ("string", ["a", "b", "c", "d"]),
]


def signature_of(*outputs: Output) -> Signature:
    """Return a signature with these outputs."""
    return Signature((Column("a", "float64", "x"),), (Tensor("x", "float64"),), outputs)


def array(labels: list[Any], dtype: OutputDtype) -> Array:
    """Return labels as the session gives them."""
    return np.array(labels, dtype=object if dtype == "string" else dtype)


def classified(dtype: OutputDtype, classes: list[Any]) -> tuple[list[Output], dict[str, Array], Array]:
    """Return the outputs of a classifier that is right more often than not, its answers, and what came true."""
    truth = RANDOM.integers(0, len(classes), 1000)
    odds = RANDOM.normal(0, 2, (1000, len(classes)))
    odds[np.arange(1000), truth] += 2
    probability = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    names = [f"probability_{label}" for label in classes]
    outputs = [output("prediction", "label", dtype), *(output(name, "probability") for name in names)]
    answers = {"prediction": array([classes[best] for best in probability.argmax(axis=1)], dtype)}
    answers |= {name: probability[:, place] for place, name in enumerate(names)}
    return outputs, answers, array([classes[place] for place in truth], dtype)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize(("dtype", "classes"), CLASSES)
def test_classifiers(dtype: OutputDtype, classes: list[Any], cuts: tuple[int, ...]) -> None:
    """Accuracy, log loss and confusion are scikit-learn's; the area is so within the bound that is told."""
    outputs, answers, truth = classified(dtype, classes)
    came = truth if dtype == "string" else truth.astype(np.float64)  # as a nullable column is read
    result = result_of(Actual(outputs), seen_of(outputs=answers, actual=(came, KNOWN)), cuts)

    true, given = truth[KNOWN], answers["prediction"][KNOWN]
    probability = np.column_stack([answers[f"probability_{label}"] for label in classes])[KNOWN]
    assert (result["kind"], result["known"], result["unknown"]) == ("classifier", KNOWN.sum(), (~KNOWN).sum())
    if dtype == "float64":  # which scikit-learn takes for a regression
        true, given = (part.astype(str).astype(object) for part in (true, given))
    assert result["accuracy"] == metrics.accuracy_score(true, given)
    assert result["log_loss"] == pytest.approx(metrics.log_loss(true, probability))
    assert result["no_class"] == 0
    confusion = metrics.confusion_matrix(true, given)
    names = [str(label) for label in classes]
    told = {(pair["actual"], pair["predicted"]): pair["rows"] for pair in result["confusion"]}
    assert told == {
        (names[row], names[place]): confusion[row, place]
        for row in range(len(names))
        for place in range(len(names))
        if confusion[row, place]
    }
    if len(classes) > 2:
        assert "auc" not in result
    else:
        area = metrics.roc_auc_score(true, probability[:, 1])
        assert abs(result["auc"] - area) <= result["auc_error"] <= 0.005


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_area_of_scores(cuts: tuple[int, ...], scale: float) -> None:
    """Without probabilities the decision value ranks rows; its class is the one predicted above zero."""
    truth = RANDOM.random(1000) < 0.3
    score = (RANDOM.normal(-0.5, 1, 1000) + 1.5 * truth) * scale
    labels = np.where(score > 0, "spam", "egg").astype(object)
    came = np.where(truth, "spam", "egg").astype(object)
    monitor = Actual([output("prediction", "label", "string"), output("score", "score")])
    seen = seen_of(outputs={"prediction": labels, "score": score}, actual=(came, KNOWN))
    result = result_of(monitor, seen, cuts)

    area = metrics.roc_auc_score(truth[KNOWN], score[KNOWN])
    assert abs(result["auc"] - area) <= result["auc_error"] <= 0.06
    assert "log_loss" not in result
    assert alike(result, result_of(monitor, seen))


@pytest.mark.parametrize("probability", [[0.0, 1.0], [1e-300, 1 - 1e-16]])
def test_certain_and_wrong(probability: list[float]) -> None:
    """Probabilities of 0 are taken as 1e-15, and the ends of the scale are ranked."""
    positive = np.array(probability * 2)
    answers = {"prediction": np.array([0, 1, 0, 1]), "probability_0": 1 - positive, "probability_1": positive}
    outputs = [output("prediction", "label", "int64"), *(output(f"probability_{n}", "probability") for n in (0, 1))]
    came = np.array([0.0, 1.0, 1.0, 0.0])
    result = result_of(Actual(outputs), seen_of(outputs=answers, actual=(came, np.ones(4, dtype=bool))))
    assert result["log_loss"] == pytest.approx(-2 * np.log(1e-15) / 4, rel=0.1)
    assert (result["auc"], result["auc_error"]) == (0.5, 0.25)


def test_a_label_that_is_no_class() -> None:
    """A label that the model does not know is wrong, and has no probability; it does not spoil the area."""
    outputs, answers, truth = classified("string", ["a", "b"])
    came = truth.copy()
    came[:10] = "new"
    everything = np.ones(1000, dtype=bool)
    result = result_of(Actual(outputs), seen_of(outputs=answers, actual=(came, everything)), (300,))
    assert result["no_class"] == 10
    assert result["accuracy"] == (answers["prediction"] == came).mean()
    area = metrics.roc_auc_score(truth[10:] == "b", answers["probability_b"][10:])
    assert abs(result["auc"] - area) <= result["auc_error"]


@pytest.mark.parametrize("cuts", CUTS)
def test_regressors(cuts: tuple[int, ...]) -> None:
    """RMSE, MAE and bias are scikit-learn's, over the rows in which both are numbers."""
    given = RANDOM.normal(100, 20, 1000)
    came = given + RANDOM.normal(1, 5, 1000)
    given[~KNOWN] = 1e9
    given[np.flatnonzero(KNOWN)[:3]] = np.nan
    result = result_of(
        Actual([output("prediction", "value")]), seen_of(outputs={"prediction": given}, actual=(came, KNOWN)), cuts
    )

    both = KNOWN & ~np.isnan(given)
    assert (result["kind"], result["known"], result["no_number"]) == ("regressor", KNOWN.sum(), 3)
    assert result["rmse"] == pytest.approx(metrics.root_mean_squared_error(came[both], given[both]))
    assert result["mae"] == pytest.approx(metrics.mean_absolute_error(came[both], given[both]))
    assert result["bias"] == pytest.approx((given - came)[both].mean())


def test_huge_errors_stay_plain() -> None:
    """An error whose square no number can hold is told as None, not as infinity, and does not break the counts."""
    given, came = np.full(4, 1e200), np.full(4, -1e200)
    seen = seen_of(outputs={"prediction": given}, actual=(came, np.ones(4, dtype=bool)))
    result = result_of(Actual([output("prediction", "value")]), seen, (1,))
    assert (result["rmse"], result["mae"], result["bias"]) == (None, 2e200, 2e200)


@pytest.mark.parametrize("outputs", [[output("prediction", "value")], classified("int64", [0, 1])[0]])
def test_nothing_is_known(outputs: list[Output]) -> None:
    """Where nothing has come true yet there are no figures, and no failure."""
    answers = {one.name: np.ones(10, dtype=one.dtype) for one in outputs}
    monitor = Actual(outputs)
    seen = seen_of(outputs=answers, actual=(np.zeros(10), np.zeros(10, dtype=bool)))
    for result in (result_of(monitor, seen), monitor.result({})):
        assert result["known"] == 0
        assert {result[name] for name in ("accuracy", "log_loss", "auc", "rmse", "mae", "bias") if name in result} == {
            None
        }


@pytest.mark.parametrize(
    ("dtype", "texts", "expected"),
    [
        ("int64", ["1", "3.0", "", "x"], [1.0, 3.0, np.nan, 0.0]),
        ("bool", ["True", "f", "NA", "2"], [1.0, 0.0, np.nan, 0.0]),
        ("float64", ["1.5", "2", "null", "x"], [1.5, 2.0, np.nan, 0.0]),
        ("string", ["NA", "yes", "", "other"], ["NA", "yes", None, "other"]),
    ],
)
def test_the_column_is_read_as_the_prediction(dtype: OutputDtype, texts: list[str], expected: list[Any]) -> None:
    """The signature of the actual column has the label's type, and a class named as null is a label."""
    classes = [output("probability_NA", "probability"), output("probability_yes", "probability")]
    given = signature_of(output("prediction", "label", dtype), *(classes if dtype == "string" else []))
    signature = actual_signature(given, "came true")
    signature.check()

    read = read_texts(signature, {"came true": texts}, 4)
    assert read.columns["came true"].tolist() == pytest.approx(expected, nan_ok=True)
    assert len(read.errors) == (0 if dtype == "string" else 1)


def test_a_regressor_is_read_as_numbers() -> None:
    """What a regressor predicts is compared with numbers; a foreign classifier's label is found among its columns."""
    assert actual_signature(signature_of(output("prediction", "value")), "y").inputs[0].dtype == "float64"
    foreign = signature_of(output("label", "raw", "int64"), output("p_0", "raw"), output("p_1", "raw"))
    assert actual_signature(foreign, "y").inputs[0].dtype == "int64"


@pytest.mark.parametrize("names", [("a", "b"), ()])
def test_models_without_one_prediction(names: tuple[str, ...]) -> None:
    """A model of several targets, or of none, is refused with a hint."""
    outputs = [*(output(name, "label", "int64") for name in names), output("score", "score")]
    with pytest.raises(UsageError, match=f"gives {len(names)} columns") as caught:
        actual_signature(signature_of(*outputs), "y")
    assert caught.value.hint == "Leave out --actual."
    with pytest.raises(UsageError):
        Actual(outputs)
