"""Texts as a graph sees them: classes of characters measured on Python, lower case, accents, and joining again.

Nothing here depends on the locale of the machine, as ONNX's StringNormalizer does: characters are mapped one by one
by tables, which are Python's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal

from mlship.export.graph.expr import Expr, constant, where

Accents = Literal["ascii", "unicode"] | None

_UNCHANGED = "unchanged"  # no character becomes that
MARK, INSTEAD = "\U0010ffff", "\U0010fffe"
"""Two characters that Unicode will never give a meaning, and that cannot be told apart where neither is looked for."""
_SIGMA, _FINAL = "\u03a3", "\u03c2"
_LONGEST = 40  # powers of two that the number of parts of a text is compared with


def every_character() -> Iterator[str]:
    """Yield all characters that a text can hold; surrogates are none."""
    yield from map(chr, range(0xD800))
    yield from map(chr, range(0xE000, 0x110000))


def class_of(within: Callable[[str], bool]) -> str:
    r"""Return the characters of which something is true as a class of RE2, without its brackets.

    RE2's own classes differ from Python's: `\w` is ASCII there, and its Unicode tables are of another version.
    """
    ranges: list[list[int]] = []
    for code in map(ord, filter(within, every_character())):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)


@cache
def word_class() -> str:
    r"""Return what Python's `\w` matches: letters, digits and numbers of all scripts, and the underscore."""
    return class_of(lambda character: character.isalnum() or character == "_")


@cache
def space_class() -> str:
    r"""Return what Python's `\s` matches."""
    return class_of(str.isspace)


def split(texts: Expr, pattern: str) -> Expr:
    """The matches of a pattern of RE2 in each text, leftmost and then longest.

    Args:
        texts: [rows, k].
        pattern: The pattern.

    Returns:
        [rows, k, most matches], filled up with empty texts.
    """
    return texts.op("Tokenizer", domain="com.microsoft", mark=0, mincharnum=1, pad_value="", tokenexp=pattern)


def characters(texts: Expr) -> Expr:
    """The characters of each text; see `split`."""
    return texts.op("Tokenizer", domain="com.microsoft", mark=0, mincharnum=1, pad_value="", separators=[""])


def matches(texts: Expr, pattern: str) -> Expr:
    """Whether a pattern of RE2 matches the whole of each text, as bool."""
    return texts.op("RegexFullMatch", kind="bool", pattern=pattern)


def encoded(texts: Expr, numbers: dict[str, int], other: int) -> Expr:
    """Numbers, int64, for texts."""
    return texts.op(
        "LabelEncoder",
        domain="ai.onnx.ml",
        kind="int64",
        keys_strings=list(numbers),
        values_int64s=list(numbers.values()),
        default_int64=other,
    )


def blank(texts: Expr) -> Expr:
    """A column of empty texts [rows, 1] for a tensor of as many rows."""
    shape = texts.op("Shape", kind="int64", start=0, end=1).op("Concat", [1], axis=0)
    return constant(texts.graph, [[""]], "string").op("Expand", shape)


def joined(parts: Expr) -> Expr:
    """The texts of each row, [rows, parts], put together to one, [rows, 1].

    Neighbours are joined pair by pair until one is left, in as many steps as the number of parts has digits in base 2.
    """
    graph = parts.graph
    empty = blank(parts)
    state = parts.op("Concat", empty, axis=1)  # never of no parts at all
    width = state.op("Shape", kind="int64", start=1, end=2)
    trips = (width > [2**power for power in range(_LONGEST)]).cast("int64").sum(0, keepdims=False)
    begin = graph.mark()
    step, go, now = graph.name("step"), graph.name("go"), Expr(graph, graph.name("parts"), "string")
    left = now.op("Slice", *(constant(graph, [value], "int64") for value in (0, 2**62, 1, 2)))
    right = now.op("Slice", *(constant(graph, [value], "int64") for value in (1, 2**62, 1, 2)))
    count = left.op("Shape", kind="int64", start=1, end=2)
    filled = right.op("Concat", empty, axis=1).op(
        "Slice", constant(graph, [0], "int64"), count, constant(graph, [1], "int64")
    )
    pairs = left.op("StringConcat", filled)
    again = graph.node("Identity", [go])
    taken: list[tuple[str, str]] = [(step, "int64"), (go, "bool"), (now.name, "string")]
    body = graph.body([(again, "bool"), (pairs.name, "string")], taken, begin, scalars=(step, go))
    return Expr(graph, graph.node("Loop", [trips.name, "", state.name], body=body), "string")


def normalised(texts: Expr, *, lower: bool, accents: Accents, sigma: bool) -> Expr:
    """Texts [rows, 1] as scikit-learn's vectorizers make them: str.lower, then without accents.

    Args:
        texts: The texts.
        lower: Whether they are made lower case.
        accents: How accents are taken away.
        sigma: Whether it matters which of its two lower cases a capital sigma gets.
    """
    if not lower and accents is None:
        return texts
    single = characters(texts).squeeze(1)
    mapped = _mapped(single, lower=lower, accents=accents)
    if not (lower and sigma and accents != "ascii"):
        return joined(mapped)
    graph = texts.graph
    some = single.equals(_SIGMA).cast("int64").op("ReduceSum", keepdims=0) > 0
    begin = graph.mark()
    yes = _mapped(_with_final_sigma(single), lower=lower, accents=accents).op("Identity")
    then = graph.body([(yes.name, "string")], [], begin)
    begin = graph.mark()
    no = mapped.op("Identity")
    otherwise = graph.body([(no.name, "string")], [], begin)
    return joined(Expr(graph, graph.node("If", [some.name], then_branch=then, else_branch=otherwise), "string"))


def _mapped(single: Expr, *, lower: bool, accents: Accents) -> Expr:
    table = {_SIGMA + MARK: _FINAL, **_table(lower, accents)}
    default = "" if accents == "ascii" else _UNCHANGED
    found = single.op(
        "LabelEncoder",
        domain="ai.onnx.ml",
        keys_strings=list(table),
        values_strings=list(table.values()),
        default_string=default,
    )
    return found if accents == "ascii" else where(found.equals(_UNCHANGED), single, found)


@cache
def _table(lower: bool, accents: Accents) -> dict[str, str]:
    """What becomes of the characters: with `ascii` of those that leave something, else of those that change."""
    every = ((character, _changed(character, lower, accents)) for character in every_character())
    if accents == "ascii":
        return {character: changed for character, changed in every if changed}
    return {character: changed for character, changed in every if changed != character}


def _changed(character: str, lower: bool, accents: Accents) -> str:
    """One character, as scikit-learn's strip_accents_unicode and strip_accents_ascii change it behind str.lower.

    Both take what NFKD makes of a text and leave marks out. NFKD works character by character, but for the order of
    the marks in a row of them.
    """
    text = character.lower() if lower else character
    if accents is None:
        return text
    apart = unicodedata.normalize("NFKD", text)
    if accents == "ascii":
        return apart.encode("ascii", "ignore").decode("ascii")
    return "".join(part for part in apart if not unicodedata.combining(part))


def _with_final_sigma(single: Expr) -> Expr:
    """The characters of each text, and as one a capital sigma at the end of a word with a mark behind it.

    Python takes it for the end where a cased letter stands before the sigma and none behind it, ignorable characters
    such as an apostrophe passed over. So it is the last cased letter of a run of cased and ignorable characters. A
    text that holds the mark itself gets another character instead, which is as little a letter.
    """
    cased, run = _cased()
    texts = joined(where(single.equals(MARK), INSTEAD, single))
    pieces = split(texts, f"[{run}]*[{cased}]|(?s:.)").squeeze(1)
    ends = matches(pieces, f"[{run}]*[{cased}][{_ignorable()}]*{_SIGMA}")
    marked = joined(pieces.op("StringConcat", where(ends, MARK, pieces.like(""))))
    return split(marked, f"{_SIGMA}{MARK}|(?s:.)").squeeze(1)


@cache
def _cased() -> tuple[str, str]:
    """The classes of cased letters, and of these with the ignorable characters, as Python's str.lower sees them."""
    return class_of(_is_cased), class_of(lambda character: _is_cased(character) or _is_ignorable(character))


@cache
def _ignorable() -> str:
    return class_of(_is_ignorable)


def _is_cased(character: str) -> bool:
    return (character + _SIGMA).lower().endswith(_FINAL)


def _is_ignorable(character: str) -> bool:
    return not _is_cased(character) and ("A" + character + _SIGMA).lower().endswith(_FINAL)
