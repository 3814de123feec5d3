"""Rows of which a classifier holds two classes for exactly equally likely: the last bit of a sum decides the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlship.export.graph.context import Anchor
from mlship.export.original import Original
from mlship.export.parity import Kind, answered
from mlship.export.rows import more_typical
from mlship.model.signature import Column

_MOST_TIES = 512  # of the proof


def tied(
    original: Original, columns: Sequence[Column], anchors: Sequence[Anchor], kinds: Mapping[str, Kind]
) -> dict[str, Kind]:
    """Return the kind `tie`, of rows like the typical ones that tie, or nothing for a model that never does.

    Such are ensembles that count votes. Further rows are searched only when some of the typical ones tie, as most
    models answer rows more slowly than they would ever tie.

    Args:
        original: The model.
        columns: The probed columns.
        anchors: What the model knows of each.
        kinds: The proof's rows so far, with the original's answers.
    """
    names = _probabilities(original)
    typical = kinds["typical"]
    if len(names) < 2 or not len(_ties(typical, names)):
        return {}
    further = answered(original, "tie", more_typical(columns, anchors, typical.rows), typical.rows)
    rows = _ties(further, names)[:_MOST_TIES]
    if not len(rows):
        rows, further = _ties(typical, names)[:_MOST_TIES], typical
    inputs = {name: values[rows] for name, values in further.inputs.items()}
    return {"tie": Kind(inputs, {name: values[rows] for name, values in further.answers.items()}, len(rows))}


def _probabilities(original: Original) -> list[str]:
    """The output columns of the classes' probabilities, of a classifier of one target."""
    if len(original.asked.methods[0].classes or ()) != 1:
        return []
    return [output.name for output in original.outputs if output.meaning == "probability"]


def _ties(kind: Kind, names: Sequence[str]) -> NDArray[np.intp]:
    ordered = np.sort(np.column_stack([kind.answers[name].astype(np.float64) for name in names]), axis=1)
    return np.flatnonzero(ordered[:, -1] == ordered[:, -2])
