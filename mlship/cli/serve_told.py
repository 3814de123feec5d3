"""What `mlship serve` tells when it answers: a table and a command to try, or the object of --json."""

from __future__ import annotations

import json as json_module
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.serve.settings import Doors, ModelFacts, Ready

_LONGEST_EXAMPLE = 4000  # characters; a model of a thousand columns would fill the screen
_MOST_ENDPOINTS = 12
_MI = 1 << 20


def announce(console: Console, ready: Ready) -> None:
    """Tell that a server answers: what, where, by how many, within which limits, and whom."""
    console.table("", ("", ""), list(_rows(ready)))
    for warning in (*ready.warnings, *(model.warning for _, model in ready.models if model.warning)):
        console.warn(warning)
    path = "/predict" if len(ready.models) == 1 else f"/models/{ready.models[0][0]}/predict"
    console.say(f"{ready.url}{path} answers. Ctrl-C stops it.")
    if example := _curl(ready, path):
        console.say("Try it:", f"  {example}")
    if console.json:
        console.result(_json_of(ready))


def _rows(ready: Ready) -> Iterator[tuple[str, str]]:
    doors, limits = ready.doors, ready.limits
    several = len(ready.models) > 1
    for name, model in ready.models:
        named = f" as {name}" if several else ""
        yield "Model", f"{model.name} {model.version} (digest {model.digest[:12]}){named}"
        yield "Proof", "proven equal to its original" if model.proven else "not proven equal to any original"
        if model.warning:
            yield "Golden rows", "differ from the original's answers; served on all the same"
        yield "Micro-batching", _batching(model)
    yield "Address", doors.url
    if "GET /docs" in doors.endpoints:
        yield "Page", f"{doors.url}/ and {doors.url}/docs"
    yield "Endpoints", ", ".join(_some(doors.endpoints))
    if doors.metrics_url:
        yield "Metrics", f"{doors.metrics_url}/metrics, which asks for no token or certificate"
    yield "Who may ask", _who(doors)
    bound = ", by the quota of its control group" if ready.quota else ""
    yield "CPUs", f"{ready.cpus:g}{bound}"
    yield "Workers", f"{ready.workers} x {ready.threads} threads"
    yield "Queue", f"{ready.queue} requests of each worker; more are answered 503"
    yield "Limits", f"a body of {_size(limits.body)}, {limits.rows:,} rows, {ready.timeout:g} s a request"


def _batching(model: ModelFacts) -> str:
    pace = model.pace
    call = f"a call takes {pace.call * 1e3:.3g} ms"
    if pace.batching:
        return f"on: {call}, with 16 rows {(pace.call + 15 * pace.row) * 1e3:.3g} ms"
    if not model.proven:
        return "off: nothing proves that rows of this model do not depend on their neighbours"
    return f"off: {call}, " + ("too little to gain by it" if pace.call < 1e-3 else "and together rows are no faster")


def _some(endpoints: tuple[str, ...]) -> list[str]:
    shown = list(endpoints[:_MOST_ENDPOINTS])
    if len(endpoints) > len(shown):
        shown.append(f"and {len(endpoints) - len(shown)} more")
    return shown


def _who(doors: Doors) -> str:
    asked = []
    if doors.tokens:
        asked.append(f"who shows one of {len(doors.tokens)} tokens: {', '.join(doors.tokens)}")
    if doors.tls and doors.tls.client_ca:
        asked.append("who has a client certificate")
    if doors.anyone:
        return "anyone who reaches this machine"
    who = ", and ".join(asked) or "anyone"
    return f"{who}, on this machine only" if doors.loopback else who


def _size(count: int) -> str:
    return f"{count // _MI} MiB" if count % _MI == 0 else f"{count:,} bytes"


def _curl(ready: Ready, path: str) -> str | None:
    """A command that really gets an answer; it was tried on the model."""
    example = ready.models[0][1].example
    if example is None:
        return None
    doors = ready.doors
    options = ["-H 'Content-Type: application/json'"]
    if doors.tokens:
        options.append('-H "Authorization: Bearer $TOKEN"')
    if doors.tls:
        options.append(f"--cacert {shlex.quote(str(doors.tls.cert))}")
        if doors.tls.client_ca:
            options.append("--cert CERT.pem --key KEY.pem")
    body = json_module.dumps([example], ensure_ascii=False)
    url = doors.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    command = f"curl -s {url}{path} {' '.join(options)} -d {shlex.quote(body)}"
    return command if len(command) <= _LONGEST_EXAMPLE else None


def _json_of(ready: Ready) -> dict[str, Any]:
    models = [
        {"model": model.identity, "served_as": name, "proven": model.proven, "warning": model.warning}
        for name, model in ready.models
    ]
    doors = ready.doors
    return {
        "status": "ready",
        **(models[0] if len(models) == 1 else {"models": models}),
        "url": doors.url,
        "metrics_url": doors.metrics_url,
        "endpoints": list(doors.endpoints),
        "workers": ready.workers,
        "threads": ready.threads,
        "cpus": ready.cpus,
        "queue": ready.queue,
        "batching": {
            name: {"on": model.pace.batching, "call_seconds": model.pace.call, "row_seconds": model.pace.row}
            for name, model in ready.models
        },
        "auth": {
            "loopback": doors.loopback,
            "tokens": list(doors.tokens),
            "client_certificates": bool(doors.tls and doors.tls.client_ca),
            "anyone": doors.anyone,
        },
        "error": None,
    }
