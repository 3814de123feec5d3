"""From a job to what each task of Spark is given, and from that to what scores."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship import __version__
from mlship.batch.engines.spark_pieces import Block
from mlship.batch.engines.spark_work import Reading, Work
from mlship.batch.inputs import Input
from mlship.batch.plan import BatchPlan
from mlship.batch.prepare import LIBRARIES, make_scorer
from mlship.model.session import SessionSpec
from mlship.tables.registry import Kind, open_encoder

if TYPE_CHECKING:
    from mlship.batch.score import Scorer
    from mlship.model.session import Session
    from mlship.tables.contract import Source


def versions() -> dict[str, str]:
    """Return the versions of what decides bits."""
    return {"mlship": __version__, **{name: version(name) for name in LIBRARIES}}


def work_of(planned: BatchPlan, specs: tuple[SessionSpec, SessionSpec | None], kind: Kind, **more: Any) -> Work:
    """Return what tasks are given.

    Args:
        planned: What is read and written of each row.
        specs: The model and the one to compare with.
        kind: The output's format and packing.
        more: `digests`, `none`, `types`, `places`, and `reading` where files of text are to be read as a whole.
    """
    job = planned.job
    given = job.inputs[0]
    told = planned.told
    delimiter = given.kind.format.delimiter
    if delimiter and told.delimiter is None:
        told = replace(told, delimiter=delimiter)
    source: Source = replace(given, keys={}).open(job.chunk_size, planned.told)
    source.close()
    dialect = getattr(source, "dialect", None)
    reading: Reading = "lines" if given.kind.format.bytewise else "typed"
    return Work(
        **{
            # Named, so that records are told; and inputs without the session that some hold.
            "job": replace(job, rejects=Path("rejects"), inputs=tuple(map(_plain, job.inputs))),
            "model": specs[0],
            "other": specs[1],
            "signature": planned.signature,
            "wanted": planned.wanted,
            "outputs": planned.outputs,
            "columns": source.columns,
            "all_columns": planned.first.columns,
            "reading": reading,
            "told": told,
            "dialect": dialect,
            "kind": Kind(kind.format),
            "golden": golden_mode(),
            **more,
        }
    )


def _plain(given: Input) -> Input:
    return Input(given.name, given.kind, given.path, given.keys, given.state)


def golden_mode() -> str:
    """Return what workers do where golden rows differ: as this process does."""
    return os.environ.get("MLSHIP_GOLDEN") or "refuse"


def plan_of(work: Work) -> BatchPlan:
    """Return the plan of a task, whose first input knows its columns only."""
    from mlship.tables.arrow import unpacked_frame

    first = Block(work.all_columns, _never)
    return BatchPlan(work.job, work.signature, work.wanted, work.told, first, work.outputs, unpacked_frame(work.none))


def _never(wanted: Any) -> Any:
    raise AssertionError(wanted)


def scorer_of(work: Work, session: Session, other: Session | None) -> Scorer:
    """Return what scores, as the local engine's run has it."""
    planned = plan_of(work)
    encoder = open_encoder(work.kind, planned.none, planned.outputs)
    return make_scorer(planned, encoder, (session, other), whole_files=False)
