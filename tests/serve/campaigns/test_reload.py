"""Reloads under load: no request fails, and no answer mixes two models."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import load
from tests.serve.campaigns.programs import program, serving
from tests.serve.campaigns.scaled import Judge, ask, scaled_model
from tests.serve.server import Server

CLIENTS = 6


@contextlib.contextmanager
def _under_load(server: Server, judge: Judge) -> Iterator[Counter[str]]:
    """Ask all the while, on kept connections and new ones; what came of it is there at the end."""

    def made(fresh: bool) -> Callable[[], load.Load]:
        return lambda: load.Load(server.port, ask, judge, clients=CLIENTS, fresh=fresh)

    seen: Counter[str] = Counter()
    with load.Background(made(False)) as kept, load.Background(made(True)) as fresh:
        yield seen
    seen.update(kept.seen.counts + fresh.seen.counts)


def _told(server: Server, name: str, count: int) -> dict[str, Any]:
    """Wait until so many reloads are told to have ended so, and return what is told."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        answer = server.ask("GET", "/readyz")
        assert answer.status == 200  # the server as a whole is ready all the while
        reload: dict[str, Any] | None = answer.json["reload"]
        if reload is not None and reload[name] >= count:
            return reload
        time.sleep(0.05)
    raise AssertionError(f"{name} was not told: {server.stderr()}")


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name("part")
    part.write_bytes(data)
    part.replace(path)


def test_new_models_are_taken_over(tmp_path: Path, whole: bool) -> None:
    """Each SIGHUP with a new file ends in its answers, and every answer is of the model that it names."""
    reloads = 20 if whole else 2
    judge, path = Judge(), tmp_path / "model.onnx"
    path.write_bytes(judge.made(1))
    with serving(path, "--workers", "2", "--threads", "2") as server:
        with _under_load(server, judge) as seen:
            for turn in range(1, reloads + 1):
                _replace(path, judge.made(turn + 1))
                server.process.send_signal(signal.SIGHUP)
                assert _told(server, "succeeded", turn)["code"] is None
                time.sleep(0.2)
        assert server.ask("POST", "/predict", [{"x": 2.0}]).json["predictions"] == [{"prediction": 2.0 * (reloads + 1)}]
        assert "Traceback" not in server.stderr()
    assert set(seen) == {"200"}, seen
    assert set(judge.named) == set(range(1, reloads + 2))


def _corrupt(model: bytes) -> bytes:
    middle = len(model) // 2
    return model[:middle] + bytes([model[middle] ^ 1]) + model[middle + 1 :]


BAD: dict[str, Callable[[], bytes | None]] = {
    "corrupt": lambda: _corrupt(scaled_model(9)),
    "truncated": lambda: scaled_model(9)[:-20],
    "signature": lambda: scaled_model(9, column="y"),
    "missing": lambda: None,
}


def test_bad_models_are_refused(tmp_path: Path, whole: bool) -> None:
    """Each SIGHUP with a bad file changes nothing, and the reason is told by a code."""
    judge, path = Judge(), tmp_path / "model.onnx"
    path.write_bytes(judge.made(3))
    codes = {}
    with serving(path, "--workers", "1", "--threads", "2") as server:
        before = server.children()
        with _under_load(server, judge) as seen:
            for turn in range(20 if whole else 2):
                kind = ("signature", "corrupt", "truncated", "missing")[turn % len(BAD)]
                data = BAD[kind]()
                if data is None:
                    path.unlink()
                else:
                    _replace(path, data)
                server.process.send_signal(signal.SIGHUP)
                told = _told(server, "refused", turn + 1)
                assert told["succeeded"] == 0
                codes[kind] = told["code"]
        assert server.children() == before
        assert "Traceback" not in server.stderr()
    assert set(seen) == {"200"}, seen
    assert set(judge.named) == {3}
    assert all(codes.values()), codes
    assert codes["signature"] == "signature_differs"


def test_watched_files_are_taken_over(tmp_path: Path) -> None:
    """With --watch a file renamed into place is served, and one behind links that are swapped, as in Kubernetes."""
    judge, mount = Judge(), tmp_path / "mount"
    for number in (1, 2):
        folder = mount / f"..{number}"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(judge.made(number))
    (mount / "..data").symlink_to("..1")
    (mount / "model.onnx").symlink_to("..data/model.onnx")
    with serving(mount / "model.onnx", "--workers", "1", "--threads", "2", "--watch") as server:
        with _under_load(server, judge) as seen:
            (mount / "..new").symlink_to("..2")
            os.replace(mount / "..new", mount / "..data")  # noqa: PTH105 - a link over a link
            _told(server, "succeeded", 1)
            _replace(mount / "..2" / "model.onnx", judge.made(3))
            _told(server, "succeeded", 2)
            time.sleep(0.2)
        assert "Traceback" not in server.stderr()
    assert set(seen) == {"200"}, seen
    assert set(judge.named) == {1, 2, 3}


@pytest.mark.whole
def test_a_model_that_opens_slowly_holds_nobody_up(tmp_path: Path) -> None:
    """While new workers take three seconds to open, the old ones answer as fast as ever."""
    judge, path = Judge(), tmp_path / "model.onnx"
    path.write_bytes(judge.made(1))
    with serving(path, "--workers", "1", "--threads", "2", code=program("    time.sleep(3)")) as server:
        asking = load.Background(lambda: load.Load(server.port, ask, judge, clients=CLIENTS))
        with asking:
            _replace(path, judge.made(2))
            server.process.send_signal(signal.SIGHUP)
            _told(server, "succeeded", 1)
            time.sleep(0.5)
    assert set(asking.seen.counts) == {"200"}, asking.seen.counts
    assert set(judge.named) == {1, 2}
    assert asking.seen.percentile(0.999) < 1.0


SLOW_ONCE = """
    import os
    if os.path.exists({flag!r}):
        os.unlink({flag!r})
        time.sleep(4)
"""
"""The next worker that begins takes four seconds to open."""


def test_a_worker_that_begins_with_the_old_model_is_ended(tmp_path: Path) -> None:
    """One that still opens what was served when a reload ends never serves it, and nothing is told to have failed."""
    judge, path, flag = Judge(), tmp_path / "model.onnx", tmp_path / "flag"
    path.write_bytes(judge.made(1))
    code = program(SLOW_ONCE.format(flag=str(flag)))
    with serving(path, "--workers", "1", "--threads", "2", code=code) as server:
        flag.touch()
        (worker,) = server.children()
        os.kill(worker, signal.SIGKILL)
        while flag.exists():
            time.sleep(0.02)
        (old,) = server.children()
        _replace(path, judge.made(2))
        server.process.send_signal(signal.SIGHUP)
        assert server.ask("POST", "/predict", [{"x": 2.0}]).json["predictions"] == [{"prediction": 4.0}]
        _told(server, "succeeded", 1)
        time.sleep(4.5)  # it would have been open by then
        assert len(server.children()) == 1
        assert old not in server.children()
        assert "before it was ready" not in server.stderr()
