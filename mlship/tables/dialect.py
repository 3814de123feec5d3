"""How a file of text is written: delimiter, quote, decimal sign, encoding, header."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        delimiter: The one ASCII character between fields.
        quote: The one ASCII character around fields that hold delimiters or line feeds; empty when there is none.
        decimal_comma: Whether numbers are written as in `1,5`.
        encoding: Python's name of the encoding.
        header: Whether the first record holds the names of the columns.
    """

    delimiter: str = ","
    quote: str = '"'
    decimal_comma: bool = False
    encoding: str = "utf-8"
    header: bool = True

    @property
    def separator(self) -> int:
        """The delimiter's code."""
        return ord(self.delimiter)

    @property
    def quote_code(self) -> int | None:
        """The quote's code, or None when there is none."""
        return ord(self.quote) if self.quote else None


COMMAS = Dialect()


@dataclass(frozen=True)
class Told:
    """What the user said of a file; what is None is found.

    Attributes:
        delimiter: See `Dialect`.
        quote: See `Dialect`.
        decimal_comma: See `Dialect`.
        encoding: See `Dialect`.
        names: Names of the columns of a file without a header, or None when it has one.
        sought: Names of columns that the file should have, by which the delimiter is found.
        numbers: Those of them that hold numbers, by which decimal commas are found.
    """

    delimiter: str | None = None
    quote: str | None = None
    decimal_comma: bool | None = None
    encoding: str | None = None
    names: tuple[str, ...] | None = None
    sought: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


NOTHING_TOLD = Told()
