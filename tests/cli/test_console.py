"""What is printed: nothing that the maker of a model wrote moves the terminal's cursor, and one line stays one line."""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlship.cli.console import Console
from mlship.cli.main import run
from mlship.errors import MlshipError

HOSTILE = "a\x1b[2Jb\rc\nd\x9be\u202ef"
ESCAPED = r"a\x1b[2Jb\rc\nd\x9be\u202ef"


def test_every_way_to_print_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, warnings, errors, hints and tables write control characters as Python does in its texts."""
    console = Console()
    console.say(HOSTILE, "second [bold]line")
    console.warn(HOSTILE)
    console.error(MlshipError(HOSTILE, hint=HOSTILE))
    console.trace(f"first\n{HOSTILE[:3]}")
    said = capsys.readouterr().err.splitlines()
    labelled = [f"{label}: {ESCAPED}" for label in ("warning", "error", "hint")]
    assert said == [ESCAPED, "second [bold]line", *labelled, "first", r"a\x1b["]
    console.table(HOSTILE, ["[red]", HOSTILE], [[HOSTILE, "[red]x"]])
    table = capsys.readouterr().err
    assert table.count(ESCAPED) == 3
    assert "[red]x" in table
    assert not set(HOSTILE) & set(table) & {"\x1b", "\r", "\x9b", "\u202e"}


def test_the_json_object_is_plain_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The object of --json is one line without control characters, and reads as what was put in."""
    Console().result({HOSTILE: [HOSTILE, "São", "\U000e0001", "\ud800"]})

    printed = capsys.readouterr().out
    assert printed.isascii() or printed.replace("São", "").isascii()
    assert printed.count("\n") == 1
    assert json.loads(printed) == {HOSTILE: [HOSTILE, "São", "\U000e0001", "\ud800"]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names of files")
def test_a_model_with_hostile_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels, columns and the file's own name are shown, and none of their control characters is."""
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame(np.arange(40.0).reshape(20, 2) % 7, columns=["x\x1b]0;title\x07", "y"])
    model = LogisticRegression().fit(rows, np.array(["no", "b\x1b[2J"] * 10, dtype=object))
    Path("m\x1b[31m.pkl").write_bytes(pickle.dumps(model))

    assert run(["export", "m\x1b[31m.pkl", "-o", "out.onnx"]) == 0
    assert run(["export", "none\x1b[31m\n.pkl"]) == 2
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert r"probability_b\x1b[2J" in printed
    assert r"There is no model file 'none\x1b[31m\n.pkl'." in printed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names of files")
def test_a_name_that_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name of bytes that are no UTF-8 is shown escaped, instead of ending in an error of its own."""
    monkeypatch.chdir(tmp_path)

    assert run(["export", os.fsdecode(b"m\xff.pkl")]) == 2
    assert r"'m\udcff.pkl'" in capsys.readouterr().err
