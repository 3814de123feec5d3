"""Each heavy library has one owner: nothing else of ours imports it, at module level or later."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mlship"

# Library -> the packages and modules of mlship that may import it, as paths below the package.
OWNERS: dict[str, tuple[str, ...]] = {
    "apig_wsgi": ("targets/aws_lambda",),
    "boto3": ("targets/aws_lambda",),
    "botocore": ("targets/aws_lambda",),
    "cloudpickle": (),
    "confluent_kafka": ("stream",),
    "cronsim": ("batch",),
    "flask": ("serve",),
    "functions_framework": ("targets/templates",),
    "google": ("targets/google_functions",),
    "gunicorn": ("serve",),
    "jinja2": ("targets",),
    "joblib": ("export",),
    "obstore": ("objects.py",),
    "onnx": ("export", "model"),  # model reads the shapes of unsigned graphs with it
    "onnxruntime": ("export", "model"),  # export tries out what it has just made
    "opentelemetry": ("serve",),
    "pandas": ("export",),
    "pickle": ("export",),
    "polars": ("tables",),
    "prometheus_client": ("monitor",),
    "pyarrow": ("tables",),
    "pyspark": ("batch/engines",),
    "rich": ("cli/console.py",),
    "sklearn": ("export",),
    "typer": ("cli",),
    "werkzeug": ("serve",),
}


def strays(package: Path) -> list[str]:
    """Return every import of an owned library outside its owner, as `file:line: library`."""
    found: list[str] = []
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        for line, module in _imports(ast.parse(file.read_text(encoding="utf-8"))):
            library = module.partition(".")[0]
            owners = OWNERS.get(library)
            if owners is not None and not any(name.is_relative_to(owner) for owner in owners):
                found.append(f"{name.as_posix()}:{line}: {library}")
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of each import, those by a literal name at run time included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            first = node.args[0]
            if called in {"__import__", "import_module", "load"} and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def test_only_the_owners_import_heavy_libraries() -> None:
    """Every import of an owned library stands in its owner."""
    assert list(PACKAGE.rglob("*.py")), f"no Python file under {PACKAGE}"
    assert strays(PACKAGE) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("batch/a.py", "import polars as pl\n", ["batch/a.py:1: polars"], id="module level"),
        pytest.param("batch/a.py", "def f():\n    from flask import g\n", ["batch/a.py:2: flask"], id="function"),
        pytest.param("cli/a.py", "import rich.table\n", ["cli/a.py:1: rich"], id="beside the owning module"),
        pytest.param(
            "model/a.py", "import importlib as i\ni.import_module('joblib')\n", ["model/a.py:2: joblib"], id="name"
        ),
        pytest.param(
            "model/a.py",
            "from mlship import extras\nextras.load('sklearn.svm')\n",
            ["model/a.py:2: sklearn"],
            id="load",
        ),
        pytest.param(
            "tables_of.py", "import polars\n", ["tables_of.py:1: polars"], id="name that begins like the owner"
        ),
        pytest.param("tables/a.py", "import polars\n", [], id="owner"),
        pytest.param("cli/console.py", "import rich.table\n", [], id="owning module"),
        pytest.param("batch/a.py", "import polarsteps\n", [], id="another library"),
    ],
)
def test_checker_sees_planted_strays(tmp_path: Path, name: str, text: str, expected: list[str]) -> None:
    """The checker names each import outside the owner, however it is written, and none within."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    assert strays(tmp_path) == expected
