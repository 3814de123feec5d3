"""Google Cloud Storage goes by generations where S3 goes by etags; a small server speaks its part of the protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from obstore.store import from_url

from mlship import objects
from mlship.objects import ObjectChanged, ObjectThere, parse


class _Google(BaseHTTPRequestHandler):
    """Keeps one object, and replaces it when the generation that a request names is the present one."""

    protocol_version = "HTTP/1.1"
    generation: ClassVar[int] = 0
    data: ClassVar[bytes] = b""
    conditions: ClassVar[list[str | None]] = []

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        condition = self.headers.get("x-goog-if-generation-match")
        self.conditions.append(condition)
        if condition is not None and int(condition) != self.generation:
            self._answer(412, b"")
            return
        type(self).generation, type(self).data = self.generation + 7, data
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._answer(200, self.data)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"the same"')  # so that nothing but the generation tells one from another
        self.send_header("x-goog-generation", str(self.generation))
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 03:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Google]]:
    """That server, which gs:// leads to."""

    class Handler(_Google):
        conditions: ClassVar[list[str | None]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    account = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True}
    (tmp_path / "account.json").write_text(
        json.dumps({**account, "client_email": "", "private_key": "", "private_key_id": ""}), encoding="utf-8"
    )
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    # Google's own address is always https, so that only the test needs this.
    monkeypatch.setattr(objects, "_client", lambda root, _: from_url(root, client_options={"allow_http": True}))
    try:
        yield Handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_conditions_name_generations(google: type[_Google]) -> None:
    """A new object is put at generation 0, a replaced one at the generation that was read."""
    place = parse("gs://bucket/a")
    made = objects.put_new(place, b"one")
    with pytest.raises(ObjectThere):
        objects.put_new(place, b"two")
    data, found = objects.get(place)
    assert (data, found.stamp) == (b"one", made)

    replaced = objects.put_over(place, b"two", found.stamp)
    with pytest.raises(ObjectChanged):
        objects.put_over(place, b"three", found.stamp)
    objects.put_over(place, b"three", replaced)
    assert google.data == b"three"
    assert google.conditions == ["0", "0", "7", "7", "14"]
