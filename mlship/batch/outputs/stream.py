"""Standard output: chunks are written as they come, in order; nothing outlives the process."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.work import check_rejects, copy_published, system_errors
from mlship.errors import OutputFailed


class StreamOutput:
    """A stream of bytes; see `batch.outputs.contract.Output`.

    Args:
        stream: Where they go.
        rejects: The rejects file, or None when rejected rows are told by their number only.
    """

    name = "standard output"
    whole_files = False
    resumable = False
    dropped: str | None = None

    def __init__(self, stream: IO[bytes], rejects: Path | None) -> None:
        self._stream = stream
        self._rejects = rejects
        self._part: Path | None = None
        self._digest = hashlib.sha256()

    def check(self, job: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:  # noqa: ARG002 - as the protocol
        """Refuse to replace a file that is no rejects file of ours."""
        if self._rejects is not None:
            check_rejects(self._rejects, None, overwrite=overwrite)
        return None

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Hold nothing."""
        return contextlib.nullcontext()

    def resume(self, *_: Any, **__: Any) -> list[Done]:
        """Return no chunks."""
        return []

    def begin(self, head: bytes) -> None:
        """Write what the output begins with."""
        if self._rejects is not None:
            self._part = self._rejects.with_name(f".{self._rejects.name}.{os.getpid()}.part")
        self._write(head)

    def add(self, done: Done, data: bytes, rejects: bytes) -> None:  # noqa: ARG002 - as the protocol has it
        """Write a chunk."""
        if rejects and self._part is not None:
            with system_errors(self._part):
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                with os.fdopen(os.open(self._part, flags, 0o600), "ab") as stream:
                    stream.write(rejects)
        self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            raise OutputFailed(f"Standard output could not be written: {error.strerror or error}.") from error
        self._digest.update(data)

    def publish(self, record: dict[str, Any], done: Sequence[Done]) -> Published:  # noqa: ARG002 - as the protocol
        """Give the rejects file its name."""
        return Published((self.name,), self.publish_rejects(), {self.name: self._digest.hexdigest()})

    def publish_rejects(self) -> str | None:
        """Give the rejects file its name, if there is one."""
        if self._part is None or self._rejects is None or not self._part.exists():
            return None
        copy_published(self._part, self._rejects)
        self._part.unlink()
        return str(self._rejects)
