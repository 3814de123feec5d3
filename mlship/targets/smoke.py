"""A smoke test in place: the golden rows are replayed where the model runs, and sent to where it is served.

    python -m mlship.targets.smoke MODEL [URL | --say | --answer FILE]

opens the model, which replays its golden rows with the libraries that are installed here; with a URL each golden row
that JSON can say is sent to it as well, and the answers are compared. MLSHIP_TOKEN is the token that the URL wants.
Where rows travel in another way, `--say` prints them as `/predict` takes them, and `--answer` compares what came back.
"""

from __future__ import annotations

import json
import math
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlship.errors import MlshipError, ModelRefused, OutputFailed, UsageError, exit_code_of
from mlship.model.compare import difference
from mlship.model.golden import Golden
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.signature import Column, Output
from mlship.model.values.codes import Array

_SECONDS = 60


Ask = Callable[[list[dict[str, Any]]], list[Mapping[str, Any]]]
"""Brings records to where the model runs, and returns a prediction for each."""


def smoke(model: Path, place: str | None, ask: Ask | None = None) -> str:
    """Replay golden rows and return what came of it in a sentence.

    Args:
        model: The artifact.
        place: Where the model runs besides, for messages, or None.
        ask: Asks it there.

    Raises:
        ModelRefused: An answer differs by more than the tolerance, or there are no golden rows.
        OutputFailed: The server does not answer.
    """
    session, golden = _opened(model)
    told = f"{golden.rows} golden rows of {session.card.name} {session.card.version} agree"
    if place is None or ask is None:
        return f"{told} here."
    places, records = sayable(session.signature.inputs, golden)
    found = ask(records)
    if len(found) != len(records):
        raise ModelRefused(f"'{place}' answered {len(found)} of {len(records)} rows.", code="golden_rows_differ")
    apart = difference(
        session.signature.outputs,
        {name: values[places] for name, values in golden.outputs.items()},
        {output.name: _column(output, found) for output in session.signature.outputs},
        len(places),
    )
    if not apart.within(golden.tolerance):
        raise ModelRefused(
            f"'{place}' answers differently: row {apart.row}, '{apart.column}'.", code="golden_rows_differ"
        )
    return f"{told} here, and {len(places)} of them at {place}."


def said(model: Path) -> str:
    """Return the golden rows that JSON can say, as `/predict` takes them.

    Raises:
        ModelRefused: There are none, or they are answered differently here.
    """
    session, golden = _opened(model)
    return json.dumps({"instances": sayable(session.signature.inputs, golden)[1]})


def _opened(model: Path) -> tuple[Session, Golden]:
    session = open_session(SessionSpec(model))
    golden = session.card.golden
    if golden is None or golden.rows == 0:
        raise ModelRefused(f"'{model}' has no golden rows to replay.", hint="Export it with mlship.")
    return session, golden


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
    return predictions


def _read(file: str) -> list[Mapping[str, Any]]:
    try:
        predictions: list[Mapping[str, Any]] = json.loads(Path(file).read_bytes())["predictions"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRefused(f"'{file}' holds no predictions.", code="no_answer") from error
    return predictions


def _column(output: Output, found: Sequence[Mapping[str, Any]]) -> Array:
    values = [row.get(output.name) for row in found]
    if output.dtype == "float64":
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=object)


def _told(arguments: Sequence[str]) -> str:
    match arguments:
        case [model]:
            return smoke(Path(model), None)
        case [model, "--say"]:
            return said(Path(model))
        case [model, "--answer", file]:
            return smoke(Path(model), file, lambda _: _read(file))
        case [model, url]:
            return smoke(Path(model), url, lambda records: _asked(url, records, os.environ.get("MLSHIP_TOKEN")))
    hint = "MODEL [URL | --say | --answer FILE]"
    raise UsageError("Name the model, and the address of its server if there is one.", hint=hint)


def main(arguments: Sequence[str]) -> int:
    """Run the smoke test for a script, and return its exit code."""
    try:
        print(_told(arguments))  # noqa: T201  told to a person, or to a file
    except MlshipError as error:
        print(f"Error: {error.message}", *([error.hint] if error.hint else []), sep="\n  ", file=sys.stderr)  # noqa: T201
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
