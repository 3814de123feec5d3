"""Who sees what of the page: tokens, several models, names that are HTML, values that JavaScript would round."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.page.conftest import violations
from tests.serve.page.models import HTML, KINDS, QUOTED, SCRIPT, html_model, kinds_model
from tests.serve.server import JSON, Server, running, serving
from tests.serve.server import command as mlship

if TYPE_CHECKING:
    from playwright.sync_api import Page

TOKEN = "sesame-open-the-door-41"  # noqa: S105 - of this test
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two models that wants a token, and has a shadow for none."""
    folder = tmp_path_factory.mktemp("doors")
    (folder / "kinds.onnx").write_bytes(kinds_model())
    (folder / "html.onnx").write_bytes(html_model())
    models = [f"{name}={folder / name}.onnx" for name in ("kinds", "html")]
    options = ("--port", "0", "--json", "--workers", "1", "--threads", "2")
    with running(mlship("serve", *models, *options), env={"MLSHIP_TOKEN": TOKEN}) as server:
        yield server


def let_in(page: Page) -> None:
    """Show the token."""
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    page.wait_for_selector("#model:visible, #docs:visible")


def test_page_asks_for_the_token(guarded: Server, watched: Callable[..., Any]) -> None:
    """Nothing of a model is there before; a wrong token is told; the right one lasts as long as the tab."""
    with watched(guarded) as page:
        page.get_by_label("Token").wait_for()
        assert "kinds" not in page.content()
        assert violations(page) == []
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("The server does not know this token.").wait_for()
        page.get_by_label("Token").fill("é")
        page.keyboard.press("Enter")
        page.get_by_text("no letters beyond ASCII").wait_for()
        let_in(page)
        assert page.evaluate("document.activeElement.id") == "title"
        page.reload()
        page.get_by_role("heading", name="kinds").wait_for()
        page.locator("[data-chart]").first.wait_for()
        page.goto(guarded.ready["url"] + "/docs")
        page.locator("#paths h2").first.wait_for()


def test_a_token_is_kept_where_it_was_accepted_and_nowhere_else(guarded: Server, watched: Callable[..., Any]) -> None:
    """The session never holds a token that was refused, and the field holds none once it was let in."""
    kept = "() => JSON.stringify({...sessionStorage})"
    with watched(guarded) as page:
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("The server does not know this token.").wait_for()
        assert "wrong" not in page.evaluate(kept)
        let_in(page)
        page.locator("#ask").wait_for(state="hidden")
        assert page.evaluate("document.getElementById('token').value") == ""
        assert TOKEN in page.evaluate(kept)


@pytest.mark.whole
def test_another_server_in_its_place(watched: Callable[..., Any], tmp_path: Path) -> None:
    """When the server comes back with another model the page shows that one, and with another token it asks for it."""
    for name, model in (("html", html_model()), ("kinds", kinds_model())):
        (tmp_path / f"{name}.onnx").write_bytes(model)
    options = ("--json", "--workers", "1")

    def other(name: str, port: int) -> Any:
        return mlship("serve", f"{name}={tmp_path / name}.onnx", *options, "--port", str(port))

    with contextlib.ExitStack() as stack:
        first = stack.enter_context(running(other("html", 0)))
        page = stack.enter_context(watched(first))
        page.locator("[data-chart]").first.wait_for()
        pause = page.get_by_role("button", name="Pause")
        pause.click()
        page.wait_for_timeout(1_000)  # for an answer that is under way
        _end(first)
        second = stack.enter_context(running(other("kinds", first.port)))
        pause.click()
        page.get_by_role("heading", name="kinds").wait_for()
        page.locator("[data-chart]").first.wait_for()
        pause.click()
        page.wait_for_timeout(1_000)  # for an answer that is under way
        _end(second)
        stack.enter_context(running(other("kinds", first.port), env={"MLSHIP_TOKEN": TOKEN}))
        page.click("#example")
        page.get_by_label("Token").wait_for()
        assert page.evaluate("document.activeElement.id") == "token"
        let_in(page)
        page.wait_for_selector("#shown strong")
        pause.click()
        page.locator("#live-said", has_text="Of all workers").wait_for()


def _end(server: Server) -> None:
    server.process.terminate()
    server.process.wait(timeout=40)


def test_values_keep_their_digits(guarded: Server, watched: Callable[..., Any]) -> None:
    """An integer beyond what JavaScript holds reaches the model as typed, which refuses to round it; dates do too."""
    day, moment, yes, whole, missing = KINDS
    record = {day: "2026-01-31", moment: "2026-01-31T12:00:00.000001", yes: True, whole: 2**53, missing: None}
    answer = guarded.ask("POST", "/models/kinds/predict", {**record, missing: 0.5}, {**JSON, **BEARER})
    with watched(guarded) as page:
        let_in(page)
        form = page.locator("#form")
        form.get_by_label(day).fill(record[day])
        form.get_by_label(moment).fill(record[moment])
        form.get_by_label(yes).select_option(label="true")
        form.get_by_label(missing).fill("0.5")
        form.get_by_label(whole).fill(str(2**53 + 1))
        page.locator("#form .error", has_text="cannot hold exactly").wait_for()
        form.get_by_label(whole).fill(str(2**53))
        page.wait_for_selector("#shown strong")
        assert page.locator("#shown strong").inner_text() == json.dumps(answer.json["predictions"][0]["prediction"])
        assert str(2**53) in page.locator(".snippet", has_text="Python").inner_text()


def test_names_are_texts(guarded: Server, watched: Callable[..., Any]) -> None:
    """Names, categories, labels and versions with HTML in them are shown as they are, and run nothing."""
    with watched(guarded) as page:
        let_in(page)
        page.get_by_label("Model", exact=True).select_option("html")
        page.get_by_role("heading", name="html").wait_for()
        form = page.locator("#form")
        assert form.locator("label").first.inner_text() == HTML
        for category, label in ((HTML, SCRIPT), (SCRIPT, HTML)):
            form.locator("select").select_option(label=category)
            page.locator("#shown strong", has_text=label).wait_for()
        form.locator("select").select_option(label="another value …")
        form.get_by_label(f"Another value of {HTML}").fill(QUOTED)
        page.locator("#shown strong", has_text=QUOTED).wait_for()
        page.get_by_text("All columns, and more about it").click()
        assert page.locator("#facts", has_text=QUOTED).count() == 1
        page.locator('[data-chart="output0"]', has_text=SCRIPT).wait_for(timeout=15_000)
        assert page.locator("img, main script").count() == 0
        assert page.evaluate("location.search") == "?model=html"
        code = page.locator(".snippet code")
        environment = {**os.environ, "MLSHIP_TOKEN": TOKEN}
        expected = {"prediction": QUOTED, f"probability_{SCRIPT}": 0.5}
        for place, program in enumerate((["bash", "-c"], None, [*_node(), "-e"])):
            if program is not None:
                told = subprocess.run(
                    [*program, code.nth(place).inner_text()],
                    env=environment, capture_output=True, text=True, check=True, timeout=30,
                )  # fmt: skip
                answer = json.loads(told.stdout)
                assert (answer["predictions"] if isinstance(answer, dict) else answer) == [expected]


def _node() -> list[str]:
    """The Node.js that Playwright brings."""
    from playwright._impl._driver import compute_driver_executable

    return [compute_driver_executable()[0]]


def test_no_page(city_path: Path) -> None:
    """With --no-page the paths of the page are like any unknown path, and are not told of."""
    with serving(city_path, "--workers", "1", "--no-page") as server:
        unknown = server.ask("GET", "/no/such/path").body
        for path in ("/", "/docs", "/page/page.js", "/page/about", "/page/live"):
            answer = server.ask("GET", path, headers={"Accept": "text/html"})
            assert (answer.status, answer.body) == (404, unknown)
        assert not {"GET /", "GET /docs"} & set(server.ready["endpoints"])
        assert "Page" not in server.stderr()
