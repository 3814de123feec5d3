"""What `mlship serve` says, and how it refuses."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mlship.cli.options import parse_size
from mlship.serve.settings import parse_count
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
    assert "POST /predict" in ready["endpoints"]
    assert ready["batching"]["cities"]["on"] is True
    assert ready["cpus"] > 0
    assert ready["auth"] == {"loopback": True, "tokens": [], "client_certificates": False, "anyone": False}


def table(text: str) -> dict[str, str]:
    """Return the rows of the table that a server printed."""
    found: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith("│"):
            name, value = (cell.strip() for cell in line.strip("│").split("│"))
            last = name or last
            found[last] = f"{found[last]} {value}" if not name else value
    return found


def test_table_tells_what_is_served(server: Server) -> None:
    """One table names model, version, digest, proof, address, endpoints, sizes, limits and who may ask."""
    said = table(server.stderr())
    ready = server.ready
    assert said["Model"] == f"cities v1 (digest {ready['model']['digest'][:12]})"
    assert said["Proof"] == "proven equal to its original"
    assert said["Micro-batching"].startswith("on: a call takes 0.")
    assert said["Address"] == ready["url"]
    offered = {
        "POST /models/cities/predict",
        "POST /predict",
        "POST /v2/models/cities/infer",
        "GET /livez",
        "GET /readyz",
    }
    assert offered <= set(said["Endpoints"].split(", "))
    assert said["Who may ask"] == "anyone, on this machine only"
    assert said["CPUs"].startswith(f"{ready['cpus']:g}")
    assert said["Workers"] == "2 x 4 threads"
    assert said["Queue"] == f"{ready['queue']} requests of each worker; more are answered 503"
    assert said["Limits"] == "a body of 1 MiB, 10,000 rows, 30 s a request"
    assert f"{ready['url']}/predict answers. Ctrl-C stops it." in server.stderr()
    assert "[INFO]" not in server.stderr()


def test_several_models_in_the_table(city_path: Path, foreign_path: Path) -> None:
    """With several models each has its rows, and the object of --json has all of them."""
    with serving(city_path, f"other={foreign_path}", "--workers", "1", "--no-auth", "--host", "0.0.0.0") as server:  # noqa: S104
        said = server.stderr()
        assert "as cities" in said
        assert "as other" in said
        assert table(said)["Who may ask"] == "anyone who reaches this machine"
        assert {"POST /models/cities/predict", "POST /models/other/predict"} <= set(server.ready["endpoints"])
        assert "POST /predict" not in server.ready["endpoints"]
        assert [model["served_as"] for model in server.ready["models"]] == ["cities", "other"]
        assert server.ready["batching"].keys() == {"cities", "other"}


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
        ("--port", "-1"),
        ("--port", "tcp://10.0.0.1:8000"),
        ("--metrics-port", "no"),
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


@pytest.mark.parametrize("value", ["tcp://10.0.0.1:8000", "udp://10.0.0.1:53", "SCTP://[fd00::1]:9"])
def test_links_of_kubernetes_are_no_ports(city_path: Path, value: str) -> None:
    """What Kubernetes sets for a Service named mlship-serve or mlship-serve-metrics is passed over, and told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    injected = {"MLSHIP_SERVE_PORT": value, "MLSHIP_SERVE_METRICS_PORT": value, "AIP_HTTP_PORT": str(port)}
    result = run_code(ASKED_PORTS, "serve", city_path, env=injected)
    assert result.stdout.split() == [str(port), "None"]
    assert result.stderr.count("passed over") == 2
    assert f"warning: MLSHIP_SERVE_PORT is '{value}'" in result.stderr
    assert f"warning: MLSHIP_SERVE_METRICS_PORT is '{value}'" in result.stderr


ASKED_PORTS = """
import sys
from mlship.serve import host
host.serve = lambda options, on_ready: print(options.port, options.metrics_port)
from mlship.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("options", "env", "port"),
    [
        ((), {}, "8000"),
        ((), {"AIP_HTTP_PORT": "8081"}, "8081"),
        ((), {"AIP_HTTP_PORT": "8081", "MLSHIP_SERVE_PORT": "8082"}, "8082"),
        (("--port", "8083"), {"AIP_HTTP_PORT": "8081", "MLSHIP_SERVE_PORT": "8082"}, "8083"),
        (("--port", "8083"), {"MLSHIP_SERVE_PORT": "tcp://10.0.0.1:8000"}, "8083"),
        ((), {"MLSHIP_SERVE_PORT": "tcp://10.0.0.1:8000"}, "8000"),
        ((), {"PORT": "tcp://10.0.0.1:8000", "MLSHIP_SERVE_PORT_8000_TCP": "tcp://10.0.0.1:8000"}, "8000"),
    ],
)
def test_port_of_the_environment(city_path: Path, options: tuple[str, ...], env: dict[str, str], port: str) -> None:
    """The port is that of the command line, else of MLSHIP_SERVE_PORT, else of Vertex AI's variable, else 8000."""
    result = run_code(ASKED_PORTS, "serve", city_path, *options, env=env)
    assert result.stdout.split() == [port, "None"], result.stderr


@pytest.mark.parametrize("variable", ["MLSHIP_SERVE_PORT", "MLSHIP_SERVE_METRICS_PORT", "AIP_HTTP_PORT"])
@pytest.mark.parametrize("value", ["http://10.0.0.1", "8000x", "70000"])
def test_bad_port_of_the_environment(city_path: Path, variable: str, value: str) -> None:
    """Any other value of the environment that is no port is exit code 2."""
    result = run_code(ASKED_PORTS, "serve", city_path, env={variable: value})
    assert result.returncode == 2
    assert value in result.stderr
