"""What a terminal shows of an export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlship.export.job import ExportReport
from mlship.model.artifact import Proof
from mlship.report.document import Section

_MOST_ROWS_SHOWN = 40


def sections_of(report: ExportReport) -> tuple[Section, ...]:
    """Return what a terminal shows of an export: its columns in and out, its proof, and how fast it answers."""
    signature = report.card.signature
    return (
        Section(
            f"Columns of {report.card.name}",
            ("column", "dtype", "null", "values"),
            tuple((column.name, column.dtype, *_accepts(column)) for column in signature.inputs),
        ),
        Section(
            "Outputs",
            ("column", "dtype", "meaning"),
            tuple((output.name, output.dtype, output.meaning) for output in signature.outputs),
        ),
        Section("Proof", ("", ""), tuple(_proof(report))),
    )


def shortened(rows: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
    """Return the rows that a terminal shows of a long table."""
    if len(rows) <= _MOST_ROWS_SHOWN:
        return rows
    more = (f"... and {len(rows) - _MOST_ROWS_SHOWN} more", *("" for _ in rows[0][1:]))
    return [*rows[:_MOST_ROWS_SHOWN], more]


def _accepts(column: Any) -> tuple[str, str]:
    """Whether null is accepted, and which values are."""
    values = ""
    if column.categories is not None:
        known = ", ".join(str(value) for value in column.categories[:5])
        more = "" if len(column.categories) <= 5 else f" and {len(column.categories) - 5} more"
        values = f"{known}{more}{'; others too' if column.unknown else '; no others'}"
    elif column.low is not None:
        values = f"from {column.low:.6g} on"
    elif column.limit is not None:
        values = f"up to {column.limit:.3g} in magnitude"
    elif column.finite:
        values = "finite"
    return ("accepted" if column.nullable else "refused"), values


def _proof(report: ExportReport) -> list[tuple[str, str]]:
    card = report.card
    if card.parity is None:
        return []
    proof = card.parity
    rows = ", ".join(f"{count:,} {kind}" for kind, count in proof.rows.items())
    verdict = "exact" if proof.rung == "exact" else f"within {proof.tolerance:.2g}, not exact"
    return [
        ("compared with the original", f"{sum(proof.rows.values()):,} rows ({rows})"),
        ("size of the file", f"{report.bytes:,} bytes"),
        ("labels that agree", f"{proof.labels_agree:.0%}"),
        ("largest difference of a number", f"{proof.largest:.2g} ({verdict}, {proof.precision})"),
        *([("found in", proof.worst)] if proof.worst else []),
        *([("asked one by one", _alone(proof))] if proof.alone else []),
        *_speed(report),
        ("golden rows in the file", str(card.golden.rows if card.golden else 0)),
        ("baseline", "from the sample" if card.baseline else "none, as no --sample was given"),
        ("digest", report.digest[:12]),
    ]


def _alone(proof: Proof) -> str:
    more = f"; {proof.left_out:,} more such rows did not count" if proof.left_out else ""
    return f"{proof.alone:,} rows, as rows beside them change the original's answers{more}"


def _speed(report: ExportReport) -> list[tuple[str, str]]:
    """How long one row takes and how many are answered in a second, in both forms."""
    if not report.speed:
        return []
    forms = ("original", "onnx")
    rows = [f"{report.speed[form].one_row * 1e3:,.3g} ms {form}" for form in forms]
    rates = [f"{report.speed[form].rows_per_second:,.0f} {form}" for form in forms]
    return [("time for one row", ", ".join(rows)), ("rows a second", ", ".join(rates))]
