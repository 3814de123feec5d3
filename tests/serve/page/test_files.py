"""Files that are dropped on the page or chosen: what is scored, what is handed back, and what is refused."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.page.dropping import AGE, DROP, OTHER, PARTLY
from tests.serve.page.models import sampled_city_model
from tests.serve.server import Server, run, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def saved(page: Page, name: str) -> tuple[str, str]:
    """Click on a link of a download and return the file's name and its text."""
    with page.expect_download() as caught:
        page.get_by_role("link", name=name).click()
    return caught.value.suggested_filename, Path(caught.value.path()).read_bytes().decode()


FILES = {
    "semicolons": (f"{AGE};{OTHER};city\r\n1,5;2;Porto\r\n2,5;;Lisboa\r\n".encode(), "2 rows scored, 0 rows rejected"),
    "utf-16": (f"{AGE},{OTHER},city\n1,2,Porto".encode("utf-16"), "1 row scored, 0 rows rejected"),
    "header only": (f"{AGE},{OTHER},city\n".encode(), "0 rows scored, 0 rows rejected"),
    "latin-1": (f"{AGE},{OTHER},city\n1,2,\xe9".encode("latin-1"), "not text in UTF-8"),
    "other columns": (b"a,b\n1,2\n", "none of the model's columns"),
    "empty": (b"", "The file is empty."),
    "open quote": (f'{AGE},{OTHER},city\n1,2,"Porto\n'.encode(), "never closed"),
}


WRITTEN = {
    "early": ["1,5;2,5;Porto"] * 4 + ["1.5;2;Porto"] + ["1,5;2;Lisboa"] * 3 + [""],
    "late": ["1,5;2,5;Porto"] * 202 + ["1.5;2;Porto", ""],  # beyond what is looked at
    "last": ["1;2;Porto"] * 4 + ["1,5;2;Porto", ""],
    "open": ["1;2;Porto"] * 4 + ["1,5;2;Porto"],  # without the end of its last line
    "grouped": ["1,5;2;Porto"] * 3 + ["1,500;2;Porto", ""],
}


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


@pytest.mark.whole
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


@pytest.mark.whole
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
