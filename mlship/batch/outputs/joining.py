"""How shards share a folder: each moves its parts there and leaves a note; the last one writes `_SUCCESS`."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlship.batch.job import Shard
from mlship.batch.outputs.work import work_folder
from mlship.errors import OutputFailed, OutputLocked
from mlship.files import locked, sync_directory, write_atomic

SUCCESS = "_SUCCESS"


def note_name(shard: Shard) -> str:
    """Return what the note of a shard is called."""
    return f"_shard-{shard.index}-of-{shard.of}.json"


def is_joined(output: Path, shard: Shard) -> bool:
    """Tell whether a shard has left its note, and `_SUCCESS` stands there when all have."""
    if not (output / note_name(shard)).exists():
        return False
    return (output / SUCCESS).exists() or not _all_there(output, shard)


def join(output: Path, parts_folder: Path, shard: Shard, record: dict[str, Any]) -> None:
    """Move a shard's parts into the folder that shards share, and say so.

    Args:
        output: That folder.
        parts_folder: Where the parts are.
        shard: The shard.
        record: What the shard did; its `parts` are digests by name.

    Raises:
        OSError: The system refused.
        OutputFailed: Another shard took too long to join.
    """
    parts = record["parts"]
    output.mkdir(exist_ok=True)
    with _patient(work_folder(output) / "lock", f"{output}/"):
        whole = {**record["job"], "options": {**record["job"]["options"], "shard": None}}
        _clear_others(output, whole, parts)
        for name in parts:
            (parts_folder / name).replace(output / name)
        told = {"job": whole, "parts": parts, "rows": record["report"]["rows"]}
        note = parts_folder / note_name(shard)  # written elsewhere, so that a crash leaves no stranger in the folder
        write_atomic(note, json.dumps(told, indent=2).encode() + b"\n")
        note.replace(output / note.name)
        if _all_there(output, shard):
            (output / SUCCESS).write_bytes(b"")
        sync_directory(output)
        sync_directory(output.parent)


def _all_there(output: Path, shard: Shard) -> bool:
    return all((output / note_name(Shard(index, shard.of))).exists() for index in range(shard.of))


def _clear_others(output: Path, job: dict[str, Any], parts: dict[str, str]) -> None:
    """Remove what shards of another job left in the folder."""
    (output / SUCCESS).unlink(missing_ok=True)
    for path in output.glob("_shard-*.json"):
        try:
            told = json.loads(path.read_bytes())
        except ValueError:
            told = {}
        if told.get("job") != job:
            for name in told.get("parts", {}):
                if name not in parts:
                    (output / name).unlink(missing_ok=True)
            path.unlink()


@contextlib.contextmanager
def _patient(lock: Path, what: str) -> Iterator[None]:
    """Hold the short lock under which shards join their folder, waiting for others that do."""
    for _ in range(600):
        try:
            with locked(lock, what):
                yield
                return
        except OutputLocked:
            time.sleep(0.1)
    raise OutputFailed(f"'{what}' is held by another run for a minute.", hint="Run the same command again.")
