"""How shards share a folder: each moves its parts there and leaves a note; the last one writes `_SUCCESS`."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlship.batch.job import Shard
from mlship.batch.outputs.work import LOCK, OVERWRITE, RECORD, work_folder
from mlship.errors import OutputLocked, UsageError
from mlship.files import locked, sync_directory, write_atomic

SUCCESS = "_SUCCESS"
SHORTLY = 3.0
"""Seconds for which a shard that has done nothing yet waits for the folder's lock: a run that is no shard keeps it."""


def note_name(shard: Shard) -> str:
    """Return what the note of a shard is called."""
    return f"_shard-{shard.index}-of-{shard.of}.json"


def notes(output: Path, shards: int) -> dict[int, dict[str, Any]]:
    """Return the notes that shards left in a folder, by shard.

    Args:
        output: The folder.
        shards: How many shards there are; notes of another number are left out.
    """
    found = {}
    for index in range(shards):
        with contextlib.suppress(OSError, ValueError):
            note = json.loads((output / note_name(Shard(index, shards))).read_bytes())
            found[index] = note if isinstance(note, dict) else {}
    return found


def known_names(output: Path) -> set[str]:
    """Return the names in a folder of parts that runs of ours gave."""
    known, work = {SUCCESS}, work_folder(output)
    for path in (work / RECORD, *work.glob(f"shard-*/{RECORD}")):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            record = json.loads(path.read_bytes())
            known |= set(record.get("parts", {})) | set(record.get("replaced", ())) | {record.get("note") or SUCCESS}
    return known


def check_strangers(output: Path, *, overwrite: bool) -> None:
    """Refuse to replace what mlship did not write.

    Raises:
        UsageError: The output is no folder, or holds such a thing.
    """
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"The output '{output}/' is there and is no folder.", hint="Name another folder with -o.")
    strangers = sorted({path.name for path in output.iterdir()} - known_names(output))
    if strangers and not overwrite:
        raise UsageError(
            f"'{output}/' holds '{strangers[0]}', which mlship did not write.", hint=OVERWRITE, code="output_exists"
        )


def check_no_shard(output: Path) -> None:
    """Make sure that no shard is at work on a folder, whose lock is held; none begins then.

    Raises:
        OutputLocked: One is.
    """
    for lock in sorted(work_folder(output).glob(f"shard-*/{LOCK}")):
        with locked(lock, f"{output}/"):
            pass


def is_joined(output: Path, shard: Shard) -> bool:
    """Tell whether a shard has left its note, and `_SUCCESS` stands there when all have."""
    if not (output / note_name(shard)).exists():
        return False
    return (output / SUCCESS).exists() or not _all_there(output, shard)


def join(output: Path, parts_folder: Path, shard: Shard, record: dict[str, Any], check_run: Callable[[], None]) -> None:
    """Move a shard's parts into the folder that shards share, and say so.

    Args:
        output: That folder.
        parts_folder: Where the parts are.
        shard: The shard.
        record: What the shard did; its `parts` are digests by name.
        check_run: Makes sure that the run is still the one that writes the folder.

    Raises:
        OSError: The system refused.
        OutputLocked: Another shard took too long to join, or another run writes the folder by now.
    """
    parts = record["parts"]
    with patient(output):
        check_run()
        output.mkdir(exist_ok=True)
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
    found = notes(output, shard.of)
    return all(_run_of(found.get(index, {})) == shard.run for index in shard.awaited)


def _run_of(note: dict[str, Any]) -> Any:
    told = note.get("job", {}).get("input")
    return told.get("listing") if isinstance(told, dict) else None


def _clear_others(output: Path, job: dict[str, Any], parts: dict[str, str]) -> None:
    """Remove what runs of another job left in the folder, of shards or not."""
    (output / SUCCESS).unlink(missing_ok=True)
    known, kept = known_names(output), set(parts)
    for path in output.glob("_shard-*.json"):
        try:
            told = json.loads(path.read_bytes())
        except ValueError:
            told = {}
        (kept if told.get("job") == job else known).update((*told.get("parts", {}), path.name))
    for name in known - kept:
        (output / name).unlink(missing_ok=True)


@contextlib.contextmanager
def patient(output: Path, seconds: float = 60.0) -> Iterator[None]:
    """Hold the lock of a folder, which shards do for short, waiting for others that do.

    Raises:
        OutputLocked: Another run holds it for longer.
        OutputFailed: There is no work folder, or its file system knows no locks.
    """
    end = time.monotonic() + seconds
    while True:
        # Entered by hand: what is raised while it is held, such as an OutputLocked, is not for us.
        lock = locked(work_folder(output) / LOCK, f"{output}/")
        try:
            lock.__enter__()
        except OutputLocked:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
            continue
        with contextlib.ExitStack() as stack:
            stack.push(lock)
            yield
        return
