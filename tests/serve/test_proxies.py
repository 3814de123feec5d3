"""Proxies: whose word is taken on for whom they ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlship.errors import UsageError
from mlship.serve.proxies import Proxies
from tests.serve.server import run, serving


def seen(networks: tuple[str, ...], peer: str, forwarded: str | None = None, scheme: str | None = None) -> Any:
    """Return address and scheme of a request after proxies were looked at."""
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    if scheme is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = scheme
    Proxies(networks).apply(environ)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


TEN = ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("networks", "peer", "forwarded", "client"),
    [
        pytest.param((), "10.0.0.1", "192.0.2.1", "10.0.0.1", id="nobody is trusted"),
        pytest.param(TEN, "203.0.113.9", "192.0.2.1", "203.0.113.9", id="a stranger says it"),
        pytest.param(TEN, "10.0.0.1", "192.0.2.1", "192.0.2.1", id="a proxy says it"),
        pytest.param(TEN, "10.0.0.1", None, "10.0.0.1", id="a proxy says nothing"),
        pytest.param(TEN, "10.0.0.1", "", "10.0.0.1", id="a proxy says an empty text"),
        pytest.param(TEN, "10.0.0.1", "1.1.1.1, 192.0.2.1", "192.0.2.1", id="the client made up the left"),
        pytest.param(TEN, "10.0.0.1", "1.1.1.1, 192.0.2.1, 10.0.0.2", "192.0.2.1", id="two proxies"),
        pytest.param(TEN, "10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3", id="proxies only"),
        pytest.param(TEN, "10.0.0.1", "192.0.2.1, unknown, 10.0.0.2", "10.0.0.2", id="no address behind a proxy"),
        pytest.param(TEN, "10.0.0.1", "<script>", "10.0.0.1", id="no address"),
        pytest.param(TEN, "10.0.0.1", "192.0.2.1:4711", "192.0.2.1", id="with a port"),
        pytest.param(TEN, "10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1", id="IPv6 with a port"),
        pytest.param(("::1/128",), "::1", "2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param(TEN, "::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1", id="IPv4 in the form of IPv6"),
        pytest.param(("10.0.0.1",), "10.0.0.1", "192.0.2.1", "192.0.2.1", id="one address"),
        pytest.param(TEN, "10.0.0.1", ", ".join(["10.0.0.9"] * 5000), "10.0.0.9", id="thousands"),
        pytest.param(TEN, "", "192.0.2.1", "", id="no peer"),
    ],
)
def test_client(networks: tuple[str, ...], peer: str, forwarded: str | None, client: str) -> None:
    """The client is the rightmost address that is no trusted proxy's, or the peer where it is not trusted."""
    assert seen(networks, peer, forwarded)[0] == client


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        ("10.0.0.1", "https", "https"),
        ("10.0.0.1", "http, HTTPS", "https"),
        ("10.0.0.1", "javascript", "http"),
        ("203.0.113.9", "https", "http"),
    ],
)
def test_scheme(peer: str, said: str, scheme: str) -> None:
    """The scheme is what a trusted proxy says, when that is one of the two."""
    assert seen(TEN, peer, None, said)[1] == scheme


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example", "*", ""])
def test_bad_networks(text: str) -> None:
    """What is no network is a usage error that quotes it."""
    with pytest.raises(UsageError, match="--trusted-proxy is"):
        Proxies((text,))


def test_bad_network_ends_the_start(city_path: Path) -> None:
    """A network that is none is exit code 2."""
    result = run("serve", city_path, "--port", "0", "--trusted-proxy", "10.0.0.1/8")
    assert result.returncode == 2
    assert "--trusted-proxy is '10.0.0.1/8'" in result.stderr
    assert "host bits set" in result.stderr


SHOWING = """
import sys
from mlship.serve.desk import Desk
def observe(self, exchange):
    environ = exchange.environ
    print("seen", environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], file=sys.stderr, flush=True)
Desk.observe = observe
from mlship.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param((), "seen 127.0.0.1 http", id="nobody is trusted"),
        pytest.param(("--trusted-proxy", "10.0.0.0/8"), "seen 127.0.0.1 http", id="another is trusted"),
        pytest.param(
            ("--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.0/8"), "seen 192.0.2.1 https", id="trusted"
        ),
    ],
)
def test_server(city_path: Path, options: tuple[str, ...], line: str) -> None:
    """A server passes the headers over by default, and takes them from proxies that it was told to trust."""
    with serving(city_path, "--workers", "1", *options, program=("-c", SHOWING)) as server:
        server.ask("GET", "/livez", None, {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"})
        assert line in server.stderr().splitlines()


def test_names_with_underscores_are_dropped(city_path: Path) -> None:
    """A header that only looks like a proxy's once it is written as WSGI does is no word of the proxy's."""
    options = ("--workers", "1", "--trusted-proxy", "127.0.0.0/8")
    with serving(city_path, *options, program=("-c", SHOWING)) as server:
        server.ask("GET", "/livez", None, {"X_Forwarded_For": "192.0.2.9", "X_Forwarded_Proto": "https"})
        assert "seen 127.0.0.1 http" in server.stderr().splitlines()
