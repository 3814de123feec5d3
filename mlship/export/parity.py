"""Proving the graph equal to the original, through the session that batch and serve open."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlship.errors import NotConvertible
from mlship.export.original import Original
from mlship.export.precision import Precision
from mlship.model.artifact import Proof, RowPlan
from mlship.model.compare import Difference, difference
from mlship.model.session import Session
from mlship.model.values.codes import Array

EXACT = 1e-12
"""The difference up to which double precision counts as exact: the design's goal."""
DEFAULT_TOLERANCE = 1e-6
"""What --tolerance allows when it is not given."""
_MULTIPLES = (1, 2, 4, 8, 16, 32)
_FIXED_ROWS = 64
_CALL_SIZES = (1, 2, 3, 5, 7, 16, 31, 100)
_STABLE_ROWS = 300
_KNIFE_EDGE = ("edge", "extreme", "tie")

Columns = Mapping[str, Array]


@dataclass(frozen=True)
class Kind:
    """Rows of one kind with the original's answers.

    Attributes:
        inputs: Array [rows] for each input column.
        answers: Array [rows] for each output column.
        rows: Number of rows.
        alone: Number of them of which the answers are those of the row asked by itself.
        left_out: Number of further rows that would have had to be asked by themselves, and were not.
    """

    inputs: Columns
    answers: Columns
    rows: int
    alone: int = 0
    left_out: int = 0


def ask(original: Original, rows: Mapping[str, Columns]) -> dict[str, Kind]:
    """Ask the original for its answers to rows of every kind.

    Raises:
        NotConvertible: It refuses a row that the signature accepts.
    """
    return {kind: answered(original, kind, part, len(next(iter(part.values())))) for kind, part in rows.items()}


def answered(original: Original, kind: str, inputs: Columns, rows: int) -> Kind:
    """Ask the original for its answers to rows of one kind; see `ask`."""
    try:
        return Kind(inputs, original.answers(inputs), rows)
    except MemoryError:
        raise
    except Exception as error:  # an estimator fails in any way that code can
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise NotConvertible(
            f"{type(original.estimator).__name__} refuses rows of the kind '{kind}', which its signature accepts: "
            f"{reason}",
            code="refused_rows",
        ) from error


def row_plan(session: Session, kinds: Mapping[str, Kind]) -> RowPlan:
    """Find how many rows a call must have so that a row's bits do not depend on its neighbours.

    Raises:
        NotConvertible: Not even calls of one fixed size give a row the same bits each time.
    """
    inputs = _mixed(kinds, _STABLE_ROWS)
    plans = [*(RowPlan(multiple=multiple) for multiple in _MULTIPLES), RowPlan(fixed=_FIXED_ROWS)]
    for plan in plans:
        if _is_stable(with_plan(session, plan), inputs):
            return plan
    raise NotConvertible("The graph answers a row differently depending on the rows beside it.", code="not_row_stable")


def with_plan(session: Session, plan: RowPlan) -> Session:
    """Set the number of rows a call of a session."""
    session.card = replace(session.card, rows=plan)
    return session


@dataclass(frozen=True)
class Bar:
    """What a proof has to reach.

    Attributes:
        tolerance: The bound on a number's difference where it is not exact.
        precision: The arithmetic that the user asked for.
        arithmetic: What the graph computes in.
    """

    tolerance: float
    precision: Precision = "auto"
    arithmetic: str = "float64"


def prove(session: Session, original: Original, kinds: Mapping[str, Kind], bar: Bar) -> Proof:
    """Compare the session's answers with the original's.

    Args:
        session: The graph, opened as batch and serve open it.
        original: The model.
        kinds: Rows and the original's answers, by kind. A kind is compared by itself, so that the large answers of
            extreme rows do not hide a difference in ordinary ones.
        bar: What it has to reach. A graph of float32, which the user asked for, is not held to rows on a knife's edge,
            which it has to answer otherwise.

    Raises:
        NotConvertible: A label differs, or a number by more than the tolerance.
    """
    largest, worst = 0.0, None
    tolerance = bar.tolerance
    held = _held(kinds, bar)
    for name, kind in held.items():
        found = difference(original.outputs, kind.answers, session.predict(kind.inputs), kind.rows)
        if not found.within(tolerance):
            raise _not_equal(name, found, bar)
        if found.largest > largest:
            largest, worst = found.largest, f"{found.column} in rows of the kind '{name}'"
    return Proof(
        rows={name: kind.rows for name, kind in held.items()},
        labels_agree=1.0,
        largest=largest,
        tolerance=max(EXACT, tolerance if largest > EXACT else 0.0),
        precision=bar.arithmetic,
        rung="exact" if largest <= EXACT else "tolerance",
        worst=worst,
        alone=sum(kind.alone for kind in held.values()),
        left_out=sum(kind.left_out for kind in held.values()),
    )


def _held(kinds: Mapping[str, Kind], bar: Bar) -> dict[str, Kind]:
    single = bar.precision == "float32"
    return {name: kind for name, kind in kinds.items() if not (single and name in _KNIFE_EDGE)}


def differences(session: Session, original: Original, kinds: Mapping[str, Kind], bar: Bar) -> dict[str, float]:
    """Return the largest difference in each output column of numbers, for rows that `prove` found equal.

    Args:
        session: The graph.
        original: The model.
        kinds: What was proven.
        bar: What it had to reach.
    """
    numbers = [output for output in original.outputs if output.meaning != "label" and output.dtype == "float64"]
    found = dict.fromkeys((output.name for output in numbers), 0.0)
    for kind in _held(kinds, bar).values():
        answers = session.predict(kind.inputs)
        for output in numbers:
            apart = difference([output], kind.answers, answers, kind.rows).largest
            found[output.name] = max(found[output.name], apart)
    return found


def _not_equal(kind: str, found: Difference, bar: Bar) -> NotConvertible:
    tolerance = bar.tolerance
    if found.labels_differ:
        what = f"{found.labels_differ} of {found.rows} rows of the kind '{kind}' get another label"
    else:
        what = (
            f"'{found.column}' differs by {found.largest:.2g} in rows of the kind '{kind}', {tolerance:.2g} is allowed"
        )
    return NotConvertible(
        f"The ONNX graph does not equal the model: {what}. Nothing was written.",
        hint=_hint(found, bar),
        code="parity_not_reached",
    )


def _hint(found: Difference, bar: Bar) -> str:
    if bar.precision == "float32":
        return "Leave --precision float32 out, or try --precision auto: float32 does not tell these numbers apart."
    if not found.labels_differ and found.largest <= DEFAULT_TOLERANCE:
        return f"Allow it with --tolerance {10.0 ** math.ceil(math.log10(found.largest)):.0e}."
    return "This model cannot be proven with the converters there are; please report its type."


def _mixed(kinds: Mapping[str, Kind], most: int) -> dict[str, Array]:
    """Rows of all kinds, evenly taken, in one table."""
    share = max(1, most // len(kinds))
    parts = [
        {name: values[:: max(1, kind.rows // share)][:share] for name, values in kind.inputs.items()}
        for kind in kinds.values()
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _is_stable(session: Session, inputs: Mapping[str, Array]) -> bool:
    whole = session.predict(inputs)
    rows = len(next(iter(inputs.values())))
    return all(_same_bits(whole, _in_calls(session.predict, inputs, size, rows)) for size in _CALL_SIZES)


def _in_calls(
    predict: Callable[[Columns], dict[str, Array]], inputs: Columns, size: int, rows: int
) -> dict[str, Array]:
    parts = [
        predict({name: values[start : start + size] for name, values in inputs.items()})
        for start in range(0, rows, size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    return all(
        a[name].tolist() == b[name].tolist() if a[name].dtype == object else a[name].tobytes() == b[name].tobytes()
        for name in a
    )
