"""The work folder beside an output: its lock, what is not finished yet, and the record of what was done.

`.<output name>.mlship/` holds `lock`; while a run works, the partial output and rejects, so that nothing partial
ever stands under a final name; and after a success `record.json`, by which the next run knows the output as ours.
The lock file is never removed: another run may just be about to lock it.

The record is written right before the output gets its name and tells both the new file's digest and that of the
one it replaces, so that whichever of the two a crash leaves is known.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.batch.rejects import is_rejects_file
from mlship.errors import OutputFailed, OutputLocked, UsageError
from mlship.files import file_digest, locked, publish, write_atomic

_LOCK, _RECORD = "lock", "record.json"
_OVERWRITE = "Write elsewhere with -o, or replace it with --overwrite."


@dataclass(frozen=True)
class FileState:
    """What changes when a file is written to or replaced.

    Attributes:
        size: Its size in bytes.
        changed_ns: When it was last written to, in nanoseconds.
        device: The file system that it is on.
        inode: Its number there.
    """

    size: int
    changed_ns: int
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileState | None:
        """Return a file's present state, or None when it is not there."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino)


class WorkFolder:
    """The work folder of one output.

    Args:
        output: The final name.
        rejects: The final name of its rejects file.
    """

    def __init__(self, output: Path, rejects: Path) -> None:
        self._output = output
        self._rejects = rejects
        self._folder = output.with_name(f".{output.name}.mlship")
        self._record = self._folder / _RECORD
        self._found: FileState | None = None
        self._replaces: str | None = None

    @property
    def part(self) -> Path:
        """Where the output is made."""
        return self._folder / f"output{self._output.suffix}"

    @property
    def rejects_part(self) -> Path:
        """Where the rejects file is made."""
        return self._folder / "rejects.ndjson"

    def check(self, *, overwrite: bool) -> None:
        """Refuse to replace what mlship did not write.

        Raises:
            UsageError: The output is there and the record does not know it, or its rejects file is something else.
        """
        self._found = FileState.of(self._output)
        if self._found is not None:
            self._replaces = file_digest(self._output)
            if self._replaces not in self._known_digests() and not overwrite:
                raise UsageError(
                    f"'{self._output}' is there already and was not written by mlship, or was changed since.",
                    hint=_OVERWRITE,
                    code="output_exists",
                )
        if self._rejects.exists() and not is_rejects_file(self._rejects) and not overwrite:
            raise UsageError(
                f"'{self._rejects}' is there already and is no rejects file of mlship.",
                hint=_OVERWRITE,
                code="output_exists",
            )

    def _known_digests(self) -> tuple[str | None, ...]:
        try:
            record = json.loads(self._record.read_bytes())
            return record["output_sha256"], record["replaced_sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the output's lock for the length of a `with` block, and leave nothing partial behind.

        Raises:
            OutputFailed: The folder cannot be made.
            OutputLocked: Another run holds it, or has replaced the output since `check`.
        """
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            folder = self._output.parent
            hint = None if folder.is_dir() else f"Make the folder first: mkdir -p '{folder}'"
            raise OutputFailed(f"'{self._output}' cannot be written: {error.strerror or error}.", hint=hint) from error
        with locked(self._folder / _LOCK, str(self._output)):
            self._check_unchanged()
            self._clear()
            try:
                yield
            finally:
                with contextlib.suppress(OutputFailed):  # the next run clears it, or says why it cannot
                    self._clear()

    def _check_unchanged(self) -> None:
        if FileState.of(self._output) != self._found:
            raise OutputLocked(
                f"'{self._output}' was written by something else meanwhile.",
                hint="Look at it, then run the command again.",
            )

    def _clear(self) -> None:
        """Remove what is partial, also what a killed run left."""
        try:
            for path in self._folder.iterdir():
                if path.name in (_LOCK, _RECORD):
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        except OSError as error:
            raise OutputFailed(f"'{self._folder}' cannot be cleared: {error.strerror or error}.") from error

    def publish_output(self, record: dict[str, Any], *, rejects: bool) -> None:
        """Give the finished output and its rejects file their names, and keep a record.

        Args:
            record: What was done; the digests of the output and of the file it replaces are added.
            rejects: Whether there is a rejects file; if not, an earlier one is removed.

        Raises:
            OutputFailed: The system refused; the output of an earlier run is still there.
            OutputLocked: Something else has written the output meanwhile.
        """
        self._check_unchanged()
        known = {**record, "output_sha256": file_digest(self.part), "replaced_sha256": self._replaces}
        write_atomic(self._record, json.dumps(known, ensure_ascii=False, indent=2).encode() + b"\n")
        if rejects:
            self.publish_rejects()
        else:
            self._rejects.unlink(missing_ok=True)
        publish(self.part, self._output)

    def publish_rejects(self) -> None:
        """Give the rejects file its name.

        Raises:
            OutputFailed: The system refused.
        """
        publish(self.rejects_part, self._rejects)


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two names lead to one file, by whatever links."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - Path.samefile does the same with more system calls
    except OSError:
        return False
