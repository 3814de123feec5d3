"""An export happens in a child that can do nothing else, and that ends with its time, its parent or its keyboard."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from mlship.cli.main import run as main
from mlship.errors import InputRefused
from mlship.export import landlock, run
from mlship.export.job import ExportJob
from mlship.export.process import Sender, started
from tests.export import harm
from tests.export.harm import X, Y, one_line
from tests.export.judging import export, save

UNVETTED = pytest.mark.usefixtures("unvetted")


@pytest.fixture
def unvetted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask models that have not been looked through, as if something had been missed."""
    monkeypatch.setattr("mlship.export.load.vet", lambda *_: None)


def found(folder: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[], list[str]], **options: Any) -> list[str]:
    """Look around from where a model is asked for its answers, and return what was found."""

    def make(*_: object) -> None:
        raise InputRefused(json.dumps(look()))

    monkeypatch.setattr("mlship.export.making.make", make)
    with pytest.raises(InputRefused) as refused:
        run.run_export(ExportJob(save(folder, LogisticRegression().fit(X, Y)), folder / "model.onnx", **options))
    return list(json.loads(refused.value.message))


def can(**attempts: Callable[[], object]) -> list[str]:
    """Return what can be done."""
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except (OSError, KeyError):
            continue
        done.append(name)
    return done


def test_nothing_is_within_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a model is asked no file can be read, made, emptied or removed, nor a program run, if there is Landlock."""
    secret = tmp_path / "secret"
    secret.write_text("kept")
    monkeypatch.setenv("MLSHIP_TEST_SECRET", "1")

    def look() -> list[str]:
        return can(
            libraries=lambda: Path(json.__file__).read_bytes(),
            read=secret.read_text,
            list=lambda: list(tmp_path.iterdir()),
            passwords=lambda: Path("/etc/passwd").read_text(),
            began=lambda: Path("/proc/self/environ").read_bytes(),
            memory=lambda: Path("/proc/self/mem").open("rb"),
            environment=lambda: os.environ["MLSHIP_TEST_SECRET"],
            empty=lambda: os.truncate(secret, 0),
            write=lambda: secret.open("w"),
            make=(tmp_path / "made").mkdir,
            remove=secret.unlink,
            rename=lambda: secret.rename(tmp_path / "other"),
            program=lambda: subprocess.run(["/bin/true"], check=False),
            connect=lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
            bind=lambda: socket.create_server(("127.0.0.1", 0)),
        )

    done = found(tmp_path, monkeypatch, look)
    assert done == ["libraries"] if landlock.version() else "environment" not in done
    assert not landlock.version() or secret.read_text() == "kept"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no capabilities")
def test_root_is_nobody_special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a model is asked, root can do no more than others, but for reading, and no program gains anything."""

    def look() -> list[str]:
        lines = Path("/proc/self/status").read_text().splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if line.startswith(("Cap", "NoNewPrivs")))
        return [fields["NoNewPrivs"], *(f"{int(fields[name], 16) & ~4:x}" for name in ("CapEff", "CapPrm", "CapInh"))]

    assert found(tmp_path, monkeypatch, look) == ["1", "0", "0", "0"]


def test_the_parent_cannot_be_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs where a model is asked sends no signal to processes outside, on kernels that keep it from that."""
    parent = os.getpid()
    expected = [] if landlock.version() >= 6 else ["kill"]
    assert found(tmp_path, monkeypatch, lambda: can(kill=lambda: os.kill(parent, 0))) == expected


@UNVETTED
def test_a_file_that_is_asked_for_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A model that slips through and writes a file does not get to write it, with Landlock or without."""
    for restrict in (landlock.restrict, lambda *_: False):
        monkeypatch.setattr(landlock, "restrict", restrict)
        (tmp_path / "model.pkl").unlink(missing_ok=True)
        mark = tmp_path / "mark"

        assert export(tmp_path, harm.writes(mark)) == 5
        assert one_line(capfd.readouterr().err)
        assert not mark.exists() or not mark.read_bytes()  # without Landlock and namespaces it is made, and stays empty
        assert not (tmp_path / "model.onnx").exists()


@UNVETTED
def test_a_cache_is_not_filled(tmp_path: Path) -> None:
    """A model that slips through and fits itself again keeps no pickles."""
    assert export(tmp_path, harm.caches(tmp_path / "mark")) == 5
    assert not list(tmp_path.glob("mark/**/*.pkl"))


@UNVETTED
def test_a_loop_in_compiled_code_ends_with_the_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A loop in C, which no signal handler of Python's ends, is over soon after the time limit: exit 5."""
    before = time.monotonic()
    assert export(tmp_path, harm.circle(), "--time-limit", "1", "--json") == 5
    assert time.monotonic() - before < 10  # mostly of a busy machine
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "time_limit"


@UNVETTED
def test_a_crash_while_a_model_is_asked_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A model that crashes its library ends its own process only: exit 5, and how it ended."""
    assert export(tmp_path, harm.beyond()) == 5
    assert "the process that asked the model for its answers was ended by SIG" in one_line(capfd.readouterr().err)


def test_a_crash_while_a_model_is_loaded_is_exit_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that crashes what loads it is refused with exit 4, and how it ended."""
    monkeypatch.setattr("mlship.export.load.load_source", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))

    assert export(tmp_path, harm.chatty()) == 4
    assert "cannot be loaded: the process that tried was ended by SIGSEGV" in one_line(capfd.readouterr().err)


@UNVETTED
def test_what_models_print_is_not_in_the_result(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A forest that prints leaves --json's one object alone on stdout, and is heard on stderr with -v only."""
    assert export(tmp_path, harm.chatty(), "--json") == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["status"] == "done"
    assert printed.err == ""
    assert export(tmp_path, harm.chatty(), "--json", "-v") == 0
    printed = capfd.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "Parallel" in printed.err


def test_what_holds_is_said_on_demand(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With -v the export tells what the model was kept within."""
    model = save(tmp_path, LogisticRegression().fit(X, Y))
    assert main(["export", str(model), "-o", str(tmp_path / "model.onnx"), "-v"]) == 0
    said = capfd.readouterr().err
    assert "The model was loaded and asked within: an empty environment, limits of time and memory" in said
    assert "Landlock" in said


def test_a_bug_in_the_child_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is no error of ours arrives as exit 1 with what to do about it, and with -v its traceback is seen."""

    def make(*_: object) -> None:
        raise LookupError("odd")

    monkeypatch.setattr("mlship.export.making.make", make)
    assert export(tmp_path, LogisticRegression().fit(X, Y)) == 1
    assert one_line(capfd.readouterr().err) == "LookupError: odd"
    assert export(tmp_path, LogisticRegression().fit(X, Y), "-v") == 1
    said = capfd.readouterr().err
    assert "inside.py" in said
    assert "LookupError: odd" in said


def test_an_artifact_that_was_never_proven_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no artifact, or come without a report, are refused before any file is made."""
    for frames in ((("artifact", b"x"),), (("loaded", b"{}"), ("done", b"[]"), ("artifact", b"x"))):

        def live(_request: object, sender: Sender, frames: Any = frames) -> None:
            for frame, data in frames:
                sender.send(frame, data)

        monkeypatch.setattr("mlship.export.run.live", live)
        assert export(tmp_path, LogisticRegression().fit(X, Y)) == 4
        one_line(capfd.readouterr().err)
        assert not (tmp_path / "model.onnx").exists()


_LOADED, _DONE = b'{"held": []}', b'{"rejected": {}, "speed": {}, "differences": {}}'
_SPEED = b'{"one_row": 1, "rows_per_second": 1, "asked_at_once": 1}'
LIES = {
    "another model": (_LOADED, _DONE),
    "infinitely many": (_LOADED, b'{"rejected": {"a": 1e999}, "speed": {}, "differences": {}}'),
    "speed of one form": (_LOADED, b'{"rejected": {}, "differences": {}, "speed": {"onnx": %s}}' % _SPEED),
    "a column that is not there": (_LOADED, b'{"rejected": {}, "speed": {}, "differences": {"<b>": 0.0}}'),
    "no list": (b'{"held": "abc"}', _DONE),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_artifact_that_was_not_asked_for_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], lie: str
) -> None:
    """A sound artifact under another name, or one of which nonsense is told, is refused before any file is made."""
    name = "other" if lie == "another model" else "model"
    (tmp_path / "made").mkdir()
    assert export(tmp_path / "made", LogisticRegression().fit(X, Y), "--name", name) == 0
    artifact = (tmp_path / "made" / "model.onnx").read_bytes()

    def live(_request: object, sender: Sender) -> None:
        loaded, done = LIES[lie]
        sender.send("loaded", loaded)
        sender.send("done", done)
        sender.send("artifact", artifact)

    monkeypatch.setattr("mlship.export.run.live", live)
    report = tmp_path / "report.html"
    assert export(tmp_path, LogisticRegression().fit(X, Y), "--report", str(report)) == 4
    assert one_line(capfd.readouterr().err) == "The process that made the artifact did not tell what it made."
    assert not (tmp_path / "model.onnx").exists()
    assert not report.exists()


def test_every_way_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of this process, a new one and this one itself make the same artifact."""
    job = ExportJob(save(tmp_path, LogisticRegression().fit(X, Y)), tmp_path / "model.onnx")
    copied = run.run_export(job).digest

    assert run.run_export(ExportJob(job.model, job.output, confined=False)).digest == copied
    monkeypatch.setattr(run, "_child", started)
    assert run.run_export(job).digest == copied


def test_the_inside_can_be_reached_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the job's switch the export happens here, where a test can reach into it; else it does not."""
    assert found(tmp_path, monkeypatch, lambda: [str(os.getpid())], confined=False) == [str(os.getpid())]
    assert found(tmp_path, monkeypatch, lambda: [str(os.getpid())]) != [str(os.getpid())]


ENDLESS = """
import sys, time
import mlship.export.making as m
m.make = lambda *_: time.sleep(600)
from mlship.cli.main import run
sys.exit(run(["export", "model.pkl"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are found in /proc")
def test_the_child_ends_with_its_parent(tmp_path: Path, number: int, code: int) -> None:
    """Ctrl-C, and a parent that is killed, end the child too, and no file is left."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(X, Y)))
    parent = subprocess.Popen([sys.executable, "-c", ENDLESS], cwd=tmp_path, stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    deadline = time.monotonic() + 60
    while not (born := children.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.send_signal(number)

    assert parent.wait(60) == code
    (child,) = born
    while _lives(int(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(int(child))
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
