"""An output in an object store: a folder of parts, and a manifest that is put last.

Below the output's URI, with a tag of 8 hexadecimal digits that stands for the job:

    part-<tag>-<index>.<ext>        the parts; each is put whole, on condition that there is none
    _manifest.json                  which parts the output has; replaced on condition that it is the one seen before
    _SUCCESS                        empty, for programs that wait for it
    _rejects-<tag>.ndjson           the rejected rows; whoever may read the folder may read it
    _mlship/claim.json, clock       who writes here; see `claim`
    _mlship/job-<tag>.json          the job under way
    _mlship/<tag>/<index>.entry     its journal: digest, a chunk as JSON, then its lines for the rejects object

Of shards that share it see `shared`.

A store has no rename, so parts of an unfinished run lie beside those of the last finished one. Readers who go by the
manifest change from the old parts to the new ones at once; readers who take every `part-*` may see both for a while.

What is trusted: a chunk that an earlier process wrote is read back in whole before it counts. What this process wrote
or read back is known by size and etag, where the etag is the md5 of the bytes, and is read back otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mlship.batch.outputs.claim import LEASE, Claim
from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.manifest import (
    CLOCK,
    INNER,
    SUCCESS,
    Entry,
    Manifest,
    Names,
    Part,
    entry_name,
    job_digest,
    job_name,
    journal_name,
    plain,
    tags_of,
)
from mlship.batch.outputs.prefix import Listed, Prefix
from mlship.batch.outputs.resumption import Resumption
from mlship.errors import DamagedChunk, OutputFailed, OutputLocked, UsageError
from mlship.objects import ObjectChanged, ObjectThere, Stamp, parse

_PENDING = 8
"""Puts under way at once, two a chunk: latency is hidden, and no more than that many parts are in memory."""

_IN_MEMORY = 32 << 20
"""Bytes of rejects that are put in one request; more are put block by block."""


class ObjectOutput:
    """A folder of parts in an object store; see `contract.Output`.

    Args:
        uri: Its URI, which ends in `/`.
        suffix: What the parts' names end in, such as `.csv.gz`.
        lease: Seconds after which the claim of a killed run expires.
        names: What its objects are called.

    Raises:
        UsageError: The URI does not end in `/`, or is none.
        DependencyMissing: The library for stores is not installed.
    """

    whole_files = True
    resumable = True

    def __init__(self, uri: str, suffix: str, *, lease: float = LEASE, names: Names | None = None) -> None:
        if not uri.endswith("/"):
            raise UsageError(
                f"'{parse(uri).uri}' names one object, but an output in a store is a folder of parts.",
                hint=f"Add a slash: -o '{uri}/'",
            )
        self._prefix = Prefix(parse(uri))
        self.name = self._prefix.uri
        self._suffix = suffix
        self._names = names or Names()
        self._claim = self._claim_at(self._names.claim, lease)
        self._patience = 0.0
        self._found: tuple[Manifest | None, Stamp | None] | None = None
        self._tag, self._job, self._head = "", "", b""
        self._chunks: dict[int, tuple[Done, Part]] = {}
        self._dropped: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future[None]] = deque()

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """See `contract.Output`. What others put there is never removed, not even to overwrite.

        The parts of a finished run of this job are known by their etags or read; of another's, only by their sizes.
        """
        listed = self._prefix.list()
        self._found = manifest, _ = self._prefix.manifest()
        same = manifest is not None and manifest.job == job_digest(job)
        there = self._prefix.check(listed, self._found, deep=same, overwrite=overwrite)
        if manifest is None or not same or len(there) < len(manifest.all_parts) or self._under_way(job, listed):
            return None
        self._prefix.delete([name for name in listed if name.startswith(journal_name(manifest.tag))])
        return self._told(manifest)

    def _claim_at(self, name: str, lease: float = LEASE) -> Claim:
        return Claim(self._prefix.at(name), self._prefix.at(CLOCK), self.name, lease)

    def _under_way(self, job: dict[str, Any], listed: Listed) -> bool:
        """Whether what the job replaced may not be gone yet, or it is done all over."""
        return any(job_name(tag) in listed for tag in tags_of(job))

    def _told(self, manifest: Manifest) -> dict[str, Any]:
        """What the run told that a manifest is of."""
        rejects = self._prefix.at(manifest.rejects[0].name).uri if manifest.rejects else None
        return {**manifest.record, "outputs": [self.name], "rejects_file": rejects}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `contract.Output`."""
        with self._claim.held(self._patience):
            now = self._prefix.manifest(self._names.manifest)
            if self._found is not None and now[1] != self._found[1]:
                raise self._meanwhile()
            self._found = now
            self._pool = ThreadPoolExecutor(_PENDING, thread_name_prefix="put")
            try:
                yield
            finally:
                self._pool.shutdown(wait=True)  # a run that was stopped keeps the chunks that it had done
                self._pool = None
                self._pending.clear()

    def _meanwhile(self) -> OutputLocked:
        message = f"'{self.name}' was written by something else meanwhile."
        return OutputLocked(message, hint="Look at it, then run the command again.")

    @property
    def _manifest(self) -> Manifest | None:
        return None if self._found is None else self._found[0]

    def resume(self, job: dict[str, Any], *, restart: bool, same: Callable[[Done], bool] | None = None) -> list[Done]:  # noqa: ARG002
        """See `contract.Output`. Where inputs were touched since, it is another job: its parts have another name."""
        self._claim.check()
        found = self._left(job, restart=restart)
        self._tag, self._job, self._dropped = found.tag, job_digest(job), found.words
        self._chunks = {entry.done.index: (entry.done, entry.part) for entry in found.entries}
        self._claim.check()
        self._prefix.delete(found.strays)
        self._prefix.put(job_name(self._tag), plain({"format": 1, "job": job}).encode())
        return [entry.done for entry in found.entries]

    def _left(self, job: dict[str, Any], *, restart: bool) -> Resumption:
        """What earlier runs left, none of which is at work any more."""
        listed = self._prefix.list()
        shards = [name for name in listed if name.startswith(f"{INNER}claim-")]
        for _ in self._prefix.each(lambda name: self._claim_at(name).check_free(), shards):
            pass
        return Resumption(self._prefix, listed, self._manifest, job, restart=restart)

    @property
    def dropped(self) -> str | None:
        """See `contract.Output`."""
        return self._dropped

    def begin(self, head: bytes) -> None:
        """Keep what a file begins with: it becomes the only part when no chunk comes."""
        self._head = head

    def add(self, done: Done, data: bytes, rejects: bytes) -> None:
        """Begin to put a chunk; what goes wrong is raised here, by a later call, or by `publish`.

        Raises:
            OutputFailed: The store refused, or could not be reached.
            OutputLocked: Another run has taken over the output.
        """
        self._claim.check()
        name, md5 = self._names.part(self._tag, done.index, self._suffix), hashlib.md5(data, usedforsecurity=False)
        part = Part(name, done.size, done.written, done.digest, md5.hexdigest())
        entry = Entry(len(self._chunks), done, part, rejects).to_bytes()
        self._submit(lambda: self._prefix.put_part(part, data))
        self._submit(lambda: self._prefix.put(entry_name(self._tag, done.index), entry))
        self._chunks[done.index] = done, part

    def _submit(self, work: Callable[[], None]) -> None:
        assert self._pool is not None, "add was called outside of held"
        while len(self._pending) >= _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(work))

    def _wait(self) -> None:
        while self._pending:
            self._pending.popleft().result()

    def publish(self, record: dict[str, Any], done: Sequence[Done]) -> Published:
        """See `contract.Output`; a chunk that is not what was written is a DamagedChunk."""
        self._wait()
        self._claim.renew()
        parts = tuple(self._chunks[chunk.index][1] for chunk in done)
        if not parts and self._head:
            parts = (Part.of(self._names.part(self._tag, 0, self._suffix), 0, [self._head]),)
            self._prefix.put_part(parts[0], self._head)
        listed = self._prefix.list()
        damaged = self._prefix.damaged(parts, listed)
        if damaged:
            raise DamagedChunk(
                f"'{self._prefix.at(damaged[0]).uri}' is not what was written.",
                hint="Run the command again: it scores these rows again.",
            )
        rejects = self._put_rejects(done)
        where = self._prefix.at(rejects[0].name).uri if rejects else None
        manifest = Manifest(self._tag, self._job, parts, rejects, record)
        self._put_manifest(manifest)
        self._finish(manifest, listed)
        digests = {self._prefix.at(part.name).uri: part.sha256 for part in parts}
        return Published((self.name,), where, digests)

    def _finish(self, manifest: Manifest, listed: Listed) -> None:
        """Mark what is published as done, and remove what it replaced."""
        self._prefix.put(SUCCESS, b"")
        self._tidy([name for name in listed if self._prefix.is_stray(name, manifest)])

    def _tidy(self, strays: Sequence[str]) -> None:
        """Remove what no manifest lists any more; as long as the job's mark is there, the next run comes here again."""
        own = [name for name in strays if name.startswith(journal_name(self._tag))]
        mark = job_name(self._tag)
        self._prefix.delete([name for name in strays if name not in {*own, mark}])
        self._prefix.delete([mark])
        self._prefix.delete(own)

    def _put_manifest(self, manifest: Manifest) -> None:
        """Put the manifest in place of the one that was seen, which is what publishes."""
        stamp = None if self._found is None else self._found[1]
        data = manifest.to_bytes()
        self._claim.renew()  # nobody can take the output over until this is done
        try:
            stamp = self._prefix.put_if(self._names.manifest, data, stamp)
        except (ObjectThere, ObjectChanged):
            there = self._prefix.get(self._names.manifest)
            if there is None or there[0] != data:  # else an answer got lost and the request was repeated
                raise self._meanwhile() from None
            stamp = there[1].stamp
        self._found = manifest, stamp

    def publish_rejects(self) -> str | None:
        """See `contract.Output`."""
        self._wait()
        self._claim.check()
        rejects = self._put_rejects([chunk for chunk, _ in self._chunks.values()])
        return self._prefix.at(rejects[0].name).uri if rejects else None

    def _put_rejects(self, done: Sequence[Done]) -> tuple[Part, ...]:
        """Put the rejects object, if there is to be one, made of the journal's entries, each of which is looked at."""
        some = [chunk for chunk in done if chunk.rejects_size]
        if not some:
            return ()
        rows = sum(chunk.rejected for chunk in some)
        name = self._names.rejects(self._tag)
        if sum(chunk.rejects_size for chunk in some) <= _IN_MEMORY:
            data = b"".join(self._rejects(some))
            self._prefix.put(name, data)
            return (Part.of(name, rows, [data]),)
        self._prefix.put(name, self._rejects(some))
        return (Part.of(name, rows, self._rejects(some)),)

    def _rejects(self, done: Sequence[Done]) -> Iterator[bytes]:
        for start in range(0, len(done), _PENDING):
            entries = self._prefix.each(self._entry, [chunk.index for chunk in done[start : start + _PENDING]])
            yield from (entry.rejects for entry in entries)

    def _entry(self, index: int) -> Entry:
        there = self._prefix.get(entry_name(self._tag, index))
        with contextlib.suppress(ValueError):
            if there is not None:
                return Entry.from_bytes(there[0])
        raise OutputFailed(
            f"'{self._prefix.at(entry_name(self._tag, index)).uri}' is not what was written.",
            hint="Run the command again: it scores these rows again.",
            code="damaged_chunk",
        )
