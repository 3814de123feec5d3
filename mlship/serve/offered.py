"""What a worker answers at, told to the parent, which imports nothing that answers."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mlship.errors import OutputFailed
from mlship.files import write_atomic
from mlship.serve.page import BEHIND

if TYPE_CHECKING:
    from mlship.serve.app import App

_FILE = "endpoints.json"


def tell(folder: Path, app: App) -> None:
    """Write method and path of all that an application answers, less what is for the page alone."""
    views = [
        f"GET {rule.rule}"
        for rule in app.url_map.iter_rules()
        if not rule.arguments and "GET" in (rule.methods or ()) and not rule.rule.startswith(BEHIND)
    ]
    scored = [f"POST {path}" for path in app.desk.endpoints]
    with contextlib.suppress(OutputFailed):  # long after the start, when the folder may have been cleaned away
        write_atomic(folder / _FILE, json.dumps([*scored, *views]).encode())


def told(folder: Path) -> tuple[str, ...]:
    """Return what a worker has written."""
    with contextlib.suppress(FileNotFoundError):
        return tuple(json.loads((folder / _FILE).read_bytes()))
    return ()
