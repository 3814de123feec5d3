"""scikit-learn's vectorizers of texts: counts of words and of characters, the same for every text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from mlship.export.converters.characters import (
    INSTEAD,
    MARK,
    encoded,
    joined,
    matches,
    normalised,
    space_class,
    split,
    word_class,
)
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, concat, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

if TYPE_CHECKING:
    from mlship.export.graph.methods import Saying
    from mlship.export.infer import Draft

_UNKNOWN, _STOP = -1, -2  # numbers of words that no term has, and of stop words
_BREAK = "\n"  # stands between words of which n-grams of characters are made, which hold no white space
_SIGMAS = ("\u03c3", "\u03c2")
_EXAMPLES = 48
"""How many texts of a vocabulary's terms the proof has."""


@dataclass(frozen=True)
class _Terms:
    """What is counted.

    Attributes:
        grams: Each term as the words or characters that it is made of, with its place.
        stops: Words that are passed over before terms are looked for.
    """

    grams: tuple[tuple[tuple[str, ...], int], ...]
    stops: tuple[str, ...] = ()


def _transform(ctx: Context, model: Any, table: Table) -> Table:
    return Table.of(_counts(ctx, model, table), len(model.vocabulary_), sparse=True)


def _weighted(ctx: Context, model: Any, table: Table) -> Table:
    if np.dtype(model.dtype) != np.float64:
        raise ctx.refusal(f"{type(model).__name__} with dtype={np.dtype(model.dtype).name} is not supported")
    return Table.of(_weights(model._tfidf, _counts(ctx, model, table)), len(model.vocabulary_), sparse=True)


def _reweighted(ctx: Context, model: TfidfTransformer, table: Table) -> Table:
    return Table.of(_weights(model, table.numbers()), table.width, sparse=True)


def _weights(model: Any, counts: Expr) -> Expr:
    """Write TfidfTransformer.transform, which takes a zero for nothing."""
    if model.sublinear_tf:
        nothing = counts.equals(0.0)
        counts = where(nothing, 0.0, where(nothing, 1.0, counts).log() + 1.0)
    if model.use_idf:
        counts = counts * np.asarray(model.idf_, dtype=np.float64).reshape(1, -1)
    if model.norm is None:
        return counts
    norms = counts.abs().sum() if model.norm == "l1" else (counts * counts).sum().sqrt()
    return counts / where(norms.equals(0.0), 1.0, norms)


def _counts(ctx: Context, model: Any, table: Table) -> Expr:
    """How often each term occurs, float64 [rows, terms]."""
    _require_known(ctx, model)
    texts = table.texts()
    if table.width != 1:
        raise ctx.refusal(f"{type(model).__name__} takes one column of texts, and is given {table.width}")
    known = [term for term in model.vocabulary_ if isinstance(term, str)]
    _note_examples(ctx, model, table, known)
    terms = _terms_of_words(model, known) if model.analyzer == "word" else _terms_of_characters(model, known)
    if not terms.grams:
        raise ctx.refusal(f"{type(model).__name__} whose vocabulary no text can hold is not supported")
    sigma = any(character in word for word in (*known, *terms.stops) for character in _SIGMAS)
    if sigma and any(character in word for word in (*known, *terms.stops) for character in (MARK, INSTEAD)):
        raise ctx.refusal(f"{type(model).__name__} that looks for U+10FFFE or U+10FFFF is not supported")
    texts = normalised(texts, lower=bool(model.lowercase), accents=model.strip_accents, sigma=sigma)
    counted = _found(_parts(ctx, model, texts), terms, len(model.vocabulary_))
    return (counted > 0.0).cast("float64") if model.binary else counted


def _require_known(ctx: Context, model: Any) -> None:
    """Refuse what is not known to be the same in the graph, above all functions of the user's."""
    name = type(model).__name__
    for what in ("preprocessor", "tokenizer"):
        if getattr(model, what) is not None:
            raise ctx.refusal(f"{name} with a {what} of its own is not supported")
    if callable(model.analyzer) or callable(model.strip_accents):
        what = "analyzer" if callable(model.analyzer) else "strip_accents"
        raise ctx.refusal(f"{name} with a function as {what} is not supported")
    if model.input != "content":
        raise ctx.refusal(f"{name} that reads texts from files is not supported")
    dtype = np.dtype(model.dtype)
    if dtype not in (np.float64, np.int64, np.int32, np.uint32, np.uint64):
        raise ctx.refusal(f"{name} with dtype={dtype.name} is not supported", hint="dtype=numpy.int64 is.")


def _parts(ctx: Context, model: Any, texts: Expr) -> Expr:
    """The words or characters of each text [rows, most parts], filled up with empty texts."""
    spaces = space_class()
    if model.analyzer == "word":
        return split(texts, _pattern(ctx, model)).squeeze(1)
    if model.analyzer == "char":
        parts = split(texts, f"[{spaces}]{{2,}}|(?s:.)").squeeze(1)
        return where(matches(parts, f"[{spaces}]{{2,}}"), " ", parts)
    words = split(texts, f"[^{spaces}]+").squeeze(1)
    padded = words.like(" ").op("StringConcat", words).op("StringConcat", f" {_BREAK}")
    text = joined(where(words.equals(""), "", padded))
    return split(words.like(_BREAK).op("StringConcat", text), "(?s:.)").squeeze(1)


def _pattern(ctx: Context, model: Any) -> str:
    """The pattern of RE2 that finds the words of a text as scikit-learn does."""
    given = str(model.token_pattern)
    inner = given.removeprefix("(?u)")
    bounded = inner.startswith(r"\b") and inner.endswith(r"\b") and len(inner) > len(r"\b\b")
    inner = inner[2:-2] if bounded else inner
    found = re.fullmatch(r"((?:\\w)*)\\w(\+|\{(\d+),\})", inner)
    least = len(found[1]) // 2 + int(found[3] or 1) if found else 0
    if least:  # bounds of a run of all word characters that there are say nothing
        return f"[{word_class()}]{{{least},}}"
    if not bounded:
        if inner in (r"\S+", r"[^\s]+"):
            return f"[^{space_class()}]+"
        if re.fullmatch(r"\[(?:a-z|A-Z|0-9|_)+\](?:\+|\{\d+,\})", inner) and "{0," not in inner:
            return inner
    raise ctx.refusal(
        f"{type(model).__name__} with token_pattern={given!r} is not supported",
        hint=r"Supported are (?u)\b\w\w+\b and other runs of \w, \S+, and runs of [a-zA-Z0-9_].",
    )


def _terms_of_words(model: Any, known: Sequence[str]) -> _Terms:
    low, high = model.ngram_range
    stops = model.get_stop_words() or frozenset()
    grams = []
    for term in known:
        words = tuple(term.split(" "))  # a word has no space
        if low <= len(words) <= high and all(words) and stops.isdisjoint(words):
            grams.append((words, int(model.vocabulary_[term])))
    return _Terms(tuple(grams), tuple(sorted(stops)) if high > 1 else ())


def _terms_of_characters(model: Any, known: Sequence[str]) -> _Terms:
    low, high = model.ngram_range
    grams = []
    for term in known:
        gram = tuple(term)
        place = int(model.vocabulary_[term])
        if low <= len(gram) <= high and not (model.analyzer == "char_wb" and _BREAK in gram):
            grams.append((gram, place))
        if model.analyzer == "char_wb" and len(gram) < low and _is_padded_word(term):
            grams.append(((_BREAK, *gram, _BREAK), place))  # a word too short for any n-gram counts as a whole
    return _Terms(tuple(grams))


def _is_padded_word(term: str) -> bool:
    return len(term) > 2 and term == f" {term[1:-1]} " and len(term[1:-1].split()) == 1


def _found(parts: Expr, terms: _Terms, width: int) -> Expr:
    """How often each term occurs among the parts of a text, float64 [rows, width]."""
    numbers: dict[str, int] = {}
    for gram, _ in terms.grams:
        for part in gram:
            numbers.setdefault(part, len(numbers))
    numbers.update(dict.fromkeys(terms.stops, _STOP))
    values = encoded(parts, numbers, _UNKNOWN)
    if terms.stops:
        values = _without_stops(values)
    grams = sorted(terms.grams, key=lambda item: len(item[0]))
    longest = len(grams[-1][0])
    sizes = [sum(len(gram) for gram, _ in grams if len(gram) == length) for length in range(longest + 1)]
    found = values.op(
        "TfIdfVectorizer",
        kind="float32",
        mode="TF",
        min_gram_length=len(grams[0][0]),
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=list(accumulate(sizes[:-1])),
        ngram_indexes=[place for _, place in grams],
        pool_int64s=[numbers[part] for gram, _ in grams for part in gram],
    ).cast("float64")
    missing = width - 1 - max(place for _, place in grams)
    if missing <= 0:
        return found
    rows = found.op("Shape", kind="int64", start=0, end=1).op("Concat", [missing], axis=0)
    return concat([found, found.like([[0.0]]).op("Expand", rows)])


def _without_stops(values: Expr) -> Expr:
    """The words with stop words behind all others, which stay in their order."""
    count = values.op("Shape", kind="int64", start=1, end=2)
    places = values.like(0).op("Range", count.squeeze(0), values.like(1))
    order = where(values.equals(_STOP), count, values.like(0)) + places
    _, first = values.graph.nodes("TopK", [order.name, count.name], outputs=2, axis=1, largest=0, sorted=1)
    return values.op("GatherElements", Expr(values.graph, first, "int64"), axis=1)


def _note_examples(ctx: Context, model: Any, table: Table, known: Sequence[str]) -> None:
    """Note texts of the vocabulary's terms: each a few of them, in several cases and with what stands between."""
    if not known:
        return
    source = np.random.default_rng(0)
    between = ("", " ") if model.analyzer != "word" else (" ", ", ", "\n", "  ")
    texts = []
    for index in range(_EXAMPLES):
        words = [known[place] for place in source.integers(len(known), size=1 + index % 12).tolist()]
        words = [(str, str.upper, str.title)[source.integers(3)](word) for word in words]
        texts.append(between[index % len(between)].join(words))
    ctx.texts(table, 0, texts)


def _tells(model: Any) -> list[Saying | None]:
    return [_of_texts]


def _of_texts(draft: Draft) -> Draft:
    return replace(draft, kind="string")


CONVERTERS: Family = {
    CountVectorizer: Methods(transform=_transform, tells=_tells),
    TfidfVectorizer: Methods(transform=_weighted, tells=_tells),
    TfidfTransformer: Methods(transform=_reweighted),
}
