"""Drift against the sample of the export, with figures computed again by pandas and numpy on the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlship.errors import ModelRefused
from mlship.export.baseline import make_baseline
from mlship.model.signature import Dtype
from mlship.model.values.codes import Array
from mlship.monitor.drift import Drift, largest_drift
from tests.monitor.pieces import CUTS, alike, column, result_of, seen_of

RANDOM = np.random.default_rng(7)
DAY = np.datetime64("2024-01-01")


def texts(*choices: str | None, p: tuple[float, ...] | None = None, rows: int = 1000) -> NDArray[np.object_]:
    """Return random texts."""
    return np.array(RANDOM.choice(np.array(choices, dtype=object), rows, p=p), dtype=object)


def numbers(*missing: int, shift: float = 0.0) -> Array:
    """Return random numbers, every k-th of them missing."""
    values = RANDOM.normal(shift, 1, 1000)
    for every in missing:
        values[::every] = np.nan
    return values


def times(unit: str, shift: int = 0) -> Array:
    """Return random times of which each seventh is null."""
    values = (DAY + RANDOM.integers(shift, 300 + shift, 1000)).astype(f"datetime64[{unit}]")
    values[::7] = np.datetime64("NaT")
    return values


def index(then: pd.Series[float], now: pd.Series[float]) -> float:
    """Return the population stability index, written down once more."""
    then, now = then.clip(1e-4), now.clip(1e-4)
    return float(((now - then) * np.log(now / then)).sum())


def drift_of(dtype: Dtype, then: Array, now: Array, cuts: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return the drift of one column between a sample and rows."""
    columns = [column("a", dtype)]
    baseline = make_baseline(columns, {"a": then}, len(then))
    (drifted,) = result_of(Drift(columns, baseline), seen_of({"a": now}), cuts)["columns"]
    assert isinstance(drifted, dict)
    return drifted


COLUMNS: list[tuple[Dtype, Array, Array]] = [
    ("float64", numbers(), numbers(shift=0.5)),
    ("float64", numbers(4), numbers(2)),
    ("float32", numbers().astype(np.float32), numbers(9, shift=0.2).astype(np.float32)),
    ("int64", RANDOM.integers(0, 5, 1000), RANDOM.integers(1, 7, 1000)),
    ("int64", RANDOM.poisson(0.2, 1000).astype(np.float64), RANDOM.poisson(0.9, 1000).astype(np.float64)),
    ("bool", RANDOM.random(1000) < 0.05, RANDOM.random(1000) < 0.15),
    ("float64", np.full(1000, 3.25), numbers(shift=3.25)),
    ("datetime", times("us"), times("us", 100)),
    ("date", times("D"), times("D", 30)),
]  # fmt: skip


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize(("dtype", "then", "now"), COLUMNS)
def test_numbers_and_times(dtype: Dtype, then: Array, now: Array, cuts: tuple[int, ...]) -> None:
    """The index is that of pandas over the sample's deciles, those which are tied on their own, with null as a bin."""
    drifted = drift_of(dtype, then, now, cuts)

    old, new = pd.Series(then), pd.Series(now)
    if dtype in ("datetime", "date"):
        unit = "us" if dtype == "datetime" else "D"
        old, new = (
            pd.Series(np.where(np.isnat(part), np.nan, part.astype(f"datetime64[{unit}]").astype(np.int64)))
            for part in (then, now)
        )
    old, new = old.astype(float), new.astype(float)
    deciles = old.quantile(np.linspace(0, 1, 11))
    tied = deciles[deciles.duplicated()].unique()
    edges = np.unique([*deciles[1:-1], *tied, *np.nextafter(tied, -np.inf)])
    bins = pd.IntervalIndex.from_breaks([-np.inf, *edges, np.inf])
    shares = [
        pd.concat([pd.cut(part, bins).value_counts(sort=False), pd.Series({"null": part.isna().sum()})]) / len(part)
        for part in (old, new)
    ]
    assert drifted["psi"] == pytest.approx(index(*shares), rel=1e-9)
    assert drifted["missing_then"] == pytest.approx(old.isna().mean())
    assert drifted["missing_now"] == pytest.approx(new.isna().mean())
    assert [part["now"] for part in drifted["bins"]] == pytest.approx([shares[1].iloc[-1], *shares[1].iloc[:-1]])


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("dtype", ["string", "category"])
def test_texts(dtype: Dtype, cuts: tuple[int, ...]) -> None:
    """The index of texts is that of their shares; rare and new ones are one bin, and null another."""
    then = texts("a", "b", "c", None, *(f"rare {n}" for n in range(5)), p=(0.4, 0.3, 0.2, 0.09, *[0.002] * 5))
    now = texts("a", "b", "new", None, p=(0.2, 0.5, 0.1, 0.2))
    drifted = drift_of(dtype, then, now, cuts)

    shares = [
        pd.Series(part)
        .where(lambda s: s.isna() | s.isin(["a", "b", "c"]), "others")
        .value_counts(normalize=True, dropna=False)
        for part in (then, now)
    ]
    known = shares[0].index
    assert drifted["psi"] == pytest.approx(index(shares[0], shares[1].reindex(known).fillna(0)))
    assert drifted["missing_now"] == pytest.approx(pd.isna(now).mean())
    assert [part["bin"] for part in drifted["bins"]] == ["missing", "a", "b", "c", "others"]


@pytest.mark.parametrize(("dtype", "then", "now"), COLUMNS)
def test_the_sample_itself_has_not_drifted(dtype: Dtype, then: Array, now: Array) -> None:
    """Rows that are the sample give an index of exactly zero, other ones do not, also where deciles are tied."""
    assert drift_of(dtype, then, then)["psi"] == 0
    assert drift_of(dtype, then, now)["psi"] > 0.01


def test_the_largest_comes_first() -> None:
    """Columns are told from the one that drifted most to the one that drifted least."""
    columns = [column("still"), column("far"), column("near")]
    sample = {name: numbers() for name in ("still", "far", "near")}
    drift = Drift(columns, make_baseline(columns, sample, 1000))
    rows = {"still": sample["still"], "far": numbers(shift=3), "near": numbers(shift=0.5)}

    result = result_of(drift, seen_of(rows))
    assert [told["column"] for told in result["columns"]] == ["far", "near", "still"]
    assert largest_drift(result) == result["columns"][0]["psi"]
    assert result["baseline_rows"] == result["rows"] == 1000


def test_a_column_that_is_null_altogether_has_drifted() -> None:
    """Null is a bin of its own, so that a column that broke is seen."""
    assert drift_of("float64", numbers(), np.full(1000, np.nan))["psi"] > 5
    assert drift_of("string", texts("a", "b"), np.full(1000, None, dtype=object))["psi"] > 5


@pytest.mark.parametrize(("ones", "most"), [(0.01, 0.02), (0.05, 0.02), (0.35, 0.01), (0.69, 0.01)])
def test_a_baseline_of_deciles_only(ones: float, most: float) -> None:
    """A baseline that was made without shares of bins makes no drift up where deciles are tied, and sees some."""
    columns = [column("a", "bool")]
    sample = np.arange(1000) < 1000 * ones
    baseline = make_baseline(columns, {"a": sample}, 1000)
    del baseline["columns"]["a"]["bins"]

    drift = Drift(columns, baseline)
    assert result_of(drift, seen_of({"a": sample}))["columns"][0]["psi"] <= most
    assert (
        result_of(drift, seen_of({"a": ~sample if ones < 0.2 else np.ones(1000, dtype=bool)}))["columns"][0]["psi"] > 1
    )


def test_no_baseline() -> None:
    """Without a baseline nothing is counted, and the result says why."""
    result = result_of(Drift([column("a")], None), seen_of({"a": numbers()}))
    assert result["note"] == "The model has no baseline, as it was exported without --sample; drift was not counted."
    assert (result["rows"], result["columns"], result["baseline_rows"]) == (1000, [], None)
    assert largest_drift(result) is None


@pytest.mark.parametrize("chunks", [0, 1])
def test_no_rows(chunks: int) -> None:
    """Without rows there is no index, and no failure."""
    columns = [column("a"), column("b", "string")]
    drift = Drift(columns, make_baseline(columns, {"a": numbers(), "b": texts("x")}, 1000))
    empty = drift.count(seen_of({"a": numbers()[:0], "b": texts("x")[:0]}))
    result = drift.result(drift.add({}, empty) if chunks else {})
    assert [(told["psi"], told["missing_now"]) for told in result["columns"]] == [(None, None)] * 2
    assert largest_drift(result) is None


def test_few_values_in_the_sample() -> None:
    """Of a column without deciles only the share of null is compared."""
    drifted = drift_of("float64", np.full(1000, np.nan), numbers())
    assert drifted["bins"] == [
        {"bin": "missing", "then": 1.0, "now": 0.0},
        {"bin": "present", "then": 0.0, "now": 1.0},
    ]


def test_many_categories_are_bounded() -> None:
    """At most 64 categories are counted on their own, which bounds a chunk's counts; the others are one bin."""
    names = np.array([f"c{n % 100:02}" for n in range(2000)], dtype=object)
    columns = [column("a", "category")]
    drift = Drift(columns, make_baseline(columns, {"a": names}, 2000))

    assert len(drift.count(seen_of({"a": names}))["columns"][0]) == 66
    (told,) = result_of(drift, seen_of({"a": names}))["columns"]
    assert told["psi"] == pytest.approx(0, abs=1e-12)
    assert told["bins"][-1] == pytest.approx({"bin": "others", "then": 0.36, "now": 0.36})


def test_many_texts_are_counted_in_some_rows() -> None:
    """Of more than two columns of texts every k-th row of a large chunk is counted, and the result says so."""
    names = [f"t{n}" for n in range(7)]
    columns = [column(name, "string") for name in names]
    sample = {name: texts("a", "b", rows=6000) for name in names}
    drift = Drift(columns, make_baseline(columns, sample, 6000))
    rows = {name: values.copy() for name, values in sample.items()}
    for values in rows.values():
        values[::3] = None

    result = result_of(drift, seen_of(rows))
    assert result["texts_every"] == 4
    assert [told["missing_now"] for told in result["columns"]] == [pytest.approx(1 / 3)] * 7
    for told in result["columns"]:
        now = [part["now"] for part in told["bins"]]
        assert now == pytest.approx([1 / 3, *[1 / 3] * 2, 0], abs=0.05)
        assert sum(now) == pytest.approx(1)
    assert "texts_every" not in result_of(drift, seen_of({name: values[:1000] for name, values in rows.items()}))


@pytest.mark.parametrize("cuts", CUTS)
def test_pieces_add_up(cuts: tuple[int, ...]) -> None:
    """However rows are cut into chunks, the result is that of the whole."""
    columns = [column("a"), column("b", "string"), column("c", "date")]
    sample = {"a": numbers(3), "b": texts("x", "y", None), "c": times("D")}
    rows = {"a": numbers(5), "b": texts("x", "z"), "c": times("D", 50)}
    drift = Drift(columns, make_baseline(columns, sample, 1000))
    assert alike(result_of(drift, seen_of(rows), cuts), result_of(drift, seen_of(rows)))


def test_bins_are_named() -> None:
    """Bins tell their edges: numbers in six digits, tied ones alone, times as dates; never a category of the rows."""
    assert [part["bin"] for part in drift_of("bool", np.arange(1000) < 250, np.arange(1000) < 250)["bins"]] == [
        "missing", "below 0", "0", "0 to 1", "1", "above 1",
    ]  # fmt: skip
    days = [part["bin"] for part in drift_of("date", DAY + np.arange(1001), DAY + np.arange(5))["bins"]]
    assert days[:3] == ["missing", "up to 2024-04-10", "2024-04-10 to 2024-07-19"]
    drifted = drift_of("string", texts("a", "b"), texts("secret"))
    assert "secret" not in str(drifted)


@pytest.mark.parametrize(
    "baseline",
    [
        {"a": {"missing": 0.5}},
        {"rows": 3, "columns": {"a": {"deciles": []}}},
        {"rows": 3, "columns": {"a": {"missing": 0, "deciles": ["x"]}}},
        {"rows": None, "columns": {}},
    ],
)
def test_a_baseline_that_is_none(baseline: dict[str, Any]) -> None:
    """A baseline that no export wrote is refused before any work."""
    with pytest.raises(ModelRefused, match="baseline cannot be read") as caught:
        Drift([column("a")], baseline)
    assert caught.value.code == "bad_metadata"
