"""Chromium, and pages in it that may speak to one server only and must not break their policy."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.page.models import sampled_city_model
from tests.serve.server import Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

Open = Callable[..., Any]

_VIOLATIONS = "addEventListener('securitypolicyviolation', (event) => console.error('POLICY ' + event.blockedURI));"


@pytest.fixture(scope="module")  # no longer: the library keeps an event loop in its thread, which other tests have too
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no `chromium`, the browser that the page is looked at with")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("there is no `playwright`, by which the browser is driven")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as library:
        started = library.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def watched(browser: Browser) -> Callable[..., Any]:
    """Opens a page for the length of a `with` block, at whose end nothing may have been wrong with it."""

    @contextmanager
    def opened(server: Server, path: str = "/", **options: Any) -> Iterator[Page]:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.add_init_script(_VIOLATIONS)
        context.set_default_timeout(10_000)
        page = context.new_page()
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: _shut(wrong, dialog))
        page.on("console", lambda message: _note(wrong, message.type, message.text))
        page.goto(server.ready["url"] + path)
        yield page
        context.close()
        origin = server.ready["url"] + "/"
        assert asked
        assert [url for url in asked if not url.startswith((origin, f"blob:{origin}"))] == []
        assert wrong == []

    return opened


def _shut(wrong: list[str], dialog: Dialog) -> None:
    """Note a window that was opened, which no part of the page does."""
    wrong.append(dialog.message)
    dialog.dismiss()


def _note(wrong: list[str], kind: str, text: str) -> None:
    """Note what the browser complains of; that an answer has a status of an error is no complaint."""
    if kind in ("error", "warning") and not text.startswith("Failed to load resource: the server responded"):
        wrong.append(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the model of cities with a sample; files are sent to it in parts of 3 rows."""
    path = tmp_path_factory.mktemp("page") / "cities.onnx"
    path.write_bytes(sampled_city_model())
    with serving(path, "--workers", "2", "--threads", "2", "--max-rows", "3") as running:
        yield running


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with what is shown now."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    told = page.evaluate("async () => (await axe.run()).violations")
    return [f"{item['id']}: {json.dumps([node['target'] for node in item['nodes']])}" for item in told]
