"""How many rejected rows a run may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from mlship.errors import UsageError

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_ROWS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class RejectLimit:
    """A bound on rejected rows; with both parts given, whichever allows more.

    A percentage can only be judged when all rows are known, a number of rows alone at any time.

    Attributes:
        rows: A number of rows, or None.
        percent: A percentage of all rows read, or None.
    """

    rows: int | None = 10
    percent: Fraction | None = Fraction(1)

    def allowed(self, rows_in: int) -> int:
        """Return how many rows may be rejected of so many read."""
        share = 0 if self.percent is None else int(self.percent * rows_in / 100)
        return max(self.rows or 0, share)

    def passed_already(self, rejected: int) -> bool:
        """Tell whether so many rejected rows are too many however many rows are still to come."""
        return self.percent is None and rejected > self.allowed(0)

    def __str__(self) -> str:
        """Return the limit in words."""
        percent = "" if self.percent is None else f"{float(self.percent):g} %"
        rows = "" if self.rows is None else f"{self.rows} row{'' if self.rows == 1 else 's'}"
        return " or ".join(part for part in (percent, rows) if part)


DEFAULT = RejectLimit()


def parse_limit(text: str) -> RejectLimit:
    """Read a limit: a number of rows such as `25`, or a percentage such as `0.5%`.

    Raises:
        UsageError: It is neither.
    """
    text = text.strip()
    percent = _PERCENT.fullmatch(text)
    if percent and Fraction(percent[1]) <= 100:
        return RejectLimit(rows=None, percent=Fraction(percent[1]))
    if _ROWS.fullmatch(text):
        return RejectLimit(rows=int(text), percent=None)
    raise UsageError(
        f"'{text}' is no limit of rejected rows; a number or a percentage up to 100% was expected.",
        hint="--max-rejects 25 or --max-rejects 0.5%",
    )


def parse_share(text: str) -> float:
    """Read a percentage such as `1%` as a share of 1.

    Raises:
        UsageError: It is none.
    """
    percent = _PERCENT.fullmatch(text.strip())
    if percent is None or Fraction(percent[1]) > 100:
        raise UsageError(f"'{text}' is no percentage up to 100%.", hint="--max-changed 1%")
    return float(Fraction(percent[1]) / 100)
