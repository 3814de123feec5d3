"""An output in an object store whose parts several runs put there, each a shard of the work.

Besides what `objects` tells of, with R for the first 8 hexadecimal digits of the digest of the run's listing:

    _mlship/listing.json            what the run has to score; see `batch.freeze`
    _mlship/claim-R-<shard>.json    who writes the shard
    _mlship/shard-R-<shard>.json    the shard's manifest, put when all of its parts are there
    part-<tag>-<shard>-of-<N>-<index>.<ext>, _rejects-<tag>-<shard>-of-<N>.ndjson

Each shard has its own tags, journal and mark of a job under way. Whoever has put the manifest of a shard looks whether
those of all others are there, and then puts `_manifest.json`, made of them, in the order of the rows. Of two that end
at once both do, with the same bytes, and one put is refused. What makes that safe without a lock around it:

* the version of `_manifest.json` that is replaced is looked at before anything else is;
* nothing that it could come to name is removed but by a run that has replaced it: one that comes late is refused;
* a run that is no shard takes `_mlship/claim.json` and then looks at the claims of shards, and a shard takes its own
  and then looks at that one, so that never both write;
* which run is the one under way is told by the listing, which is replaced only while no shard of it is at work, and
  looked at again before each manifest is put.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from mlship.batch.job import Shard
from mlship.batch.outputs.claim import LEASE
from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.listing import StoredListing
from mlship.batch.outputs.manifest import (
    CLAIM,
    INNER,
    MANIFEST,
    SUCCESS,
    Manifest,
    Names,
    job_digest,
    shard_name,
    tag_in,
    tags_of,
)
from mlship.batch.outputs.objects import ObjectOutput
from mlship.batch.outputs.prefix import Listed
from mlship.batch.outputs.resumption import Resumption
from mlship.errors import DamagedChunk
from mlship.objects import ObjectChanged, ObjectThere

_TRIES = 5
_GRACE = 5.0  # seconds


class SharedObjects(ObjectOutput):
    """One shard's part of an output in a store; see `contract.Output`.

    Args:
        uri: The output's URI, which ends in `/`.
        suffix: What the parts' names end in.
        shard: The shard, with its run.
        lease: Seconds after which the claim of a killed run expires.
    """

    def __init__(self, uri: str, suffix: str, shard: Shard, *, lease: float = LEASE) -> None:
        super().__init__(uri, suffix, lease=lease, names=Names.of(shard))
        self._shard = shard
        # A scheduler tries a killed shard again at once, and not often: the claim of the killed one has to expire.
        self._patience = lease + _GRACE
        self._listing = StoredListing(uri)
        self._whole: dict[str, Any] = {}

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """See `contract.Output`. A shard is done when its parts are there and, if all others are, joined with them."""
        self._whole = job
        listed = self._prefix.list()
        published = self._prefix.manifest()
        self._prefix.check(listed, published, deep=False, overwrite=overwrite)
        self._found = own, _ = self._prefix.manifest(self._names.manifest)
        if own is None or own.job != job_digest(job):
            return None
        there = self._prefix.check(listed, self._found, deep=True, overwrite=overwrite)
        if len(there) < len(own.all_parts) or self._under_way(job, listed):
            return None
        joined = published[0]
        if self._all_there(listed) and not (joined and joined.job == self._run_job and own.names <= joined.names):
            return None
        return self._told(own)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `contract.Output`."""
        with super().held():
            self._claim_at(CLAIM).check_free()
            self._listing.check_run(self._shard.run)
            yield

    def _left(self, job: dict[str, Any], *, restart: bool) -> Resumption:
        self._whole = job
        joined, _ = self._prefix.manifest()
        published = frozenset(tag_in(name) or "" for name in (joined.names if joined else ()))
        own = {name: found for name, found in self._prefix.list().items() if tag_in(name) in tags_of(job)}
        found = Resumption(self._prefix, own, self._manifest, job, restart=restart, published=published)
        # Parts of an earlier time may be about to be published: they go once others are.
        found.strays = [name for name in found.strays if name.startswith(INNER) or tag_in(name) == found.tag]
        return found

    def publish(self, record: dict[str, Any], done: Sequence[Done]) -> Published:
        """See `contract.Output`; the last of the shards publishes what all of them did."""
        return super().publish({**record, "order": [[chunk.input, chunk.number] for chunk in done]}, done)

    def _finish(self, manifest: Manifest, listed: Listed) -> None:
        tags = {*tags_of(self._whole)}
        own = [name for name in listed if tag_in(name) in tags and name not in manifest.names]
        joined = self._join()
        if joined is None:
            self._tidy([name for name in own if name.startswith(INNER)])
            return
        self._prefix.put(SUCCESS, b"")
        run = {self._shard.run[:8], *(tag for index in range(self._shard.of) for tag in tags_of(self._job_of(index)))}
        others = [name for name in listed if (tag := tag_in(name)) is not None and tag not in run]
        self._tidy([name for name in (*own, *others) if name not in joined.names])

    def _job_of(self, index: int | None) -> dict[str, Any]:
        """The job of another shard of the run, or of all of them."""
        return {**self._whole, "options": {**self._whole["options"], "shard": index}}

    @property
    def _run_job(self) -> str:
        return job_digest(self._job_of(None))

    def _all_there(self, listed: Listed) -> bool:
        return all(shard_name(self._shard.run, index) in listed for index in self._shard.awaited)

    def _join(self) -> Manifest | None:
        """Put the manifest of all shards, if all are done.

        Raises:
            DamagedChunk: A part of another shard is not what was written.
            OutputLocked: Another run has written the output meanwhile.
        """
        damaged: str | None = None
        for _ in range(_TRIES):
            there, stamp = self._prefix.manifest()  # before all else: what is found from here on is published over it
            self._listing.check_run(self._shard.run)
            listed = self._prefix.list()
            shards = self._shards() if self._all_there(listed) else None
            if shards is None:
                return None
            joined = self._joined(shards)
            sizes = {part.name: part.size for part in joined.all_parts}
            damaged = next((name for name in sizes if name not in listed or listed[name].size != sizes[name]), None)
            if damaged is not None:
                continue  # it may have been put since
            if there is not None and there.to_bytes() == joined.to_bytes():
                return joined
            self._claim.renew()  # nobody can take the output over until this is done
            with contextlib.suppress(ObjectThere, ObjectChanged):
                self._prefix.put_if(MANIFEST, joined.to_bytes(), stamp)
                return joined
        if damaged is None:
            raise self._meanwhile()
        raise DamagedChunk(
            f"'{self._prefix.at(damaged).uri}' of another shard is not what was written.",
            hint="Run all shards again: each finds what of its own is missing.",
        )

    def _shards(self) -> list[Manifest] | None:
        """The manifests of all shards, or None when one is of another job, such as an older version's."""
        names = [shard_name(self._shard.run, index) for index in self._shard.awaited]
        found: list[Manifest] = []
        for index, (manifest, _) in zip(
            self._shard.awaited, self._prefix.each(self._prefix.manifest, names), strict=True
        ):
            if manifest is None or manifest.job != job_digest(self._job_of(index)):
                return None
            found.append(manifest)
        return found

    def _joined(self, shards: Sequence[Manifest]) -> Manifest:
        """One manifest of all, the same whoever makes it."""
        ordered = sorted(
            (place, part)
            for shard in shards
            for place, part in zip(map(tuple, shard.record["order"]), shard.parts, strict=True)
        )
        rows: Counter[str] = Counter()
        rejects: Counter[str] = Counter()
        for shard in shards:
            rows.update(shard.record["report"]["rows"])
            rejects.update(shard.record["report"]["rejects"])
        report = {"model": shards[0].record["report"]["model"], "rows": dict(rows), "rejects": dict(rejects)}
        return Manifest(
            tag=self._shard.run[:8],
            job=self._run_job,
            parts=tuple(part for _, part in ordered),
            rejects=tuple(part for shard in shards for part in shard.rejects),
            record={"job": self._job_of(None), "shards": self._shard.of, "report": report},
        )
