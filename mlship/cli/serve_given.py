"""What the options of `mlship serve` mean, as they were given."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mlship.cli.options import parse_size
from mlship.errors import UsageError
from mlship.serve.settings import Limits, ServeOptions, Tls, parse_count

if TYPE_CHECKING:
    from mlship.cli.console import Console

_PORT = re.compile(r"[0-9]{1,5}")
_LINKS = ("tcp://", "udp://", "sctp://")
_OF_VERTEX = "AIP_HTTP_PORT"
_AS_THEY_ARE = ("host", "timeout", "batch_wait_ms", "watch", "shadow", "log_predictions", "no_auth", "token_file")


def options_of(given: Mapping[str, Any], console: Console) -> ServeOptions:
    """Return what a server is told.

    Args:
        given: The command's parameters by their names.
        console: Told what is passed over, and how much is to be said.

    Raises:
        UsageError: An option has a value that it cannot have, or lacks another one.
    """
    ctx = given["ctx"]
    port = port_of(ctx, "port", given["port"], console.warn)
    return ServeOptions(
        **{name: given[name] for name in _AS_THEY_ARE},
        models=tuple(given["models"]),
        port=8000 if port is None else port,
        workers=parse_count(given["workers"], "--workers"),
        threads=parse_count(given["threads"], "--threads"),
        limits=Limits(body=parse_size(given["max_body"], "--max-body"), rows=given["max_rows"]),
        queue=parse_count(given["queue"], "--queue"),
        log_level="critical" if given["quiet"] else "info" if given["verbose"] else "warning",
        tls=tls_of(given["tls_cert"], given["tls_key"], given["tls_client_ca"]),
        metrics_port=port_of(ctx, "metrics_port", given["metrics_port"], console.warn),
        trusted_proxies=tuple(given["trusted_proxy"] or ()),
        access_log=not given["quiet"],
        page=not given["no_page"],
    )


def port_of(ctx: typer.Context, name: str, text: str | None, warn: Callable[[str], None]) -> int | None:
    """Return the port that an option tells, or None when nothing does.

    Kubernetes sets MLSHIP_SERVE_PORT=tcp://10.0.0.1:8000 in each container beside a Service named mlship-serve; such a
    value is somebody else's.

    Args:
        ctx: The command line as it was parsed.
        name: Name of the option's parameter.
        text: Its value, from the command line or the environment.
        warn: Called with what is passed over.

    Raises:
        UsageError: It is no port.
    """
    option = f"--{name.replace('_', '-')}"
    source = ctx.get_parameter_source(name)
    if text is not None and source is not None and source.name == "ENVIRONMENT" and text.lower().startswith(_LINKS):
        variable = f"{ctx.auto_envvar_prefix}_{name.upper()}"
        warn(
            f"{variable} is '{text}', which Kubernetes sets for a Service of that name; it is no port, and passed over."
        )
        text = None
    if text is None and name == "port" and os.environ.get(_OF_VERTEX):
        option, text = _OF_VERTEX, os.environ[_OF_VERTEX]
    if text is None:
        return None
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise UsageError(f"{option} is '{text}'; it takes a number from 0 to 65535.", hint="--port 8000")
    return int(text)


def tls_of(cert: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    """Return the files for TLS, or None when none is given.

    Raises:
        UsageError: One of the two that are needed is missing.
    """
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        missing = "--tls-cert" if cert is None else "--tls-key"
        raise UsageError(f"{missing} is missing: TLS needs a certificate and its key.", hint=f"{missing} FILE")
    return Tls(cert, key, client_ca)
