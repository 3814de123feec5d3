"""What the parent takes of a child that made an artifact: what was asked for, of the types that it has, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlship.export.job import ExportJob, ExportReport, Speed
from mlship.export.watch import Told, untold
from mlship.model.artifact import Card, read_artifact
from mlship.model.plain import checked, from_plain

_FORMS = {"original", "onnx"}


def reported(output: Path, told: Told, job: ExportJob, digest: str) -> ExportReport:
    """Return what is reported of an artifact, which is read as any other before it is written.

    Args:
        output: Where it is to be written.
        told: What the child told.
        job: What it was asked for; its name is the model's.
        digest: The sha256 of the model file.

    Raises:
        ModelRefused: The bytes are no artifact, or another than was asked for, or the report has no sense.
    """
    artifact = read_artifact(told.artifact)
    try:
        card = artifact.card
        if card is None or not _is_asked_for(card, job, digest):
            raise ValueError("another artifact")
        speed = {form: from_plain(Speed, figures) for form, figures in _object(told.done["speed"]).items()}
        if speed and speed.keys() != _FORMS:
            raise ValueError("speed of one form")
        rejected = checked(_object(told.done["rejected"]), dict[str, int], "rejected")
        apart = checked(_object(told.done["differences"]), dict[str, float], "differences")
        if not apart.keys() <= {output.name for output in card.signature.outputs}:
            raise ValueError("a column that is not there")
        held = list(checked(told.loaded["held"], tuple[str, ...], "held"))
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError, RecursionError):
        raise untold() from None
    return ExportReport(
        output=output,
        digest=artifact.digest,
        bytes=len(told.artifact),
        card=card,
        sample_rejected=rejected,
        speed=speed,
        differences=apart,
        held=held,
    )


def _is_asked_for(card: Card, job: ExportJob, digest: str) -> bool:
    """Tell whether a card is of the model that was read, under the name that was asked for, with its proof."""
    source = card.provenance.get("source")
    return (
        card.name == job.name
        and card.version == (job.version or digest[:12])
        and card.labels == job.labels
        and type(source) is dict
        and source.get("sha256") == digest
        and card.parity is not None
        and card.golden is not None
    )


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TypeError("no object")
    return value
