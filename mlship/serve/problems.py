"""What is wrong with a request, and every error as the one JSON form that leaves the server.

    {"error": {"code": "...", "message": "...", "rows": [{"row": 0, "column": "age", "code": "not_a_number"}]}}

Values never stand in it, nor does the text of an exception that was not raised for the client to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlship.errors import InputRefused, MlshipError
from mlship.model.values.codes import MEANINGS, CellError

MOST_LISTED = 100
"""Refused values named in one answer; all of them are counted."""


class RequestRefused(MlshipError):
    """A request that cannot be answered as it stands.

    Args:
        status: The HTTP status.
        code: A short machine-readable name.
        message: What is wrong with the request and what was expected; it is sent to the client.
        headers: Headers that belong to the status, such as Allow.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.headers = dict(headers or {})


class RowsRefused(InputRefused):
    """Rows with values that the model does not accept.

    Args:
        errors: Refused values, ordered by row; only the first `MOST_LISTED` are listed.
        count: How many values were refused in all.
        complete: False when reading was given up, so that there may be more than `count`.
    """

    def __init__(self, errors: Sequence[CellError], count: int, *, complete: bool = True) -> None:
        listed = errors[:MOST_LISTED]
        super().__init__(_summary(listed, count, complete))
        self.rows = row_errors(listed)


def not_found() -> RequestRefused:
    """Return the refusal of a path at which nothing is served."""
    return RequestRefused(404, "not_found", "Nothing is served at this path. Rows are scored by POST /predict.")


def row_errors(errors: Sequence[CellError]) -> list[dict[str, Any]]:
    """Return refused values as JSON values: where, and for what reason."""
    return [{"row": error.row, "column": error.column, "code": error.code} for error in errors]


def status_of(error: MlshipError) -> int:
    """Return the HTTP status for an error."""
    return error.status if isinstance(error, RequestRefused) else error.http_status


def body_of(error: MlshipError) -> dict[str, Any]:
    """Return the JSON body for an error.

    The message of an error that is the server's own, not the client's, stays here: it may name paths.
    """
    status = status_of(error)
    own = status >= 500 and not isinstance(error, RequestRefused)
    message = "The server could not answer; its operator finds the reason in its log." if own else error.message
    problem: dict[str, Any] = {"code": error.code, "message": message}
    if isinstance(error, RowsRefused):
        problem["rows"] = error.rows
    return {"error": problem}


def _summary(errors: Sequence[CellError], count: int, complete: bool) -> str:
    first = errors[0]
    place = f"row {first.row}" if first.column is None else f"row {first.row}, column '{first.column}'"
    kind = f" ({first.kind})" if first.kind else ""
    many = f"{count:,} value{'s were' if count != 1 else ' was'} refused"
    if not complete:
        many = f"More than {many}; reading was given up"
    if len(errors) < count:
        many += f", of which the first {len(errors)} are listed"
    return f"{many}. In {place}: {MEANINGS[first.code]}{kind}."
