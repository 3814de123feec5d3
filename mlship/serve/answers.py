"""Output columns become the JSON of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from mlship.model.values.codes import Array


def predictions_body(outputs: Mapping[str, Array], model: Mapping[str, str]) -> bytes:
    """Return the body that answers a request.

    Args:
        outputs: An array [rows] for each output column, as `Session.predict` gives them.
        model: Name, version and digest.

    Returns:
        JSON in UTF-8, one record a row. Not-a-number and infinities, which JSON lacks, are null.
    """
    names = list(outputs)
    columns = [values.tolist() for values in outputs.values()]
    records: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return orjson.dumps({"predictions": records, "model": dict(model)})
