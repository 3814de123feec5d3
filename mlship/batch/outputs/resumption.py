"""What an earlier run left below an output's URI: how much of it counts, and what has to go."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from mlship.batch.outputs.manifest import (
    Entry,
    Manifest,
    entry_name,
    job_name,
    journal_name,
    plain,
    tag_in,
    tags_of,
)
from mlship.batch.outputs.prefix import Listed, Prefix


class Resumption:
    """The chunks that an unfinished run of a job left whole.

    Args:
        prefix: The output.
        listed: What is there.
        manifest: What is published, or None.
        job: The job to be done.
        restart: Whether nothing counts.
        published: Tags of what readers see besides.

    Attributes:
        tag: The tag to go on with; never one of what is published, unless that run only has to be tidied up.
        entries: The journal's entries that count, in order, without their rejects; everything of them was read.
        strays: Names of what has to go.
        words: Why it has to, for the user; None when there is nothing.
    """

    def __init__(
        self,
        prefix: Prefix,
        listed: Listed,
        manifest: Manifest | None,
        job: dict[str, Any],
        *,
        restart: bool,
        published: AbstractSet[str] = frozenset(),
    ) -> None:
        self._prefix = prefix
        self._listed = listed
        self._manifest = manifest
        published = published | ({manifest.tag} if manifest is not None else set())
        tags = tags_of(job)
        jobs = {tag: self._job(tag) for tag in sorted({tag_in(name) or "" for name in listed} - {""})}
        begun = [tag for tag in tags if jobs.get(tag) == plain(job)]
        fresh = next(tag for tag in tags if tag not in published)
        going_on = next((tag for tag in begun if tag not in published), None) or (begun[0] if begun else fresh)
        self.tag = fresh if restart else going_on
        left = self._journal(self.tag) if self.tag in begun else []
        self.entries = [] if restart else self._whole(left)
        self.strays = self._strays()
        self.words = self._tell(jobs, job, len(left) - len(self.entries), restart=restart)

    def _job(self, tag: str) -> str | None:
        """The job of a tag as plain text, or None when nothing tells."""
        there = self._prefix.get(job_name(tag)) if job_name(tag) in self._listed else None
        try:
            return None if there is None else plain(json.loads(there[0])["job"])
        except (ValueError, KeyError, TypeError):
            return None

    def _journal(self, tag: str) -> list[str]:
        return [name for name in self._listed if name.startswith(journal_name(tag))]

    def _whole(self, names: list[str]) -> list[Entry]:
        """The entries that follow each other from the first on, with parts that are what the journal says."""
        entries: list[Entry] = []
        found = [entry for entry in self._prefix.each(self._entry, names) if entry is not None]
        for entry in sorted(found, key=lambda entry: entry.place):
            if entry.place != len(entries):
                break
            entries.append(entry)
        damaged = self._prefix.damaged([entry.part for entry in entries], self._listed, read=True)
        whole = next((place for place, entry in enumerate(entries) if entry.part.name in damaged), len(entries))
        return entries[:whole]

    def _entry(self, name: str) -> Entry | None:
        there = self._prefix.get(name)
        try:
            entry = None if there is None else Entry.from_bytes(there[0])
        except ValueError:
            return None
        if entry is None or entry_name(self.tag, entry.done.index) != name:
            return None
        return replace(entry, rejects=b"")  # those of all chunks together may be large

    def _strays(self) -> list[str]:
        counts = {entry_name(self.tag, entry.done.index) for entry in self.entries}
        counts |= {entry.part.name for entry in self.entries} | {job_name(self.tag)}
        strays = [name for name in self._listed if self._prefix.is_stray(name, self._manifest) and name not in counts]
        # The journal goes first, so that a crash in between leaves no entry without its part.
        return sorted(strays, key=lambda name: not name.startswith("_mlship/"))

    def _tell(self, jobs: dict[str, str | None], job: dict[str, Any], lost: int, *, restart: bool) -> str | None:
        words: list[str] = []
        others = [json.loads(text) for tag, text in jobs.items() if text is not None and text != plain(job)]
        for other in others:
            keys = sorted(key for key in {*job, *other} if job.get(key) != other.get(key))
            words.append(f"An unfinished run was dropped: it differs in {', '.join(keys)}.")
        if restart and plain(job) in jobs.values():
            words.append("An unfinished run was dropped, as told.")
        elif lost > 0:
            words.append(f"{lost} chunks of an unfinished run were dropped: they are not what was written.")
        if not words and self.strays:
            words.append("Parts that an earlier run left behind were removed.")
        return " ".join(words) or None
