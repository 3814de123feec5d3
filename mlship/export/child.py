"""Trying a load in a child process first, where it may crash, hang or eat memory without harm.

What is not in the allow-list is refused before it is imported, so the child is not what keeps hostile code out. It
is for what lists cannot see: a state that crashes a compiled class, a key that takes for ever to hash, an array that
asks for all the memory there is. What went well in the child, within its limits, may then be done in this process.
An export does not do that: all of it happens in its child.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from mlship.export import namespaces, sandbox
from mlship.export.limits import Limits
from mlship.export.loading import Bounds
from mlship.export.process import Sender, forked
from mlship.export.watch import Watch, described, watched


def rehearse(work: Callable[[], object], name: str, size: int, bounds: Bounds) -> None:
    """Do the work in a child process that has limits, no network where the system allows, and no environment.

    Args:
        work: What to do; what it returns is lost.
        name: The file, quoted, for messages.
        size: Its size in bytes, which the limits grow with.
        bounds: The limits.

    Raises:
        MlshipError: What the work raised.
        ModelRefused: It hit a limit or crashed.
    """
    if not hasattr(os, "fork"):  # Windows has neither fork nor rlimits; a new Python there would take seconds
        return

    def tried(sender: Sender) -> None:
        try:
            sandbox.begin(verbose=False)
            namespaces.leave()
            sandbox.empty_environment()
            sandbox.stay_alone()
            sandbox.keep_from_files(())
            sandbox.limit_load(bounds.seconds_for(size), bounds.bytes_for(size))
            work()
        except BaseException as error:  # noqa: BLE001  the child has nobody above it to tell
            sender.send("error", json.dumps(described(error)).encode())
        sender.send("artifact", b"")

    watched(forked(tried), Watch(name, size, bounds, Limits()))
