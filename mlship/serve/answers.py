"""Output columns become the JSON of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from mlship.model.values.codes import Array, CellError
from mlship.serve.problems import row_errors


def records_of(outputs: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Return output columns as one record a row."""
    names = list(outputs)
    columns = [values.tolist() for values in outputs.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def predictions_body(
    outputs: Mapping[str, Array], model: Mapping[str, str], rejected: tuple[int, Sequence[CellError]] | None = None
) -> bytes:
    """Return the body that answers a request.

    Args:
        outputs: An array [accepted rows] for each output column, as `Session.predict` gives them.
        model: Name, version and digest.
        rejected: How many rows were asked for and what was refused of them, where rows may be rejected.

    Returns:
        JSON in UTF-8, one record a row. Not-a-number and infinities, which JSON lacks, are null, and so is the place of
        a rejected row.
    """
    records = records_of(outputs)
    if rejected is None:
        return orjson.dumps({"predictions": records, "model": model})
    rows, refused = rejected
    unfit = {error.row for error in refused}
    left = iter(records)
    places = [None if row in unfit else next(left) for row in range(rows)]
    return orjson.dumps({"predictions": places, "rejected": row_errors(refused), "model": model})
