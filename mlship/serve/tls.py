"""TLS 1.2 and later, with certificates of clients where they are demanded."""

from __future__ import annotations

import ssl
from pathlib import Path

from mlship.errors import UsageError
from mlship.serve.settings import Tls

HANDSHAKE_SECONDS = 5.0
SHUTDOWN_SECONDS = 2.0


def context_of(tls: Tls, *, clients: bool = True) -> ssl.SSLContext:
    """Return what a listener encrypts with.

    Args:
        tls: The files.
        clients: Whether certificates of clients are demanded, where there is an authority for them.

    Raises:
        UsageError: A file cannot be read, is not in PEM form, or the key belongs to another certificate.
    """
    for path, what in ((tls.cert, "certificate"), (tls.key, "key"), (tls.client_ca, "authorities' file")):
        if path is not None:
            _check_readable(path, what)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, tls)
    if clients and tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except ssl.SSLError:
            raise UsageError(
                f"'{tls.client_ca}' holds no certificate in PEM form.", hint="Name the file of the clients' authority."
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def warnings_of(tls: Tls) -> tuple[str, ...]:
    """Return what the user should know of the files."""
    mode = tls.key.stat().st_mode & 0o777
    if mode & 0o077:
        return (f"Others than its owner may open the key '{tls.key}', which has mode {mode:04o}.",)
    return ()


def _check_readable(path: Path, what: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"The {what} '{path}' cannot be read: {error.strerror}.") from error


def _load_pair(context: ssl.SSLContext, tls: Tls) -> None:
    def no_password() -> str:
        raise UsageError(
            f"The key '{tls.key}' is encrypted, and there is nobody to type its password.",
            hint=f"openssl pkey -in {tls.key} -out plain.key",
        )

    try:
        context.load_cert_chain(tls.cert, tls.key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"The key '{tls.key}' does not belong to the certificate '{tls.cert}'."
        else:
            problem = f"'{tls.cert}' and '{tls.key}' are no certificate and private key in PEM form."
        raise UsageError(problem, hint=f"openssl x509 -in {tls.cert} -noout -subject") from None
