"""What came of a run, in a sentence, and what to do about what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlship.report.document import Tone
from mlship.report.figures import share

MUCH = 0.25
"""Above it a stability index is read as a real change (Siddiqi, Credit Risk Scorecards, 2006)."""
SOME = 0.1
"""Below it there is hardly any; the same source."""
_ENDS = {"failed": "failed", "stopped": "was stopped"}


def verdict(facts: Mapping[str, Any]) -> str:
    """Return in one sentence what came of a run.

    Args:
        facts: As for `report.document`.
    """
    rows, model = facts["rows"], facts.get("model")
    who = f"{model['name']} {model['version']}" if model else "No model"
    said = f"{who} scored {rows['out']:,} of {rows['in']:,} rows, and {rows['rejected']:,} were rejected{_why(facts)}"
    if facts["status"] != "done":
        said = f"The run {_ENDS.get(facts['status'], facts['status'])}: {said}"
    if (worst := _worst(facts)) is not None:
        said += f"; most drift: {_psi(worst)}"
    gates = facts.get("gates") or []
    exceeded = [gate["name"] for gate in gates if gate["exceeded"]]
    if exceeded:
        return f"{said}; past the limit: {', '.join(exceeded)}."
    return f"{said}; within all limits." if gates else f"{said}."


def tone(facts: Mapping[str, Any]) -> Tone:
    """Tell whether all is well with a run."""
    if facts["status"] != "done" or any(gate["exceeded"] for gate in facts.get("gates") or ()):
        return "bad"
    worst = _worst(facts)
    drifted = worst is not None and worst["psi"] > MUCH
    return "warning" if facts["rows"]["rejected"] or drifted else "good"


def advice(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what to do, the most pressing first."""
    error = facts.get("error") or {}
    if error.get("hint"):
        yield error["hint"]
    rows = facts["rows"]
    if rows["rejected"]:
        where = f" They are listed in {facts['rejects_file']}." if facts.get("rejects_file") else ""
        part = share(rows["rejected"] / rows["in"] if rows["in"] else None)
        yield f"{rows['rejected']:,} rows ({part}) have no score.{where} Mend them in the input and score it again."
    worst = _worst(facts)
    if worst is not None and worst["psi"] > SOME:
        how = "much" if worst["psi"] > MUCH else "somewhat"
        yield (
            f"The rows differ {how} from the sample that the model was exported with, most in {_psi(worst)}: over "
            f"{SOME:g} is some change, over {MUCH:g} much. See in the pictures what changed. If it is the data that "
            "went wrong, mend it; if it is the world, train the model anew."
        )
    if any(drift.get("note") for drift in _all(facts, "drift")):
        yield "Drift was not counted. Export the model with --sample FILE for a baseline."
    changed = [gate for gate in facts.get("gates") or () if gate["exceeded"] and gate["name"] == "max_changed"]
    if changed:
        yield "Look at the rows that moved most before the other model takes over."


def _why(facts: Mapping[str, Any]) -> str:
    """The reason that most rejected rows have."""
    rejects = facts.get("rejects") or {}
    if not rejects:
        return ""
    code, count = min(rejects.items(), key=lambda item: (-item[1], item[0]))
    return f" ({'mostly ' if len(rejects) > 1 else ''}{code}: {count:,})"


def _all(facts: Mapping[str, Any], monitor: str) -> list[Any]:
    """What a monitor found, in each of the runs."""
    return [run[monitor] for run in (facts, *facts.get("runs", ())) if run.get(monitor)]


def _worst(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The column that drifted most."""
    columns = [one for drift in _all(facts, "drift") for one in drift["columns"] if one["psi"] is not None]
    return max(columns, key=lambda one: one["psi"], default=None)


def _psi(column: Mapping[str, Any]) -> str:
    return f"'{column['column']}' with a stability index (PSI) of {column['psi']:.3g}"
