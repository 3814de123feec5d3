"""One export from a model's file to a proven artifact, or to a refusal and no file."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlship import __version__
from mlship.errors import MlshipError, ModelRefused, NotConvertible, UsageError
from mlship.export.alone import settled
from mlship.export.baseline import make_baseline
from mlship.export.choose import choose_golden, with_own_tolerance
from mlship.export.convert import Converted, convert
from mlship.export.infer import Schema, infer_schema
from mlship.export.job import ExportJob, ExportReport
from mlship.export.limits import bounded
from mlship.export.load import load_model
from mlship.export.loading import Loaded
from mlship.export.original import Original
from mlship.export.parity import Bar, Kind, answered, ask, prove, row_plan, with_plan
from mlship.export.probe import FLOAT32_LIMIT, probed_columns
from mlship.export.reading import check_name
from mlship.export.rows import first_rows, proof_rows, rows_within_budget, typical_row
from mlship.export.sample import Sample, bool_columns, column_names, read_sample
from mlship.export.speed import Speed, measured
from mlship.export.summary import document_of
from mlship.files import write_atomic
from mlship.model.artifact import Card, read_artifact, sign
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.signature import NULL_TOKENS, Column, Signature
from mlship.report.document import check_report, write_report

_SAVED_AS = (".pkl", ".pickle", ".joblib", ".skops", ".gz", ".bz2", ".xz", ".lzma", ".z", ".zlib")
_OUT_OF_MEMORY = re.compile("bad_alloc|bad allocation|allocate memory", re.IGNORECASE)  # as onnxruntime says it
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "joblib", "onnx", "onnxruntime")


def run_export(job: ExportJob) -> ExportReport:
    """Export a model.

    Raises:
        UsageError: A file is not there, or names do not fit; the output would replace a foreign file.
        InputRefused: The sample cannot be read.
        ModelRefused: The model file is untrusted, damaged or of another version.
        NotConvertible: No graph could be proven equal; nothing was written.
        OutputFailed: The artifact or the report could not be written.
    """
    output = job.output or Path(f"{_stem(job.model)}.onnx")
    _check_output(output, job)
    if job.report is not None:
        check_report(job.report)
    loaded = load_model(job.model, job.loading)
    with bounded(job.limits):
        made = _made(job, loaded)
    write_atomic(output, made.data)
    artifact = read_artifact(made.data)
    if artifact.card is None:
        raise MlshipError("The artifact just written has no metadata.")
    rejected = dict(made.sample.rejected) if made.sample else {}
    report = ExportReport(output, artifact.digest, len(made.data), artifact.card, rejected, made.speed)
    if job.report is not None:
        write_report(job.report, document_of(report))
    return report


@dataclass(frozen=True)
class _Made:
    """A proven artifact, not yet written, and what was seen on the way."""

    data: bytes
    sample: Sample | None
    speed: dict[str, Speed]


def _made(job: ExportJob, loaded: Loaded) -> _Made:
    estimator = loaded.estimator
    schema = _schema(job, estimator)
    original = Original(estimator, schema, first_rows(_drafted(schema)))
    converted = convert(estimator, schema, original.asked, job.precision)
    anchors = converted.anchors
    drafted = probed_columns(original, schema.columns, typical_row(_drafted(schema), anchors))
    columns = tuple(
        replace(column, tensor=feed, limit=_limit(column, converted.limits.get(place), job))
        for place, (column, feed) in enumerate(zip(drafted, converted.feeds, strict=True))
    )
    original.outputs = converted.outputs
    signature = Signature(columns, converted.tensors, converted.outputs, _null_tokens(job.null))
    signature.check()
    sample = read_sample(job.sample, signature) if job.sample else None
    kinds = ask(original, proof_rows(columns, anchors, rows_within_budget(converted.graph)))
    if sample is not None and sample.rows:
        kinds["sample"] = answered(original, "sample", sample.columns, sample.rows)
    card = _card(job, loaded, signature, sample)
    data, session = _proven(converted, card, original, kinds, job)
    return _Made(data, sample, measured(original, session, kinds) if job.measure else {})


def _limit(column: Column, blurred: float | None, job: ExportJob) -> float | None:
    """The largest magnitude that a column may hold: the original's, that of its rounding, and that of float32."""
    if column.dtype != "float64":
        return column.limit
    single = FLOAT32_LIMIT if job.precision == "float32" else None
    return min((bound for bound in (column.limit, blurred, single) if bound is not None), default=None)


def _proven(
    converted: Converted, card: Card, original: Original, kinds: dict[str, Kind], job: ExportJob
) -> tuple[bytes, Session]:
    """The signed artifact; what is compared is what was signed, opened as every other path opens it."""
    graph, bar = converted.graph, Bar(job.tolerance, job.precision, converted.arithmetic)
    try:
        session = open_session(SessionSpec(sign(graph, card)))
        plan = row_plan(session, kinds)
        session = with_plan(session, plan)
        try:
            proof = prove(session, original, kinds, bar)
        except NotConvertible:  # or it is the original whose answers depend on the rows beside them
            kinds = settled(session, original, kinds, bar)
            proof = prove(session, original, kinds, bar)
        golden = with_own_tolerance(
            choose_golden(original, card.signature.inputs, kinds, proof), session, bar.tolerance
        )
        data = sign(graph, replace(card, rows=plan, parity=proof, golden=golden))
        # replays the golden rows: a file that would refuse itself is never written
        session = open_session(SessionSpec(data))
    except ModelRefused as error:  # it is our graph that does not run, not the user's model file
        if _OUT_OF_MEMORY.search(error.message):
            raise MemoryError from error
        raise NotConvertible(
            f"The ONNX graph made of the model does not run: {error.message} Nothing was written.",
            hint="This model cannot be converted with the converters there are; please report its type.",
            code="graph_fails",
        ) from error
    return data, session


def _stem(model: Path) -> str:
    """The file's name without the endings that say how it was saved: `churn.v2` of `churn.v2.pkl.gz`."""
    name = model.name
    while (suffix := Path(name).suffix.lower()) in _SAVED_AS:
        name = name[: -len(suffix)]
    return name.strip(".") or "model"


def _check_output(output: Path, job: ExportJob) -> None:
    check_name(job.model)
    check_name(output)
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder '{output.parent}'.", hint=f"mkdir -p '{output.parent}'")
    if output.is_dir():
        raise UsageError(f"'{output}' is a folder.", hint=f"Name a file in it: -o '{output}/model.onnx'")
    if not output.exists():
        return
    if job.model.exists() and output.samefile(job.model):
        raise UsageError(f"'{output}' is the model file itself.", hint="Name another file with -o.")
    if not job.overwrite and not _is_ours(output):
        raise UsageError(
            f"'{output}' exists and was not written by mlship.",
            hint="Replace it with --overwrite, or name another with -o.",
        )


def _is_ours(path: Path) -> bool:
    try:
        return read_artifact(path).card is not None
    except ModelRefused:
        return False


def _schema(job: ExportJob, estimator: Any) -> Schema:
    """The columns, named by the model, by --columns, or by a sample that has exactly as many."""
    schema = infer_schema(estimator, job.columns)
    if job.sample is None:
        return schema
    if not schema.named and not schema.text and job.columns is None:
        names = column_names(job.sample)
        schema = infer_schema(estimator, names) if len(names) == schema.width else schema
    return _with_bools(schema, job.sample)


def _with_bools(schema: Schema, sample: Path) -> Schema:
    """Of a column that the model takes for numbers only the sample can tell that it holds true and false."""
    unsaid = [draft.name for draft in schema.columns if draft.kind == "float" and draft.categories is None]
    told = bool_columns(sample, unsaid)
    columns = (replace(draft, kind="bool") if draft.name in told else draft for draft in schema.columns)
    return replace(schema, columns=tuple(columns))


def _drafted(schema: Schema) -> list[Column]:
    """The columns before probing, for making a first row."""
    kinds: dict[str, Any] = {"string": "string", "int": "float64", "float": "float64", "bool": "bool"}
    return [Column(draft.name, kinds[draft.kind], tensor="", categories=draft.categories) for draft in schema.columns]


def _null_tokens(extra: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*NULL_TOKENS, *extra)))


def _card(job: ExportJob, loaded: Loaded, signature: Signature, sample: Sample | None) -> Card:
    return Card(
        name=job.name or _stem(job.model),
        version=job.version or loaded.digest[:12],
        labels=job.labels,
        signature=signature,
        baseline=make_baseline(signature.inputs, sample.columns, sample.rows) if sample and sample.rows else None,
        provenance={
            "source": {"sha256": loaded.digest, "type": loaded.kind},
            "estimator": _estimator_name(loaded.estimator),
            "versions": {
                "python": platform.python_version(),
                "mlship": __version__,
                **{library: version(library) for library in _LIBRARIES},
            },
            **_mismatch(loaded),
        },
    )


def _mismatch(loaded: Loaded) -> dict[str, Any]:
    """What the artifact says of a model that another version of scikit-learn saved."""
    if loaded.mismatch is None:
        return {}
    return {"version_mismatch": dict(zip(("then", "now"), loaded.mismatch, strict=True))}


def _estimator_name(estimator: Any) -> str:
    kind = type(estimator)
    return f"{kind.__module__}.{kind.__qualname__}"
