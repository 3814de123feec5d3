"""What a terminal shows: whole in narrow windows, without colours where none are wanted, and completed by the shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PENGUINS = Path(__file__).resolve().parents[2] / "sample_models" / "penguins"
COMMANDS = ("export", "batch", "serve")
WIDTHS = (40, 60, 100)
PROJECT = str(Path(__file__).resolve().parents[2])


def mlship(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, whose output goes into a pipe."""
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return subprocess.run(
        [sys.executable, "-m", "mlship", *arguments],
        env={**plain, "PYTHONPATH": PROJECT, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def words_of(text: str) -> list[str]:
    """Return a text's words, wherever its lines were broken."""
    return text.split()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_in_any_window(command: str) -> None:
    """The help says the same in every window, cuts no word off, and stays within the window but for examples."""
    asked = [command, "--help"] if command else ["--help"]
    told = {width: mlship(*asked, COLUMNS=str(width)) for width in WIDTHS}
    assert {done.returncode for done in told.values()} == {0}
    assert words_of(told[40].stdout) == words_of(told[60].stdout) == words_of(told[100].stdout)
    for width, done in told.items():
        assert "…" not in done.stdout
        assert "\x1b" not in done.stdout
        body, _, examples = done.stdout.partition("Examples:\n")
        # what is wider is a heading, or one name with what it takes, which are not broken
        wide = [line for line in body.splitlines() if len(line) >= width and not re.match(r"\S.*:$", line)]
        assert all(len(line.split()) <= 3 for line in wide)
        assert examples.count("mlship ") >= 3


@pytest.mark.parametrize(
    ("command", "groups"),
    [
        ("export", ["Arguments", "Options", "Proving", "Reading the model", "Naming", "Common", "Examples"]),
        ("batch", ["Arguments", "Options", "Writing", "Reading", "Running", "Rejects and comparison", "Spark"]),
        ("serve", ["Arguments", "Options", "Running", "Limits", "Who may ask"]),
    ],
)
def test_help_is_grouped_by_purpose(command: str, groups: list[str]) -> None:
    """Options stand in groups, those that all commands have last, and their variables are told once."""
    told = mlship(command, "--help").stdout
    found = re.findall(r"^(\S.*):$", told, re.MULTILINE)
    assert set(groups) <= set(found)
    assert found[-2:] == ["Common", "Examples"]
    common = told[told.index("\nCommon:") :]
    assert all(option in common for option in ("--quiet", "--verbose", "--json", "--help"))
    assert told.count(f"MLSHIP_{command.upper()}_") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_use_options_that_there_are(command: str) -> None:
    """Every option in the examples is one of the command's."""
    body, _, examples = mlship(command, "--help").stdout.partition("Examples:\n")
    used = set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", examples))
    assert used
    assert used <= set(re.findall(r"(?<=[\s,])--?[a-z][a-z-]*", body))


def test_no_command_shows_the_help() -> None:
    """Without a command the help is shown, with exit code 2."""
    done = mlship()
    assert done.returncode == 2
    assert "Commands:" in done.stderr


@pytest.mark.parametrize("width", [40, *(pytest.param(width, marks=pytest.mark.whole) for width in WIDTHS[1:])])
def test_tables_lose_nothing_in_narrow_windows(tmp_path: Path, width: int) -> None:
    """Names of columns, figures and the digest stand whole in what export shows, however narrow the window."""
    done = mlship("export", str(PENGUINS / "model.pkl"), "-o", "m.onnx", cwd=tmp_path, COLUMNS=str(width))
    assert done.returncode == 0
    for name in ("flipper_length_mm", "probability_Chinstrap", "category", "accepted"):
        assert name in done.stderr
    assert re.search(r"\b[0-9a-f]{12}\b", done.stderr)
    assert "…" not in done.stderr
    assert "\x1b" not in done.stderr


def test_paths_in_errors_are_whole(tmp_path: Path) -> None:
    """A long path stands unbroken on one line of an error, so that it can be copied."""
    long = "a" * 60 + ".csv"
    done = mlship("export", long, cwd=tmp_path, COLUMNS="40")
    assert done.returncode == 2
    assert f"'{long}'" in done.stderr
    assert re.search("^error: ", done.stderr)
    assert re.search("^hint: ", done.stderr, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_on_a_terminal(tmp_path: Path, variables: dict[str, str], coloured: bool) -> None:
    """A terminal gets colours, unless NO_COLOR is set or it has none."""
    import pty

    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "mlship", "export", "nothing.pkl"],
        env={**plain, "PYTHONPATH": PROJECT, "TERM": "xterm-256color", **variables},
        cwd=tmp_path,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    said = os.read(ours, 10_000)
    os.close(ours)
    assert done.returncode == 2
    assert (b"\x1b" in said) is coloured
    assert b"nothing.pkl" in said


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("mlship ", {"export", "batch", "serve"}),
        ("mlship batch --max", {"--max-rejects", "--max-changed", "--max-drift"}),
        ("mlship export --prec", {"--precision"}),
    ],
)
def test_the_shell_completes(typed: str, expected: set[str]) -> None:
    """Commands and options are completed as bash asks for them."""
    words = len(typed.split(" ")) - 1
    done = mlship(_MLSHIP_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(words))
    assert done.returncode == 0
    assert set(done.stdout.split()) == expected


def test_completion_can_be_installed(tmp_path: Path) -> None:
    """--install-completion writes what the shell reads at its start, and tells where."""
    command = f"{sys.executable} -m mlship --install-completion; exit $?"
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": PROJECT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ".bash_completions" in done.stdout
    assert "_MLSHIP_COMPLETE=complete_bash" in next(tmp_path.glob(".bash_completions/*")).read_text(encoding="utf-8")
