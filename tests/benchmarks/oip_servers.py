"""Other servers of the Open Inference Protocol, each in a virtual environment of its own below .bench/."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

KINDS = ("kserve", "mlserver")
_ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".bench"
_LONGEST = 900


class NotInstalled(Exception):
    """A server cannot be installed here; says why."""


def command(kind: str, model: Path) -> tuple[list[str], int, str]:
    """Return a server's command line, its port, and the path that answers 200 when it takes work.

    Raises:
        NotInstalled: It cannot be installed here.
    """
    from tests.benchmarks.servers import free_port

    folder = _installed(kind)
    port = free_port()
    ready = f"/v2/models/{model.stem}/ready"
    if kind == "kserve":
        program = Path(__file__).with_name("kserve_server.py")
        return [str(folder / "bin" / "python"), str(program), str(model), str(port)], port, ready
    settings = folder / "served"
    settings.mkdir(exist_ok=True)
    (settings / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "http_port": port,
                "grpc_port": free_port(),
                "metrics_port": free_port(),
                "parallel_workers": 0,
                "debug": False,
                "logging_settings": None,
            }
        )
    )
    implementation = "tests.benchmarks.mlserver_model.Model"
    (settings / "model-settings.json").write_text(
        json.dumps({"name": model.stem, "implementation": implementation, "parameters": {"uri": str(model)}})
    )
    return [str(folder / "bin" / "mlserver"), "start", str(settings)], port, ready


def _installed(kind: str) -> Path:
    folder = _ENVIRONMENTS / kind
    stamp = folder / "installed"
    if stamp.exists():
        return folder
    print(f"Installing {kind} into {folder.name} ...", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", kind, "onnxruntime"]
    try:
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=_LONGEST)
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or ["pip failed"]
        raise NotInstalled(f"it could not be installed: {last[0]}") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"it was not installed within {_LONGEST} s") from None
    stamp.touch()
    return folder
