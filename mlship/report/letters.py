"""Texts of others, which reach a terminal or a page only through here."""

from __future__ import annotations

import html


def shown(text: str) -> str:
    r"""One line of a text, in which what moves a terminal's cursor, or turns its text around, is written as `\x1b`.

    Labels, columns and names of files come from whoever made the model, and every text passes here.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def escaped(text: str) -> str:
    """The same as a text of HTML or SVG, or as the value of an attribute."""
    return html.escape(shown(text))
