"""From a job and a model to what a run works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship import __version__
from mlship.batch.choose import open_output, output_kind, output_name
from mlship.batch.job import BatchJob
from mlship.batch.plan import BatchPlan, plan
from mlship.batch.run import Setting
from mlship.batch.score import Scorer, Versus
from mlship.errors import UsageError
from mlship.model.session import Session, SessionSpec, open_session
from mlship.model.signature import Signature
from mlship.monitor.actual import Actual, actual_signature
from mlship.monitor.comparison import Comparison
from mlship.monitor.drift import Drift
from mlship.monitor.predictions import Predictions
from mlship.tables.registry import Kind, open_encoder

if TYPE_CHECKING:
    from mlship.tables.contract import Encoder

_LIBRARIES = ("numpy", "onnxruntime", "polars")
"""What decides bits besides mlship itself."""


def prepare(job: BatchJob, model: Path, session: Session, say: Callable[[str], None]) -> Setting:
    """Work out a run.

    Args:
        job: What was asked for.
        model: The model's file, which the output must not replace.
        session: The model, open.
        say: Tells the user something.

    Raises:
        UsageError: The options contradict each other or the columns, or the output must not be replaced.
        InputRefused: An input is absent, cannot be understood, or lacks columns that the model needs.
        OutputFailed: The output's folder is not there, or something cannot be read.
        ModelRefused: The model to compare with is refused.
    """
    other = None if job.compare is None else open_session(SessionSpec(job.compare, "bulk"))
    planned = make_plan(job, session, other)
    try:
        return _setting(planned, model, (session, other), say)
    except BaseException:
        planned.first.close()
        raise


def _setting(
    planned: BatchPlan, model: Path, sessions: tuple[Session, Session | None], say: Callable[[str], None]
) -> Setting:
    job = planned.job
    kind = output_kind(job, output_name(job))
    encoder = open_encoder(kind, planned.none, planned.outputs)
    models = (model,) if job.compare is None else (model, job.compare)
    output = open_output(job, kind, encoder, models)
    scorer = make_scorer(planned, encoder, sessions, whole_files=output.whole_files)
    return Setting(planned, scorer, output, job_key(planned, kind, sessions, output.name), say)


def make_scorer(
    planned: BatchPlan, encoder: Encoder, sessions: tuple[Session, Session | None], *, whole_files: bool
) -> Scorer:
    """Return what scores chunks of a plan.

    Args:
        planned: What is read and written of each row.
        encoder: Makes the output.
        sessions: The model, and the one that it is compared with, or None.
        whole_files: Whether a chunk is a file of its own.

    Raises:
        UsageError: A gate needs what the model does not have.
    """
    job = planned.job
    session, other = sessions
    return Scorer(
        plan=planned,
        session=session,
        encoder=encoder,
        whole_files=whole_files,
        monitors=_monitors(job, session),
        versus=None if other is None else _versus(job, session, other),
        actual=None if job.actual is None else actual_signature(session.signature, job.actual),
    )


def make_plan(job: BatchJob, session: Session, other: Session | None) -> BatchPlan:
    """Work out what a run reads and writes of each row.

    Args:
        job: What was asked for.
        session: The model.
        other: The model to compare with, or None.

    Raises:
        UsageError: The options contradict each other or the columns.
        InputRefused: An input is absent, cannot be understood, or lacks columns that a model needs.
        OutputFailed: Something cannot be read.
    """
    apart = other is not None and not _same_columns(session.signature, other.signature)
    return plan(job, session.signature, _names(other.signature, job.rename) if other is not None and apart else ())


def _names(signature: Signature, rename: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(rename.get(name, name) for name in signature.names)


def _monitors(job: BatchJob, session: Session) -> tuple[Any, ...]:
    signature = session.signature
    found: list[Any] = [
        Predictions(signature.outputs, session.card.baseline),
        Drift(signature.inputs, session.card.baseline),
    ]
    if job.actual is not None:
        found.append(Actual(signature.outputs))
    if job.gates.max_drift is not None and session.card.baseline is None:
        raise UsageError(
            "--max-drift needs the baseline of a sample, and the model's file carries none.",
            hint="Export it again with --sample FILE.",
        )
    return tuple(found)


def _versus(job: BatchJob, session: Session, other: Session) -> Versus:
    signature = other.signature
    renamed = replace(
        signature,
        inputs=tuple(replace(column, name=job.rename.get(column.name, column.name)) for column in signature.inputs),
    )
    monitor = Comparison(session.signature.outputs, signature.outputs)
    return Versus(other, renamed, job.rename, _same_columns(session.signature, signature), monitor)


def _same_columns(one: Signature, other: Signature) -> bool:
    """Whether two models read the same columns by the same rules, so that what one accepts the other does too."""
    return (
        set(one.inputs) == set(other.inputs)
        and one.tensor_dtypes == other.tensor_dtypes
        and one.null_tokens == other.null_tokens
    )


def versions() -> dict[str, str]:
    """Return the versions of what decides bits."""
    return {"mlship": __version__, **{name: version(name) for name in _LIBRARIES}}


def job_key(planned: BatchPlan, kind: Kind, sessions: tuple[Session, Session | None], output: str) -> dict[str, Any]:
    """Return what decides the output's bytes and the report, as plain JSON values.

    Args:
        planned: What is read and written of each row.
        kind: The output's format and packing.
        sessions: The model, and the one that it is compared with, or None.
        output: What the user calls the output.
    """
    job = planned.job
    session, other = sessions
    return {
        "model": session.digest,
        "input": [[given.name, given.state.get("size")] for given in job.inputs]
        if job.shard is None
        else {"listing": job.shard.run, "shards": job.shard.of},
        "times": [given.state for given in job.inputs] if job.shard is None else [],
        "options": {
            "output": output,
            "format": kind.format.name,
            "packing": kind.packing,
            "keep": list(planned.wanted.keep),
            "row_numbers": job.row_numbers,
            "rename": dict(job.rename),
            "chunk_size": job.chunk_size,
            "null": list(job.null),
            "told": {key: value for key, value in asdict(planned.told).items() if key not in ("sought", "numbers")},
            "records": job.rejects is not None,
            "shard": None if job.shard is None else job.shard.index,
            "compare": None if other is None else other.digest,
            "actual": job.actual,
        },
        "version": versions(),
    }
