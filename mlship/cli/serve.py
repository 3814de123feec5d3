"""`mlship serve`: options in, a running server out."""

from __future__ import annotations

import json as json_module
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import Json, Quiet, Verbose, parse_size

if TYPE_CHECKING:
    from mlship.cli.console import Console
    from mlship.serve.settings import Ready

_LONGEST_EXAMPLE = 4000  # characters; a model of a thousand columns would fill the screen


def serve(
    ctx: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]MODEL...", help="The .onnx files to serve, or s3:// gs:// az:// URIs.", show_default=False
        ),
    ],
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address or name to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any free one.")] = 8000,
    workers: Annotated[
        str, typer.Option(metavar="auto|N", help="Processes; auto: one for each CPU that this container may use.")
    ] = "auto",
    threads: Annotated[
        str,
        typer.Option(metavar="auto|N", help="Threads of each process; auto: one for each of its CPUs, and one more."),
    ] = "auto",
    max_body: Annotated[str, typer.Option(metavar="SIZE", help="Largest body of a request.")] = "8MiB",
    max_rows: Annotated[int, typer.Option(min=1, help="Most rows of a request.")] = 10_000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a request is given up.")] = 30.0,
    queue: Annotated[
        str,
        typer.Option(metavar="auto|N", help="Requests that a process takes before it refuses; auto: a second's work."),
    ] = "auto",
    batch_wait_ms: Annotated[
        float, typer.Option(min=0.0, help="Hold a request back so long for others to be scored together with.")
    ] = 0.0,
    watch: Annotated[
        bool, typer.Option("--watch", help="Take over a model file that is replaced, as SIGHUP does.")
    ] = False,
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
        models=tuple(models),
        host=host,
        port=port,
        workers=parse_count(workers, "--workers"),
        threads=parse_count(threads, "--threads"),
        limits=Limits(body=parse_size(max_body, "--max-body"), rows=max_rows),
        timeout=timeout,
        queue=parse_count(queue, "--queue"),
        batch_wait_ms=batch_wait_ms,
        watch=watch,
        no_auth=no_auth,
        log_level="critical" if quiet else "info" if verbose else "error",
    )
    run(options, lambda ready: _announce(console, ready))


def _announce(console: Console, ready: Ready) -> None:
    for name, model in ready.models:
        proof = "proven equal to its original" if model.proven else "not proven equal to any original"
        named = "" if len(ready.models) == 1 else f" as {name}"
        console.say(f"Serving {model.name} {model.version} (digest {model.digest[:12]}){named}, {proof}.")
        if model.warning:
            console.warn(model.warning)
    path = "/predict" if len(ready.models) == 1 else f"/models/{ready.models[0][0]}/predict"
    console.say(f"{ready.url}{path} answers, with {ready.workers} x {ready.threads} threads. Ctrl-C stops it.")
    if example := _curl(ready, path):
        console.say("Try it:", f"  {example}")
    if console.json:
        console.result(_json_of(ready))


def _curl(ready: Ready, path: str) -> str | None:
    """A command that really gets an answer; it was tried on the model."""
    example = ready.models[0][1].example
    if example is None:
        return None
    body = json_module.dumps([example], ensure_ascii=False)
    url = ready.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    command = f"curl -s {url}{path} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    return command if len(command) <= _LONGEST_EXAMPLE else None


def _json_of(ready: Ready) -> dict[str, Any]:
    models = [
        {"model": model.identity, "served_as": name, "proven": model.proven, "warning": model.warning}
        for name, model in ready.models
    ]
    return {
        "status": "ready",
        **(models[0] if len(models) == 1 else {"models": models}),
        "url": ready.url,
        "workers": ready.workers,
        "threads": ready.threads,
        "queue": ready.queue,
        "error": None,
    }
