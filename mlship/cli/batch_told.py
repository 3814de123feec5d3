"""One report of what several runs did, and a line for a person."""

from __future__ import annotations

from collections import Counter

from mlship.batch.job import BatchJob, BatchReport, Tally
from mlship.errors import MlshipError, OutputLocked, UsageError

_FOUND = "stages"
"""What only the facts of a run hold that has begun."""


def of_failed(error: MlshipError, job: BatchJob) -> BatchReport:
    """Return what a failed run had reached; of one that was not to be, only for which inputs it was meant."""
    facts = error.facts
    rows = facts.get("rows", {"in": 0, "out": 0, "rejected": 0})
    tally = Tally(rows["in"], rows["out"], rows["rejected"], Counter(facts.get("rejects", {})))
    more = {key: value for key, value in facts.items() if key not in BatchReport().to_json()}
    if isinstance(error, (UsageError, OutputLocked)):
        more = {}
    inputs = [{"path": given.name, "size": given.state.get("size"), "rows": 0} for given in job.inputs]
    return BatchReport(
        model=facts.get("model"),
        tally=tally,
        rejects_file=facts.get("rejects_file"),
        seconds=facts.get("seconds", 0.0),
        more={"inputs": inputs, **more},
    )


def has_begun(failed: MlshipError) -> bool:
    """Tell whether rows were read before it failed, in this input or another."""
    if isinstance(failed, UsageError) and failed.code != "output_exists":
        return False
    if "runs" in failed.facts:
        return any(_FOUND in run for run in failed.facts["runs"])
    return _FOUND in failed.facts and not isinstance(failed, (UsageError, OutputLocked))


def summed(reports: list[BatchReport]) -> BatchReport:
    """Return one report of several runs."""
    if len(reports) == 1:
        return reports[0]
    tally = Tally()
    for report in reports:
        tally.read += report.tally.read
        tally.written += report.tally.written
        tally.rejected += report.tally.rejected
        tally.codes.update(report.tally.codes)
    return BatchReport(
        model=next((report.model for report in reports if report.model), None),
        tally=tally,
        outputs=tuple(output for report in reports for output in report.outputs),
        rejects_file=next((report.rejects_file for report in reports if report.rejects_file), None),
        seconds=sum(report.seconds for report in reports),
        already=all(report.already for report in reports),
        more={"runs": [report.to_json() for report in reports]},
    )


def summary(job: BatchJob, report: BatchReport) -> str:
    """Return what a run did, in a line."""
    tally = report.tally
    first, *more = job.places
    names = f"'{job.inputs[first].name}'" + (f" and {len(more)} more" if more else "")
    reasons = ", ".join(f"{number:,} {code}" for code, number in sorted(tally.codes.items()))
    where = f"; see '{report.rejects_file}'" if report.rejects_file else ""
    rejected = f" ({reasons}{where})" if reasons else ""
    done = "was scored before and is unchanged" if report.already else f"in {report.seconds:.1f} s"
    return (
        f"{names}: {tally.read:,} rows in, {tally.written:,} out, {tally.rejected:,} rejected{rejected}, "
        f"{done}. Output: '{report.outputs[0]}'"
    )
