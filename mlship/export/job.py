"""What an export is asked for, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlship.export.limits import Limits
from mlship.export.loading import Loading
from mlship.export.precision import Precision
from mlship.model.artifact import Card


@dataclass(frozen=True)
class ExportJob:
    """One export.

    Attributes:
        model: The fitted model's file.
        output: Where the artifact goes, or None for `<stem>.onnx` in the current directory.
        sample: Data to prove on and to take the baseline from, or None.
        columns: Names for the columns of a model fitted without names, or None.
        null: Further texts that mean null in files of text.
        name: Name of the model, or None for the file's stem.
        version: Its version, or None for the first 12 characters of the source's digest.
        labels: Labels to carry.
        tolerance: Bound on a number's difference where it cannot be exact.
        precision: Arithmetic of the graph: `auto`, `float32` or `float64`.
        limits: What conversion and proof may take.
        loading: How the model file is to be loaded.
        measure: Whether to measure how fast the original and the graph answer.
        report: Where the report goes, or None for none.
        overwrite: Whether a file that mlship did not write may be replaced.
        verbose: Whether what the model and the libraries print, and tracebacks, go to stderr.
        confined: Whether the model is loaded and asked in a child process that can do nothing else. Never to be
            switched off for a file that is not the caller's own: it is for tests that reach into the export, and the
            command line has no option for it.
    """

    model: Path
    output: Path | None = None
    sample: Path | None = None
    columns: tuple[str, ...] | None = None
    null: tuple[str, ...] = ()
    name: str | None = None
    version: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1e-6
    precision: Precision = "auto"
    limits: Limits = field(default_factory=Limits)
    loading: Loading = field(default_factory=Loading)
    measure: bool = False
    report: Path | None = None
    overwrite: bool = False
    verbose: bool = False
    confined: bool = True


@dataclass(frozen=True)
class Speed:
    """Times of one form of a model on one processor.

    Attributes:
        one_row: Seconds to answer one row.
        rows_per_second: Rows answered in a second when many are asked at once.
        asked_at_once: How many.
    """

    one_row: float
    rows_per_second: float
    asked_at_once: int


@dataclass(frozen=True)
class ExportReport:
    """What came of an export.

    Attributes:
        output: The artifact's file.
        digest: Its digest.
        bytes: Its size.
        card: Its metadata.
        sample_rejected: Rows of the sample that the signature refused, by code.
        speed: How fast the `original` and its graph, `onnx`, answer; empty when it was not measured.
        differences: The largest difference in each output column of numbers, relative as that of the proof; empty when
            no report was asked for.
        held: What the process that loaded and asked the model was kept within; no part of the JSON.
    """

    output: Path
    digest: str
    bytes: int
    card: Card
    sample_rejected: dict[str, int] = field(default_factory=dict)
    speed: dict[str, Speed] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        card = self.card
        parity = card.parity
        return {
            "model": {"name": card.name, "version": card.version, "digest": self.digest},
            "outputs": [str(self.output)],
            "bytes": self.bytes,
            "signature": card.signature.to_json(),
            "parity": vars(parity) if parity else None,
            "rows_per_call": vars(card.rows),
            "golden_rows": card.golden.rows if card.golden else 0,
            "baseline": card.baseline is not None,
            "sample_rejected": self.sample_rejected,
            "labels": card.labels,
            "differences": self.differences,
            "speed": {form: vars(speed) for form, speed in self.speed.items()},
            "provenance": card.provenance,
        }
