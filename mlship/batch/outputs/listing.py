"""What the shards of one run go by: the list of its inputs, kept with the output; see `batch.freeze`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from mlship.batch.outputs.claim import Claim
from mlship.batch.outputs.joining import SHORTLY, SUCCESS, check_strangers, notes, patient
from mlship.batch.outputs.manifest import CLOCK, INNER, LISTING, plain, shard_name
from mlship.batch.outputs.prefix import Prefix
from mlship.batch.outputs.work import LOCK, system_errors, work_folder
from mlship.errors import OutputFailed, OutputLocked
from mlship.files import locked, publish
from mlship.objects import ObjectChanged, ObjectThere, Stamp, parse

FORMAT = 1


@dataclass(frozen=True)
class ListedInput:
    """An input as the listing has it.

    Attributes:
        name: What the user calls it.
        keys: Columns that its folders' names give, with their values.
        state: What changes when it is written to, the same on each machine.
        shard: Which shard scores it; None where its chunks are shared.
    """

    name: str
    keys: dict[str, str | None]
    state: dict[str, Any]
    shard: int | None


@dataclass(frozen=True)
class Listing:
    """The inputs of a run, and which shard scores which.

    Attributes:
        asked: Digest of what was asked for: model, options, number of shards, and the inputs as they were named.
        shards: How many shards there are.
        inputs: The inputs.
        submissions: Who goes by it, as far as that is known; see `Shard.submission`.
        taken: When it was taken, in UTC, for people.
    """

    asked: str
    shards: int
    inputs: tuple[ListedInput, ...]
    submissions: tuple[str, ...] = field(default=(), compare=False)
    taken: str = field(default="", compare=False)

    @cached_property
    def digest(self) -> str:
        """Return what tells it from others: sha256 of what was asked for and of the inputs."""
        told = {"asked": self.asked, "shards": self.shards, "inputs": [asdict(one) for one in self.inputs]}
        return hashlib.sha256(plain(told).encode()).hexdigest()

    @property
    def awaited(self) -> tuple[int, ...]:
        """The shards that have something to do."""
        shards = {one.shard for one in self.inputs}
        return tuple(index for index in range(self.shards) if index in shards or shards == {None})

    def to_bytes(self) -> bytes:
        """Return it as JSON for programs and people."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Listing | None:
        """Return what `to_bytes` gave, or None for something else."""
        try:
            found = json.loads(data)
            if found.pop("format") != FORMAT:
                return None
            inputs = tuple(ListedInput(**one) for one in found.pop("inputs"))
            return cls(inputs=inputs, submissions=tuple(found.pop("submissions")), **found)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        finished: Whether it is published.
        done: The shards that are done.
    """

    finished: bool
    done: frozenset[int]


class ListingPlace(Protocol):
    """Where the listing of an output is kept."""

    def read(self) -> bytes | None:
        """Return what is there; None when nothing is."""
        ...

    def write(self, data: bytes) -> bool:
        """Put a listing in place of what `read` gave last; False when something else is there by now."""
        ...

    def standing(self, listing: Listing) -> Standing:
        """Tell how far a run is."""
        ...

    def check_idle(self, listing: Listing) -> None:
        """Make sure that no shard of a run is at work.

        Raises:
            OutputLocked: One is.
        """
        ...

    def check_run(self, run: str) -> None:
        """Make sure that the listing is the one with a digest.

        Raises:
            OutputLocked: It is another one by now, or gone.
        """
        ...

    def check_strangers(self, *, overwrite: bool) -> None:
        """Refuse an output that holds what mlship did not write.

        Raises:
            UsageError: It does.
        """
        ...


class StoredListing:
    """The listing of an output in a store; see `ListingPlace`.

    Args:
        uri: The output's URI, which ends in `/`.
    """

    def __init__(self, uri: str) -> None:
        self._prefix = Prefix(parse(uri))
        self._stamp: Stamp | None = None

    def read(self) -> bytes | None:
        """See `ListingPlace`."""
        there = self._prefix.get(LISTING)
        self._stamp = None if there is None else there[1].stamp
        return None if there is None else there[0]

    def write(self, data: bytes) -> bool:
        """See `ListingPlace`."""
        try:
            self._prefix.put_if(LISTING, data, self._stamp)
        except (ObjectThere, ObjectChanged):
            return self.read() == data  # an answer got lost and the request was repeated
        return True

    def standing(self, listing: Listing) -> Standing:
        """See `ListingPlace`."""
        manifest, _ = self._prefix.manifest()
        job = manifest.record.get("job", {}) if manifest is not None else {}
        names = self._prefix.list(INNER)
        done = (index for index in range(listing.shards) if shard_name(listing.digest, index) in names)
        return Standing(_is_of(job, listing), frozenset(done))

    def check_idle(self, listing: Listing) -> None:
        """See `ListingPlace`."""
        start = shard_name(listing.digest, "", "claim")
        names = [name for name in self._prefix.list(INNER) if name.startswith(start)]
        for _ in self._prefix.each(self._check_free, names):
            pass

    def check_run(self, run: str) -> None:
        """See `ListingPlace`."""
        _check_run(self.read(), run, self._prefix.uri)

    def _check_free(self, name: str) -> None:
        Claim(self._prefix.at(name), self._prefix.at(CLOCK), self._prefix.uri).check_free()

    def check_strangers(self, *, overwrite: bool) -> None:
        """See `ListingPlace`."""
        self._prefix.check(self._prefix.list(), self._prefix.manifest(), deep=False, overwrite=overwrite)


class DiskListing:
    """The listing of a folder on a disk, which lies in the work folder beside it; see `ListingPlace`.

    Args:
        output: The folder.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._work = work_folder(output)
        self._path = self._work / "listing.json"
        self._seen: bytes | None = None

    def read(self) -> bytes | None:
        """See `ListingPlace`."""
        with system_errors(self._path, "read"):
            try:
                self._seen = self._path.read_bytes()
            except FileNotFoundError:
                self._seen = None
        return self._seen

    def write(self, data: bytes) -> bool:
        """See `ListingPlace`."""
        try:
            self._work.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputFailed(f"'{self._output}' cannot be written: {error.strerror or error}.") from error
        seen = self._seen
        with patient(self._output, SHORTLY):
            if self.read() != seen:
                return False
            part = self._path.with_name(f"{self._path.name}.new")  # nobody else writes it, and the next one replaces it
            with system_errors(self._path):
                part.write_bytes(data)
            publish(part, self._path)
            return True

    def standing(self, listing: Listing) -> Standing:
        """See `ListingPlace`."""
        found = notes(self._output, listing.shards)
        done = frozenset(index for index, note in found.items() if _is_of(note.get("job", {}), listing))
        return Standing(done >= set(listing.awaited) and (self._output / SUCCESS).exists(), done)

    def check_idle(self, listing: Listing) -> None:
        """See `ListingPlace`."""
        for lock in sorted(self._work.glob(f"shard-*-of-{listing.shards}/{LOCK}")):
            with locked(lock, f"{self._output}/"):
                pass

    def check_run(self, run: str) -> None:
        """See `ListingPlace`."""
        _check_run(self.read(), run, f"{self._output}/")

    def check_strangers(self, *, overwrite: bool) -> None:
        """See `ListingPlace`."""
        check_strangers(self._output, overwrite=overwrite)


def _check_run(data: bytes | None, run: str, output: str) -> None:
    listing = None if data is None else Listing.from_bytes(data)
    if listing is None or listing.digest != run:
        raise OutputLocked(
            f"'{output}' is written by another run by now, with other inputs, another model or other options.",
            hint="Run the same command again.",
        )


def _is_of(job: dict[str, Any], listing: Listing) -> bool:
    told = job.get("input")
    return isinstance(told, dict) and told.get("listing") == listing.digest
