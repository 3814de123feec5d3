"""Whether a new model can take the place of the one that is served, without its clients noticing but by the answers."""

from __future__ import annotations

from typing import Any

from mlship.errors import ModelRefused
from mlship.model.signature import Signature

_RESTART = "Stop the server and start it with the new model, once its clients are ready for it."


def check_fits(new: Signature, served: dict[str, Any], source: str) -> None:
    """Check that every request that the served model takes is one of the new model too, and gets the same columns.

    Args:
        new: Signature of the new model.
        served: Signature of the one that is served, as JSON.
        source: Where the new model came from.

    Raises:
        ModelRefused: A column is wanted that was not, or of another dtype, or an output column is gone.
    """
    old = Signature.from_json(served)
    there = {column.name: column.dtype for column in old.inputs}
    for column in new.inputs:
        if column.name not in there:
            raise _refused(source, f"takes the column '{column.name}', which the model that is served does not")
        if column.dtype != there[column.name]:
            raise _refused(source, f"takes '{column.name}' as {column.dtype}, not as {there[column.name]}")
        if not column.nullable and next(one for one in old.inputs if one.name == column.name).nullable:
            raise _refused(source, f"takes no null in '{column.name}'")
    given = {output.name: output.dtype for output in new.outputs}
    for output in old.outputs:
        if given.get(output.name) != output.dtype:
            raise _refused(source, f"has no output column '{output.name}' of {output.dtype}")


def _refused(source: str, what: str) -> ModelRefused:
    return ModelRefused(f"'{source}' {what}.", hint=_RESTART, code="signature_differs")
