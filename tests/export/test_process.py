"""What a child tells its parent is taken as little for granted as the file that it has read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlship.errors import InputRefused, MlshipError, ModelRefused, NotConvertible
from mlship.export import namespaces
from mlship.export.limits import Limits
from mlship.export.loading import Bounds
from mlship.export.process import Sender, forked
from mlship.export.watch import Watch, described, watched

WATCH = Watch("'m.pkl'", 1, Bounds(), Limits(5))


LIES: dict[str, Callable[[Sender, int], object]] = {
    "no frame": lambda _sender, handle: os.write(handle, b"\xff" * 9),
    "without end": lambda _sender, handle: os.write(handle, b"\x01" + b"\xff" * 8),
    "no JSON": lambda sender, _handle: sender.send("loaded", b"{"),
    "no error": lambda sender, _handle: sender.send("error", b"{}"),
    "no such error": lambda sender, _handle: sender.send("error", b'{"error": "SystemExit", "hint": null}'),
    "no object": lambda sender, _handle: sender.send("error", b"[]"),
    "no end of brackets": lambda sender, _handle: sender.send("loaded", b"[" * 60_000),
    "an object without end": lambda sender, _handle: sender.send("error", b'{"a":' * 60_000),
    "loaded twice": lambda _sender, handle: os.write(handle, (b"\x00" + bytes(7) + b"\x02{}") * 2),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_child_that_lies_is_a_refusal(lie: str) -> None:
    """What makes no sense from a child is taken for what it is, and nothing of it is unpickled or waited for."""
    with pytest.raises(ModelRefused, match="The process that made the artifact did not tell what it made"):
        watched(forked(lambda sender: LIES[lie](sender, sender._handle)), WATCH)


@pytest.mark.parametrize("said", [b"", b"\x03" + bytes(7) + b"\x09half"])
def test_a_child_that_ends_early_is_a_refusal(said: bytes) -> None:
    """What tells nothing, or half of an artifact, is taken for a process that was ended."""
    with pytest.raises(ModelRefused, match="cannot be loaded: the process that tried was ended"):
        watched(forked(lambda sender: os.write(sender._handle, said)), WATCH)


@pytest.mark.parametrize("error", [NotConvertible("A.", hint="b", code="c"), InputRefused("A."), MlshipError("A.")])
def test_errors_arrive_as_they_were(error: MlshipError) -> None:
    """An error keeps its class and so its exit code, its text, its hint and its code."""

    def tell(sender: Sender) -> None:
        sender.send("error", json.dumps(described(error)).encode())

    with pytest.raises(type(error)) as arrived:
        watched(forked(tell), WATCH)
    assert (arrived.value.message, arrived.value.hint, arrived.value.code) == (error.message, error.hint, error.code)


def test_namespaces_change_nothing_outside(tmp_path: Path) -> None:
    """A child that makes all file systems read-only leaves those of its parent as they are."""

    def shut(sender: Sender) -> None:
        held = namespaces.leave() and namespaces.make_read_only(None)
        try:
            (tmp_path / "made").mkdir()
        except OSError:
            held = held and True
        sender.send("done", json.dumps([held, (tmp_path / "made").exists()]).encode())
        sender.send("artifact", b"")

    held, made = watched(forked(shut), WATCH).done
    assert held != made
    (tmp_path / "after").mkdir()


def test_what_the_parent_has_open_is_closed(tmp_path: Path) -> None:
    """A file that the parent holds open cannot be reached through its descriptor, on either side of the pipe's own."""
    low, high = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("low", "high"))
    above = os.dup2(low, 500)
    try:

        def look(sender: Sender) -> None:
            found = []
            for handle in (low, high, above):
                try:
                    os.fstat(handle)
                except OSError:
                    continue
                found.append(handle)
            sender.send("done", json.dumps({"open": found}).encode())
            sender.send("artifact", b"")

        assert watched(forked(look), WATCH).done == {"open": []}
    finally:
        for handle in (low, high, above):
            os.close(handle)


def test_a_process_that_left_its_group_is_not_waited_for() -> None:
    """What holds the child's stderr after the child is gone keeps the parent for about a second, not for its life."""

    def leave(sender: Sender) -> None:
        if os.fork() == 0:
            os.setsid()
            os.close(sender._handle)
            time.sleep(8)
            os._exit(0)

    before = time.monotonic()
    with pytest.raises(ModelRefused):
        watched(forked(leave, noisy=True), Watch("'m.pkl'", 1, Bounds(), Limits(1)))
    assert time.monotonic() - before < 6
