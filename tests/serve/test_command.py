"""What `mlship serve` says, and how it refuses."""

from __future__ import annotations

import json
import os
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mlship.cli import main
from mlship.cli.options import parse_size
from mlship.errors import OutputFailed, UsageError
from mlship.serve import host
from mlship.serve.host import bind
from mlship.serve.settings import ServeOptions, parse_count
from tests.serve.models import city_model
from tests.serve.server import Server, run, run_code, serving


def test_readiness_object(server: Server) -> None:
    """With --json one object on stdout says what is served, where, and by how many."""
    ready = server.ready
    assert ready["status"] == "ready"
    assert ready["error"] is None
    assert ready["model"]["name"] == "cities"
    assert ready["url"] == f"http://127.0.0.1:{server.port}"
    assert (ready["workers"], ready["threads"]) == (2, 4)
    assert ready["proven"] is True
    assert len(server.children()) == 2


def test_messages_name_the_model_and_the_proof(server: Server) -> None:
    """The messages name model, version, the digest's beginning, the proof and the address."""
    said = server.stderr()
    assert f"Serving cities v1 (digest {server.ready['model']['digest'][:12]}), proven equal to its original." in said
    assert f"{server.ready['url']}/predict" in said
    assert "[INFO]" not in said


def test_printed_curl_line_works(server: Server) -> None:
    """The curl line that is printed gets predictions when it is pasted into a shell."""
    (line,) = [line for line in server.stderr().splitlines() if line.strip().startswith("curl ")]
    words = shlex.split(line)
    header, body = words[words.index("-H") + 1], words[words.index("-d") + 1]
    assert words[2] == f"{server.ready['url']}/predict"
    name, _, value = header.partition(": ")
    answer = server.ask("POST", "/predict", body.encode(), {name: value})
    assert answer.status == 200
    assert len(answer.json["predictions"]) == 1


def test_unsigned_model_is_served_and_said_to_be_unproven(foreign_path: Path) -> None:
    """An ONNX file of someone else's is served under its file's name, options come from the environment too."""
    with serving(foreign_path, env={"MLSHIP_SERVE_WORKERS": "1", "MLSHIP_SERVE_THREADS": "3"}) as server:
        assert (server.ready["workers"], server.ready["threads"]) == (1, 3)
        assert server.ready["proven"] is False
        assert "not proven equal to any original" in server.stderr()
        answer = server.ask("POST", "/predict", {"x_0": 3, "x_1": 1})
        assert answer.json["predictions"] == [{"y": 5.0}]
        assert answer.json["model"]["name"] == "plain"


def test_golden_warning_on_start(tmp_path: Path) -> None:
    """With MLSHIP_GOLDEN=warn a model that answers differently is served with a warning."""
    model = tmp_path / "model.onnx"
    model.write_bytes(city_model(golden_shift=1.0))
    with serving(model, "--workers", "1", env={"MLSHIP_GOLDEN": "warn"}) as server:
        assert "warning: " in server.stderr()
        assert "no longer answers" in server.ready["warning"]
        assert server.ask("GET", "/readyz").json["golden"]["agrees"] is False


def test_quiet_says_nothing(city_path: Path) -> None:
    """With --quiet a server that starts and stops well writes nothing to stderr."""
    with serving(city_path, "--workers", "1", "--quiet") as server:
        assert server.stop() == 0
        assert server.stderr() == ""


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        pytest.param(city_model(golden_shift=1.0), "golden_rows_differ", "no longer answers", id="golden rows differ"),
        pytest.param(city_model()[:-9] + b"!" + city_model()[-8:], "bad_digest", "digest", id="one byte changed"),
        pytest.param(b"not a model", "not_onnx", "mlship export", id="text"),
    ],
)
def test_refused_model_is_told_once(tmp_path: Path, content: bytes, code: str, words: str) -> None:
    """A model that is refused ends the start with exit code 4 and one message that names the file."""
    model = tmp_path / "model.onnx"
    model.write_bytes(content)
    result = run("serve", model, "--port", "0", "--json", "--workers", "4")
    assert result.returncode == 4
    assert json.loads(result.stdout)["error"]["code"] == code
    assert result.stderr.count("error:") == 1
    assert words in result.stderr
    assert str(model) in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_model(tmp_path: Path) -> None:
    """A model file that is not there is exit code 2."""
    result = run("serve", tmp_path / "none.onnx", "--port", "0")
    assert result.returncode == 2
    assert "There is no model file" in result.stderr


def test_taken_port(city_path: Path) -> None:
    """A port that another program listens on is exit code 6 with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("serve", city_path, "--port", str(port))
    assert result.returncode == 6
    assert f"Port {port} is taken" in result.stderr
    assert "--port 0" in result.stderr


def test_port_bound_first_by_another(city_path: Path) -> None:
    """Two programs that bound the same port before either listened: the second one says that it is taken."""
    first = bind(ServeOptions((str(city_path),), port=0))
    with first:
        second = bind(ServeOptions((str(city_path),), port=first.getsockname()[1]))
        with second:
            first.listen()
            with pytest.raises(OSError, match="in use"):
                second.listen()
        with pytest.raises(OutputFailed) as refusal:
            bind(ServeOptions((str(city_path),), port=first.getsockname()[1]))
    assert refusal.value.code == "port_taken"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command of mlship in this process, which has to end with exit code 2 and never serve; returns stderr."""
    for name in [name for name in os.environ if name.startswith("MLSHIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")

    def never(*_: object) -> None:
        raise AssertionError("it was not refused")

    monkeypatch.setattr(host, "preflight", never)

    def call(*arguments: str | Path) -> str:
        assert main.run([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err

    return call


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - refused, and that is the test
def test_beyond_loopback_needs_no_auth(city_path: Path, refused: Callable[..., str], address: str) -> None:
    """An address that other machines reach is exit code 2 unless --no-auth says that it is meant."""
    assert "--no-auth" in refused("serve", city_path, "--host", address, "--port", "0")


def test_no_auth_opens_other_addresses(city_path: Path) -> None:
    """With --no-auth every address of this machine may be bound."""
    with bind(ServeOptions((str(city_path),), host="0.0.0.0", port=0, no_auth=True)) as listener:  # noqa: S104
        assert listener.getsockname()[0] == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("name", ["localhost", "127.0.0.2"])
def test_loopback_names_need_nothing(city_path: Path, name: str) -> None:
    """Every name and address of loopback is bound without --no-auth."""
    with bind(ServeOptions((str(city_path),), host=name, port=0)) as listener:
        assert listener.family == socket.AF_INET
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize(("name", "no_auth"), [("no.such.host.invalid", False), ("192.0.2.1", True), ("", False)])
def test_impossible_hosts(city_path: Path, name: str, no_auth: bool) -> None:
    """A host that is unknown, is not of this machine or is empty is a usage error."""
    with pytest.raises(UsageError):
        bind(ServeOptions((str(city_path),), host=name, port=0, no_auth=no_auth))


@pytest.mark.parametrize(
    "options",
    [
        ("--workers", "0"),
        ("--workers", "many"),
        ("--threads", "-1"),
        ("--threads", "2.5"),
        ("--max-body", "8 apples"),
        ("--max-body", "0"),
        ("--max-rows", "0"),
        ("--port", "70000"),
    ],
)
def test_bad_options(city_path: Path, refused: Callable[..., str], options: tuple[str, str]) -> None:
    """An option that cannot be is exit code 2 and named."""
    assert options[0] in refused("serve", city_path, *options)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8MiB", 8 << 20), ("500 kB", 500_000), ("1gib", 1 << 30), ("2MB", 2_000_000), ("77", 77), ("1B", 1)],
)
def test_sizes(text: str, size: int) -> None:
    """Sizes are read with decimal and binary units."""
    assert parse_size(text, "--max-body") == size


def test_counts() -> None:
    """A count is a whole number, or auto, which leaves it to the machine."""
    assert parse_count("auto", "--workers") is None
    assert parse_count("12", "--workers") == 12


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from mlship.cli.main import run
sys.exit(run(["serve", sys.argv[2], "--port", "0"]))
"""


@pytest.mark.parametrize(
    ("absent", "hint"), [("fcntl", "WSL"), ("resource", "WSL"), ("gunicorn", "pip install"), ("flask", "pip install")]
)
def test_what_is_missing_is_said(city_path: Path, absent: str, hint: str) -> None:
    """Where gunicorn cannot run, as on Windows, or is not installed, exit code 8 says what to use instead."""
    result = run_code(WITHOUT, absent, city_path)
    assert result.returncode == 8
    assert f"'{absent}'" in result.stderr
    assert hint in result.stderr
