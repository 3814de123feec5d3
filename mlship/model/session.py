"""The one small interface on which batch, serve, streams, Spark and functions stand.

A session cannot cross a process border, its spec can: every process is given a `SessionSpec`, calls
`open_session` and then `predict`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mlship.errors import ModelRefused, UsageError
from mlship.model import foreign
from mlship.model.artifact import Artifact, Card, RowPlan, read_artifact
from mlship.model.compare import Difference, difference
from mlship.model.runtime import first_line, open_runtime
from mlship.model.signature import Signature
from mlship.model.tensors import OUTPUT_ARRAYS, NoColumn, column_of, feed, fits, tensors_of
from mlship.model.trial import Way, tried
from mlship.model.values.codes import Array

Purpose = Literal["single", "bulk"]
"""What a session is for: few rows at a time, answered soon, or many, with the least work for all."""


@dataclass(frozen=True)
class SessionSpec:
    """What a process needs to open a session; picklable.

    Attributes:
        model: Path of the ONNX file, or its bytes.
        purpose: With `bulk` opening takes some tenths of a second longer, in which it is tried out how this processor
            answers many rows with the least work. The answers are the same to the bit.
        origin: Where bytes came from: a path or URI for messages, and for the name of a model that brings none.
    """

    model: Path | bytes
    purpose: Purpose = "single"
    origin: str | None = None


@dataclass(frozen=True)
class Replay:
    """What came of the golden rows.

    Attributes:
        rows: How many were replayed; 0 for a model without golden rows.
        agrees: Whether all answers lay within the tolerance.
        warning: What to tell the user when the model is used all the same, or None.
    """

    rows: int
    agrees: bool
    warning: str | None = None


class Session:
    """A model that is open for work.

    Not to be shared across a fork. `predict` may be called from several threads.

    Attributes:
        card: The model's metadata; for a foreign file made from its graph.
        digest: The artifact's digest.
        proven: Whether the file carries a proof of equality with an original.
        replay: What came of the golden rows.
        way: How the graph is laid out, and how many rows it is given at once.
    """

    def __init__(self, way: Way, artifact: Artifact, card: Card) -> None:
        self.card = card
        self.digest = artifact.digest
        self.proven = artifact.card is not None and artifact.card.parity is not None
        self.replay = Replay(0, agrees=True)
        self.way = way
        self._runtime = way.runtime
        self._source = artifact.source
        self._tensors = tensors_of(card.signature)

    @property
    def signature(self) -> Signature:
        """The model's columns."""
        return self.card.signature

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Score rows.

        Args:
            columns: An array [rows] for each input column, as `model.values` makes them.

        Returns:
            An array [rows] for each output column: float64, int64, bool, or object holding str.

        Raises:
            ModelRefused: The runtime failed on rows that the signature accepts.
        """
        rows = len(columns[self.signature.names[0]])
        if rows == 0:
            return {output.name: np.empty(0, dtype=OUTPUT_ARRAYS[output.dtype]) for output in self.signature.outputs}
        return self._answers(
            {tensor.name: feed(self.signature, tensor, columns, rows) for tensor in self.signature.tensors}, rows
        )

    def predict_matrix(self, matrix: Array) -> dict[str, Array]:
        """Score rows of a model that takes one matrix.

        Args:
            matrix: Rows and columns [rows, columns], at least one row, as the graph's tensor takes them.

        Returns:
            What `predict` returns.

        Raises:
            ModelRefused: The runtime failed.
        """
        return self._answers({self.signature.tensors[0].name: matrix}, len(matrix))

    def _answers(self, feeds: dict[str, Array], rows: int) -> dict[str, Array]:
        raw = self._call(feeds, rows, self.card.rows)
        try:
            return {output.name: column_of(output, raw[output.tensor], rows) for output in self.signature.outputs}
        except NoColumn as error:
            raise ModelRefused(f"{self._source} gave {error}.", code="runtime_failed") from error

    def _call(self, feeds: dict[str, Array], rows: int, plan: RowPlan) -> dict[str, Array]:
        whole = -(-rows // plan.multiple) * plan.multiple
        size = plan.fixed or min(whole, self._most_rows(plan.multiple) or whole)
        parts: list[dict[str, Array]] = []
        for start in range(0, rows, size):
            count = plan.fixed or min(size, whole - start)
            parts.append(
                self._run(
                    {name: _padded(values[start : start + count], count) for name, values in feeds.items()}, count
                )
            )
        if len(parts) == 1:
            return {name: values[:rows] for name, values in parts[0].items()}
        return {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}

    def _most_rows(self, multiple: int) -> int | None:
        return self.way.rows and -(-self.way.rows // multiple) * multiple

    def _run(self, feeds: dict[str, Array], rows: int) -> dict[str, Array]:
        try:
            part = dict(zip(self._tensors, self._runtime.run(self._tensors, feeds), strict=True))
        except Exception as error:  # the runtime's own exception types are not public
            raise ModelRefused(
                f"{self._source} failed in onnxruntime: {first_line(error)}", code="runtime_failed"
            ) from error
        for name, values in part.items():
            if values.shape[:1] != (rows,):
                raise ModelRefused(
                    f"{self._source} gave an output {name!r} of shape {values.shape} for {rows} rows.",
                    code="runtime_failed",
                )
        return part


def open_session(spec: SessionSpec) -> Session:
    """Open a model for work and replay its golden rows.

    One thread and no spinning: parallelism is across chunks and requests, and one thread adds in one order.

    Raises:
        UsageError: There is no such file.
        ModelRefused: The file is refused by `read_artifact`, does not load, or answers its golden rows
            differently; with MLSHIP_GOLDEN=warn the last only sets `replay.warning`.
    """
    artifact = read_artifact(spec.model, spec.origin)
    if artifact.card is None:
        data, labels = foreign.without_zipmap(artifact.data)
        runtime = open_runtime(data, artifact.source)
        path = spec.model if isinstance(spec.model, Path) else Path(spec.origin) if spec.origin else None
        card = foreign.card_of(runtime, labels, path, artifact.digest)
    else:
        runtime, card = open_runtime(artifact.data, artifact.source), artifact.card
        if not fits(runtime, card.signature):
            raise ModelRefused(f"{artifact.source} has a signature that does not fit its graph.", code="bad_signature")
    # What a foreign graph answers may depend on the number of rows of a call: no clock may choose it.
    bulk = spec.purpose == "bulk" and artifact.card is not None
    session = Session(tried(runtime, artifact, card) if bulk else Way(runtime), artifact, card)
    session.replay = replay_golden(session)
    return session


def replay_golden(session: Session) -> Replay:
    """Score the golden rows and compare.

    Raises:
        ModelRefused: The answers differ and MLSHIP_GOLDEN is not `warn`.
        UsageError: MLSHIP_GOLDEN has a value that means nothing.
    """
    mode = os.environ.get("MLSHIP_GOLDEN") or "refuse"
    if mode not in ("refuse", "warn"):
        raise UsageError(f"MLSHIP_GOLDEN is {mode!r}; it may be 'refuse' or 'warn'.")
    golden = session.card.golden
    if golden is None:
        return Replay(0, agrees=True)
    found = difference(session.signature.outputs, golden.outputs, session.predict(golden.inputs), golden.rows)
    if found.within(golden.tolerance):
        return Replay(golden.rows, agrees=True)
    message = f"{session._source} no longer answers as its original did: {_describe(found)}. {_versions(session.card)}"
    if mode == "refuse":
        raise ModelRefused(
            message,
            hint="Install the onnxruntime that it was exported with, or export it again; MLSHIP_GOLDEN=warn goes on.",
            code="golden_rows_differ",
        )
    return Replay(golden.rows, agrees=False, warning=message)


def _describe(found: Difference) -> str:
    if found.labels_differ:
        return f"{found.labels_differ} of {found.rows} golden rows have another label"
    return f"'{found.column}' differs by {found.largest:.2g} of its largest value in {found.rows} golden rows"


def _versions(card: Card) -> str:
    import onnxruntime

    versions = card.provenance.get("versions")
    then = versions.get("onnxruntime", "unknown") if isinstance(versions, dict) else "unknown"
    return f"onnxruntime was {then} then and is {onnxruntime.__version__} now."


def _padded(values: Array, size: int) -> Array:
    rows = len(values)
    if rows == size:
        return values
    padded: Array = np.empty((size, *values.shape[1:]), dtype=values.dtype)
    padded[:rows] = values
    padded[rows:] = values[-1]
    return padded
