"""The charts of the page: each a picture, a sentence that says the same, and a table with its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlship.report.figures import number, share
from mlship.report.pictures.bars import Bar, Bars, Mark
from mlship.report.pictures.columns import Columns
from mlship.report.pictures.frame import Picture
from mlship.report.pictures.lines import Line, Lines
from mlship.report.pictures.scale import Axis
from mlship.serve.page import figures
from mlship.serve.page.samples import Sample

_DRIFT = Mark(0.25, "0.25: no longer alike")  # where monitor/alerts.yml warns
_DRAWN = 1.0  # an index beyond it says no more, and would leave no room for the others
_SHOWN = 20  # columns, labels and outputs of a chart; those with the largest figures
_OUTPUTS = 3
_AGO = Axis("seconds ago", text=lambda seconds: f"{abs(seconds):g}")
_MINUTES = "in the last 5 minutes"


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        key: A name that no other chart has.
        picture: What is drawn.
        say: What it says, in a sentence.
        columns: Names of the table's columns.
        rows: Its cells.
    """

    key: str
    picture: Any
    say: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, the picture as SVG."""
        picture: Picture = self.picture
        return {
            "key": self.key,
            "title": self.picture.title,
            "say": self.say,
            "svg": picture.to_svg(self.key) if self.rows else "",
            "columns": self.columns,
            "rows": self.rows,
        }


def of_requests(samples: Sequence[Sample], model: str) -> list[Chart]:
    """Return how many requests of a model were answered, and how long they took."""
    well, ill = (figures.answered(samples, model, well=well) for well in (True, False))
    rates = (Line("answered", well), Line("refused or failed", ill))
    half, most = (figures.latency(samples, model, part) for part in (0.5, 0.99))
    times = (Line("p50", half), Line("p99", most))
    both = tuple((when, one + other) for (when, one), (_, other) in zip(well, ill, strict=True))
    say = f"{_of(figures.latest(both))} requests a second now, the most {_MINUTES} {_of(figures.largest(both))}."
    took = "No request of the last 2 seconds to tell of."
    if not math.isnan(figures.latest(half)):
        took = f"Half of the requests take up to {_of(figures.latest(half))} ms now, and 99 of 100"
        took += f" up to {_of(figures.latest(most))} ms."
    return [
        _over_time("requests", Lines("Requests a second", rates, _AGO, Axis("requests a second")), say),
        _over_time(
            "latency", Lines("Milliseconds from request to answer", times, _AGO, Axis("milliseconds", log=True)), took
        ),
    ]


def _over_time(key: str, picture: Lines, say: str) -> Chart:
    columns = zip(*(line.points for line in picture.lines), strict=True)
    rows = tuple((f"{abs(points[0][0]):.0f}", *(_of(value) for _, value in points)) for points in columns)
    heads = (picture.across.name, *(line.name for line in picture.lines))
    return Chart(key, picture, say if rows else "The first figures come in a moment.", heads, rows[::-1])


def of_errors(samples: Sequence[Sample]) -> Chart:
    """Return the errors that were told to clients, by code."""
    then, now = samples[0]["errors"], samples[-1]["errors"]
    counts = {code: (count - then.get(code, 0), count) for code, count in now.items() if count}
    ordered = sorted(counts.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
    rows = tuple((code, number(int(recent)), number(int(count))) for code, (recent, count) in ordered)
    bars = tuple(Bar(code, (recent,), (number(int(recent)),)) for code, (recent, _) in ordered[:_SHOWN])
    recent = int(sum(recent for recent, _ in counts.values()))
    say = f"{number(recent)} errors {_MINUTES}, {number(int(sum(now.values())))} since the start."
    picture = Bars(f"Errors by code, {_MINUTES}", bars)
    return Chart("errors", picture, say if rows else "No errors since the start.", ("code", "recent", "in all"), rows)


def of_batches(samples: Sequence[Sample]) -> Chart:
    """Return how many rows were scored together."""
    recent = figures.counts_of(figures.between(samples[0]["batch"], samples[-1]["batch"]))
    when = _MINUTES if recent else "since the start"
    counts = recent or figures.counts_of(samples[-1]["batch"])
    total = sum(count for _, count in counts)
    bars = tuple(Bar(text, (count / total,), (share(count / total),)) for text, count in counts)
    rows = tuple((text, number(int(count)), share(count / total)) for text, count in counts)
    together = sum(count for text, count in counts if text != "1") / total if total else 0.0
    say = f"{share(together)} of {_count(int(total), 'request')} {when} were scored in a call of several rows."
    picture = Columns(f"Rows scored in one call, {when}", bars, along="rows", up=Axis("share of requests", text=share))
    return Chart("batch", picture, say if rows else "Nothing was scored yet.", ("rows", "requests", "share"), rows)


def of_drift(drift: Mapping[str, Any]) -> Chart:
    """Return how far each input lies from the model's sample."""
    known = [column for column in drift["columns"] if column["psi"] is not None]
    rows = tuple(
        (column["column"], f"{column['psi']:.3f}", share(column["missing_then"]), share(column["missing_now"]))
        for column in known
    )
    bars = tuple(
        Bar(column["column"], (min(column["psi"], _DRAWN),), (f"{column['psi']:.3f}",)) for column in known[:_SHOWN]
    )
    picture = Bars("Drift of each input: stability index against the sample", bars, mark=_DRIFT)
    say = drift.get("note") or "Nothing was counted yet."
    if known:
        beyond = sum(column["psi"] > _DRIFT.value for column in known)
        verdict = f"{beyond} of {len(known)} inputs no longer look like the sample" if beyond else "All look like it"
        say = f"{_count(drift['rows'], 'row')} against {number(drift['baseline_rows'])} of the sample. {verdict}."
        say += " Few rows tell little." if drift["rows"] < 1000 else ""
    return Chart("drift", picture, say, ("input", "index", "missing in sample", "missing now"), rows)


def of_predictions(predictions: Mapping[str, Any], then: Mapping[str, Any]) -> list[Chart]:
    """Return how answers are distributed, against those to the sample where the model brings these.

    Args:
        predictions: What `monitor.predictions` tells.
        then: The same of the sample, by output column.
    """
    outputs = [output for output in predictions["outputs"] if output["kind"] != "probability"]
    probabilities = [output for output in predictions["outputs"] if output["kind"] == "probability"]
    if len(probabilities) == 2:
        outputs.append(probabilities[1])  # of two classes one says it all; of more, labels do
    made = {"labels": _labels, "probability": _probability, "number": _numbers}
    return [
        made[output["kind"]](f"output{place}", output, then.get(output["output"]), predictions["rows"])
        for place, output in enumerate(outputs[:_OUTPUTS])
    ]


def _labels(key: str, output: Mapping[str, Any], then: Mapping[str, Any] | None, rows: int) -> Chart:
    shares = {item["label"]: item["share"] for item in output["labels"] if item["label"] is not None}
    before = then["shares"] if then else {}
    labels = list(dict.fromkeys([*shares, *before]))[:_SHOWN]
    pairs = [(label, shares.get(label, 0.0), before.get(label, 0.0)) for label in labels]
    return _shares(key, f"Labels answered: {output['output']}", pairs, rows, against=then is not None)


def _probability(key: str, output: Mapping[str, Any], then: Mapping[str, Any] | None, rows: int) -> Chart:
    now = output.get("histogram") or []
    before = then["histogram"] if then else [0.0] * len(now)
    width = 1 / max(1, len(now))
    pairs = [
        (f"{place * width:.2f} to {(place + 1) * width:.2f}", share_now, share_then)
        for place, (share_now, share_then) in enumerate(zip(now, before, strict=True))
    ]
    edges = tuple(place * width for place in range(len(now) + 1))
    return _shares(key, f"Probabilities answered: {output['output']}", pairs, rows, against=bool(then), edges=edges)


def _shares(
    key: str,
    title: str,
    pairs: Sequence[tuple[str, float, float]],
    rows: int,
    *,
    against: bool,
    edges: tuple[float, ...] = (),
) -> Chart:
    series = ("now", "sample") if against else ("now",)
    told = [(label, values[: len(series)]) for label, *values in pairs]
    bars = tuple(Bar(label, tuple(values), tuple(map(share, values))) for label, values in told)
    cells = tuple((label, *map(share, values)) for label, values in told)
    most = max(pairs, key=lambda pair: pair[1], default=("", 0.0, 0.0))
    say = f"Of {_count(rows, 'row')} since the model was loaded, {share(most[1])} were answered {most[0]}"
    say += f"; in the sample {share(most[2])}." if against else "."
    picture: Any = Columns(title, bars, series, edges) if edges else Bars(title, bars, series)
    return Chart(key, picture, say, ("answer", *series), cells)


def _numbers(key: str, output: Mapping[str, Any], then: Mapping[str, Any] | None, rows: int) -> Chart:
    """Deciles: at least so many percent of the answers are no larger than the number."""
    now = output.get("deciles") or []
    before = then["deciles"] if then and now else []
    lines = [Line("now", tuple((10.0 * place, value) for place, value in enumerate(now)))]
    lines += [Line("sample", tuple((10.0 * place, value) for place, value in enumerate(before)))] if before else []
    cells = tuple(
        (f"{10 * place} %", _of(value), *map(_of, before[place : place + 1])) for place, value in enumerate(now)
    )
    say = f"Half of {_count(rows, 'answer')} since the model was loaded are up to {_of(now[5]) if now else '-'}"
    say += f"; of those to the sample, up to {_of(before[5])}." if before else "."
    picture = Lines(f"Answers by size: {output['output']}", tuple(lines), Axis("percent of answers"), Axis("answer"))
    return Chart(key, picture, say, ("percent of answers", *(line.name for line in lines)), cells)


def of_shadow(samples: Sequence[Sample], *, labels: bool) -> list[Chart]:
    """Return how another model's answers differ; nothing without a shadow.

    Args:
        samples: The samples.
        labels: Whether the model answers with labels.
    """
    shadow = samples[-1]["shadow"]
    if not shadow:
        return []
    asked = shadow["rows"][""]
    told = {name: text for name, text in _SHADOW.items() if labels or name != "changed_rows"}
    parts = [("asked too", asked), *((text, shadow[name][""]) for name, text in told.items())]
    rows = [(text, number(int(count))) for text, count in parts]
    say = f"The shadow was asked {_count(int(asked), 'row')} too"
    if labels and asked:
        say += f", and gave {share(shadow['changed_rows'][''] / asked)} of them another label"
    apart = shadow.get("difference_max", {})
    for output, total in shadow.get("difference_sum", {}).items():
        rows.append((f"{output}: mean difference", _of(total / asked if asked else math.nan)))
        rows.append((f"{output}: largest difference", _of(apart.get(output, math.nan))))
    if asked and apart:
        most = max(apart, key=lambda output: apart[output])
        say += f"; numbers lie apart by {_of(apart[most])} at most, in {most}"
    bars = tuple(Bar(text, (count,), (number(int(count)),)) for text, count in parts)
    return [Chart("shadow", Bars("The shadow, in rows", bars), f"{say}.", ("what", "figure"), tuple(rows))]


_SHADOW = {
    "changed_rows": "given another label",
    "skipped_rows": "not asked, as too many came",
    "failed_rows": "not answered",
}


def _of(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.4g}"


def _count(found: int, noun: str) -> str:
    return f"{number(found)} {noun}{'' if found == 1 else 's'}"
