"""Advice: what was measured, assumed and needed, what follows from it, and why, as plain values for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlship.advise.figures import DAY, Assumed, Measured, Needs
from mlship.advise.measure import Memory, measured
from mlship.advise.reasons import considerations, reason
from mlship.advise.rules import Verdict, judged


@dataclass(frozen=True)
class Advice:
    """What is told of a model.

    Attributes:
        model: Its name, version and digest.
        measured: The figures.
        needs: What the user said.
        assumed: What was assumed.
        verdict: What follows.
    """

    model: dict[str, str]
    measured: Measured
    needs: Needs
    assumed: Assumed
    verdict: Verdict

    @property
    def reason(self) -> str:
        """The recommendation, and what it rests on."""
        return reason(self.verdict, self.measured, self.needs, self.assumed)

    @property
    def considerations(self) -> tuple[tuple[str, str], ...]:
        """What else speaks for what: topics, each with its figures."""
        return considerations(self.verdict, self.measured, self.needs, self.assumed)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {
            "recommendation": {"way": self.verdict.way, "rule": self.verdict.code, "reason": self.reason},
            "ways": [asdict(way) for way in self.verdict.ways],
            "considerations": [{"topic": topic, "text": text} for topic, text in self.considerations],
            "needs": asdict(self.needs),
            "measured": self._measured(),
            "assumed": asdict(self.assumed),
        }

    def _measured(self) -> dict[str, Any]:
        found, asked = self.measured, self.measured.served.asked > 0
        return {
            "cpus": found.cpus,
            "cold_start": found.cold,
            "one_row": {"p50": found.calls.p50, "p99": found.calls.p99, "asked": found.calls.asked},
            "curve": [
                {"rows": point.rows, "seconds": point.seconds, "rows_per_second": point.rate}
                for point in found.calls.curve
            ],
            "together": {"gain": found.calls.gain, "pays_from": found.calls.pays_from},
            "serve": asdict(found.served) if asked else None,
            "batch": asdict(found.scored),
            "memory": {"serve_worker": found.memory_serve, "batch_two_workers": found.memory_batch},
            "rows_a_day": {
                "serve_worker": found.served.rate * DAY if asked else None,
                "serve_worker_larger_requests": found.served.rows_rate * DAY if asked else None,
                "batch_core": found.scored.core_rate * DAY,
            },
            "notes": list(found.notes),
        }


def advise(model: Path, needs: Needs, memory: Memory, say: Callable[[str], None]) -> Advice:
    """Measure a model and work out what fits.

    Args:
        model: The ONNX file.
        needs: What the user said.
        memory: Tells what memory it needs.
        say: Told what is being measured.

    Raises:
        MlshipError: What `measured` raises.
    """
    identity, found = measured(model, memory, say)
    assumed = Assumed()
    return Advice(identity, found, needs, assumed, judged(found, needs, assumed))
