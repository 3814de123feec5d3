"""`mlship serve`: options in, a running server out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mlship.cli import serve_options as given
from mlship.cli.options import Json, Quiet, Verbose

if TYPE_CHECKING:
    from mlship.cli.console import Console


def serve(
    ctx: typer.Context,
    models: given.Models,
    *,
    host: given.Host = "127.0.0.1",
    port: given.Port = None,
    metrics_port: given.MetricsPort = None,
    workers: given.Workers = "auto",
    threads: given.Threads = "auto",
    max_body: given.MaxBody = "8MiB",
    max_rows: given.MaxRows = 10_000,
    timeout: given.Timeout = 30.0,
    queue: given.Queue = "auto",
    batch_wait_ms: given.BatchWait = 0.0,
    watch: given.Watch = False,
    shadow: given.Shadow = None,
    log_predictions: given.LogPredictions = None,
    token_file: given.TokenFile = None,
    no_auth: given.NoAuth = False,
    tls_cert: given.TlsCert = None,
    tls_key: given.TlsKey = None,
    tls_client_ca: given.TlsClientCa = None,
    trusted_proxy: given.TrustedProxy = None,
    no_page: given.NoPage = False,
    kafka_config: given.KafkaConfig = None,
    topic_in: given.TopicIn = None,
    topic_out: given.TopicOut = None,
    topic_rejects: given.TopicRejects = None,
    at_least_once: given.AtLeastOnce = False,
    keep: given.Keep = "none",
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Serve a model over HTTP: POST /predict scores rows, /livez and /readyz tell how it is.

    With --kafka-config it scores the records of a topic instead, each exactly once.
    """
    options = dict(locals())
    console: Console = ctx.obj
    console.configure(quiet=quiet, verbose=verbose, json=json)
    from mlship.cli.serve_stream import serve_stream, wants_stream

    if wants_stream(ctx):
        serve_stream(console, options)
        return
    from mlship.cli.serve_given import options_of
    from mlship.cli.serve_told import announce
    from mlship.serve.host import serve as run

    run(options_of(options, console), lambda ready: announce(console, ready))
