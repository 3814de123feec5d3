"""What the README says of trying streams on one's own machine."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.server import environment, running
from tests.stream.broker import ROOT, free_port, missing


def test_a_stream_on_ones_own_machine(tmp_path: Path) -> None:
    """The command that `make broker` tells scores the rows that come, and what cannot be read is in the other topic."""
    why = missing()
    if why is not None:
        pytest.skip(f"no broker: {why}")
    model = tmp_path / "penguins.onnx"
    sample = ROOT / "sample_models" / "penguins" / "model.pkl"
    export = [sys.executable, "-m", "mlship", "export", str(sample), "-o", str(model), "-q"]
    start = [sys.executable, "-m", "tests.stream.playground", str(tmp_path / "kafka"), str(free_port())]
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()) as broker:
        try:
            subprocess.run(export, check=True, env=environment(), timeout=120)  # while the broker starts
            assert broker.stdout is not None
            broker.stdout.readline()
            words = shlex.split(broker.stdout.readline())
            assert words[:3] == ["mlship", "serve", "penguins.onnx"]
            command = [sys.executable, "-m", "mlship", "serve", str(model), *words[3:], "--port", "0", "--json"]
            with running(command) as server:
                told = ""  # one topic is read before the other
                while "scores: " not in told or "bad: " not in told:
                    told += broker.stdout.readline()
                assert server.stop() == 0
        finally:
            broker.terminate()
    assert broker.returncode == 0
    assert 'scores: {"prediction":' in told
    assert "bad: not JSON (bad_json)" in told
