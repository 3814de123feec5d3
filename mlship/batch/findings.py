"""What a run found, told as plain JSON values and in words."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlship.batch.job import BatchJob, BatchReport, Tally
from mlship.batch.score import REFUSED, Scorer
from mlship.errors import InputRefused
from mlship.model.values.codes import MEANINGS, CellError

_REPORT = ("model", "rows", "rejects", "outputs", "rejects_file", "seconds")


def findings(scorer: Scorer, totals: Mapping[str, Any], tally: Tally, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Return what monitors found and how time was spent.

    Args:
        scorer: What scored.
        totals: The counts of each monitor, added up.
        tally: Rows counted.
        seconds: CPU time by stage, of the chunks that this process scored.
    """
    found: dict[str, Any] = {
        monitor.name: monitor.result(totals.get(monitor.name, {})) for monitor in scorer.all_monitors
    }
    if REFUSED in totals:
        found[REFUSED] = totals[REFUSED]["rows"]
    job = scorer.plan.job
    inputs = [
        {"path": given.name, "size": given.state.get("size"), "rows": tally.of_input[place]}
        for place, given in ((place, job.inputs[place]) for place in job.places)
    ]
    stages = {
        stage: {"cpu_seconds": round(spent, 4), "rows_per_second": round(tally.read / max(spent, 1e-9))}
        for stage, spent in seconds.items()
    }
    return {**found, "inputs": inputs, "stages": stages, "peak_memory_bytes": _peak_memory()}


def too_many(
    job: BatchJob,
    tally: Tally,
    first: tuple[str, int | None, CellError] | None,
    rejects_file: str | None,
    *,
    kept: bool = True,
) -> InputRefused:
    """Return the error for more rejected rows than are allowed.

    Args:
        job: What was asked for.
        tally: Rows counted.
        first: Input, row from 1 (None where rows have no number) and reason of the first one, where it is known.
        rejects_file: Where they are listed.
        kept: Whether what is scored is there for the next run.
    """
    limit = job.limit
    told = ""
    if first is not None:
        name, row, error = first
        column = "" if error.column is None else f", column '{error.column}'"
        kind = f" ({error.kind} found)" if error.kind else ""
        numbered = "" if row is None else f", row {row}"
        told = f" First: '{name}'{numbered}{column}: {error.code}, {MEANINGS[error.code]}{kind}."
    written = "What came before is written" if job.output == "-" else "No output was written"
    listed = f"; '{rejects_file}' lists them all" if rejects_file else ""
    return InputRefused(
        f"{tally.rejected} of the {tally.read} rows read were rejected, more than the {limit.allowed(tally.read)} "
        f"allowed ({limit}).{told} {written}{listed}.",
        hint="Mend them, or raise --max-rejects"
        + ("" if limit.percent is None else f", which {tally.rejected} would do")
        + ("; what is scored is kept." if kept and limit.percent is not None else "."),
        code="too_many_rejects",
    )


def of_record(record: dict[str, Any]) -> BatchReport:
    """Return the report of a run that did it all before.

    Args:
        record: What that run told of itself.
    """
    found = record["report"]
    rows = found["rows"]
    tally = Tally(rows["in"], rows["out"], rows["rejected"], Counter(found["rejects"]))
    more = {key: value for key, value in found.items() if key not in _REPORT}
    return BatchReport(
        model=found["model"],
        tally=tally,
        outputs=tuple(record["outputs"]),
        rejects_file=record["rejects_file"],
        already=True,
        more=more,
    )


def _peak_memory() -> int | None:
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if told := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(told[1]) * 1024
    # Also counts what the process held that started this one, up to that moment.
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
