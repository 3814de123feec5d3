"""`mlship serve`: options in, a running server out."""

from __future__ import annotations

import json as json_module
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import Json, Quiet, Verbose, parse_size

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.serve.settings import Ready

_LONGEST_EXAMPLE = 4000  # characters; a model of a thousand columns would fill the screen


def serve(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The .onnx file to serve.", show_default=False)],
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address or name to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any free one.")] = 8000,
    workers: Annotated[
        str, typer.Option(metavar="auto|N", help="Processes; auto: one for each CPU that this container may use.")
    ] = "auto",
    threads: Annotated[
        str, typer.Option(metavar="auto|N", help="Threads of each process; auto: two for each CPU, at least 4.")
    ] = "auto",
    max_body: Annotated[str, typer.Option(metavar="SIZE", help="Largest body of a request.")] = "8MiB",
    max_rows: Annotated[int, typer.Option(min=1, help="Most rows of a request.")] = 10_000,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Answer other machines too, whoever asks; needed beyond loopback.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Serve a model over HTTP: POST /predict scores rows, /livez and /readyz tell how it is."""
    console: Console = ctx.obj
    console.configure(quiet=quiet, verbose=verbose, json=json)
    from mlship.serve.host import serve as run
    from mlship.serve.settings import Limits, ServeOptions, parse_count

    options = ServeOptions(
        model=model,
        host=host,
        port=port,
        workers=parse_count(workers, "--workers"),
        threads=parse_count(threads, "--threads"),
        limits=Limits(body=parse_size(max_body, "--max-body"), rows=max_rows),
        no_auth=no_auth,
        log_level="critical" if quiet else "info" if verbose else "error",
    )
    run(options, lambda ready: _announce(console, ready))


def _announce(console: Console, ready: Ready) -> None:
    model = ready.model
    proof = "proven equal to its original" if model.proven else "not proven equal to any original"
    console.say(f"Serving {model.name} {model.version} (digest {model.digest[:12]}), {proof}.")
    if model.warning:
        console.warn(model.warning)
    console.say(f"{ready.url}/predict answers, with {ready.workers} x {ready.threads} threads. Ctrl-C stops it.")
    if example := _curl(ready):
        console.say("Try it:", f"  {example}")
    if console.json:
        console.result(_json_of(ready))


def _curl(ready: Ready) -> str | None:
    """A command that really gets an answer; it was tried on the model."""
    if ready.model.example is None:
        return None
    body = json_module.dumps([ready.model.example], ensure_ascii=False)
    url = ready.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    command = f"curl -s {url}/predict -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    return command if len(command) <= _LONGEST_EXAMPLE else None


def _json_of(ready: Ready) -> dict[str, Any]:
    return {
        "status": "ready",
        "model": ready.model.identity,
        "proven": ready.model.proven,
        "warning": ready.model.warning,
        "url": ready.url,
        "workers": ready.workers,
        "threads": ready.threads,
        "error": None,
    }
