"""One warm process that runs command lines in forked children, with a fault armed in each child alone.

Importing Polars and onnxruntime takes longer than a small run, so that they are imported once. Nothing of them is
called before the fork: their threads would not be there in the child. Orders come as lines of JSON on standard
input, answers go to standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - warm
import onnxruntime  # noqa: F401
import polars  # noqa: F401

import mlship
from mlship.batch import journal
from mlship.cli.main import run

PACKAGES = ("batch", "cli", "model", "monitor", "tables")


def main() -> None:
    """Do what comes in until there is no more."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages([f"{mlship.__path__[0]}/{package}"], f"mlship.{package}."):
            importlib.import_module(found.name)
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stderr(nothing):
        run(["batch", "absent.csv", "-m", "absent.onnx"])  # the command line loads the rest when it is first used
    journal._SYNC_SECONDS = -1.0  # a short run flushes after each chunk, as a long one does every few seconds
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(done(json.loads(line))) + "\n")
        answers.flush()


def done(order: dict[str, Any]) -> dict[str, Any]:
    """Run a command line in a child and tell how it ended: its exit code, or the signal as a negative number."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = in_child(order)
        finally:
            os._exit(code)
    killer = None
    if order.get("kill_after") is not None:
        killer = threading.Timer(order["kill_after"], os.kill, (child, signal.SIGKILL))
        killer.start()
    _, status = os.waitpid(child, 0)
    if killer is not None:
        killer.cancel()
        killer.join()
    return {"code": os.waitstatus_to_exitcode(status)}


def in_child(order: dict[str, Any]) -> int:
    """Set the process up as ordered, and run the command line."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(order["folder"])
    for name, limit in order.get("limits", {}).items():
        more = held() if order.get("added") == name else 0
        resource.setrlimit(getattr(resource, name), (limit + more, limit + more))
    fault = order["fault"]
    if fault is not None:
        library = ctypes.CDLL(None)
        trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        if "flip" in fault:
            library.fault_flip(os.fsencode(fault["flip"]), ctypes.c_long(fault["bit"]))
        library.fault_arm(os.fsencode(order["folder"]), fault["mode"], ctypes.c_long(fault["at"]), trace)
    code = run(order["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def held() -> int:
    """How many bytes of addresses this process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
