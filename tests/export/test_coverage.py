"""Every estimator of scikit-learn that answers new rows: exact, or refused, and never silently wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sklearn

from tests.export.coverage import FEWEST_EXACT, outcome, table
from tests.export.recipes import scored_estimators

README = Path(__file__).resolve().parents[2] / "README.md"

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Export every estimator and compare those exported with their originals, on rows held out and hard ones."""
    found = {}
    for name in scored_estimators():
        try:
            found[name] = outcome(name, tmp_path_factory.mktemp(name))
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  one that is wrong must not hide the others
            found[name] = f"wrong: {type(error).__name__}: {error}"
    return found


def test_none_is_silently_wrong(outcomes: dict[str, str]) -> None:
    """Whatever is exported equals its original within 1e-9, labels all; whatever is not ends with exit 5."""
    assert {name: result for name, result in outcomes.items() if result not in ("exact", "refused")} == {}


def test_most_are_exact(outcomes: dict[str, str]) -> None:
    """Of the 191 estimators of scikit-learn 1.9 at least 175 are exported; the table is printed."""
    sys.stdout.write(table(outcomes))
    assert len(outcomes) == 191 or not sklearn.__version__.startswith("1.9.")
    assert sum(result == "exact" for result in outcomes.values()) >= FEWEST_EXACT


def test_the_readme_has_the_table(outcomes: dict[str, str]) -> None:
    """The README's list of what is refused is the one that was found here."""
    assert table(outcomes) in README.read_text(encoding="utf-8")
