"""The memory that bundles ask for is enough: a busy server and a run of batch stay below it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mlship.errors import ModelRefused
from mlship.model.session import SessionSpec, open_session
from mlship.serve.example import example_record
from mlship.targets import measure
from mlship.targets.bundle import BundleJob, write_bundle
from mlship.targets.contract import MIB, WORKERS
from tests.batch.models import put_town
from tests.serve.server import JSON, Server, command, environment, serving
from tests.targets.conftest import INPUT, Bundle

CLIENTS = 6
SECONDS = 3.0


def resident(server: Server) -> int:
    """Return the bytes that a server's processes hold, with what they share counted once (proportional set size)."""
    return sum(_share(pid) for pid in (server.process.pid, *server.children()))


def _share(pid: int) -> int:
    with contextlib.suppress(OSError):  # it ended meanwhile
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def asking(server: Server, body: bytes) -> Iterator[list[int]]:
    """Have clients send the same request again and again; the list holds the statuses of the answers."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(server.ask("POST", "/predict", body, JSON).status)

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield statuses
    finally:
        stop.set()
        for client in clients:
            client.join()


def test_a_model_that_is_too_slow_to_measure_is_told(
    artifact: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A measurement that does not end is a refusal that says so, and no bug, and leaves no bundle."""
    monkeypatch.setattr(measure, "_SECONDS", 0.05)

    with pytest.raises(ModelRefused, match="could not be measured within"):
        write_bundle(BundleJob(artifact, "docker", tmp_path / "out"))

    assert list(tmp_path.iterdir()) == []


def test_a_slow_model_is_measured_with_fewer_rows(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model for which a file would take too long gets one of as many bytes and fewer rows."""
    seen: list[bytes] = []
    monkeypatch.setattr(measure, "_FILE_SECONDS", 1e-3)
    monkeypatch.setattr(measure, "_run", lambda command, *_: seen.append(Path(command[4]).read_bytes()))

    measure.batch(artifact)

    (file,) = seen
    assert file.count(b"\n") < 100_000
    assert len(file) > 31 * MIB


def limits(bundle: Bundle) -> dict[str, int]:
    """Return the bytes that the pods of the Kubernetes bundle may take, and the server's is said to need when idle."""
    folder = bundle("kubernetes")
    deployment = yaml.safe_load((folder / "manifests/deployment.yaml").read_text())["spec"]
    job = yaml.safe_load((folder / "optional/batch/cronjob.yaml").read_text())["spec"]["jobTemplate"]["spec"]
    found = {}
    for use, spec in (("serve", deployment), ("batch", job)):
        resources = spec["template"]["spec"]["containers"][0]["resources"]
        found[use] = int(resources["limits"]["memory"].removesuffix("Mi")) * MIB
        found[f"{use} idle"] = int(resources["requests"]["memory"].removesuffix("Mi")) * MIB
    return found


def test_a_busy_server_stays_below_the_limit(bundle: Bundle, artifact: Path) -> None:
    """Many clients that send 10,000 rows and nearly 8 MiB at once do not take a server past its limit."""
    record = {
        **(example_record(open_session(SessionSpec(artifact))) or {}),
        **{f"_{place}": 0.5 for place in range(65)},
    }
    body = json.dumps([record] * 10_000, separators=(",", ":")).encode()
    allowed = limits(bundle)
    assert 7 * MIB < len(body) < 8 * MIB
    with serving(artifact, "--workers", str(WORKERS)) as server:
        idle = most = resident(server)
        end = time.monotonic() + SECONDS
        with asking(server, body) as statuses:
            while time.monotonic() < end:
                most = max(most, resident(server))
                time.sleep(0.05)

    assert statuses.count(200) >= CLIENTS
    assert idle < allowed["serve idle"]
    assert 1.5 * idle < most < allowed["serve"]


def test_batch_stays_below_the_limit(bundle: Bundle, artifact: Path, tmp_path: Path) -> None:
    """A file of several chunks for each worker does not take batch past its limit."""
    head, *rows = INPUT.read_text().splitlines(keepends=True)
    (tmp_path / "big.csv").write_text(head + "".join(rows) * 1500)
    arguments = command("batch", tmp_path / "big.csv", "-m", artifact, "--workers", str(WORKERS), "--quiet")
    most = 0
    with subprocess.Popen(arguments, env=environment()) as run:
        while run.poll() is None:
            most = max(most, _share(run.pid))
            time.sleep(0.02)

    assert run.returncode == 0
    assert 100 * MIB < most < limits(bundle)["batch"]


def test_a_model_for_which_there_is_time_for_one_row_only(tmp_path: Path) -> None:
    """Its request and its file have one row, filled up to as many bytes as are allowed and no more."""
    model = put_town(tmp_path)
    idle, most = measure.serve(model, 1e-9)
    (scored,) = measure.batch(model, 1e-9)

    assert 0 < idle <= most
    assert scored > 0


def test_why_it_could_not_be_measured_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the run is told, and not the hint below it, which is for who typed its command."""
    monkeypatch.setattr(measure, "_FILE_BYTES", 80 << 20)

    with pytest.raises(ModelRefused, match="record") as refused:
        measure.batch(put_town(tmp_path), 1e-9)
    assert "error: " in str(refused.value)
    assert "hint" not in str(refused.value)
