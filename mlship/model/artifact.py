"""The artifact: one ONNX file whose metadata says what the model is and how it was proven.

The metadata properties are named `mlship.*` and each holds JSON. `mlship.format` is one integer. It is
raised, and this reader is kept for the older number with a test on a stored file, when a reader of the
present format would misread a new file: when a key changes its meaning or form, or a new key must not be
passed over. A new key that an old reader may ignore does not raise it. Format 2 added `low`, the smallest number that
a column accepts, which a reader of format 1 would let pass.

The digest is the sha256 of the file with the digest's own 64 characters taken as zeros; it says that the
file is whole, not who made it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mlship.errors import ModelRefused, NotConvertible, UsageError
from mlship.model import wire
from mlship.model.golden import Golden
from mlship.model.plain import checked, from_plain
from mlship.model.signature import Signature

FORMAT = 2
PREFIX = "mlship."
_NO_DIGEST = "0" * 64
_KNOWN_DOMAINS = frozenset(("", "ai.onnx", "ai.onnx.ml", "com.microsoft"))


@dataclass(frozen=True)
class RowPlan:
    """How many rows one call of the graph takes, so that a row's bits do not depend on its neighbours.

    Attributes:
        multiple: Calls are padded to a multiple of this many rows.
        fixed: When given, every call has exactly this many rows instead.
    """

    multiple: int = 1
    fixed: int | None = None


@dataclass(frozen=True)
class Proof:
    """How equality with the original was shown; the value of `mlship.parity`.

    Attributes:
        rows: Rows compared, by kind.
        labels_agree: Share of rows whose labels agree, 1.0 for all.
        largest: Largest difference of a number, relative to its output column's largest original value.
        tolerance: The bound that `largest` had to keep.
        precision: Arithmetic of the graph, `float64` or `float32`.
        rung: Which way of converting passed: `exact` within 1e-12, `tolerance` within the user's bound.
        worst: Output column and kind of rows in which `largest` was found, or None when nothing differed.
        alone: Rows of these that the original was asked for one by one, as rows beside them change its answer.
        left_out: Rows that were made for the proof and did not count, being too many to be asked for one by one.
    """

    rows: dict[str, int]
    labels_agree: float
    largest: float
    tolerance: float
    precision: str
    rung: str
    worst: str | None = None
    alone: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class Card:
    """What the metadata of an artifact says; every `mlship.*` key but the digest and the format.

    Attributes:
        name: Name of the model.
        version: Its version.
        labels: The user's own labels.
        signature: Its columns.
        rows: Rows a call.
        golden: Synthetic rows with the original's answers, or None when there are none.
        baseline: Per column missing rate, deciles or category shares of the sample, and how the answers to it are
            distributed; None without a sample.
        parity: How it was proven, or None when it was not.
        provenance: Source file, estimator and library versions.
    """

    name: str
    version: str
    labels: dict[str, str]
    signature: Signature
    rows: RowPlan = RowPlan()
    golden: Golden | None = None
    baseline: dict[str, Any] | None = None
    parity: Proof | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a card that contradicts itself.

        Raises:
            ValueError: No call could have its number of rows, or the golden rows are another model's.
        """
        if self.rows.multiple < 1 or (self.rows.fixed is not None and self.rows.fixed < 1):
            raise ValueError("a call has no rows")
        if self.golden is not None:
            self.golden.check(self.signature)


@dataclass(frozen=True)
class Artifact:
    """An ONNX file that was read and checked, but not yet opened by a runtime.

    Attributes:
        data: The file's bytes.
        digest: Its digest, 64 hexadecimal digits; for an unsigned file its plain sha256.
        card: Its metadata, or None for a foreign file, whose signature must be read from its graph.
        source: Where it came from, for messages.
    """

    data: bytes = field(repr=False)
    digest: str
    card: Card | None
    source: str


def sign(graph: bytes, card: Card) -> bytes:
    """Return the bytes of an artifact: a serialized model without `mlship.*` keys, its card, its digest.

    Raises:
        NotConvertible: A name of a file, a column or a class is not valid text.
    """
    entries: dict[str, Any] = {
        "format": FORMAT,
        "name": card.name,
        "version": card.version,
        "labels": card.labels,
        "signature": card.signature.to_json(),
        "rows": vars(card.rows),
        "golden": card.golden.encode() if card.golden else None,
        "baseline": card.baseline,
        "parity": vars(card.parity) if card.parity else None,
        "provenance": card.provenance,
        "digest": _NO_DIGEST,
    }
    try:
        data = graph + b"".join(wire.metadata_entry(PREFIX + key, _dump(value)) for key, value in entries.items())
    except UnicodeEncodeError as error:  # a lone surrogate, as in a file's name that is not UTF-8
        raise NotConvertible(
            "A name of the model, of a column or of a class is not valid Unicode text.",
            hint="Give the model a name with --name.",
            code="bad_encoding",
        ) from error
    at = _digest_at(wire.read_header(data))
    return data[:at] + _digest(data, at).encode() + data[at + len(_NO_DIGEST) :]


def read_artifact(source: Path | bytes, origin: str | None = None) -> Artifact:
    """Read a model file and check it, without opening it in a runtime.

    Args:
        source: Path of the file, or its bytes.
        origin: Where bytes came from, for messages.

    Raises:
        UsageError: There is no such file.
        ModelRefused: It is no ONNX file, has been changed since it was signed, has a newer format, keeps data
            outside itself, or uses operators of unknown domains.
    """
    named = origin if isinstance(source, bytes) else source
    name = "the model" if named is None else f"'{named}'"
    data = source if isinstance(source, bytes) else read_file(Path(source))
    try:
        header = wire.read_header(data)
        external = header.has_graph and wire.has_external_data(data)
    except wire.WireError as error:
        raise ModelRefused(
            f"{name} is not an ONNX model, or it is damaged: {error}.", hint=_EXPORT_HINT, code="not_onnx"
        ) from error
    if not header.has_graph:
        raise ModelRefused(f"{name} is not an ONNX model: it holds no graph.", hint=_EXPORT_HINT, code="not_onnx")
    if external:
        raise ModelRefused(f"{name} keeps data in other files, which is not safe to load.", code="external_data")
    foreign = sorted(set(header.domains) - _KNOWN_DOMAINS)
    if foreign:
        raise ModelRefused(f"{name} uses operators of the unknown domain {foreign[0]!r}.", code="unknown_domain")
    if PREFIX + "digest" not in header.metadata:
        if any(_is_ours(key) for key in header.metadata):
            raise ModelRefused(f"{name} is damaged: it has mlship's metadata but no digest.", code="bad_digest")
        return Artifact(data, hashlib.sha256(data).hexdigest(), None, name)
    digest = _checked_digest(data, header, name)
    return Artifact(data, digest, _read_card(header.metadata, name), name)


_EXPORT_HINT = "Make one from a fitted model with: mlship export MODEL"


def read_file(path: Path) -> bytes:
    """Read the bytes of a model file.

    Raises:
        UsageError: There is no such file, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no model file '{path}'.", hint=_EXPORT_HINT, code="no_model") from None
    except (OSError, ValueError) as error:  # a path with a NUL character is a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"The model file '{path}' cannot be read: {reason}.", code="no_model") from error


def _checked_digest(data: bytes, header: wire.Header, name: str) -> str:
    at = _digest_at(header)
    digest = _digest(data, at)
    if data[at - 1 : at + 65] != f'"{digest}"'.encode():
        raise ModelRefused(
            f"{name} has been changed since it was exported: its digest does not match.",
            hint="Export the model again, or copy the file again.",
            code="bad_digest",
        )
    return digest


def _digest_at(header: wire.Header) -> int:
    return header.value_offsets[PREFIX + "digest"] + 1  # past the JSON string's opening quote


def _digest(data: bytes, at: int) -> str:
    digest = hashlib.sha256(data[:at])
    digest.update(_NO_DIGEST.encode())
    digest.update(data[at + len(_NO_DIGEST) :])
    return digest.hexdigest()


def _read_card(metadata: dict[str, str], name: str) -> Card:
    try:
        values = {key.removeprefix(PREFIX): json.loads(text) for key, text in metadata.items() if _is_ours(key)}
        number = checked(values["format"], int, "format")
        if number > FORMAT:
            raise ModelRefused(
                f"{name} has the artifact format {number}; this mlship reads up to {FORMAT}.",
                hint="pip install --upgrade mlship",
                code="newer_format",
            )
        if number < 1:
            raise ValueError(f"unknown format {number}")
        values["golden"] = None if values["golden"] is None else Golden.decode(values["golden"])
        values["signature"] = Signature.from_json(values["signature"])
        values["rows"] = from_plain(RowPlan, values["rows"])
        values["parity"] = None if values["parity"] is None else from_plain(Proof, values["parity"])
        card = from_plain(Card, {entry.name: values[entry.name] for entry in fields(Card)})
        card.check()
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelRefused(f"{name} has metadata that cannot be read: {error}.", code="bad_metadata") from error
    return card


def _is_ours(key: str) -> bool:
    return key.startswith(PREFIX)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
