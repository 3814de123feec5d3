"""Tokens: what a file or variable of them may hold, and that nothing is answered without one."""

from __future__ import annotations

import os
import time
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlship.errors import UsageError
from mlship.serve.access import Access
from mlship.serve.exchange import Exchange
from mlship.serve.tokens import Tokens, given_tokens
from mlship.serve.views import open_paths
from tests.serve.server import JSON, Answer, Server, run, serving

FIRST, SECOND = "first-token-0123456789", "second-token-0123456789"
GOOD = {"my age": 1.0, "São é": 2.0, "city": "Porto"}


def token_file(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """Write a token file in one step, as whoever rotates tokens should."""
    file, part = folder / "tokens", folder / "tokens.part"
    part.write_bytes(text if isinstance(text, bytes) else text.encode())
    part.chmod(mode)
    part.replace(file)
    return file


def bearer(token: str) -> dict[str, str]:
    """Return the headers of a JSON request that shows a token."""
    return {**JSON, "Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "holds no token", id="empty"),
        pytest.param("# nothing yet\n\n", "holds no token", id="comments only"),
        pytest.param(f"a:{FIRST}\n{SECOND}\n", "line 2: it is not NAME:TOKEN", id="no name"),
        pytest.param(f"a b:{FIRST}\n", "line 1: it is not NAME:TOKEN", id="name with a space"),
        pytest.param("\na:short-secret\n", "line 2: the token has 12 characters; at least 16", id="too short"),
        pytest.param(f"a:{FIRST} {SECOND}\n", "line 1: the token has spaces", id="a space inside"),
        pytest.param(f"a:{FIRST}\nb:{FIRST}\n", "line 2: the name, or the token, stands there twice", id="token twice"),
        pytest.param(f"a:{FIRST}\na:{SECOND}\n", "line 2: the name, or the token, stands there twice", id="name twice"),
        pytest.param(b"a:\xff\xff\xff\xff0123456789abcdef\n", "is not UTF-8", id="no text"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    """A file that is not right is a usage error that tells the line, and never what stands in it."""
    with pytest.raises(UsageError) as refusal:
        Tokens.of_file(token_file(tmp_path, text))
    assert words in refusal.value.message
    for secret in (FIRST, SECOND, "short-secret"):
        assert secret not in f"{refusal.value.message}{refusal.value.hint}"


@pytest.mark.parametrize(("mode", "accepted"), [(0o440, True), (0o640, True), (0o660, False), (0o644, False)])
def test_file_of_somebody_else_may_be_read_through_its_group(tmp_path: Path, mode: int, accepted: bool) -> None:
    """A secret that Kubernetes mounts belongs to root and is read through a group; nobody else may read it either."""
    file = token_file(tmp_path, f"a:{FIRST}\n", mode)
    try:
        os.chown(file, os.geteuid() + 1, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")
    if accepted:
        assert Tokens.of_file(file).names == ("a",)
    else:
        with pytest.raises(UsageError, match=f"mode {mode:04o}"):
            Tokens.of_file(file)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    """A token file has to be its owner's alone, and the hint makes it so."""
    file = token_file(tmp_path, f"a:{FIRST}\n", mode)
    with pytest.raises(UsageError, match=f"mode {mode:04o}") as refusal:
        Tokens.of_file(file)
    assert refusal.value.hint == f"chmod 600 {file}"


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A token file that is not there is a usage error."""
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        Tokens.of_file(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (FIRST, ("token",)),
        (f"ci:{FIRST}", ("ci",)),
        (f"ci:{FIRST},web:{SECOND}", ("ci", "web")),
        (f"ci:{FIRST}\nweb:{SECOND}\n", ("ci", "web")),
    ],
)
def test_variable(text: str, names: tuple[str, ...]) -> None:
    """The variable holds one token or several with names, and is gone once it was read."""
    environ = {"MLSHIP_TOKEN": text}
    tokens = given_tokens(None, environ)
    assert tokens is not None
    assert tokens.names == names
    assert tokens.name_of(f"Bearer {FIRST}") == names[0]
    assert environ == {}


@pytest.mark.parametrize("text", ["", " ", f"{FIRST},{SECOND}", "ci:short"])
def test_bad_variable(text: str) -> None:
    """A variable that is set and holds no good token is refused, rather than that everybody is let in."""
    with pytest.raises(UsageError, match="MLSHIP_TOKEN"):
        given_tokens(None, {"MLSHIP_TOKEN": text})


def test_one_source_of_tokens(tmp_path: Path) -> None:
    """File and variable together are refused; without both there are no tokens."""
    file = token_file(tmp_path, f"a:{FIRST}\n")
    with pytest.raises(UsageError, match="both given"):
        given_tokens(file, {"MLSHIP_TOKEN": FIRST})
    assert given_tokens(None, {}) is None


def test_forms_of_the_header() -> None:
    """The scheme may be in any case; everything but the very token of a known name is refused."""
    tokens = Tokens.of_text(f"ci:{FIRST},web:{SECOND}")
    assert tokens.name_of(f"Bearer {FIRST}") == "ci"
    assert tokens.name_of(f"bEARER  {SECOND} ") == "web"
    for header in (
        "", "Bearer", "Bearer ", FIRST, f"Basic {FIRST}", f"Bearer {FIRST[:-1]}", f"Bearer {FIRST}x",
        f"Bearer ci:{FIRST}", f"Bearer {FIRST.upper()}", f"Bearer {FIRST},Bearer {FIRST}", f"Bearer\t{FIRST}",
        "Bearer \xff\xfe\x80", f"Bearer\xa0{FIRST}",
    ):  # fmt: skip
        assert tokens.name_of(header) is None, header


def test_token_beyond_ascii() -> None:
    """A token with letters beyond ASCII is compared by its bytes in UTF-8."""
    token = "pão-de-açúcar-0123456789"  # noqa: S105 - it opens nothing
    tokens = Tokens.of_text(f"ci:{token}")
    assert tokens.name_of("Bearer " + token.encode().decode("latin-1")) == "ci"
    assert tokens.name_of("Bearer " + token) is None


def test_file_is_read_again(tmp_path: Path) -> None:
    """A file that changes is taken over; a broken, open or missing one leaves the tokens as they were, told once."""
    tokens = Tokens.of_file(token_file(tmp_path, f"a:{FIRST}\n"))
    token_file(tmp_path, f"a:{FIRST}\nb:{SECOND}\n")
    assert tokens.refresh() is None
    assert tokens.names == ("a", "b")
    for broken, mode in (("nonsense", 0o600), (f"b:{SECOND}", 0o644)):
        token_file(tmp_path, broken, mode)
        assert "stay valid" in (tokens.refresh() or "")
        assert tokens.refresh() is None
        assert tokens.name_of(f"Bearer {FIRST}") == "a"
    (tmp_path / "tokens").unlink()
    assert "No such file" in (tokens.refresh() or "")
    assert tokens.refresh() is None
    assert tokens.name_of(f"Bearer {FIRST}") == "a"
    token_file(tmp_path, f"b:{SECOND}\n")
    assert tokens.refresh() is None
    assert tokens.name_of(f"Bearer {SECOND}") == "b"
    assert tokens.name_of(f"Bearer {FIRST}") is None


def test_look_at_the_file_is_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at at most once a second, however many ask."""
    tokens = Tokens.of_file(token_file(tmp_path, f"a:{FIRST}\n"))
    looked: list[Path] = []

    def stat(self: Path, **_: object) -> os.stat_result:
        looked.append(self)
        return os.stat(self)  # noqa: PTH116 - it stands in for Path.stat

    monkeypatch.setattr(Path, "stat", stat)
    for _ in range(1000):
        tokens.name_of(f"Bearer {FIRST}")
    assert len(looked) <= 1


def test_gate_is_cheap() -> None:
    """Looking at a token takes a few microseconds, on a machine that does other things too."""
    environ: dict[str, Any] = {"PATH_INFO": "/predict", "HTTP_AUTHORIZATION": f"Bearer {FIRST}"}
    environ["mlship.exchange"] = Exchange(environ, "id", None)
    gate = Access(Tokens.of_text(f"ci:{FIRST}"))
    seconds = min(timeit.repeat(lambda: gate(environ), number=2000, repeat=20)) / 2000
    assert gate(environ) is None
    assert environ["mlship.exchange"].client_name == "ci"
    assert seconds < 10e-6


ROUTES = [
    ("POST", "/predict"), ("GET", "/predict"), ("HEAD", "/predict"), ("OPTIONS", "/predict"), ("PUT", "/predict"),
    ("POST", "/models/cities/predict"), ("POST", "/models/none/predict"), ("GET", "/metrics"), ("OPTIONS", "/metrics"),
    ("GET", "/page/about"), ("GET", "/page/live"),
    ("GET", "/"), ("GET", "/openapi.json"), ("GET", "/no/such/path"), ("DELETE", "/x"), ("OPTIONS", "*"),
    ("GET", "//livez"), ("GET", "/livez/"), ("GET", "/livez/../predict"), ("GET", "/LIVEZ"), ("GET", "/%2e%2e/livez"),
    ("POST", "/predict?token=" + FIRST), ("TRACE", "/predict"),
]  # fmt: skip


@pytest.fixture(scope="module")
def guarded(city_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two tokens."""
    file = token_file(tmp_path_factory.mktemp("tokens"), f"ci:{FIRST}\nweb:{SECOND}\n")
    with serving(city_path, "--workers", "1", "--token-file", str(file)) as server:
        yield server


def check_unauthorized(answer: Answer, method: str) -> None:
    """Check that an answer tells nothing but that a token is wanted."""
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert not [name for name in answer.headers if name.startswith("access-control-") or name == "allow"]
    if method != "HEAD":
        assert answer.json["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_is_closed(guarded: Server, method: str, path: str) -> None:
    """Without a token every route, known or not, gives the same 401."""
    answer = guarded.ask(method, path, GOOD)
    check_unauthorized(answer, method)
    if method != "HEAD":
        assert answer.body == guarded.ask("POST", "/predict", GOOD).body


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer wrong", f"Basic {FIRST}", FIRST, f"Bearer {FIRST}x", "Bearer \xff\xfe", f"Token {FIRST}"],
)
def test_wrong_tokens(guarded: Server, header: str) -> None:
    """A header that holds no valid token gives the same 401 as none, and never a 500."""
    check_unauthorized(guarded.ask("POST", "/predict", GOOD, {**JSON, "Authorization": header}), "POST")
    check_unauthorized(guarded.ask("GET", "/openapi.json", None, {"Authorization": header}), "GET")


@pytest.mark.parametrize("name", ["X-API-Key", "Cookie", "Proxy-Authorization"])
def test_other_headers_carry_no_token(guarded: Server, name: str) -> None:
    """A token counts in the header Authorization alone."""
    check_unauthorized(guarded.ask("POST", "/predict", GOOD, {**JSON, name: f"Bearer {FIRST}"}), "POST")


def test_both_tokens_are_answered(guarded: Server) -> None:
    """Each of several tokens is answered, and what is not there is 404 again."""
    for token in (FIRST, SECOND):
        assert guarded.ask("POST", "/predict", GOOD, bearer(token)).status == 200
    assert guarded.ask("GET", "/no/such/path", None, bearer(FIRST)).status == 404
    assert guarded.ask("PUT", "/predict", GOOD, bearer(FIRST)).status == 405


def test_probes_need_no_token(guarded: Server) -> None:
    """What probes ask is never 401."""
    assert guarded.ask("GET", "/livez").status == 200
    assert guarded.ask("GET", "/readyz").status == 200
    assert {guarded.ask("GET", path).status for path in open_paths()} <= {200, 404}


def test_token_is_told_nowhere(guarded: Server) -> None:
    """Start and --json name the tokens, and never show one; the curl line takes it from a variable."""
    said = guarded.stderr()
    assert guarded.ready["auth"] == {
        "loopback": True, "tokens": ["ci", "web"], "client_certificates": False, "anyone": False,
    }  # fmt: skip
    assert "one of 2 tokens: ci, web" in " ".join(said.replace("│", " ").split())
    assert '-H "Authorization: Bearer $TOKEN"' in said
    assert FIRST not in said
    assert SECOND not in said


def test_rotation(city_path: Path, tmp_path: Path) -> None:
    """A token that is added is valid within seconds, and one that is taken away no longer, without a restart."""
    file = token_file(tmp_path, f"old:{FIRST}\n")
    with serving(city_path, "--workers", "2", "--token-file", str(file)) as server:

        def statuses() -> tuple[int, ...]:
            return tuple(server.ask("POST", "/predict", GOOD, bearer(token)).status for token in (FIRST, SECOND))

        assert statuses() == (200, 401)
        token_file(tmp_path, f"old:{FIRST}\nnew:{SECOND}\n")
        time.sleep(2.2)
        assert {statuses() for _ in range(6)} == {(200, 200)}
        token_file(tmp_path, f"new:{SECOND}\n")
        time.sleep(2.2)
        assert {statuses() for _ in range(6)} == {(401, 200)}
        token_file(tmp_path, "nonsense\n")
        time.sleep(2.2)
        assert {statuses() for _ in range(6)} == {(401, 200)}
        assert server.stderr().count("stay valid") == 1
        assert "nonsense" not in server.stderr()


def test_variable_is_not_left_to_workers(city_path: Path) -> None:
    """A token of the variable is asked for."""
    with serving(city_path, "--workers", "1", env={"MLSHIP_TOKEN": FIRST}) as server:
        assert server.ask("POST", "/predict", GOOD).status == 401
        assert server.ask("POST", "/predict", GOOD, bearer(FIRST)).status == 200


def test_refused_token_file_ends_the_start(city_path: Path, tmp_path: Path) -> None:
    """A bad token file is exit code 2 before anything is opened; tokens and --no-auth together are, too."""
    result = run("serve", city_path, "--port", "0", "--token-file", token_file(tmp_path, "a:0123456789"))
    assert result.returncode == 2
    assert "line 1: the token has 10 characters" in result.stderr
    assert "0123456789" not in result.stderr
    file = token_file(tmp_path, f"a:{FIRST}")
    result = run("serve", city_path, "--port", "0", "--no-auth", "--token-file", file)
    assert result.returncode == 2
    assert "--no-auth and tokens are both given" in result.stderr
