"""Making the artifact of a loaded model: its graph, the proof that it is equal, and what rides along.

All of this asks the model for answers, which is what a hostile one waits for: it happens in the child process.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlship import __version__
from mlship.errors import ModelRefused, NotConvertible
from mlship.export.alone import settled
from mlship.export.baseline import make_baseline, outputs_baseline
from mlship.export.choose import choose_golden, with_own_tolerance
from mlship.export.convert import check_supported, convert
from mlship.export.infer import Schema, infer_schema
from mlship.export.job import ExportJob, Speed
from mlship.export.loading import Loaded
from mlship.export.original import Original
from mlship.export.parity import Bar, Kind, answered, ask, differences, prove, row_plan, with_plan
from mlship.export.probe import FLOAT32_LIMIT, probed_columns
from mlship.export.rows import first_rows, plain_rows, proof_rows, rows_within_budget, typical_row
from mlship.export.sample import Sample, bool_columns, column_names, read_sample
from mlship.export.speed import measured
from mlship.export.ties import tied
from mlship.model.artifact import Card, sign
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.signature import NULL_TOKENS, Column, Signature

_OUT_OF_MEMORY = re.compile("bad_alloc|bad allocation|allocate memory", re.IGNORECASE)  # as onnxruntime says it
_LIBRARIES = ("scikit-learn", "numpy", "pandas", "joblib", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Made:
    """A proven artifact, not yet written, and what was seen on the way.

    Attributes:
        data: Its bytes.
        rejected: Rows of the sample that the signature refused, by code.
        speed: How fast both forms answer, when that was to be measured.
        differences: The largest difference in each output column of numbers, when a report is to tell it.
    """

    data: bytes
    rejected: dict[str, int]
    speed: dict[str, Speed]
    differences: dict[str, float]

    def told(self) -> dict[str, Any]:
        """Return all but the bytes as plain JSON values."""
        speed = {form: vars(figures) for form, figures in self.speed.items()}
        return {"rejected": self.rejected, "speed": speed, "differences": self.differences}


def make(job: ExportJob, loaded: Loaded) -> Made:
    """Make the artifact of a model.

    Args:
        job: What is asked for; its name is the model's.
        loaded: The model.

    Raises:
        UsageError: Names do not fit.
        InputRefused: The sample cannot be read.
        NotConvertible: No graph could be proven equal.
    """
    estimator = loaded.estimator
    schema = _schema(job, estimator)
    original = _original(estimator, schema)
    converted = convert(estimator, schema, original.asked, job.precision)
    anchors = converted.anchors
    likely = [typical_row(_drafted(schema), anchors), *plain_rows(_drafted(schema))]
    drafted = probed_columns(original, schema.columns, likely)
    columns = tuple(
        replace(column, tensor=feed, limit=_limit(column, converted.limits.get(place), job))
        for place, (column, feed) in enumerate(zip(drafted, converted.feeds, strict=True))
    )
    original.outputs = converted.outputs
    signature = Signature(columns, converted.tensors, converted.outputs, _null_tokens(job.null))
    signature.check()
    sample = read_sample(job.sample, signature) if job.sample else None
    kinds = ask(original, proof_rows(columns, anchors, rows_within_budget(converted.graph)))
    kinds |= tied(original, columns, anchors, kinds)
    if sample is not None and sample.rows:
        kinds["sample"] = answered(original, "sample", sample.columns, sample.rows)
    card = replace(_card(job, loaded, signature), baseline=_baseline(signature, sample, kinds.get("sample")))
    bar = Bar(job.tolerance, job.precision, converted.arithmetic)
    data, session, kinds = _proven(converted.graph, card, original, kinds, bar)
    rejected = dict(sample.rejected) if sample else {}
    speed = measured(original, session, kinds) if job.measure else {}
    apart = differences(session, original, kinds, bar) if job.report is not None else {}
    return Made(data, rejected, speed, apart)


def _original(estimator: Any, schema: Schema) -> Original:
    """The original; of one that answers no row, a step that is not supported, whose rows nobody knows, says why."""
    try:
        return Original(estimator, schema, first_rows(_drafted(schema)))
    except NotConvertible as error:
        if error.code == "no_answer":
            check_supported(estimator, schema)
        raise


def _limit(column: Column, blurred: float | None, job: ExportJob) -> float | None:
    """The largest magnitude that a column may hold: the original's, that of its rounding, and that of float32."""
    if column.dtype != "float64":
        return column.limit
    single = FLOAT32_LIMIT if job.precision == "float32" else None
    return min((bound for bound in (column.limit, blurred, single) if bound is not None), default=None)


def _proven(
    graph: bytes, card: Card, original: Original, kinds: dict[str, Kind], bar: Bar
) -> tuple[bytes, Session, dict[str, Kind]]:
    """The signed artifact, opened, with the rows of its proof; what is compared is what was signed."""
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
    return data, session, kinds


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


def _baseline(signature: Signature, sample: Sample | None, asked: Kind | None) -> dict[str, Any] | None:
    """What the sample looked like, and the original's answers to it."""
    if sample is None or asked is None:
        return None
    baseline = make_baseline(signature.inputs, sample.columns, sample.rows)
    return {**baseline, "outputs": outputs_baseline(signature.outputs, asked.answers, sample.rows)}


def _card(job: ExportJob, loaded: Loaded, signature: Signature) -> Card:
    return Card(
        name=job.name or job.model.name,
        version=job.version or loaded.digest[:12],
        labels=job.labels,
        signature=signature,
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
