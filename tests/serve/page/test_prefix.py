"""The page behind a proxy that has put the server under a path of its own."""

from __future__ import annotations

import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from tests.serve.page.dropping import DROP, PARTLY
from tests.serve.server import Server

PREFIX = "/models/a b"
"""As it is seen by the server; `%20` on the line."""


@contextmanager
def proxied(server: Server) -> Iterator[str]:
    """Run a proxy that takes the prefix away and knows nothing else; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            prefix = PREFIX.replace(" ", "%20")
            if not self.path.startswith(prefix + "/"):
                self.send_error(404)
                return
            size = int(self.headers.get("Content-Length", 0))
            request = urllib.request.Request(  # noqa: S310 - the server of this test
                server.ready["url"] + self.path.removeprefix(prefix),
                data=self.rfile.read(size) if size else None,
                headers=dict(self.headers.items()),
                method=self.command,
            )
            try:
                answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("connection", "date", "server"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name of `http.server`

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}{PREFIX.replace(' ', '%20')}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


def test_page_stays_under_its_prefix(server: Server, watched: Callable[..., Any]) -> None:
    """Files, form, file, charts, code and /docs ask for nothing outside the prefix, and code works as copied."""
    with proxied(server) as url, watched(SimpleNamespace(ready={"url": url})) as page:
        page.wait_for_selector("[data-chart]")
        page.click("#example")
        page.wait_for_selector("#shown strong")
        page.evaluate(DROP, PARTLY)
        page.get_by_text("3 rows scored, 3 rows rejected.").wait_for()
        code = page.locator(".snippet code").first.inner_text()
        assert f"{url}/predict" in code
        copied = ["bash", "-c", code]
        done = subprocess.run(copied, capture_output=True, text=True, check=True, timeout=30)
        assert '"predictions"' in done.stdout
        page.get_by_role("link", name="API").click()
        page.wait_for_selector("#paths section")
        page.get_by_role("link", name="Page").click()
        page.get_by_role("heading", name="cities").wait_for()


def test_a_token_is_not_kept_for_the_neighbours(server: Server, watched: Callable[..., Any]) -> None:
    """Under which name a token is kept names the prefix: one origin may hold several servers."""
    with proxied(server) as url, watched(SimpleNamespace(ready={"url": url})) as page:
        page.wait_for_selector("[data-chart]")
        page.evaluate("['mlship.token', 'mlship.token /'].forEach((key) => sessionStorage.setItem(key, 'of-another'))")
        sent: list[Any] = []
        page.on("request", lambda request: sent.append(request.headers.get("authorization")))
        page.reload()
        page.wait_for_selector("[data-chart]")
        assert sent
        assert set(sent) == {None}
