"""What published scores must not exceed: `--max-drift` and `--max-changed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlship.batch.job import BatchReport, Gates
from mlship.monitor.comparison import changed_share
from mlship.monitor.drift import largest_drift


@dataclass(frozen=True)
class Gate:
    """One bound and what was found.

    Attributes:
        name: The option that set it.
        limit: The bound.
        value: What was found, or None when nothing could be counted.
        exceeded: Whether it is more than the bound.
    """

    name: str
    limit: float
    value: float | None
    exceeded: bool

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.name == "max_drift":
            return f"A column drifted from the baseline by a PSI of {self.value:.3g}; {self.limit:g} is allowed."
        assert self.value is not None
        return f"The answer changed in {self.value:.3%} of the rows; {self.limit:.3%} is allowed."

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def judged(gates: Gates, reports: Sequence[BatchReport]) -> list[Gate]:
    """Compare what runs found with the bounds; of several runs the worst counts."""
    found = []
    reports = [report for report in reports if report.more]  # of a shard without anything to do nothing was found
    if gates.max_drift is not None:
        found.append(_gate("max_drift", gates.max_drift, [largest_drift(report.more["drift"]) for report in reports]))
    if gates.max_changed is not None:
        shares: list[float | None] = [changed_share(report.more["compare"]) for report in reports]
        found.append(_gate("max_changed", gates.max_changed, shares))
    return found


def _gate(name: str, limit: float, values: Sequence[float | None]) -> Gate:
    worst = max((value for value in values if value is not None), default=None)
    return Gate(name, limit, worst, worst is not None and worst > limit)
