"""CI runs everything: the rule of tests/conftest.py fails a run that skipped something, and no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RULE = Path(__file__).resolve().parents[1] / "conftest.py"
SKIPPED_TEST = "import pytest\ndef test_a(): pass\n@pytest.mark.skip(reason='no mood')\ndef test_b(): pass\n"
SKIPPED_MODULE = "import pytest\npytest.skip('no mood', allow_module_level=True)\n"
PASSED = "def test_a(): pass\n"


def run_pytest(folder: Path, text: str, *options: str, ci: bool) -> subprocess.CompletedProcess[str]:
    """Run pytest on one test file under the rule, with CI set or not."""
    shutil.copy(RULE, folder)
    (folder / "test_planted.py").write_text(text, encoding="utf-8")
    (folder / "test_passes.py").write_text(PASSED, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # those of other libraries take seconds to load
    if ci:
        environment["CI"] = "true"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "options", [pytest.param((), id="one process"), pytest.param(("-p", "xdist", "-n", "2"), id="two workers")]
)
@pytest.mark.parametrize("text", [pytest.param(SKIPPED_TEST, id="test"), pytest.param(SKIPPED_MODULE, id="module")])
def test_skip_fails_the_run_in_ci(tmp_path: Path, text: str, options: tuple[str, ...]) -> None:
    """A skipped test or module makes a run in CI fail and is named with its reason."""
    result = run_pytest(tmp_path, text, *options, ci=True)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout + result.stderr
    assert "skipped, which CI does not allow" in result.stdout
    assert "test_planted.py" in result.stdout
    assert "no mood" in result.stdout


@pytest.mark.parametrize(
    ("text", "ci"),
    [pytest.param(SKIPPED_TEST, False, id="skip outside CI"), pytest.param(PASSED, True, id="no skip in CI")],
)
def test_other_runs_pass(tmp_path: Path, text: str, ci: bool) -> None:
    """A skip passes on a developer's machine, and a run without skips passes in CI."""
    result = run_pytest(tmp_path, text, ci=ci)
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    assert "CI does not allow" not in result.stdout
