"""A server with options that the command line of a test need not know."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_CODE = """
import json, pathlib, sys
from mlship.serve.host import serve
from mlship.serve.settings import ServeOptions
given = json.loads(sys.argv[1])
if given.get("log_predictions"):
    given["log_predictions"] = pathlib.Path(given["log_predictions"])
given["models"] = tuple(given["models"])
serve(ServeOptions(port=0, **given), lambda ready: print(json.dumps({"url": ready.url}), flush=True))
"""


def starting(model: Path, **options: Any) -> list[str]:
    """Return a command that serves a model with fields of `ServeOptions`."""
    return [sys.executable, "-c", _CODE, json.dumps({"models": [str(model)], **options}, default=str)]
