"""What the metrics of all workers said in the last minutes: a file that whoever is asked adds to.

Nothing is sampled while nobody looks. A worker that is asked adds a sample where the last one is old enough, so that
all of them show the same, and many viewers cost what one does.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlship.monitor.metrics import collected
from mlship.serve.observe import metrics_folder

EVERY_SECONDS = 2.0
WINDOW_SECONDS = 300.0
"""How far the charts look back."""
_SOONEST = 0.9 * EVERY_SECONDS  # a viewer that asks every 2 s comes a little early now and then
_SHADOW = "mlship_shadow_"

Sample = dict[str, Any]
"""`time` in seconds since 1970; counts since the server was started: `requests` by model and status, `errors` by code,
`seconds` by model and `batch`: [upper bound, how many up to it]; `shadow` by name and output."""


def sampled(folder: Path, now: float | None = None) -> list[Sample]:
    """Return the samples of the last minutes, the oldest first, with one that is at most 2 s old.

    Args:
        folder: The server's folder.
        now: Seconds since 1970, the clock's if not given.
    """
    import fcntl

    now = time.time() if now is None else now
    kept = metrics_folder(folder) / "page"
    kept.mkdir(parents=True, exist_ok=True)
    file = kept / "samples.json"
    with (kept / "lock").open("w") as lock:  # the kernel lets go of it with the process
        fcntl.flock(lock, fcntl.LOCK_EX)
        samples = [one for one in _read(file) if now - WINDOW_SECONDS <= one["time"] <= now]
        if not samples or now - samples[-1]["time"] >= _SOONEST:
            samples.append(_sample(collected(metrics_folder(folder)), now))
            part = file.with_suffix(".part")
            with contextlib.suppress(OSError):  # a full disk costs the past, and not what is now
                part.write_text(json.dumps(samples), encoding="utf-8")
                part.replace(file)
    return samples


def _read(file: Path) -> list[Sample]:
    try:
        found: list[Sample] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return []
    return found


def _sample(series: Iterable[tuple[str, dict[str, str], float]], now: float) -> Sample:
    sample: Sample = {"time": now, "requests": {}, "errors": {}, "seconds": {}, "batch": [], "shadow": {}}
    for name, labels, value in series:
        match name:
            case "mlship_requests_total" if labels["model"]:
                codes = sample["requests"].setdefault(labels["model"], {})
                codes[labels["code"]] = codes.get(labels["code"], 0) + value
            case "mlship_errors_total":
                sample["errors"][labels["code"]] = value
            case "mlship_request_seconds_bucket":
                sample["seconds"].setdefault(labels["model"], []).append((float(labels["le"]), value))
            case "mlship_batch_rows_bucket":
                sample["batch"].append((float(labels["le"]), value))
            case _ if name.startswith(_SHADOW):
                key = name.removeprefix(_SHADOW).removesuffix("_total")
                sample["shadow"].setdefault(key, {})[labels.get("output", "")] = value
    for buckets in (sample["batch"], *sample["seconds"].values()):
        buckets.sort()
    return sample
