"""Clients that send or read slowly, or not at all, hold nothing but a connection, and that for seconds only."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlship.serve.connection import Deadlines
from tests.benchmarks import load
from tests.benchmarks.link import post
from tests.serve.campaigns.programs import ONE, serving
from tests.serve.campaigns.scaled import ask, wordy_model
from tests.serve.server import Server

OF_EACH_KIND = 64
LONGEST = 10.0
"""Seconds until all are gone that send slowly; the deadlines are 5 s, and a body's is later by its size."""
ROWS, LENGTH = 320, 10_000
LONGEST_READ = LONGEST + ROWS * LENGTH / Deadlines().rate
"""Seconds until those are gone that read slowly; from what the kernel has taken already, it is sooner."""
_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_LARGE = post("/predict", json.dumps([{"x": 1.0}] * ROWS).encode())
"""Of which the answer is larger than what the kernel takes off the server's hands."""


@dataclass
class Offender:
    """A client that does not get on.

    Attributes:
        begins: What it sends at first.
        drips: Whether it then sends a byte now and then.
        reads: Whether it takes what is answered.
        may_hear: What it may be told before the end, or nothing.
    """

    begins: bytes
    drips: bool = False
    reads: bool = True
    may_hear: bytes = b""


KINDS = {
    "half a header": Offender(_HEAD, may_hear=b"HTTP/1.1 408 "),
    "a header byte by byte": Offender(b"P", drips=True, may_hear=b"HTTP/1.1 408 "),
    "half a body": Offender(_HEAD + b"Content-Length: 100\r\n\r\n[", may_hear=b"HTTP/1.1 408 "),
    "idle": Offender(b""),
    "slow to read": Offender(_LARGE, reads=False),
}


def _open(stack: contextlib.ExitStack, port: int, offender: Offender) -> socket.socket:
    made = stack.enter_context(socket.socket())
    if not offender.reads:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(10)
    made.connect(("127.0.0.1", port))
    made.sendall(offender.begins)
    made.settimeout(0)
    return made


def _held(worker: int) -> int:
    """How many sockets a process holds."""
    count = 0
    for entry in Path(f"/proc/{worker}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(entry.readlink()).startswith("socket:")
    return count


def _probed(server: Server) -> float:
    begun = time.monotonic()
    assert server.ask("GET", "/livez").status == 200
    return time.monotonic() - begun


def _drip(offenders: list[tuple[Offender, socket.socket]]) -> Iterator[bytes]:
    """Let those that drip send a byte, and return all that was heard."""
    for offender, made in offenders:
        with contextlib.suppress(OSError):
            if offender.drips:
                made.send(b"O")
        if offender.reads:
            with contextlib.suppress(OSError):
                heard = made.recv(4096)
                assert not heard or heard.startswith(offender.may_hear), (offender, heard)
                yield heard


def test_slow_clients_take_nothing_from_others(tmp_path: Path, whole: bool) -> None:
    """With 64 of each kind every good request is answered, /livez at once, and soon all of them are gone."""
    path = tmp_path / "wordy.onnx"
    path.write_bytes(wordy_model(LENGTH))
    probes = []
    with contextlib.ExitStack() as stack, serving(path, *ONE) as server:
        (worker,) = server.children()
        with load.Background(lambda: load.Load(server.port, ask, clients=2)) as good:
            time.sleep(0.2)
            usual = _held(worker)
            begun = time.monotonic()
            offenders = []
            for _ in range(OF_EACH_KIND):
                offenders += [(kind, _open(stack, server.port, kind)) for kind in KINDS.values()]
                probes.append(_probed(server))
            opened = time.monotonic()
            assert _held(worker) > usual + OF_EACH_KIND
            for most, seconds in ((usual + OF_EACH_KIND, LONGEST), (usual, LONGEST_READ)):
                while _held(worker) > most and time.monotonic() < opened + seconds:
                    list(_drip(offenders))
                    probes.append(_probed(server))
                    time.sleep(0.2)
                assert _held(worker) <= most + 1, f"{_held(worker) - most} are still there"
        assert set(good.seen.counts) == {"200"}, good.seen.counts
        assert good.seen.counts["200"] > (50 if whole else 10) * (time.monotonic() - begun)
        assert server.children() == [worker]
        assert "Traceback" not in server.stderr()
    probes.sort()
    late, latest = (0.1, 1.0) if whole else (0.5, 3.0)  # other tests run beside the sample
    assert probes[int(len(probes) * 0.95)] < late, probes[-10:]
    assert probes[-1] < latest
