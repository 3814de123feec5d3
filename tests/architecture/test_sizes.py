"""Rooms stay small: short files, short functions, few parameters, and names that say what is inside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mlship"
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
# Names that say nothing: whatever has no home ends up there.
VAGUE_NAMES = {"common.py", "helpers.py", "misc.py", "util.py", "utils.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def problems(package: Path) -> list[str]:
    """Return everything in a package's files that is too large or vaguely named, as `file:line: what`."""
    found: list[str] = []
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        text = file.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if file.name in VAGUE_NAMES:
            found.append(f"{name}:1: a name that says nothing")
        if lines > MAX_FILE_LINES:
            found.append(f"{name}:1: {lines} lines")
        # A Typer command has a parameter for each option: that is how Typer is told of them.
        commands = name.parts[0] == "cli"
        found += [f"{name}:{line}: {what}" for line, what in _function_problems(ast.parse(text), commands)]
    return found


def _function_problems(tree: ast.AST, commands: bool) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, Function):
            continue
        # Counted from the first decorator, which is part of what has to be read.
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = (node.end_lineno or node.lineno) - start + 1
        if lines > MAX_FUNCTION_LINES:
            yield node.lineno, f"{node.name} has {lines} lines"
        parameters = _parameters(node)
        if parameters > MAX_PARAMETERS and not (commands and _is_command(node)):
            yield node.lineno, f"{node.name} has {parameters} parameters"


def _parameters(node: Function) -> int:
    """Count what a caller has to know: self and cls do not count, *args and **kwargs do."""
    arguments = node.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return len(names) + len(arguments.kwonlyargs) + len(rest)


def _is_command(node: Function) -> bool:
    """Tell a public function, which Typer turns into a command, from a helper."""
    return not node.name.startswith("_")


def test_package_is_within_the_bounds() -> None:
    """No file, function or parameter list of the package is larger than agreed."""
    assert list(PACKAGE.rglob("*.py")), f"no Python file under {PACKAGE}"
    assert problems(PACKAGE) == []


LONG_FUNCTION = "def long():\n" + "    x = 1\n" * MAX_FUNCTION_LINES
LONG_METHOD = "class A:\n    async def long(self):\n" + "        x = 1\n" * MAX_FUNCTION_LINES
DECORATED = "@one\n@two\ndef long():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 2)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("a.py", "x = 1\n" * 301, ["a.py:1: 301 lines"], id="long file"),
        pytest.param("a.py", LONG_FUNCTION, ["a.py:1: long has 61 lines"], id="long function"),
        pytest.param("b/a.py", LONG_METHOD, ["b/a.py:2: long has 61 lines"], id="long async method"),
        pytest.param("a.py", DECORATED, ["a.py:3: long has 61 lines"], id="decorators count"),
        pytest.param("a.py", "def f(a, b, c, /, d, *, e, f, g): ...\n", ["a.py:1: f has 7 parameters"], id="wide"),
        pytest.param("a.py", "def f(a, b, c, d, e, *f, **g): ...\n", ["a.py:1: f has 7 parameters"], id="stars"),
        pytest.param(
            "cli/a.py", "def _f(a, b, c, d, e, f, g): ...\n", ["cli/a.py:1: _f has 7 parameters"], id="helper"
        ),
        pytest.param("b/utils.py", "", ["b/utils.py:1: a name that says nothing"], id="vague name"),
        pytest.param("a.py", "x = 1\n" * 300, [], id="file at the bound"),
        pytest.param("a.py", "def f(self, a, b, c, d, e, f): ...\n", [], id="parameters at the bound"),
        pytest.param("cli/a.py", "def export(a, b, c, d, e, f, g): ...\n", [], id="command"),
    ],
)
def test_checker_sees_planted_violations(tmp_path: Path, name: str, text: str, expected: list[str]) -> None:
    """The checker names exactly what is beyond a bound, and nothing that is at it."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    assert problems(tmp_path) == expected
