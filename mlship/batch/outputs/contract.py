"""What an output has to offer a run: it remembers the chunks that it holds, and appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Done:
    """A chunk that is scored, as a journal tells it; plain JSON values throughout.

    Attributes:
        index: Its place among the chunks of the run, from 0.
        input: Place of its file among the inputs, from 0.
        number: Its place among that file's chunks, from 0; with `input` it names a part, whoever scores it.
        start: Where it begins there; see `tables.contract.Chunk`.
        stop: Where the next one begins.
        content: Checksums of its bytes in the input and of the input's columns; empty where no bytes were read.
        rows: How many rows it has.
        written: How many of them were scored.
        rejected: How many were rejected.
        codes: For each reason the number of rejected rows that have it.
        counts: What monitors counted in it, to be added up.
        size: Number of bytes that it has in the output.
        digest: sha256 of them.
        rejects_size: Number of bytes of its lines in the rejects file.
        rejects_digest: sha256 of them.
    """

    index: int
    input: int
    number: int
    start: int
    stop: int
    content: str
    rows: int
    written: int
    rejected: int
    codes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    digest: str = ""
    rejects_size: int = 0
    rejects_digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}  # not copied in depth, as asdict does

    @property
    def part(self) -> str:
        """What its part is called, without the ending: the same one in whatever share of the work it is scored."""
        return f"part-{self.input:05d}-{self.number:05d}"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Done:
        """Return what `to_json` gave.

        Raises:
            TypeError: It is something else.
        """
        return cls(**data)


@dataclass(frozen=True)
class Published:
    """What got its final name.

    Attributes:
        outputs: Paths or URIs of the output.
        rejects: Path or URI of the rejects file, or None when no row was rejected.
        digests: sha256 of each output file that was written, by its path or URI.
    """

    outputs: tuple[str, ...]
    rejects: str | None
    digests: dict[str, str]


class Output(Protocol):
    """One output of a run.

    Attributes:
        name: What the user calls it, for messages.
        whole_files: Whether each chunk is a file of its own (`Encoder.file`), not a piece of one (`Encoder.rows`).
        resumable: Whether chunks outlive the process.
    """

    name: str
    whole_files: bool
    resumable: bool

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """Refuse to replace what mlship did not write, before any work and without a lock.

        Args:
            job: What decides the output's bytes (model, inputs, options), as plain JSON values.
            overwrite: Whether somebody else's output may be replaced.

        Returns:
            The record of the run that finished this very job, whose output is still there untouched; else None.

        Raises:
            UsageError: The output is there and mlship did not write it.
            OutputFailed: It cannot be looked at.
        """
        ...

    def held(self) -> AbstractContextManager[None]:
        """Hold the output for the length of a `with` block.

        Raises:
            OutputLocked: Another run holds it.
            OutputFailed: It cannot be written.
        """
        ...

    def resume(self, job: dict[str, Any], *, restart: bool, same: Callable[[Done], bool]) -> list[Done]:
        """Return the chunks of an unfinished run of this very job that are whole, as a prefix; drop all else.

        Every byte of theirs is looked at: a chunk whose digest is not the journal's ends the prefix.

        Args:
            job: As for `check`. Where only its `times` are others than before, inputs may hold what they held.
            restart: Whether to drop them all.
            same: Tells whether a chunk's input holds what it held; asked where times are others.
        """
        ...

    @property
    def dropped(self) -> str | None:
        """Why `resume` dropped what it found, in words for the user; None when there was nothing."""
        ...

    def begin(self, head: bytes) -> None:
        """Begin what `resume` left empty with what a file begins with; called once `resume` gave no chunk."""
        ...

    def add(self, done: Done, data: bytes, rejects: bytes) -> None:
        """Append a chunk; `done` has sizes and digests of the bytes already.

        Raises:
            OutputFailed: The system refused; the chunk is then dropped by the next `resume`.
        """
        ...

    def publish(self, record: dict[str, Any], done: Sequence[Done]) -> Published:
        """Look at every byte once more, then give output and rejects file their names and keep the record.

        Raises:
            OutputFailed: The system refused; the output of an earlier run is still there.
            OutputLocked: Something else has written the output meanwhile.
            DamagedChunk: A chunk is not what was written; the next run scores it again.
        """
        ...

    def publish_rejects(self) -> str | None:
        """Give only the rejects file its name, because there are too many; chunks stay for the next run."""
        ...
