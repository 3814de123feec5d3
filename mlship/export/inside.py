"""The life of the child process in which an export happens: all that loads, asks, converts and proves a model."""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from mlship.export import landlock, namespaces, sandbox
from mlship.export.job import ExportJob
from mlship.export.loading import Source
from mlship.export.process import Sender
from mlship.export.watch import described


@dataclass(frozen=True)
class Request:
    """What a child is to do.

    Attributes:
        job: The export.
        source: The model file as the parent read it.
        scratch: An empty folder, the only one that the child may write in.
    """

    job: ExportJob
    source: Source
    scratch: Path


def live(request: Request, sender: Sender) -> None:
    """Do an export and tell what came of it; nothing is raised."""
    try:
        sandbox.begin(verbose=request.job.verbose)
        _export(request, sender)
    except BaseException as error:  # noqa: BLE001  the child has nobody above it to tell
        if request.job.verbose:
            traceback.print_exc()
        sender.send("error", json.dumps(described(error)).encode())


def spawned() -> None:
    """Live in a Python that was started for it: the request comes by stdin, and what is told goes to stdout."""
    request: Request = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
    live(request, Sender(os.dup(1)))
    os._exit(0)


def _export(request: Request, sender: Sender) -> None:
    job, source = request.job, request.source
    held = _left(request)  # before the libraries start threads: a process may not beside them, or only for itself
    sandbox.empty_environment(request.scratch)

    # only now what is heavy: the parent stays as light and as free of threads as it began
    from mlship.export.load import importable, load_source
    from mlship.export.making import make

    sandbox.stay_alone()
    bounds, size = job.loading.bounds, len(source.data)
    with importable(job.loading.python_path):
        if sandbox.keep_from_files([job.sample] if job.sample else [], request.scratch):
            held.append(f"no files but libraries, and no programs (Landlock {landlock.version()})")
        else:
            held.append("no Landlock, so that files can be read")
        sandbox.limit_load(bounds.seconds_for(size), bounds.bytes_for(size))
        loaded = load_source(source, job.loading)
        sender.send("loaded", json.dumps({"held": held}).encode())
        sandbox.limit_work(
            job.limits.bytes,
            writes="catboost" in sys.modules,  # which tells its trees in a file only
            reads_tables=job.sample is not None,
        )
        made = make(job, loaded)
    sender.send("done", json.dumps(made.told()).encode())
    sender.send("artifact", made.data)


def _left(request: Request) -> list[str]:
    """Give up what a process can before it has any thread but its first, and say in words all that holds then."""
    held = ["an empty environment", "limits of time and memory"]
    if namespaces.leave():
        held.append("no network")
        if namespaces.make_read_only(request.scratch):
            held.append("file systems that can only be read")
    if namespaces.drop_powers():
        held.append("no powers of root")
    return held
