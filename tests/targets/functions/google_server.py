"""What functions meet at Google: a small server of Cloud Storage, and a topic of Pub/Sub by its own protocol."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import grpc
from google.pubsub_v1.types import PublishRequest, PublishResponse

_WHEN = "Fri, 27 Nov 2026 03:00:00 GMT"


class Storage:
    """Cloud Storage by its XML interface: objects, generations, conditions, ranges and listings.

    Attributes:
        objects: Generation and bytes of each object, by `bucket/key`.
        url: Where it listens.
        refuses: Whether every write is refused.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.url = ""
        self.refuses = False
        self.generation = 0

    def put(self, name: str, data: bytes) -> None:
        """Put an object as somebody else does."""
        self.generation += 1
        self.objects[name] = (self.generation, data)

    def names(self, prefix: str) -> list[str]:
        """Return the names of objects, `bucket/key`, that begin so."""
        return sorted(name for name in self.objects if name.startswith(prefix))


class _Handler(BaseHTTPRequestHandler):
    storage: Storage
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        name, wanted = self._name(), self.headers.get("x-goog-if-generation-match")
        if self.storage.refuses:
            self._answer(403, b"")
        elif wanted is not None and int(wanted) != self.storage.objects.get(name, (0, b""))[0]:
            self._answer(412, b"")
        else:
            self.storage.put(name, data)
            self._answer(200, b"", name)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._answer(200, self._listed(query.get("prefix", [""])[0]))
            return
        name = self._name()
        if name not in self.storage.objects:
            self._answer(404, b"<Code>NoSuchKey</Code>")
            return
        data = self.storage.objects[name][1]
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if span is None:
            self._answer(200, data, name)
        else:
            start, stop = int(span[1]), min(int(span[2]) + 1, len(data))
            self._answer(206, data[start:stop], name, f"bytes {start}-{stop - 1}/{len(data)}")

    def do_DELETE(self) -> None:
        there = self.storage.objects.pop(self._name(), None)
        self._answer(204 if there else 404, b"")

    def _name(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/")

    def _listed(self, prefix: str) -> bytes:
        bucket = self._name().strip("/")
        found = "".join(
            f"<Contents><Key>{escape(name.removeprefix(f'{bucket}/'))}</Key><ETag>&quot;{generation}&quot;</ETag>"
            f"<Size>{len(data)}</Size><LastModified>2026-11-27T03:00:00.000Z</LastModified></Contents>"
            for name, (generation, data) in sorted(self.storage.objects.items())
            if name.startswith(f"{bucket}/{prefix}")
        )
        return f"<ListBucketResult>{found}<IsTruncated>false</IsTruncated></ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes, name: str = "", span: str = "") -> None:
        self.send_response(status)
        self.send_header("Last-Modified", _WHEN)
        self.send_header("Content-Length", str(len(body)))
        if name:
            generation = self.storage.objects[name][0]
            self.send_header("ETag", f'"{generation}"')
            self.send_header("x-goog-generation", str(generation))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def storage_server() -> Iterator[Storage]:
    """Run such a server."""
    storage = Storage()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"storage": storage}))
    server.daemon_threads = True
    storage.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield storage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Topics(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Pub/Sub, as far as publishing goes: https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1.

    Attributes:
        messages: What was published, by topic.
        address: Where it listens.
    """

    def __init__(self) -> None:
        self.messages: dict[str, list[bytes]] = {}
        self.address = ""

    def service(self, called: Any) -> Any:
        """Return what answers a call."""
        if called.method != "/google.pubsub.v1.Publisher/Publish":
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._publish,
            request_deserializer=PublishRequest.deserialize,
            response_serializer=PublishResponse.serialize,
        )

    def _publish(self, request: Any, context: Any) -> Any:
        if request.topic.endswith("/refused"):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        taken = self.messages.setdefault(request.topic, [])
        taken += [message.data for message in request.messages]
        return PublishResponse(message_ids=[str(len(taken)) for _ in request.messages])


@contextmanager
def topic_server() -> Iterator[Topics]:
    """Run it."""
    topics = Topics()
    server = grpc.server(ThreadPoolExecutor(2), handlers=(topics,))
    topics.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield topics
    finally:
        server.stop(None).wait()
