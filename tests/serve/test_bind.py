"""Where a server listens, and when it refuses to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlship.errors import MlshipError, OutputFailed, UsageError
from mlship.serve.listening import bind
from mlship.serve.settings import ServeOptions, Tls
from tests.serve.server import read_answer, serving


def test_port_bound_first_by_another(city_path: Path) -> None:
    """Two programs that bound the same port before either listened: the second one says that it is taken."""
    first = bind(ServeOptions((str(city_path),), port=0))
    with first:
        second = bind(ServeOptions((str(city_path),), port=first.getsockname()[1]))
        with second:
            first.listen()
            with pytest.raises(OSError, match="in use"):
                second.listen()
        with pytest.raises(OutputFailed) as refusal:
            bind(ServeOptions((str(city_path),), port=first.getsockname()[1]))
    assert refusal.value.code == "port_taken"


BEYOND = ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"]  # noqa: S104 - refused, and that is the test


@pytest.mark.parametrize("address", BEYOND)
def test_beyond_loopback_somebody_is_asked(city_path: Path, refused: Callable[..., str], address: str) -> None:
    """An address that other machines reach is exit code 2, and the three ways to allow it are named."""
    said = refused("serve", city_path, "--host", address, "--port", "0")
    for option in ("--token-file", "--tls-client-ca", "--no-auth"):
        assert option in said


def test_server_certificate_alone_opens_nothing(city_path: Path) -> None:
    """TLS tells who the server is and not who asks: it takes certificates of clients, or tokens."""
    anywhere = "0.0.0.0"  # noqa: S104
    files = Tls(Path("cert"), Path("key"))
    with pytest.raises(UsageError, match="nobody is asked who they are"):
        bind(ServeOptions((str(city_path),), host=anywhere, port=0, tls=files))
    mutual = ServeOptions((str(city_path),), host=anywhere, port=0, tls=replace(files, client_ca=Path("ca")))
    with bind(mutual):
        pass
    with bind(ServeOptions((str(city_path),), host=anywhere, port=0), tokens=True):
        pass


def test_name_that_is_loopback_only_in_part(city_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with one address that other machines reach is beyond loopback."""
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(UsageError, match="every machine"):
        bind(ServeOptions((str(city_path),), host="both", port=0))


def test_ipv6(city_path: Path) -> None:
    """The loopback address of IPv6 is bound, and stands in brackets in the address; without IPv6 that is told."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        with pytest.raises(MlshipError):
            bind(ServeOptions((str(city_path),), host="::1", port=0))
        return
    with serving(city_path, "--workers", "1", "--host", "::1") as server:
        assert server.ready["url"] == f"http://[::1]:{server.port}"
        with socket.create_connection(("::1", server.port), timeout=20) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(connection).status == 200


def test_token_opens_other_addresses(city_path: Path) -> None:
    """With a token other machines are answered, and the table says whom."""
    anywhere = "0.0.0.0"  # noqa: S104
    env = {"MLSHIP_TOKEN": "token-of-a-test-0123456789"}
    with serving(city_path, "--workers", "1", "--host", anywhere, env=env) as server:
        assert server.ask("GET", "/openapi.json").status == 401
        assert server.ready["auth"]["loopback"] is False
        assert server.ready["auth"]["anyone"] is False


def test_no_auth_opens_other_addresses(city_path: Path) -> None:
    """With --no-auth every address of this machine may be bound."""
    with bind(ServeOptions((str(city_path),), host="0.0.0.0", port=0, no_auth=True)) as listener:  # noqa: S104
        assert listener.getsockname()[0] == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("name", ["localhost", "127.0.0.2"])
def test_loopback_names_need_nothing(city_path: Path, name: str) -> None:
    """Every name and address of loopback is bound without --no-auth."""
    with bind(ServeOptions((str(city_path),), host=name, port=0)) as listener:
        assert listener.family == socket.AF_INET
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize(("name", "no_auth"), [("no.such.host.invalid", False), ("192.0.2.1", True), ("", False)])
def test_impossible_hosts(city_path: Path, name: str, no_auth: bool) -> None:
    """A host that is unknown, is not of this machine or is empty is a usage error."""
    with pytest.raises(UsageError):
        bind(ServeOptions((str(city_path),), host=name, port=0, no_auth=no_auth))
