"""What a run reports, as one page: the verdict in a sentence, then pictures and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlship.batch.verdict import advice, tone, verdict
from mlship.batch.watched import watched_sections
from mlship.model.values.codes import MEANINGS
from mlship.report.document import Document, Section
from mlship.report.figures import number, share, size
from mlship.report.pictures.bars import Bar, Bars


def document(facts: dict[str, Any]) -> Document:
    """Return the report of a run.

    Args:
        facts: What the JSON report holds: `status`, `model` (or None when none was opened), `rows`, `rejects`,
            `outputs`, `digests` (sha256 by path), `rejects_file`, `seconds`, `stages` (of each the `cpu_seconds` and
            `rows_per_second`), `peak_memory_bytes`, `inputs` (of each `path`, `size`, `rows`), `gates` (of each `name`,
            `limit`, `value`, `exceeded`), and the results of monitors: `predictions`, `drift`, `compare`, `actual`,
            each of which may be absent or None.
    """
    model = facts.get("model")
    name = f"{model['name']} {model['version']}" if model else "no model"
    return Document(
        title=f"Batch of {name}",
        verdict=verdict(facts),
        tone=tone(facts),
        advice=tuple(advice(facts)),
        notes=(facts["error"]["message"],) if facts.get("error") else (),
        sections=(*_sections(facts), *_sections_of_runs(facts)),
        facts=facts,
    )


def _sections_of_runs(facts: dict[str, Any]) -> tuple[Section, ...]:
    """What each of several runs found, under the name of its input."""
    return tuple(
        replace(section, title=f"{run['inputs'][0]['path']}: {section.title}")
        for run in facts.get("runs", ())
        for section in _sections({"status": facts["status"], **run})
    )


def _sections(facts: dict[str, Any]) -> Iterator[Section]:
    gates = facts.get("gates") or []
    if gates:
        yield Section(
            "Limits",
            ("", "limit", "found", ""),
            tuple(
                (
                    gate["name"],
                    _measure(gate["limit"]),
                    _measure(gate["value"]),
                    "exceeded" if gate["exceeded"] else "kept",
                )
                for gate in gates
            ),
        )
    yield Section("Run", ("", ""), tuple(_run(facts)))
    if rejects := facts.get("rejects"):
        yield _rejects(rejects, facts["rows"]["in"])
    yield from watched_sections(facts)
    if stages := facts.get("stages"):
        yield _stages(stages)
    if inputs := facts.get("inputs"):
        rows = tuple((item["path"], size(item["size"]), number(item["rows"])) for item in inputs)
        yield Section("Inputs", ("file", "size", "rows"), rows)
    if outputs := facts.get("outputs"):
        digests = facts.get("digests") or {}
        yield Section("Outputs", ("file", "sha256"), tuple((path, digests.get(path, "-")) for path in outputs))


def _measure(value: Any) -> str:
    return value if isinstance(value, str) else number(value)


def _run(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    rows, model = facts["rows"], facts.get("model")
    yield "status", facts["status"]
    if facts.get("exit_code") is not None:
        yield "exit code", number(facts["exit_code"])
    if model:
        yield "model", f"{model['name']} {model['version']}"
        yield "digest of the model", model["digest"]
    yield "rows in", number(rows["in"])
    yield "rows scored", number(rows["out"])
    yield "rows rejected", number(rows["rejected"])
    if facts.get("rejects_file"):
        yield "rejected rows are in", facts["rejects_file"]
    yield "seconds", number(facts["seconds"])
    if facts.get("peak_memory_bytes") is not None:
        yield "peak memory", size(facts["peak_memory_bytes"])


def _rejects(rejects: dict[str, int], rows: int) -> Section:
    ordered = sorted(rejects.items(), key=lambda item: (-item[1], item[0]))
    meanings = {str(code): words for code, words in MEANINGS.items()}
    return Section(
        "Rejected rows by reason",
        ("reason", "meaning", "rows", "share of all"),
        tuple(
            (code, meanings.get(code, ""), number(count), share(count / rows if rows else None))
            for code, count in ordered
        ),
        Bars("Rejected rows by reason", tuple(Bar(code, (count,), (number(count),)) for code, count in ordered)),
    )


def _stages(stages: dict[str, dict[str, float | None]]) -> Section:
    told = [(name, stage["cpu_seconds"], stage["rows_per_second"]) for name, stage in stages.items()]
    return Section(
        "Rows a second by stage",
        ("stage", "CPU seconds", "rows a second"),
        tuple((name, number(seconds), number(rate)) for name, seconds, rate in told),
        Bars("Rows a second by stage", tuple(Bar(name, (rate or 0.0,), (number(rate),)) for name, _, rate in told)),
    )
