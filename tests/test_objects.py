"""Objects of a store, against a real S3 server on loopback."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import from_url

from mlship import objects
from mlship.errors import DependencyMissing, InputRefused, MlshipError, OutputFailed, UsageError, exit_code_of
from mlship.objects import Location, ObjectChanged, ObjectThere, Stamp, is_uri, parse

SECRET = "hunter2"  # noqa: S105 - what must not be repeated


def raw(place: Location) -> bytes:
    """Read an object past the code under test."""
    store = from_url(place.root, client_options={"allow_http": True})
    return bytes(obstore.get(store, place.key).bytes())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("s3://bucket/a/b.csv", True, id="s3"),
        pytest.param("gs://bucket/", True, id="gs"),
        pytest.param("az://container/a", True, id="az"),
        pytest.param("S3://bucket/a", True, id="capitals"),
        pytest.param("a/b.csv", False, id="file"),
        pytest.param("s3:/bucket", False, id="one slash"),
        pytest.param("s3", False, id="name"),
        pytest.param("https://host/a", False, id="web"),
    ],
)
def test_uris_of_stores_are_told_from_files(text: str, expected: bool) -> None:
    """Only the three schemes make a text a place in a store."""
    assert is_uri(text) is expected


@given(
    st.sampled_from(["s3", "gs", "az"]),
    st.from_regex(r"[a-z0-9][a-z0-9.-]{2,20}", fullmatch=True),
    st.lists(
        st.text(st.characters(exclude_characters="/?#", codec="utf-8"), min_size=1).filter(lambda t: t.strip("."))
    ),
)
def test_a_uri_is_taken_apart_and_put_together(scheme: str, bucket: str, parts: list[str]) -> None:
    """Scheme, bucket and key come out as they went in, and nothing in a key is decoded."""
    key = "/".join(parts)
    place = parse(f"{scheme}://{bucket}/{key}")

    assert place == Location(scheme, bucket, key)
    assert parse(place.uri) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("s3://", "names no bucket", id="no bucket"),
        pytest.param("s3:///key", "names no bucket", id="no bucket but a key"),
        pytest.param(f"s3://me:{SECRET}@bucket/key", "'s3://bucket/...' has a user name", id="user"),
        pytest.param(f"az://box/key?sig={SECRET}", "'az://box/...' has a user name, '?'", id="query"),
        pytest.param(f"s3://bucket?sig={SECRET}", "'s3://bucket/...' has a user name, '?'", id="query at the bucket"),
        pytest.param(f"s3://bucket/a#{SECRET}", "'?' or '#'", id="fragment"),
        pytest.param("s3://bucket/a//b", "an empty part", id="two slashes"),
        pytest.param("s3://bucket/../b", "'..'", id="parent"),
        pytest.param(f"http://host/a?sig={SECRET}", "'http://host/a' is no URI of a store", id="web"),
    ],
)
def test_refused_uris(text: str, said: str) -> None:
    """A URI that names no place is refused with exit code 2, and what may be a credential is not repeated."""
    with pytest.raises(UsageError) as refused:
        parse(text)

    assert said in refused.value.message
    assert exit_code_of(refused.value) == 2
    assert SECRET not in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize("key", ["a.csv", "deep/er/a.csv", "a b+c%20d é.csv", "day=2026-01-02/a.csv"])
def test_an_object_is_put_found_read_and_removed(bucket: str, key: str) -> None:
    """What is put is listed under its folder, read back whole and by range, and gone once removed."""
    place = parse(f"{bucket}/folder/{key}")
    stamp = objects.put_new(place, b"0123456789")
    objects.put(parse(f"{bucket}/folder-2/other"), b"")

    found = objects.head(place)
    assert (found.uri, found.size, found.etag) == (place.uri, 10, stamp.e_tag)
    assert list(objects.list_objects(parse(f"{bucket}/folder/"))) == [found]
    assert objects.get(place) == (b"0123456789", found)
    assert objects.get_range(place, 2, 5) == b"234"
    assert objects.get_range(place, 8, 99, stamp.e_tag) == b"89"
    assert list(objects.stream(place, 4)) == [b"0123", b"4567", b"89"]

    objects.delete([place])
    objects.delete([place])
    assert objects.get_if_there(place) is None
    assert list(objects.list_objects(parse(f"{bucket}/folder/"))) == []
    assert len(list(objects.list_objects(parse(f"{bucket}/")))) == 1


def test_more_objects_than_a_page_are_listed_and_removed(bucket: str) -> None:
    """A store lists and removes a thousand at once; more are no fewer."""
    places = [parse(f"{bucket}/many/{number:05d}") for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda place: objects.put(place, b"x"), places))

    assert [found.uri for found in objects.list_objects(parse(f"{bucket}/many/"))] == [place.uri for place in places]
    objects.delete(places)
    assert list(objects.list_objects(parse(f"{bucket}/many/"))) == []


def test_conditional_puts(bucket: str) -> None:
    """A new object is put only where there is none, and one version replaced only while it is the present one."""
    place = parse(f"{bucket}/a")
    stamp = objects.put_new(place, b"one")
    with pytest.raises(ObjectThere, match="is there already") as there:
        objects.put_new(place, b"two")
    assert exit_code_of(there.value) == 6
    assert raw(place) == b"one"

    objects.put_over(place, b"two", stamp)
    with pytest.raises(ObjectChanged, match="changed by something else"):
        objects.put_over(place, b"three", stamp)
    with pytest.raises(ObjectChanged):
        objects.put_over(parse(f"{bucket}/absent"), b"three", stamp)
    with pytest.raises(ObjectChanged):
        objects.get_range(place, 0, 1, stamp.e_tag)
    assert raw(place) == b"two"


@pytest.mark.parametrize("first", [True, False], ids=["new", "replaced"])
def test_of_many_conditional_puts_at_once_one_wins(bucket: str, first: bool) -> None:
    """Sixteen puts at the same time, on the same condition: one is done, the others are told."""
    place = parse(f"{bucket}/a")
    stamp = Stamp(None, None) if first else objects.put_new(place, b"before")

    def try_it(number: int) -> int:
        try:
            data = b"%d" % number
            if first:
                objects.put_new(place, data)
            else:
                objects.put_over(place, data, stamp)
        except (ObjectThere, ObjectChanged):
            return -1
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(try_it, range(16)) if number >= 0]
    assert raw(place) == b"%d" % winners[0]
    assert len(winners) == 1


def test_an_object_is_put_block_by_block(bucket: str) -> None:
    """Blocks of more than one request's worth become one object."""
    place = parse(f"{bucket}/large")
    objects.put(place, (bytes([number]) * (1 << 20) for number in range(12)))

    assert raw(place) == b"".join(bytes([number]) * (1 << 20) for number in range(12))


def test_what_is_not_there(bucket: str) -> None:
    """An absent object and an absent bucket are refused inputs, and a failed output when something is to be put."""
    with pytest.raises(InputRefused) as refused:
        objects.get(parse(f"{bucket}/absent.csv"))
    assert refused.value.message == f"'{bucket}/absent.csv' is not there."
    with pytest.raises(InputRefused, match="'s3://no-such-bucket': there is no such bucket"):
        list(objects.list_objects(parse("s3://no-such-bucket/a/")))
    with pytest.raises(OutputFailed, match="'s3://no-such-bucket': there is no such bucket"):
        objects.put_new(parse("s3://no-such-bucket/a"), b"")


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request with one status and a text that nobody should see."""

    status = 403

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = f"<Error><Code>AccessDenied</Code><Message>{SECRET}</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = _answer  # noqa: N815 - http.server calls them by these names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Refusing]]:
    """A server that the environment leads to and that answers with the status of the class it yields."""

    class Handler(_Refusing):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{SECRET}-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr(objects, "_RETRIES", 1)
    try:
        yield Handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


CALLS = [
    pytest.param(objects.head, "read", id="head"),
    pytest.param(objects.get, "read", id="get"),
    pytest.param(lambda place: objects.put_new(place, b"x"), "written", id="put"),
    pytest.param(lambda place: list(objects.list_objects(place)), "listed", id="list"),
    pytest.param(lambda place: objects.delete([place]), "deleted", id="delete"),
]


@pytest.mark.parametrize(("call", "done"), CALLS)
@pytest.mark.parametrize(("status", "said"), [(403, "refused the credentials"), (401, "refused the"), (503, "503")])
def test_a_store_that_refuses(
    refusing: type[_Refusing], call: Callable[[Location], object], done: str, status: int, said: str
) -> None:
    """A refusal is a failure that may be tried again; it names URI and environment, and nothing that is secret."""
    refusing.status = status
    with pytest.raises(OutputFailed) as failed:
        call(parse("s3://bucket/folder/a.csv"))

    told = f"{failed.value.message} {failed.value.hint}"
    assert "'s3://bucket/folder/a.csv' could not be " + done in told
    assert "AWS_ACCESS_KEY_ID" in told
    assert said in told
    assert exit_code_of(failed.value) == 6
    assert SECRET not in told
    assert failed.value.__suppress_context__


def test_a_store_that_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the tries end, as a failure that may be tried again."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(OutputFailed, match="could not be read: the store could not be reached") as failed:
        objects.head(parse("s3://bucket/a"))
    assert failed.value.hint is not None
    assert "AWS_ENDPOINT_URL" in failed.value.hint


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is optional, and its absence says how to get it."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(DependencyMissing) as missing:
        objects.head(parse("s3://bucket/a"))
    assert missing.value.message == "'s3://bucket' needs the library 'obstore', which is not installed."
    assert missing.value.hint == "pip install 'mlship[cloud]'"
    assert exit_code_of(missing.value) == 8


def test_other_stores_take_the_same_road(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container without an account is told with what to set, before anything goes over the network."""
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    with pytest.raises(MlshipError) as failed:
        objects.head(parse("az://container/a"))
    assert isinstance(failed.value, OutputFailed)
    assert failed.value.hint is not None
    assert "AZURE_STORAGE_ACCOUNT_NAME" in failed.value.hint
