"""A smoke test in place: the golden rows are replayed where the model runs, and sent to where it is served.

    python -m mlship.targets.smoke MODEL [URL]

opens the model, which replays its golden rows with the libraries that are installed here; with a URL each golden row
that JSON can say is sent to it as well, and the answers are compared. MLSHIP_TOKEN is the token that the URL wants.
"""

from __future__ import annotations

import json
import math
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlship.errors import MlshipError, ModelRefused, OutputFailed, UsageError, exit_code_of
from mlship.model.compare import difference
from mlship.model.golden import Golden
from mlship.model.session import SessionSpec, open_session
from mlship.model.signature import Column, Output
from mlship.model.values.codes import Array

_SECONDS = 60


def smoke(model: Path, url: str | None, token: str | None = None) -> str:
    """Replay golden rows and return what came of it in a sentence.

    Args:
        model: The artifact.
        url: Where `/predict` of a server answers, or None.
        token: The server's token, or None.

    Raises:
        ModelRefused: An answer differs by more than the tolerance, or there are no golden rows.
        OutputFailed: The server does not answer.
    """
    session = open_session(SessionSpec(model))
    golden = session.card.golden
    if golden is None or golden.rows == 0:
        raise ModelRefused(f"'{model}' has no golden rows to replay.", hint="Export it with mlship.")
    told = f"{golden.rows} golden rows of {session.card.name} {session.card.version} agree"
    if url is None:
        return f"{told} here."
    places, records = sayable(session.signature.inputs, golden)
    found = _asked(url, records, token)
    apart = difference(
        session.signature.outputs,
        {name: values[places] for name, values in golden.outputs.items()},
        {output.name: _column(output, found) for output in session.signature.outputs},
        len(places),
    )
    if not apart.within(golden.tolerance):
        raise ModelRefused(
            f"'{url}' answers differently: row {apart.row}, '{apart.column}'.", code="golden_rows_differ"
        )
    return f"{told} here, and {len(places)} of them at {url}."


def sayable(columns: Sequence[Column], golden: Golden) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the golden rows that JSON can say, exactly: their places, and records as JSON values.

    An infinite number cannot be said; not-a-number is null.
    """
    records = {
        row: {column.name: _value(column, golden.inputs[column.name], row) for column in columns}
        for row in range(golden.rows)
    }
    said = {row: record for row, record in records.items() if all(_is_json(value) for value in record.values())}
    return list(said), list(said.values())


def _value(column: Column, values: Array, row: int) -> Any:
    value = values[row]
    if column.dtype in ("string", "category"):
        return value
    if column.dtype in ("datetime", "date"):
        return None if np.isnat(value) else value.item().isoformat()
    if math.isnan(value):
        return None
    number = value.item()
    if column.dtype == "bool":
        return bool(number)
    return int(number) if column.dtype == "int64" else number


def _is_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _asked(url: str, records: list[dict[str, Any]], token: str | None) -> list[Mapping[str, Any]]:
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"'{url}' is no HTTP address.", hint="http://127.0.0.1:8000")
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = json.dumps({"instances": records}).encode()
    request = urllib.request.Request(f"{url.rstrip('/')}/predict", body, headers)  # noqa: S310  looked at above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            predictions: list[Mapping[str, Any]] = json.load(answer)["predictions"]
    except urllib.error.HTTPError as error:
        raise OutputFailed(f"'{url}' answered {error.code}.") from error
    except (OSError, ValueError, KeyError) as error:
        raise OutputFailed(f"'{url}' gave no answer: {error}.") from error
    if len(predictions) != len(records):
        raise ModelRefused(f"'{url}' answered {len(predictions)} of {len(records)} rows.", code="golden_rows_differ")
    return predictions


def _column(output: Output, found: Sequence[Mapping[str, Any]]) -> Array:
    values = [row.get(output.name) for row in found]
    if output.dtype == "float64":
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=object)


def main(arguments: Sequence[str]) -> int:
    """Run the smoke test for a script, and return its exit code."""
    try:
        if not 1 <= len(arguments) <= 2:
            raise UsageError("Name the model, and the address of its server if there is one.", hint="MODEL [URL]")
        url = arguments[1] if len(arguments) == 2 else None
        print(smoke(Path(arguments[0]), url, os.environ.get("MLSHIP_TOKEN")))  # noqa: T201  told to a person
    except MlshipError as error:
        print(f"Error: {error.message}", *([error.hint] if error.hint else []), sep="\n  ", file=sys.stderr)  # noqa: T201
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
