"""What the original answers to a row alone, where rows beside it change its answer.

Some estimators stop iterating by a rule over all rows of a call, and a product of matrices may round a row otherwise
when there are more of them. The answer of record is the one to the row alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlship.export.original import Original
from mlship.export.parity import Bar, Columns, Kind
from mlship.model.session import Session
from mlship.model.values.codes import Array

_MOST_ALONE = 192  # rows of a kind that are asked one by one: each costs a whole call of the original


def settled(session: Session, original: Original, kinds: Mapping[str, Kind], bar: Bar) -> dict[str, Kind]:
    """Return the kinds with the answers to rows alone wherever the graph answers otherwise than the original did.

    A number counts as another by its own size: what large rows hide must be right too, for golden rows are few.

    Args:
        session: The graph.
        original: The model.
        kinds: Rows and the original's answers to all rows of a kind at once.
        bar: What the proof has to reach.

    Returns:
        The kinds. Of one in which too many rows are answered otherwise, those that were not asked alone are left out.
    """
    return {name: _alone(original, kind, session.predict(kind.inputs), bar) for name, kind in kinds.items()}


def _alone(original: Original, kind: Kind, answers: Columns, bar: Bar) -> Kind:
    apart, rows = _apart(original, kind, answers, bar), kind.rows
    if len(apart) > _MOST_ALONE:
        # of those that differ, so that a graph that is wrong in some rows is never judged by others
        asked = apart[np.linspace(0, len(apart) - 1, _MOST_ALONE).astype(np.intp)]
        kept = np.union1d(np.setdiff1d(np.arange(kind.rows), apart), asked)
        kind, apart = _part(kind, kept), np.searchsorted(kept, asked)
    corrected = {name: values.copy() for name, values in kind.answers.items()}
    for row in apart.tolist():
        for name, values in original.answers(_rows(kind.inputs, slice(row, row + 1))).items():
            corrected[name][row] = values[0]
    return Kind(kind.inputs, corrected, kind.rows, alone=len(apart), left_out=rows - kind.rows)


def _apart(original: Original, kind: Kind, answers: Columns, bar: Bar) -> Array:
    """Places of the rows that are answered otherwise; a number may differ by a share of itself."""
    apart = np.zeros(kind.rows, dtype=np.bool_)
    for output in original.outputs:
        ours: Any = kind.answers[output.name]
        theirs: Any = answers[output.name]
        if output.meaning == "label" or output.dtype != "float64":
            apart |= ours != theirs
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(ours - theirs) <= bar.tolerance * np.abs(ours)
        apart |= ~(near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    return np.flatnonzero(apart)


def _part(kind: Kind, rows: Array) -> Kind:
    return Kind(_rows(kind.inputs, rows), _rows(kind.answers, rows), len(rows))


def _rows(columns: Columns, rows: slice | Array) -> dict[str, Array]:
    return {name: values[rows] for name, values in columns.items()}
