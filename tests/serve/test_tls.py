"""TLS: what is spoken, whom a server answers that wants certificates, and files that are not right."""

from __future__ import annotations

import contextlib
import http.client
import json
import shlex
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlship.errors import UsageError
from mlship.serve import tls as module
from mlship.serve.settings import Tls
from mlship.serve.tls import context_of
from tests.serve.certificates import Authority, Pair
from tests.serve.server import JSON, Answer, Server, answer_of, read_answer, run, serving

GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}
HSTS = "max-age=31536000"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of certificates."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    """The server's certificate and key."""
    return authority.pair("server")


@pytest.fixture(scope="module")
def encrypted(city_path: Path, pair: Pair) -> Iterator[Server]:
    """A server that speaks TLS."""
    options = ("--tls-cert", str(pair.cert), "--tls-key", str(pair.key), "--max-body", "64KiB")
    with serving(city_path, "--workers", "1", "--metrics-port", "0", *options) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(city_path: Path, pair: Pair, authority: Authority) -> Iterator[Server]:
    """A server that wants certificates of its clients, and has a port of its own for metrics."""
    options = ("--tls-cert", str(pair.cert), "--tls-key", str(pair.key), "--tls-client-ca", str(authority.cert))
    with serving(city_path, "--workers", "1", "--metrics-port", "0", *options) as server:
        yield server


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    """Return what a client speaks that knows the authority, and may have a certificate itself."""
    context = ssl.create_default_context(cafile=authority.cert)
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    return context


def ask(port: int, context: ssl.SSLContext, method: str, path: str, body: Any = None) -> Answer:
    """Send one request over TLS."""
    data = None if body is None else json.dumps(body)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, data, JSON)
        return answer_of(connection)


def test_answer_over_tls(encrypted: Server, authority: Authority) -> None:
    """A client that knows the authority gets its answer over https, and is told to stay with it."""
    assert encrypted.ready["url"] == f"https://127.0.0.1:{encrypted.port}"
    answer = ask(encrypted.port, trusting(authority), "POST", "/predict", GOOD)
    assert answer.status == 200
    for path in ("/livez", "/no/such/path"):
        assert ask(encrypted.port, trusting(authority), "GET", path).headers["strict-transport-security"] == HSTS
    assert answer.headers["strict-transport-security"] == HSTS


def test_refusals_of_the_connection_have_all_headers(encrypted: Server, server: Server, authority: Authority) -> None:
    """What is refused ahead of the application has the headers of every answer; HSTS is there under TLS only."""
    large = ask(encrypted.port, trusting(authority), "POST", "/predict", "x" * 100_000)
    assert large.status == 413
    assert large.headers["strict-transport-security"] == HSTS
    plain = server.raw(b"nonsense\r\n\r\n")
    assert plain.status == 400
    for headers in (large.headers, plain.headers):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in plain.headers


def test_large_answer_over_tls(encrypted: Server, authority: Authority) -> None:
    """Several requests with many rows on one connection are answered whole."""
    connection = http.client.HTTPSConnection("127.0.0.1", encrypted.port, context=trusting(authority), timeout=20)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("POST", "/predict", json.dumps([GOOD] * 900), JSON)
            assert len(answer_of(connection).json["predictions"]) == 900


@pytest.mark.parametrize(
    ("version", "spoken"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
def test_versions(encrypted: Server, version: ssl.TLSVersion, spoken: bool) -> None:
    """TLS 1.2 and 1.3 are spoken, and nothing older."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        pytest.warns(DeprecationWarning, match="TLSv1_1")
        if version is ssl.TLSVersion.TLSv1_1
        else contextlib.nullcontext()
    ):
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", encrypted.port), timeout=10) as plain:
        if spoken:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                assert connection.version() == version.name.replace("v1_", "v1.")
        else:
            with pytest.raises(ssl.SSLError, match=r"EOF|ALERT|VERSION"):
                context.wrap_socket(plain, server_hostname="localhost")


def test_plain_http_is_not_answered(encrypted: Server) -> None:
    """At a port that speaks TLS a plain request gets no answer."""
    with socket.create_connection(("127.0.0.1", encrypted.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert not connection.recv(1000).startswith(b"HTTP")


@pytest.mark.whole
def test_silent_client_is_dropped(encrypted: Server, authority: Authority) -> None:
    """A client that connects and says nothing is dropped within seconds, and keeps nobody waiting."""
    with socket.create_connection(("127.0.0.1", encrypted.port), timeout=20) as silent:
        begun = time.monotonic()
        assert ask(encrypted.port, trusting(authority), "GET", "/livez").status == 200
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""
        assert time.monotonic() - begun < module.HANDSHAKE_SECONDS + 3


def test_client_certificate_is_demanded(mutual: Server, authority: Authority, tmp_path: Path) -> None:
    """With --tls-client-ca only who has a certificate of that authority is answered."""
    known = authority.pair("client")
    assert ask(mutual.port, trusting(authority, known), "POST", "/predict", GOOD).status == 200
    stranger = Authority(tmp_path, "stranger").pair("intruder")
    for client in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(mutual.port, trusting(authority, client), "GET", "/livez")
    assert mutual.ready["auth"]["client_certificates"] is True
    assert "Traceback" not in mutual.stderr()


def test_metrics_port_demands_no_certificate(mutual: Server, authority: Authority) -> None:
    """Probes, which have no certificate, are answered at the port for metrics, over TLS too."""
    assert mutual.ready["metrics_url"] == f"https://127.0.0.1:{mutual.metrics_port}"
    assert ask(mutual.metrics_port, trusting(authority), "GET", "/livez").status == 200
    assert ask(mutual.metrics_port, trusting(authority), "POST", "/predict", GOOD).status == 404


def test_printed_curl_line(encrypted: Server, pair: Pair) -> None:
    """The curl line that is printed trusts the very certificate, and gets predictions."""
    (line,) = [line for line in encrypted.stderr().splitlines() if line.strip().startswith("curl ")]
    words = shlex.split(line)
    assert words[words.index("--cacert") + 1] == str(pair.cert)
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        return
    assert "predictions" in done.stdout, done.stderr


def test_drains_under_tls(city_path: Path, pair: Pair, authority: Authority) -> None:
    """A connection that is kept under TLS does not hold up the end of the server."""
    options = ("--tls-cert", str(pair.cert), "--tls-key", str(pair.key))
    with serving(city_path, "--workers", "1", *options) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain:
            connection = trusting(authority).wrap_socket(plain, server_hostname="localhost")
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(connection).status == 200
            begun = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - begun < 10
            connection.close()
        assert "Traceback" not in server.stderr()


def test_key_that_others_may_open_is_warned_of(city_path: Path, authority: Authority) -> None:
    """A key that others may open is told of, and used."""
    loose = authority.pair("loose")
    loose.key.chmod(0o644)
    options = ("--tls-cert", str(loose.cert), "--tls-key", str(loose.key))
    with serving(city_path, "--workers", "1", *options) as server:
        assert f"warning: Others than its owner may open the key '{loose.key}', which has mode 0644." in server.stderr()


def test_bad_pairs_are_refused(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    """Files that are absent, empty, of another pair or encrypted are told apart before anything starts."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    other, locked = authority.pair("other"), authority.pair("locked", b"secret")
    for files, words in (
        (Tls(pair.cert, other.key), "does not belong to the certificate"),
        (Tls(pair.cert, locked.key), "is encrypted"),
        (Tls(pair.key, pair.cert), "no certificate and private key in PEM form"),
        (Tls(empty, pair.key), "no certificate and private key in PEM form"),
        (Tls(tmp_path / "none", pair.key), "The certificate '.*none' cannot be read: No such file"),
        (Tls(pair.cert, tmp_path / "none"), "The key '.*none' cannot be read: No such file"),
        (Tls(pair.cert, pair.key, tmp_path / "none"), "cannot be read: No such file"),
        (Tls(pair.cert, pair.key, empty), "holds no certificate in PEM form"),
        (Tls(tmp_path, pair.key), "Is a directory"),
    ):
        with pytest.raises(UsageError, match=words):
            context_of(files)


@pytest.mark.parametrize("given", [("cert",), ("key",), ("client-ca",), ("cert", "client-ca")])
def test_half_a_pair_is_refused(city_path: Path, pair: Pair, given: tuple[str, ...]) -> None:
    """Certificate and key are needed together: exit code 2 names what is missing."""
    files = {"cert": pair.cert, "key": pair.key, "client-ca": pair.cert}
    options = [word for name in given for word in (f"--tls-{name}", files[name])]
    result = run("serve", city_path, "--port", "0", *options)
    assert result.returncode == 2
    assert ("--tls-key is missing" if "cert" in given else "--tls-cert is missing") in result.stderr


def test_mismatched_key_ends_the_start(city_path: Path, pair: Pair, authority: Authority) -> None:
    """A key of another certificate is exit code 2, told once and without a traceback."""
    other = authority.pair("another")
    result = run("serve", city_path, "--port", "0", "--tls-cert", pair.cert, "--tls-key", other.key)
    assert result.returncode == 2
    assert result.stderr.count("error:") == 1
    assert "does not belong" in result.stderr
    assert "Traceback" not in result.stderr
