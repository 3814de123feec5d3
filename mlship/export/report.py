"""What an export reports, as one page: what was proven and how well, then pictures and tables."""

from __future__ import annotations

from collections.abc import Iterator

from mlship.export.job import ExportReport
from mlship.export.summary import sections_of
from mlship.model.artifact import Proof
from mlship.model.values.codes import MEANINGS
from mlship.report.document import Document, Section, Tone
from mlship.report.figures import duration, number, share, size
from mlship.report.pictures.bars import Bar, Bars, Mark

_FORMS = {"original": "the original", "onnx": "ONNX"}
_KINDS = {
    "typical": "ordinary values",
    "null": "missing values",
    "category": "every category",
    "unseen": "categories that the model has not seen",
    "edge": "values next to where the model decides",
    "extreme": "zeros and very large numbers",
    "tie": "ordinary values for which two answers are equally likely",
    "sample": "rows of the sample",
}


def document_of(report: ExportReport) -> Document:
    """Return the report of an export."""
    columns, outputs, proof = sections_of(report)
    return Document(
        title=f"Export of {report.card.name} {report.card.version}",
        verdict=_verdict(report),
        tone=_tone(report),
        advice=tuple(_advice(report)),
        notes=(f"{report.output}, {size(report.bytes)}, digest {report.digest}",),
        sections=(*_sections(report), proof, columns, outputs, *_origin(report)),
        facts=report.to_json(),
    )


def _verdict(report: ExportReport) -> str:
    """Return in one sentence what was proven, and how well."""
    card, proof = report.card, report.card.parity
    if proof is None:
        return f"{card.name} {card.version} is not proven equal to its original."
    rows = sum(proof.rows.values())
    if proof.rung == "exact":
        how = "answers as its original does"
        apart = f"and no number differs by more than {proof.largest:.2g} of the largest in its column"
    else:
        how = "answers nearly as its original does"
        apart = f"and numbers differ by up to {proof.largest:.2g} of the largest in their column"
    return f"{card.name} {card.version} {how}: over {rows:,} rows {_labels(proof)} {apart}."


def _labels(proof: Proof) -> str:
    return "every label is the same" if proof.labels_agree == 1 else f"{share(proof.labels_agree)} of labels agree"


def _tone(report: ExportReport) -> Tone:
    proof = report.card.parity
    if proof is None or proof.labels_agree < 1:
        return "bad"
    exact = proof.rung == "exact"
    return "good" if exact and not report.sample_rejected and not _mismatch(report) else "warning"


def _mismatch(report: ExportReport) -> dict[str, str] | None:
    found = report.card.provenance.get("version_mismatch")
    return found if isinstance(found, dict) else None


def _advice(report: ExportReport) -> Iterator[str]:
    card, proof = report.card, report.card.parity
    if proof is not None and proof.rung != "exact":
        yield (
            f"Numbers are not exact, which --tolerance allows up to {number(proof.tolerance)}. See whether a "
            "difference of that size matters where they are used."
        )
    if report.sample_rejected:
        codes = ", ".join(f"{count:,} {code}" for code, count in report.sample_rejected.items())
        yield (
            f"Rows of the sample were left out of the proof, as the model does not accept them ({codes}). batch and "
            "serve will reject such rows too: mend them where they come from."
        )
    if mismatch := _mismatch(report):
        yield (
            f"The model was saved by scikit-learn {mismatch['then']} and read by {mismatch['now']}. Export it again "
            "with the version that saved it."
        )
    if card.baseline is None:
        yield "There is no baseline, so that batch and serve cannot tell drift. Export again with --sample FILE."


def _sections(report: ExportReport) -> Iterator[Section]:
    proof = report.card.parity
    if proof is not None:
        yield _kinds(proof)
        if report.differences:
            yield _differences(report.differences, proof)
    if report.speed:
        yield from _speed(report)
    if report.sample_rejected:
        yield Section(
            "Rows of the sample that were left out",
            ("reason", "meaning", "rows"),
            tuple(
                (code, {str(key): words for key, words in MEANINGS.items()}.get(code, ""), number(count))
                for code, count in report.sample_rejected.items()
            ),
        )


def _kinds(proof: Proof) -> Section:
    rows = tuple((kind, _KINDS.get(kind, ""), number(count)) for kind, count in proof.rows.items())
    return Section(
        "Rows compared with the original",
        ("kind", "what is in them", "rows"),
        rows,
        Bars(
            "Rows compared, by kind",
            tuple(Bar(kind, (count,), (number(count),)) for kind, count in proof.rows.items()),
        ),
    )


def _differences(differences: dict[str, float], proof: Proof) -> Section:
    told = sorted(differences.items(), key=lambda item: (-item[1], item[0]))
    return Section(
        "Largest difference by output column",
        ("column", "largest difference", "allowed"),
        tuple((name, number(apart), number(proof.tolerance)) for name, apart in told),
        Bars(
            "Largest difference by output column, as a share of the largest number in it; each step is a power of ten",
            tuple(Bar(name, (apart,), (number(apart),)) for name, apart in told),
            mark=Mark(proof.tolerance, f"allowed: {number(proof.tolerance)}"),
            log=True,
        ),
    )


def _speed(report: ExportReport) -> Iterator[Section]:
    told = [(name, report.speed[form]) for form, name in _FORMS.items()]
    yield Section(
        "Rows a second when many are asked at once",
        ("form", "rows a second", "rows in a call"),
        tuple((name, number(speed.rows_per_second), number(speed.asked_at_once)) for name, speed in told),
        Bars(
            "Rows a second, one processor",
            tuple(Bar(name, (speed.rows_per_second,), (number(speed.rows_per_second),)) for name, speed in told),
        ),
    )
    yield Section(
        "Time for one row",
        ("form", "time"),
        tuple((name, duration(speed.one_row)) for name, speed in told),
        Bars(
            "Time for one row", tuple(Bar(name, (speed.one_row,), (duration(speed.one_row),)) for name, speed in told)
        ),
    )


def _origin(report: ExportReport) -> Iterator[Section]:
    """Where the model comes from: its source, the versions of all that took part, and the user's labels."""
    card = report.card
    source = card.provenance.get("source", {})
    rows = [("digest", report.digest), ("size", size(report.bytes))]
    rows += [(f"{name} of the source", str(value)) for name, value in source.items()]
    rows += [("estimator", str(card.provenance.get("estimator", "-")))]
    rows += [("rows in a call, a multiple of", number(card.rows.multiple))]
    if card.rows.fixed is not None:
        rows += [("rows in every call", number(card.rows.fixed))]
    yield Section("Model", ("", ""), tuple(rows))
    versions = card.provenance.get("versions", {})
    yield Section("Versions", ("", ""), tuple((name, str(value)) for name, value in versions.items()))
    if card.labels:
        yield Section("Labels", ("", ""), tuple(card.labels.items()))
