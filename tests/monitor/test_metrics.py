"""Metrics of several processes are read as one, and outlive the processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from mlship.monitor.metrics import Metrics, exposed
from tests.serve.server import environment

_WORKER = """
import os, signal, sys
from pathlib import Path
from mlship.monitor.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
count = metrics.count("t_things", "Things.", kind="a")
spread = metrics.spread("t_seconds", "Seconds.", (0.1, 1.0))
metrics.gauge("t_depth", "Depth.", "livesum").set(5)
count.pending += 2
for seconds in (0.1, 0.5, 7.0):
    spread.see(seconds)
metrics.flush()
print(metrics.slot, flush=True)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""


def _start(folder: Path, end: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(folder), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def _samples(text: bytes) -> dict[str, float]:
    return {
        sample.name + ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_processes_add_up_and_successors_go_on(tmp_path: Path) -> None:
    """Counts of the living and the killed add up, state of the killed is gone, and ten killed leave no more files."""
    with _start(tmp_path, "live") as living:
        assert living.stdout is not None
        assert living.stdout.readline() == "0\n"
        for _ in range(10):
            with _start(tmp_path, "kill") as killed:
                assert killed.stdout is not None
                assert killed.stdout.readline() == "1\n"
        found = _samples(exposed(tmp_path))
        assert found["t_things_totalkind=a"] == 22
        assert found["t_depth"] == 5
        assert [found[f"t_seconds_bucketle={le}"] for le in ("0.1", "1.0", "+Inf")] == [11, 22, 33]
        assert len(list(tmp_path.glob("*.db"))) == 6
        living.communicate("")


def test_numbers_are_given_back(tmp_path: Path) -> None:
    """Two at once in one process have numbers of their own, and the lowest that is free is taken next."""
    first, second = Metrics(tmp_path), Metrics(tmp_path)
    assert (first.slot.number, second.slot.number) == (0, 1)
    first.slot.free()
    third = Metrics(tmp_path)
    assert third.slot.number == 0
    second.slot.free()
    third.slot.free()
