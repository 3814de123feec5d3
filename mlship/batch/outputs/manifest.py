"""What an output in an object store consists of: names, manifest, and the journal's entries."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlship.batch.outputs.contract import Done
from mlship.errors import InputRefused
from mlship.objects import Found, Location, ObjectChanged, stream

if TYPE_CHECKING:
    from mlship.batch.job import Shard

MANIFEST, SUCCESS = "_manifest.json", "_SUCCESS"
INNER = "_mlship/"
CLAIM, CLOCK, LISTING = f"{INNER}claim.json", f"{INNER}clock", f"{INNER}listing.json"
FORMAT = 1
_OWN = re.compile(
    r"part-(?P<part>[0-9a-f]{8})(-\d+-of-\d+)?-\d{5,}(\.[a-z.]+)?"
    r"|_rejects-(?P<rejects>[0-9a-f]{8})(-\d+-of-\d+)?\.ndjson"
    r"|_mlship/(job-(?P<job>[0-9a-f]{8})\.json|(?P<entry>[0-9a-f]{8})/\d{5,}\.entry|claim\.json|clock)"
    r"|_mlship/(listing\.json|(claim|shard)-(?P<run>[0-9a-f]{8})-\d+\.json)"
    r"|_manifest\.json|_SUCCESS"
)


def plain(value: Any) -> str:
    """Return plain JSON values as the one text that equal values have."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def job_digest(job: dict[str, Any]) -> str:
    """Return the sha256 of a job."""
    return hashlib.sha256(plain(job).encode()).hexdigest()


def tags_of(job: dict[str, Any]) -> tuple[str, ...]:
    """Return the three tags, 8 hexadecimal digits each, that the names of a job's objects can carry.

    There are several, so that a job that is done all over again never touches what its last run published; and of a
    shard there may be one that it has done and another that is still published.
    """
    return tuple(hashlib.sha256(f"{turn}:{plain(job)}".encode()).hexdigest()[:8] for turn in range(3))


@dataclass(frozen=True)
class Names:
    """What the objects of a run are called, where its shards have each their own.

    Attributes:
        manifest: What tells its parts.
        claim: What tells who writes it.
        share: What stands for the shard in names, or empty.
    """

    manifest: str = MANIFEST
    claim: str = CLAIM
    share: str = ""

    @classmethod
    def of(cls, shard: Shard) -> Names:
        """Return those of a shard."""
        return cls(shard_name(shard.run, shard.index), shard_name(shard.run, shard.index, "claim"), f"-{shard.name}")

    def part(self, tag: str, index: int, suffix: str) -> str:
        """Return the name of a chunk's part."""
        return f"part-{tag}{self.share}-{index:05d}{suffix}"

    def rejects(self, tag: str) -> str:
        """Return the name of the rejects object."""
        return f"_rejects-{tag}{self.share}.ndjson"


def shard_name(run: str, index: int | str, what: str = "shard") -> str:
    """Return the name of what tells of one shard: its manifest, or its `claim`.

    Args:
        run: The digest of the run's listing.
        index: The shard; empty for what all those names begin with.
        what: `shard` or `claim`.
    """
    return f"{INNER}{what}-{run[:8]}-{index}" + ("" if index == "" else ".json")


def job_name(tag: str) -> str:
    """Return the name of what tells which job is being done."""
    return f"_mlship/job-{tag}.json"


def journal_name(tag: str) -> str:
    """Return what the names of a job's journal entries begin with."""
    return f"_mlship/{tag}/"


def entry_name(tag: str, index: int) -> str:
    """Return the name of a chunk's journal entry."""
    return f"{journal_name(tag)}{index:05d}.entry"


def is_own(name: str) -> bool:
    """Tell whether a name, below the output's own, is one that mlship gives."""
    return _OWN.fullmatch(name) is not None


def tag_in(name: str) -> str | None:
    """Return the tag in a name; None for what belongs to no job."""
    found = _OWN.fullmatch(name)
    return None if found is None else next((tag for tag in found.groupdict().values() if tag), None)


@dataclass(frozen=True)
class Part:
    """An object that was written.

    Attributes:
        name: Its name, below the output's own.
        size: Number of bytes.
        rows: Number of rows.
        sha256: Digest of its bytes.
        md5: Another, by which many stores call an object: where its etag is this, it need not be read to be known.
    """

    name: str
    size: int
    rows: int
    sha256: str
    md5: str

    @classmethod
    def of(cls, name: str, rows: int, blocks: Iterable[bytes]) -> Part:
        """Return what is to be told of bytes."""
        size, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for block in blocks:
            size += len(block)
            sha256.update(block)
            md5.update(block)
        return cls(name, size, rows, sha256.hexdigest(), md5.hexdigest())

    def is_at(self, place: Location, found: Found | None, *, read: bool = False) -> bool:
        """Tell whether an object has these very bytes.

        Args:
            place: Where it is.
            found: What the store tells of it; None when it is not there.
            read: Whether to read it even when its etag says it.
        """
        if found is None or found.size != self.size:
            return False
        if not read and (found.etag or "").strip('"') == self.md5:
            return True
        digest = hashlib.sha256()
        try:
            for block in stream(place):
                digest.update(block)
        except (InputRefused, ObjectChanged):  # it is being replaced or removed right now
            return False
        return digest.hexdigest() == self.sha256


@dataclass(frozen=True)
class Entry:
    """A chunk in the journal.

    Attributes:
        place: Its place among the chunks of this output, from 0.
        done: The chunk.
        part: Its part.
        rejects: Its lines for the rejects file.
    """

    place: int
    done: Done
    part: Part
    rejects: bytes

    def to_bytes(self) -> bytes:
        """Return a digest, a line of JSON with the chunk, and after it those of the rejects file."""
        head = {"format": FORMAT, "place": self.place, "done": self.done.to_json(), "part": asdict(self.part)}
        told = plain(head).encode() + b"\n" + self.rejects
        return _sha256(told).encode() + b"\n" + told

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Return what `to_bytes` gave.

        Raises:
            ValueError: It is something else, or damaged.
        """
        digest, _, told = data.partition(b"\n")
        line, _, rejects = told.partition(b"\n")
        if digest != _sha256(told).encode():
            raise ValueError("damaged")
        try:
            head = json.loads(line)
            if head["format"] != FORMAT:
                raise ValueError("another format")
            entry = cls(int(head["place"]), Done.from_json(head["done"]), Part(**head["part"]), rejects)
        except (KeyError, TypeError) as error:
            raise ValueError("no journal entry") from error
        done = entry.done
        if (entry.part.size, entry.part.sha256, len(rejects)) != (done.size, done.digest, done.rejects_size):
            raise ValueError("chunk, part and rejects are not of each other")
        return entry


@dataclass(frozen=True)
class Manifest:
    """What a finished output consists of; readers go by it and by nothing else.

    Attributes:
        tag: The tag in the parts' names.
        job: sha256 of the job.
        parts: The parts, in the order of their rows.
        rejects: The rejects objects: none when no row was rejected, and several where shards have each one.
        record: What the run told of itself.
    """

    tag: str
    job: str
    parts: tuple[Part, ...]
    rejects: tuple[Part, ...]
    record: dict[str, Any]

    @property
    def names(self) -> set[str]:
        """All names that it lists."""
        return {part.name for part in self.all_parts}

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """Parts and rejects objects."""
        return (*self.parts, *self.rejects)

    def to_bytes(self) -> bytes:
        """Return it as JSON for programs and people."""
        data = {"format": FORMAT, "rows": sum(part.rows for part in self.parts), **asdict(self)}
        return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Return what `to_bytes` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            found = json.loads(data)
            if found["format"] != FORMAT:
                raise ValueError("another format")
            parts, rejects = (tuple(Part(**part) for part in found[name]) for name in ("parts", "rejects"))
            return cls(str(found["tag"]), str(found["job"]), parts, rejects, dict(found["record"]))
        except (KeyError, TypeError) as error:
            raise ValueError("no manifest") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
