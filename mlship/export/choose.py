"""Picking the golden rows: a little of every kind, none on a knife's edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlship.export.original import Original
from mlship.export.parity import Kind
from mlship.model.artifact import Proof
from mlship.model.compare import alike, difference
from mlship.model.golden import MOST_ROWS, Golden
from mlship.model.session import Session
from mlship.model.signature import Column
from mlship.model.values.codes import Array

_QUOTAS = {
    "null": 12,
    "unseen": 8,
    "extreme": 8,
    "category": 8,
}  # the rest are typical; edge and sample rows never are golden
_CANDIDATES = 512  # of a kind; more than enough to pick from
_NUDGE = 1e-9  # relative change of every number under which a golden answer must stand still
_STILL = 1e-6
_FAR = 100.0  # an answer this many times the largest typical one would hide differences in the others


def choose_golden(original: Original, columns: Sequence[Column], kinds: Mapping[str, Kind], proof: Proof) -> Golden:
    """Pick up to 64 synthetic rows whose answers do not hang on the last bits of their values.

    Args:
        original: The model, whose own answers are kept.
        columns: The input columns.
        kinds: Rows and answers by kind.
        proof: The proof, whose tolerance the golden rows inherit.
    """
    inputs: list[dict[str, Array]] = []
    answers: list[dict[str, Array]] = []
    room = MOST_ROWS
    for name in (*_QUOTAS, "typical"):
        kind = kinds.get(name)
        if kind is None:
            continue
        near = _spread(np.flatnonzero(_near(original, kind, kinds["typical"])), _CANDIDATES)
        if not len(near):
            continue
        steady = near[_steady(original, columns, _part(kind, near))]
        picked = _spread(steady, min(room, _QUOTAS.get(name, room)))
        room -= len(picked)
        # Typical rows are picked last and stand first: the first golden row serves as an example of a request.
        inputs.insert(0, {column: values[picked] for column, values in kind.inputs.items()})
        answers.insert(0, {column: values[picked] for column, values in kind.answers.items()})
    return Golden(
        rows=MOST_ROWS - room,
        tolerance=proof.tolerance,
        inputs={name: np.concatenate([part[name] for part in inputs]) for name in inputs[0]},
        outputs={name: np.concatenate([part[name] for part in answers]) for name in answers[0]},
    )


def with_own_tolerance(golden: Golden, session: Session, most: float) -> Golden:
    """Return the golden rows with the tolerance that they themselves need.

    A difference is a share of the largest answer, and among a few golden rows that can be smaller than among all rows
    of the proof. Twice the difference that there is leaves room for another processor.

    Args:
        golden: The rows, with the proof's tolerance.
        session: The graph.
        most: The bound on the tolerance.
    """
    found = difference(session.signature.outputs, golden.outputs, session.predict(golden.inputs), golden.rows)
    return replace(golden, tolerance=max(golden.tolerance, min(2.0 * found.largest, most)))


def _part(kind: Kind, rows: NDArray[np.intp]) -> Kind:
    return Kind(
        {name: values[rows] for name, values in kind.inputs.items()},
        {name: values[rows] for name, values in kind.answers.items()},
        len(rows),
    )


def _spread(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Evenly spaced rows, so that they come from every column's part of a kind."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)]


def _steady(original: Original, columns: Sequence[Column], kind: Kind) -> NDArray[np.bool_]:
    steady = np.ones(kind.rows, dtype=np.bool_)
    for factor in (1.0 - _NUDGE, 1.0 + _NUDGE):
        nudged = dict(kind.inputs)
        for column in columns:
            values = kind.inputs[column.name]
            if column.dtype == "float64" and column.categories is None:
                bound = column.limit if column.limit is not None else np.inf
                low = column.low if column.low is not None else -bound
                nudged[column.name] = np.clip(values.astype(np.float64) * factor, low, bound)
        moved = original.answers(nudged)
        steady &= alike(original.outputs, kind.answers, moved, kind.rows, _STILL)
    return steady


def _near(original: Original, kind: Kind, typical: Kind) -> NDArray[np.bool_]:
    near = np.ones(kind.rows, dtype=np.bool_)
    for output in original.outputs:
        if output.dtype == "float64" and output.meaning != "label":
            bound = _FAR * np.nanmax(np.abs(typical.answers[output.name].astype(np.float64)), initial=0.0)
            values = np.abs(kind.answers[output.name].astype(np.float64))
            near &= np.isfinite(values) & (values <= (bound or 1.0))
    return near
