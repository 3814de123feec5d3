"""What the options of `mlship serve` mean that one value alone does not tell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import typer

from mlship.errors import UsageError
from mlship.serve.settings import Tls

_PORT = re.compile(r"[0-9]{1,5}")
_LINKS = ("tcp://", "udp://", "sctp://")
_OF_VERTEX = "AIP_HTTP_PORT"


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
