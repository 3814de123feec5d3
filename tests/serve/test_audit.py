"""The record of predictions: complete, private, rotated, and never in the way of a request."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlship.errors import OutputFailed
from mlship.model.session import Session
from mlship.monitor.metrics import Metrics, exposed
from mlship.serve.audit import Audit
from mlship.serve.desk import Desk
from mlship.serve.host import serve
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace, ServeOptions
from mlship.serve.table import endpoints_of
from tests.serve.scrape import samples_of
from tests.serve.server import serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
BODY = json.dumps(GOOD).encode()


def _entries(folder: Path) -> list[dict[str, Any]]:
    found = []
    for file in sorted(folder.iterdir()):
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        found += [json.loads(line) for line in data.splitlines()]
    return found


def test_every_prediction_is_recorded(city_path: Path, tmp_path: Path) -> None:
    """Each answered request has one line, with the digests of model and input, and nothing of the input itself."""
    folder = tmp_path / "of" / "mine"
    with serving(city_path, "--workers", "2", "--log-predictions", folder) as server:
        answers = [server.ask("POST", "/predict", GOOD) for _ in range(50)]
        server.ask("POST", "/predict", {"my age": "old"})
        assert server.stop() == 0
    found = {entry["request_id"]: entry for entry in _entries(folder)}
    assert found.keys() == {answer.headers["x-request-id"] for answer in answers}
    entry = found[answers[0].headers["x-request-id"]]
    assert entry["ts"].endswith("Z")
    told = answers[0].json["model"]
    assert {name: entry[name] for name in entry if name not in ("ts", "request_id")} == {
        "model": {"name": told["name"], "digest": told["digest"]},
        "input_sha256": hashlib.sha256(BODY).hexdigest(),
        "rows": 1,
        "outputs": {"prediction": ["yes"], "score": [0.5]},
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_killed_worker_leaves_whole_lines(city_path: Path, tmp_path: Path) -> None:
    """What was answered a second before a worker is killed is in the record, in whole lines."""
    with serving(city_path, "--workers", "1", "--log-predictions", tmp_path) as server:
        ids = {server.ask("POST", "/predict", GOOD).headers["x-request-id"] for _ in range(20)}
        time.sleep(1)
        os.kill(server.children()[0], signal.SIGKILL)
        time.sleep(0.2)
        assert {entry["request_id"] for entry in _entries(tmp_path)} == ids


class _Recorded:
    def __init__(self, session: Session, folder: Path, metrics: Metrics, largest: int, oldest: float) -> None:
        models = {"cities": Served("cities", session, Limits(), Pace())}
        self.audit = Audit(folder, metrics, largest, oldest)
        self.desk = Desk(endpoints_of(models), observers=(self.audit,))
        self._metrics = metrics

    def ask(self, times: int = 1, body: bytes = BODY) -> None:
        for _ in range(times):
            environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/predict", "CONTENT_TYPE": "application/json"}
            exchange = self.desk.open(environ)
            self.desk.close(exchange, self.desk.answer(exchange, body))

    def dropped(self) -> float:
        self._metrics.flush()
        return samples_of(exposed(self._metrics.folder))["mlship_audit_dropped_total"]


@contextmanager
def _recorded(session: Session, tmp_path: Path, largest: int = 1 << 20, oldest: float = 3600.0) -> Iterator[_Recorded]:
    metrics = Metrics(tmp_path / "metrics")
    (tmp_path / "record").mkdir()
    recorded = _Recorded(session, tmp_path / "record", metrics, largest, oldest)
    try:
        yield recorded
    finally:
        recorded.audit.close()
        metrics.slot.free()


@pytest.mark.parametrize(("largest", "oldest"), [(2_000, 3600.0), (1 << 20, 0.3)])
def test_files_are_rotated(city_session: Session, tmp_path: Path, largest: int, oldest: float) -> None:
    """A file that is large or old is compressed, another begun, and no line lost between them."""
    with _recorded(city_session, tmp_path, largest, oldest) as recorded:
        for _ in range(4):
            recorded.ask(10)
            time.sleep(0.35)
    files = sorted(file.suffix for file in (tmp_path / "record").iterdir())
    assert files.count(".gz") >= 1
    assert set(files) <= {".gz", ".ndjson"}
    entries = _entries(tmp_path / "record")
    assert len({entry["request_id"] for entry in entries}) == len(entries) == 40
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "record").iterdir()} == {0o600}


def test_a_full_disk_costs_lines_only(
    city_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the disk is full, lines are counted as dropped and told once; no half of one stays, and later ones come."""
    write = os.write
    full = False

    def half(handle: int, data: bytes) -> int:
        if full and len(data) > 20:
            write(handle, data[:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data)

    monkeypatch.setattr("mlship.serve.audit.os.write", half)
    with _recorded(city_session, tmp_path) as recorded:
        recorded.ask(3)
        time.sleep(0.6)
        full = True
        for _ in range(2):
            recorded.ask(5)
            time.sleep(0.6)
        full = False
        recorded.ask(2)
        time.sleep(0.6)
        assert recorded.dropped() == 10
    assert len(_entries(tmp_path / "record")) == 5
    assert [record.getMessage() for record in caplog.records] == [
        "Predictions are not recorded: No space left on device. mlship_audit_dropped_total counts them."
    ]


def test_what_comes_too_fast_is_dropped(
    city_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the bytes that may wait nothing is kept for being recorded; it is counted."""
    monkeypatch.setattr("mlship.serve.audit._MOST_WAITING", 1_000)
    with _recorded(city_session, tmp_path) as recorded:
        recorded.ask(100)
        time.sleep(0.6)
        dropped = recorded.dropped()
        assert 0 < dropped < 100
    assert len(_entries(tmp_path / "record")) == 100 - dropped
    assert len(caplog.records) == 1


def test_a_folder_that_cannot_be_written_stops_the_start(city_path: Path, tmp_path: Path) -> None:
    """A record that could not be kept is told before anything is served."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed, match="Predictions cannot be recorded") as caught:
        serve(ServeOptions((str(city_path),), port=0, log_predictions=tmp_path / "file" / "record"), print)
    assert "--log-predictions DIR" in (caught.value.hint or "")
