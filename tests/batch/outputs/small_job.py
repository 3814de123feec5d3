"""A small job that writes to an object store, and a program that does it and kills itself at one of its requests.

Run as `python small_job.py URI REQUEST when`: SIGKILL comes `before` or `after` that request is done; 0 is never.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from typing import Any

from mlship import objects
from mlship.batch.outputs.contract import Done, Published
from mlship.batch.outputs.objects import ObjectOutput

CHUNKS = 6
JOB = {"model": "0" * 64, "input": ["a.csv"], "options": {"format": "csv"}}
RECORD = {"record": 1, "rows": {"in": 18, "out": 16, "rejected": 2}}


def chunk(index: int, job: dict[str, Any] = JOB) -> tuple[Done, bytes, bytes]:
    """Return a chunk of three rows, its bytes, and the lines of its rejects; every third chunk has some."""
    data = f"id,prediction\n{index},{json.dumps(job)}\n".encode() * 3
    rejects = b'{"row":%d}\n' % index if index % 3 == 1 else b""
    done = Done(
        index=index,
        input=0,
        number=index,
        start=index * 10,
        stop=index * 10 + 10,
        content=hashlib.sha256(b"%d" % index).hexdigest(),
        rows=3,
        written=2 if rejects else 3,
        rejected=1 if rejects else 0,
        codes={"not_a_number": 1} if rejects else {},
        size=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        rejects_size=len(rejects),
        rejects_digest=hashlib.sha256(rejects).hexdigest(),
    )
    return done, data, rejects


def go_on(output: ObjectOutput, job: dict[str, Any] = JOB, *, restart: bool = False, stop: int = CHUNKS) -> list[Done]:
    """Resume a job and add what is missing up to a chunk, and return what there was."""
    there = output.resume(job, restart=restart)
    if not there:
        output.begin(b"id,prediction\n")
    for index in range(len(there), stop):
        output.add(*chunk(index, job))
    return there


def run(
    uri: str, job: dict[str, Any] = JOB, *, restart: bool = False, overwrite: bool = False
) -> tuple[Published | None, str | None]:
    """Do a whole job, and return what was published, None when there was nothing to do, and what was dropped."""
    output = ObjectOutput(uri, ".csv", lease=1)
    if output.check(job, overwrite=overwrite) is not None and not restart:
        return None, None
    with output.held():
        go_on(output, job, restart=restart)
        published = output.publish(RECORD, [chunk(index, job)[0] for index in range(CHUNKS)])
    return published, output.dropped


def _die_at(number: int, when: str) -> None:
    """Kill this process at one of its requests that change something."""
    counted, guard = [0], threading.Lock()
    put, delete = objects._put, objects._library

    def count() -> bool:
        with guard:
            counted[0] += 1
            return counted[0] == number

    def dying_put(*arguments: Any) -> objects.Stamp:
        this = count()
        if this and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        stamp = put(*arguments)
        if this:
            os.kill(os.getpid(), signal.SIGKILL)
        return stamp

    class DyingLibrary:
        def __init__(self, library: Any) -> None:
            self._library = library

        def __getattr__(self, name: str) -> Any:
            return getattr(self._library, name)

        def delete(self, *arguments: Any) -> None:
            this = count()
            if this and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            self._library.delete(*arguments)
            if this:
                os.kill(os.getpid(), signal.SIGKILL)

    vars(objects)["_put"] = dying_put
    vars(objects)["_library"] = lambda *names: DyingLibrary(delete(*names))


if __name__ == "__main__":
    _die_at(int(sys.argv[2]), sys.argv[3])
    run(sys.argv[1])
