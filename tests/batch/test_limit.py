"""The limit of rejected rows is read from text and applied exactly."""

from __future__ import annotations

import pytest

from mlship.batch.limit import DEFAULT, RejectLimit, parse_limit
from mlship.errors import UsageError


@pytest.mark.parametrize(
    ("text", "rows_in", "allowed", "at_once"),
    [
        pytest.param("0", 1000, 0, True, id="none"),
        pytest.param("25", 3, 25, True, id="number"),
        pytest.param("5%", 1000, 50, False, id="percentage"),
        pytest.param("0.1%", 2999, 2, False, id="fraction of a percent, rounded down"),
        pytest.param("0.1 %", 3000, 3, False, id="exactly"),
        pytest.param("100%", 7, 7, False, id="all"),
        pytest.param("0%", 7, 0, False, id="zero percent"),
    ],
)
def test_limits(text: str, rows_in: int, allowed: int, at_once: bool) -> None:
    """A number counts rows and stops at once; a percentage is of the rows read and judged at the end."""
    limit = parse_limit(text)
    assert limit.allowed(rows_in) == allowed
    assert limit.passed_already(allowed) is False
    assert limit.passed_already(10**9) is at_once


@pytest.mark.parametrize(
    ("rows_in", "allowed"), [(0, 10), (999, 10), (1000, 10), (1099, 10), (1100, 11), (10**6, 10**4)]
)
def test_default_is_the_larger_of_one_percent_and_ten_rows(rows_in: int, allowed: int) -> None:
    """The default allows 1 % or 10 rows, whichever is more, and is judged at the end."""
    assert DEFAULT.allowed(rows_in) == allowed
    assert DEFAULT.passed_already(10**9) is False
    assert str(DEFAULT) == "1 % or 10 rows"


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "101%", "%", "1e3", "5 rows", "0x1", "\u0661"])
def test_other_texts_are_refused(text: str) -> None:
    """What is neither a number of rows nor a percentage is refused with an example."""
    with pytest.raises(UsageError, match="is no limit") as caught:
        parse_limit(text)
    assert "--max-rejects" in (caught.value.hint or "")


def test_words() -> None:
    """A limit says itself in words."""
    assert [str(parse_limit(text)) for text in ("1", "5", "0.5%")] == ["1 row", "5 rows", "0.5 %"]
    assert str(RejectLimit()) == str(DEFAULT)
