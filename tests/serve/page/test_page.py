"""The page of one model in a browser: its form, a file, code to copy, live charts, and that everybody can use it."""

from __future__ import annotations

import ast
import csv
import io
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
from tests.serve.page.models import sampled_city_model
from tests.serve.server import Server, run, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

AGE, OTHER = NUMBERS
RECORD = {AGE: 31.25, OTHER: 0.1, "city": "Porto"}
PARTLY = f"""{AGE},note,{OTHER},city
1,"a, ""b""\nc",2,Porto
2,,NaN,Lisboa
3,x,,Paris

x,y,1e-3,Porto
5,z,0.1,Porto
1e400,,1,Lisboa
"""
DROP = """(text) => {
  const data = new DataTransfer();
  data.items.add(new File([text], "people.csv", { type: "text/csv" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document
      .getElementById("drop")
      .dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


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


def saved(page: Page, name: str) -> tuple[str, str]:
    """Click on a link of a download and return the file's name and its text."""
    with page.expect_download() as caught:
        page.get_by_role("link", name=name).click()
    return caught.value.suggested_filename, Path(caught.value.path()).read_bytes().decode()


def test_file_is_scored_and_handed_back(server: Server, watched: Callable[..., Any], tmp_path: Path) -> None:
    """A dropped CSV is scored in parts; the rejects tell their reasons.

    The result has the bytes of `mlship batch` where the file's quotes are those that batch writes; see the next test.
    """
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.evaluate(DROP, PARTLY)
        page.get_by_text("people.csv: 3 rows scored, 3 rows rejected.").wait_for()
        name, text = saved(page, "Download the result")
        assert name == "people.scored.csv"
        (tmp_path / "cities.onnx").write_bytes(sampled_city_model())
        (tmp_path / "people.csv").write_text(PARTLY, encoding="utf-8")
        done = run("batch", tmp_path / "people.csv", "-m", tmp_path / "cities.onnx")
        assert done.returncode == 0, done.stderr
        assert text == (tmp_path / "people.scored.csv").read_bytes().decode()
        assert len(list(csv.reader(io.StringIO(text)))) == 4
        name, text = saved(page, "Download the rejects")
        assert name == "people.rejects.csv"
        assert list(csv.reader(io.StringIO(text))) == [
            ["row", "reasons", AGE, "note", OTHER, "city"],
            ["3", "city: unknown_category", "3", "x", "", "Paris"],
            ["4", f"{AGE}: not_a_number", "x", "y", "1e-3", "Porto"],
            ["6", f"{AGE}: out_of_range", "1e400", "", "1", "Lisboa"],
        ]


def test_odd_quotes_are_handed_back(server: Server, watched: Callable[..., Any], tmp_path: Path) -> None:
    """Quotes that batch would leave away stay as they are in the file; the values are those of batch."""
    text = f'{AGE},note,{OTHER},city\n"1",a "b" c,"2","Porto"\n3,"x",4,Lisboa\n'
    (tmp_path / "cities.onnx").write_bytes(sampled_city_model())
    (tmp_path / "people.csv").write_text(text, encoding="utf-8")
    done = run("batch", tmp_path / "people.csv", "-m", tmp_path / "cities.onnx")
    assert done.returncode == 0, done.stderr
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.evaluate(DROP, text)
        page.get_by_text("people.csv: 2 rows scored, 0 rows rejected.").wait_for()
        _, scored = saved(page, "Download the result")
    assert '"1",a "b" c,"2","Porto",' in scored
    expected = (tmp_path / "people.scored.csv").read_text(encoding="utf-8")
    assert list(csv.reader(io.StringIO(scored))) == list(csv.reader(io.StringIO(expected)))


FILES = {
    "semicolons": (f"{AGE};{OTHER};city\r\n1,5;2;Porto\r\n2,5;;Lisboa\r\n".encode(), "2 rows scored, 0 rows rejected"),
    "utf-16": (f"{AGE},{OTHER},city\n1,2,Porto".encode("utf-16"), "1 row scored, 0 rows rejected"),
    "header only": (f"{AGE},{OTHER},city\n".encode(), "0 rows scored, 0 rows rejected"),
    "latin-1": (f"{AGE},{OTHER},city\n1,2,\xe9".encode("latin-1"), "not text in UTF-8"),
    "other columns": (b"a,b\n1,2\n", "none of the model's columns"),
    "empty": (b"", "The file is empty."),
    "open quote": (f'{AGE},{OTHER},city\n1,2,"Porto\n'.encode(), "never closed"),
}


def test_files_of_all_kinds(server: Server, watched: Callable[..., Any]) -> None:
    """A file that is chosen by keyboard is scored, or it is said why not; one follows the other."""
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        for name, (data, told) in FILES.items():
            page.get_by_label("Drop a CSV file here, or choose one").set_input_files(
                [{"name": f"{name}.csv", "mimeType": "text/csv", "buffer": data}]
            )
            work = page.locator("#file-work", has_text=f"{name}.csv")
            work.get_by_text(told).wait_for()


WRITTEN = {
    "early": ["1,5;2,5;Porto"] * 4 + ["1.5;2;Porto"] + ["1,5;2;Lisboa"] * 3 + [""],
    "late": ["1,5;2,5;Porto"] * 202 + ["1.5;2;Porto", ""],  # beyond what is looked at
    "last": ["1;2;Porto"] * 4 + ["1,5;2;Porto", ""],
    "open": ["1;2;Porto"] * 4 + ["1,5;2;Porto"],  # without the end of its last line
    "grouped": ["1,5;2;Porto"] * 3 + ["1,500;2;Porto", ""],
}


def test_parts_are_read_by_the_rules_of_the_file(server: Server, watched: Callable[..., Any], tmp_path: Path) -> None:
    """How numbers are written is found once for a file, as batch finds it, and not anew for each part of it."""
    (tmp_path / "cities.onnx").write_bytes(sampled_city_model())
    files = {tmp_path / f"{name}.csv": "\n".join([f"{AGE};{OTHER};city", *lines]) for name, lines in WRITTEN.items()}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    done = run("batch", *files, "-m", tmp_path / "cities.onnx", "--max-rejects", "100%")
    assert done.returncode == 0, done.stderr
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        for path in files:
            page.get_by_label("Drop a CSV file here, or choose one").set_input_files(path)
            page.get_by_text(f"{path.name}: ").filter(has_text="rejected.").wait_for()
            _, scored = saved(page, "Download the result")
            assert scored == path.with_suffix(".scored.csv").read_bytes().decode(), path.stem


def test_reasons_must_be_those_of_the_rejected_rows(server: Server, watched: Callable[..., Any]) -> None:
    """A part is refused when the second answer tells reasons for other rows than were rejected, or is of another."""

    def none(route: Route) -> None:
        response = route.fetch()
        if route.request.headers["accept"] != "application/json":
            route.fulfill(response=response)
            return
        told = response.json()
        if "other" in changed:
            told["model"]["digest"] = "0" * 64
        else:
            told["rejected"] = told["rejected"][1:]
        route.fulfill(response=response, json=told)

    changed: list[str] = []
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.route("**/predict?on_error=reject", none)
        page.evaluate(DROP, PARTLY)
        page.get_by_text("reasons for other rows than it rejected").wait_for()
        changed.append("other")
        page.evaluate(DROP, PARTLY)
        page.get_by_text("Another version of the model took over").wait_for()
        assert page.locator("a[download]").count() == 0


def test_columns_that_are_lacking_are_told_once(server: Server, watched: Callable[..., Any]) -> None:
    """A file without a column of the model is refused before anything of it is sent."""
    with watched(server) as page:
        page.wait_for_selector("#form .field")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate(DROP, f"{AGE},city\n" + "1,Porto\n" * 7)
        page.get_by_text(f"The file lacks 1 column that the model needs: '{OTHER}'.").wait_for()
        assert [url for url in asked if "/predict" in url] == []


def test_a_quote_that_is_never_closed_ends_soon(watched: Callable[..., Any], city_path: Path) -> None:
    """Many lines within a quote are looked at once, and a record longer than a body is refused before the file ends."""
    with serving(city_path, "--workers", "1", "--max-body", "4MB") as server, watched(server) as page:
        page.wait_for_selector("#form .field")
        for lines, told in ((300_000, "never closed"), (600_000, "a record of more than 4,000,000 bytes")):
            start = time.monotonic()
            page.evaluate(
                f"(head) => ({DROP})(head + '1,2,\"Porto\\n' + '1,2,Porto\\n'.repeat({lines}))",
                f"{AGE},{OTHER},city\n",
            )
            page.locator("#file-work").get_by_text(told).wait_for()
            assert time.monotonic() - start < 8


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
        pytest.param("dark", 360, 740),
        pytest.param("dark", 1280, 900, marks=pytest.mark.whole),
        pytest.param("light", 360, 740, marks=pytest.mark.whole),
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


def test_a_file_is_never_scored_by_two_versions(server: Server, watched: Callable[..., Any]) -> None:
    """When the answer to a later part comes from another version, nothing is handed back."""
    parts = iter(range(100))

    def other(route: Route) -> None:
        response = route.fetch()
        digest = "0" * 64 if next(parts) else response.headers["x-mlship-digest"]
        route.fulfill(response=response, headers={**response.headers, "x-mlship-digest": digest})

    with watched(server) as page:
        page.wait_for_selector("#form .field")
        page.route("**/predict?on_error=reject", other)
        page.evaluate(DROP, f"{AGE},{OTHER},city\n" + "1,2,Porto\n" * 7)
        page.get_by_text("Another version of the model took over").wait_for()
        assert page.locator("a[download]").count() == 0
    assert next(parts) == 2


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
