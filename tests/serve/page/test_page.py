"""The page of one model in a browser: its form, a file, code to copy, live charts, and that everybody can use it."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.models import NUMBERS, city_model
from tests.serve.page.conftest import violations
from tests.serve.page.dropping import DROP, PARTLY
from tests.serve.server import Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

AGE, OTHER = NUMBERS
RECORD = {AGE: 31.25, OTHER: 0.1, "city": "Porto"}


def fill(page: Page, **values: str) -> None:
    """Type into fields by their labels."""
    form = page.locator("#form")
    for name, value in values.items():
        field = form.get_by_label(name, exact=True)
        if field.evaluate("node => node.localName") == "select":
            field.select_option(label=value)
        else:
            field.fill(value)


def shown(page: Page, output: str) -> str:
    """Return the figure that is shown for an output column."""
    return page.locator(f'#shown [data-output="{output}"]').inner_text()


def test_form_shows_what_predict_answers(server: Server, watched: Callable[..., Any]) -> None:
    """Fields have their hints, nothing is asked until all that must not be missing is there, and digits are kept."""
    expected = server.ask("POST", "/predict", RECORD).json["predictions"][0]
    with watched(server) as page:
        assert page.get_by_text("Proven equal to its original on 3 rows").is_visible()
        age = page.locator("#form").get_by_label(AGE, exact=True)
        assert "in the sample" in page.locator(f"#{age.get_attribute('id')}-hint").inner_text()
        fill(page, **{AGE: "+031.25", OTHER: ".1"})
        page.get_by_text("To fill in: city.").wait_for()
        fill(page, city="Porto")
        page.wait_for_selector("#shown strong")
        assert shown(page, "prediction") == expected["prediction"]
        assert shown(page, "score") == json.dumps(expected["score"])
        page.get_by_role("status").filter(has_text=f"Prediction: {expected['prediction']}").wait_for(state="attached")
        fill(page, **{OTHER: ""})  # which may be missing
        page.locator('#shown [data-output="score"]', has_text="not a number").wait_for()


def test_errors_stand_beside_their_fields(server: Server, watched: Callable[..., Any]) -> None:
    """A value that is refused is told beside its field, which says so to a screen reader, until it is mended."""
    with watched(server) as page:
        page.click("#example")
        page.wait_for_selector("#shown strong")
        fill(page, **{AGE: "old"})
        age = page.locator("#form").get_by_label(AGE, exact=True)
        page.locator("#form .error", has_text="Not a number").wait_for()
        assert age.get_attribute("aria-invalid") == "true"
        described = (age.get_attribute("aria-describedby") or "").split()
        assert "Not a number" in [page.locator(f"#{name}").inner_text() for name in described]
        fill(page, **{AGE: "1e400"})  # which a reader of JSON refuses ahead of the model
        page.locator("#form .error", has_text="Outside the range").wait_for()
        page.get_by_text("One value is refused: see the fields.").wait_for()
        fill(page, **{AGE: "7"})
        page.wait_for_selector("#shown strong")
        assert page.locator("#form .error:visible").count() == 0
        page.get_by_role("button", name="Clear").click()
        page.get_by_text("It comes as you type").wait_for()


def test_a_busy_server_is_asked_again(server: Server, watched: Callable[..., Any]) -> None:
    """What is typed is answered once the server has time for it, without another key."""
    busy = {
        "status": 503,
        "headers": {"Retry-After": "1"},
        "json": {"error": {"code": "overloaded", "message": "Busy."}},
    }
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.route("**/predict", lambda route: route.fulfill(**busy))
        page.click("#example")
        page.locator("#shown", has_text="Busy.").wait_for()
        page.unroute("**/predict")
        page.wait_for_selector("#shown strong")


@pytest.mark.parametrize(
    ("status", "code", "wait", "most"),
    [(503, "overloaded", "-1", 6), (503, "overloaded", "3000000", 1), (503, "timeout", "1", 1), (502, "", "1", 1)],
)
def test_a_server_is_not_asked_for_ever(
    server: Server, watched: Callable[..., Any], status: int, code: str, wait: str, most: int
) -> None:
    """What hung is not asked for again, what is busy now and then, whatever it says of when."""
    told = {"error": {"code": code, "message": "Not now."}}
    asked: list[float] = []

    def refuse(route: Route) -> None:
        asked.append(time.monotonic())
        route.fulfill(status=status, headers={"Retry-After": wait}, json=told)

    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.route("**/predict", refuse)
        page.click("#example")
        page.locator("#shown", has_text="Not now.").wait_for()
        page.wait_for_timeout(8_000 if most > 1 else 2_500)
        assert len(asked) == most


def test_code_works_as_copied(server: Server, watched: Callable[..., Any]) -> None:
    """What the copy buttons copy for curl, Python and JavaScript gets the answer that the form shows."""
    expected = server.ask("POST", "/predict", RECORD).json["predictions"]
    with watched(server, permissions=["clipboard-read", "clipboard-write"]) as page:
        fill(page, **{AGE: "31.25", OTHER: "0.1", "city": "Porto"})
        page.wait_for_selector("#shown strong")
        copied = {}
        for name in ("curl", "Python", "JavaScript"):
            page.locator(".snippet", has_text=name).get_by_role("button", name="Copy").click()
            page.get_by_text(f"{name} is copied.").wait_for()
            copied[name] = page.evaluate("navigator.clipboard.readText()")
        logged: list[str] = []
        page.on("console", lambda message: logged.append(message.text))
        with page.expect_console_message():
            page.evaluate(copied["JavaScript"])
    assert json.loads(logged[-1]) == expected
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    told = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout
        for command in (["bash", "-c", copied["curl"]], [sys.executable, "-c", copied["Python"]])
    ]
    assert json.loads(told[0])["predictions"] == expected
    assert ast.literal_eval(told[1]) == expected


def test_charts_move_under_load(server: Server, watched: Callable[..., Any]) -> None:
    """While requests come, rate, latency, errors and drift are drawn and told in words; Pause holds them."""
    with watched(server) as page:
        requests = page.locator('[data-chart="requests"]')
        requests.wait_for()
        before = requests.inner_text()
        drawn = page.locator('[data-chart="output0"] svg')
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and (requests.inner_text() == before or not drawn.count()):
            for _ in range(20):
                server.ask("POST", "/predict", RECORD)
            server.ask("POST", "/predict", {AGE: "x"})
            page.wait_for_timeout(100)
        for key, text in {
            "requests": "requests a second now",
            "latency": "Half of the requests",
            "errors": "input_refused",
            "batch": "were scored in a call of several rows",
            "drift": "of the sample",
            "output0": "in the sample",
        }.items():
            chart = page.locator(f'[data-chart="{key}"]')
            chart.filter(has_text=text).wait_for()
            assert chart.locator("svg.picture > :is(rect, svg, line)").count() > 0
            assert chart.locator("svg.picture").first.get_attribute("aria-labelledby")
        assert requests.inner_text() != before
        assert "answered" in (requests.locator("desc").text_content() or "")
        requests.get_by_text("The figures").click()
        requests.locator("tbody tr").first.wait_for()
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("Paused.").wait_for()
        held = requests.inner_text()
        server.ask("POST", "/predict", RECORD)
        page.wait_for_timeout(2_500)
        assert requests.inner_text() == held


@pytest.mark.parametrize(
    ("scheme", "width", "height"),
    [
        pytest.param("light", 1280, 900),
        pytest.param("dark", 320, 740),
        pytest.param("dark", 1280, 900, marks=pytest.mark.whole),
        pytest.param("light", 320, 740, marks=pytest.mark.whole),
    ],
)
def test_everybody_can_use_it(
    server: Server, watched: Callable[..., Any], scheme: str, width: int, height: int
) -> None:
    """axe-core finds nothing in any state, and nothing is wider than the window."""
    with watched(server, color_scheme=scheme, viewport={"width": width, "height": height}) as page:
        page.wait_for_selector("[data-chart]")
        assert violations(page) == []
        page.click("#example")
        page.wait_for_selector("#shown strong")
        fill(page, **{AGE: "old"})
        page.locator("#form .error", has_text="Not a number").wait_for()
        page.evaluate(DROP, PARTLY)
        page.get_by_text("3 rows scored, 3 rows rejected.").wait_for()
        page.get_by_text("All columns, and more about it").click()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto(server.ready["url"] + "/docs")
        page.wait_for_selector("#paths section")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keyboard_reaches_all(server: Server, watched: Callable[..., Any]) -> None:
    """The first Tab finds a way past the header, and from there Tab goes through the form in its order."""
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the model"
        page.keyboard.press("Enter")
        reached = []
        for _ in range(8):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate("document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent")
            )
        wanted = ["Fill in an example", "Clear", AGE, OTHER, "city", "Drop a CSV file here, or choose one"]
        assert [name for name in reached if name in wanted] == wanted


def test_docs_tell_all_paths(server: Server, watched: Callable[..., Any]) -> None:
    """/docs shows each path of /openapi.json, and an example that the model answers."""
    document = server.ask("GET", "/openapi.json").json
    with watched(server, "/docs") as page:
        page.wait_for_selector("#paths section")
        heads = page.locator("#paths h2").all_inner_texts()
        assert [head.split()[1] for head in heads] == list(document["paths"])
        assert set(page.locator("#schemas h3").all_inner_texts()) == set(document["components"]["schemas"])
        example = page.locator("section.card", has=page.locator("#post-predict")).locator("pre").first.inner_text()
        answer = server.ask("POST", "/predict", example.encode())
        assert answer.status == 200
        with page.expect_download() as caught:
            page.get_by_role("link", name="openapi.json", exact=True).click()
        assert json.loads(Path(caught.value.path()).read_bytes()) == document


@pytest.mark.whole
def test_another_version_takes_over(watched: Callable[..., Any], tmp_path: Path) -> None:
    """After a reload the page tells the new version, and what was typed, and where, stays."""
    path = tmp_path / "cities.onnx"
    path.write_bytes(city_model())
    with serving(path, "--workers", "1") as server, watched(server) as page:
        fill(page, **{AGE: "31.25", "city": "Porto", OTHER: "7"})
        page.wait_for_selector("#shown strong")
        path.write_bytes(city_model(version="v2"))
        server.process.send_signal(signal.SIGHUP)
        while server.ask("POST", "/predict", RECORD).json["model"]["version"] != "v2":
            time.sleep(0.1)
        fill(page, **{OTHER: "8"})
        page.locator("#facts", has_text="v2").wait_for()
        assert page.evaluate("document.activeElement.value") == "8"
        page.locator('#shown [data-output="score"]', has_text="55").wait_for()
        assert page.locator("#form").get_by_label(AGE, exact=True).input_value() == "31.25"
