"""What monitors found, as sections of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlship.batch.verdict import MUCH
from mlship.report.document import Section
from mlship.report.figures import number, share
from mlship.report.pictures.bars import Bar, Bars, Mark
from mlship.report.pictures.columns import Columns

_MOST_HISTOGRAMS = 6  # of the columns that drifted most
_MOST_LABELS = 40
_SERIES = ("now", "in the sample")
_SAMPLE = "share in the sample"
_MOMENTS = ("rows", "not_a_number", "infinite", "min", "mean", "max", "standard_deviation")
_MEASURES = ("accuracy", "log_loss", "auc", "auc_error", "rmse", "mae", "bias")


def watched_sections(facts: dict[str, Any]) -> Iterator[Section]:
    """Yield the sections of all monitors that ran.

    Args:
        facts: As for `report.document`.
    """
    if drift := facts.get("drift"):
        yield from _drift(drift)
    for output in (facts.get("predictions") or {}).get("outputs", ()):
        yield from _labels(output) if output["kind"] == "labels" else _numbers(output)
    if actual := facts.get("actual"):
        yield from _actual(actual)
    if compare := facts.get("compare"):
        yield from _compare(compare, facts)


def _labels(output: dict[str, Any]) -> Iterator[Section]:
    shown = output["labels"][:_MOST_LABELS]
    rest = output["labels"][_MOST_LABELS:]
    rows = [("others" if one["label"] is None else one["label"], one["rows"], one["share"]) for one in shown]
    if rest:
        rows.append((f"{len(rest):,} more", sum(one["rows"] for one in rest), sum(one["share"] for one in rest)))
    then = output.get("then", {}).get("shares")
    series = ("",) if then is None else _SERIES
    if then is not None:
        known = {label for label, *_ in rows}
        rows += [(label, 0, 0.0) for label in then if label not in known][:_MOST_LABELS]
    told = [(label, count, (part, (then or {}).get(label))[: len(series)]) for label, count, part in rows]
    title = f"Predictions: {output['output']}"
    bars = (Bar(label, tuple(part or 0.0 for part in parts), tuple(map(share, parts))) for label, _, parts in told)
    yield Section(
        title,
        ("label", "rows", "share", _SAMPLE)[: 2 + len(series)],
        tuple((label, number(count), *map(share, parts)) for label, count, parts in told),
        Bars(title, tuple(bars), series),
    )


def _numbers(output: dict[str, Any]) -> Iterator[Section]:
    title = f"Predictions: {output['output']}"
    yield Section(
        title,
        ("", ""),
        tuple((name.replace("_", " "), number(output[name])) for name in _MOMENTS if name in output),
    )
    then = output.get("then", {})
    if deciles := output.get("deciles"):
        rows = [("now", *map(number, deciles))]
        rows += [(_SERIES[1], *map(number, then["deciles"]))] if "deciles" in then else []
        yield Section(
            f"{title}, deciles within {share(output['relative_error'])}",
            ("", *(f"{10 * tenth} %" for tenth in range(len(deciles)))),
            tuple(rows),
        )
    if histogram := output.get("histogram"):
        low, high = (0.0, 1.0) if output["kind"] == "probability" else (output["min"], output["max"])
        width = high / len(histogram) - low / len(histogram)
        parts = [histogram, then["histogram"]] if "histogram" in then else [histogram]
        bins = [
            (f"{low + place * width:.4g} to {low + (place + 1) * width:.4g}", values)
            for place, values in enumerate(zip(*parts, strict=True))
        ]
        yield Section(
            f"{title}, distribution",
            ("from, to", "share", _SAMPLE)[: 1 + len(parts)],
            tuple((label, *map(share, values)) for label, values in bins),
            Columns(
                f"Distribution of {output['output']}",
                tuple(Bar(label, values, tuple(map(share, values))) for label, values in bins),
                _SERIES[: len(parts)] if len(parts) > 1 else ("",),
                edges=tuple(low + place * width for place in range(len(histogram) + 1)),
                along=output["output"],
            ),
        )


def _drift(drift: dict[str, Any]) -> Iterator[Section]:
    columns = drift["columns"]
    if not columns:
        yield Section("Drift", ("", ""), (("not counted", drift.get("note", "no column has a baseline")),))
        return
    every = f", texts of one row in {drift['texts_every']}" if "texts_every" in drift else ""
    title = f"Drift against the {drift['baseline_rows']:,} rows of the sample{every}"
    yield Section(
        title,
        ("column", "stability index (PSI)", "missing then", "missing now"),
        tuple(
            (one["column"], number(one["psi"]), share(one["missing_then"]), share(one["missing_now"]))
            for one in columns
        ),
        Bars(
            "Stability index (PSI) by column, largest first",
            tuple(Bar(one["column"], (one["psi"] or 0.0,), (number(one["psi"]),)) for one in columns),
            mark=Mark(MUCH, f"much: over {MUCH:g}"),
        ),
    )
    for one in columns[:_MOST_HISTOGRAMS]:
        if one["bins"]:
            yield _histogram(one)


def _histogram(one: dict[str, Any]) -> Section:
    bins = [(part["bin"], part["now"], part["then"]) for part in one["bins"]]
    return Section(
        f"Drift of {one['column']}",
        ("values", "share now", "share in the sample"),
        tuple((label, share(now), share(then)) for label, now, then in bins),
        Bars(
            f"{one['column']}, now and in the sample",
            tuple(Bar(label, (now, then), (share(now), share(then))) for label, now, then in bins),
            _SERIES,
        ),
    )


def _actual(actual: dict[str, Any]) -> Iterator[Section]:
    rows = [("rows known", number(actual["known"])), ("rows unknown", number(actual["unknown"]))]
    rows += [(name.replace("_", " "), number(actual[name])) for name in _MEASURES if name in actual]
    further = {"no_class": "rows whose label is no class of the model", "no_number": "rows left out: not a number"}
    rows += [(words, number(actual[name])) for name, words in further.items() if actual.get(name)]
    yield Section("Against what came true", ("", ""), tuple(rows))
    if pairs := actual.get("confusion"):
        told = tuple((pair["actual"], pair["predicted"], number(pair["rows"])) for pair in pairs[:_MOST_LABELS])
        yield Section("What came true, and what was predicted", ("actual", "predicted", "rows"), told)


def _compare(compare: dict[str, Any], facts: dict[str, Any]) -> Iterator[Section]:
    title = "Compared with the other model"
    rows = [("rows", number(compare["rows"])), ("rows that changed", share(compare["changed_share"]))]
    if compare["flipped"] is not None:
        rows += [("rows with another label", f"{number(compare['flipped'])} ({share(compare['flipped_share'])})")]
    if facts.get("refused_by_the_other"):
        rows += [("rows that the other refused", number(facts["refused_by_the_other"]))]
    for name, words in (("missing", "only here"), ("added", "only there"), ("unlike", "not comparable")):
        if compare[name]:
            rows.append((f"columns {words}", ", ".join(compare[name])))
    yield Section(title, ("", ""), tuple(rows))
    for labels in compare["labels"]:
        if labels["pairs"]:
            pairs = [(f"{pair['from']} to {pair['to']}", pair["rows"]) for pair in labels["pairs"][:_MOST_LABELS]]
            yield Section(
                f"Labels of {labels['output']} that changed, ours to the other's",
                ("labels", "rows"),
                tuple((label, number(count)) for label, count in pairs),
                Bars("Labels that changed", tuple(Bar(label, (count,), (number(count),)) for label, count in pairs)),
            )
    if compare["numbers"]:
        yield Section(
            "Differences of numbers",
            ("column", "largest", "mean", "rows changed", "not comparable", "stability index (PSI)"),
            tuple(
                (one["output"], *(number(one[name]) for name in ("largest", "mean", "changed", "no_number", "psi")))
                for one in compare["numbers"]
            ),
        )
    if compare["moved"]:
        yield Section(
            "Rows that moved most",
            ("file", "row", "difference, of the largest"),
            tuple(
                (_file(one["file"], facts.get("inputs") or []), number(one["row"]), share(one["difference"]))
                for one in compare["moved"]
            ),
        )


def _file(place: int, inputs: list[dict[str, Any]]) -> str:
    return str(inputs[place]["path"]) if place < len(inputs) else f"input {place + 1}"
