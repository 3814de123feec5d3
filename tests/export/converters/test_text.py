"""Tests of vectorizers of texts: every script, every analyzer, and what cannot be the same refused."""

# ruff: noqa: RUF001, S106  letters of many scripts, and patterns of words

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from tests.export.grids import crossed, picked
from tests.export.judging import EXACT, assert_equal, export, named, opened

_SCRIPTS = [
    "São Paulo é grande, não é? Ação e reação; pingüim.",
    "Die Straße ist groß. ÄRGER über Öl, STRASSE, ẞ",
    "Привет, мир! Ещё раз ПРИВЕТ; ёлка Ёлка",
    "ΟΔΥΣΣΕΥΣ και ΣΟΦΟΣ: Ο ΣΟΦΟΣ'Α Σ. ΣΑΣ ΑΣ' ΑΣ",
    "İstanbul ve Iğdır, ısı IŞIK istanbul",
    "日本語のテスト 東京 中文 分词 한국어 각",
    "emoji 😀 test 👍🏽 ok ⁉ x² ½ №5 ﬁne ｆｕｌｌ",
    "cafe\u0301 café e\u0301 नमस्ते दुनिया שָׁלוֹם",
    "١٢٣ ४५६ 12 3 v2 a_b __ _ x",
    "the quick brown fox, the lazy dog and the end",
    " leading\t\ttabs \n\nlines\r\nand\u00a0no-break\u2003em ",
]
_HARD = [
    "",
    " ",
    "\n\n",
    "a",
    "Σ",
    "ΑΣ",
    "ΑΣ.Β ΑΣ' x ΆΣ\u0301 aΣ\u00adb Σα ʰΣ",
    "x\x00y the\x00the",
    "SÃO SÃO são the The THE fox quick brown",
    "brown the fox of brown fox",
    "ǅ ŉ ΐ ﬀ ﬃ Å ① Ⅷ ㎏",
    "q" * 3000,
    "the quick " * 700,
]
_VECTORIZERS: list[Any] = [
    CountVectorizer(max_features=60),
    CountVectorizer(lowercase=False, ngram_range=(1, 2)),
    CountVectorizer(binary=True, ngram_range=(2, 3), token_pattern=r"(?u)\b\w+\b", max_features=90),
    CountVectorizer(stop_words="english", ngram_range=(1, 2)),
    CountVectorizer(stop_words=["the", "é", "mir", "σοφος"], token_pattern=r"\w{1,}", ngram_range=(2, 2)),
    CountVectorizer(strip_accents="unicode", dtype=np.float64),
    CountVectorizer(strip_accents="ascii", ngram_range=(1, 2)),
    CountVectorizer(lowercase=False, strip_accents="unicode"),
    CountVectorizer(analyzer="char", ngram_range=(1, 3), max_features=50),
    CountVectorizer(analyzer="char", ngram_range=(2, 2), lowercase=False, max_features=50),
    CountVectorizer(analyzer="char_wb", ngram_range=(1, 1)),
    CountVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=50),
    CountVectorizer(analyzer="char_wb", ngram_range=(5, 6), strip_accents="unicode", max_features=50),
    CountVectorizer(token_pattern=r"\S+", max_features=20),
    CountVectorizer(token_pattern=r"[a-zA-Z]{2,}"),
    CountVectorizer(vocabulary=["the", "quick brown", "", "zz", "fox", "two words"], ngram_range=(1, 2)),
    CountVectorizer(vocabulary=["the", "fox", "and"], stop_words="english"),
    TfidfVectorizer(max_features=60),
    TfidfVectorizer(norm="l1", sublinear_tf=True),
    TfidfVectorizer(norm=None, smooth_idf=False, min_df=2),
    TfidfVectorizer(use_idf=False, analyzer="char_wb", ngram_range=(2, 3), max_features=50),
    TfidfVectorizer(binary=True, stop_words=["the"], ngram_range=(1, 3), max_df=0.5, max_features=50),
]


@pytest.mark.parametrize("vectorizer", picked(_VECTORIZERS, 2, 4, 6, 9, 13, 15, 16, 18, 19, 20), ids=named)
def test_vectorizers_count_the_texts_of_every_script_as_the_original(tmp_path: Path, vectorizer: Any) -> None:
    """Each analyzer and option gives the original's numbers on all scripts, empty texts and very long ones."""
    vectorizer.fit(_SCRIPTS)
    assert export(tmp_path, vectorizer) == 0
    _assert_same(tmp_path, vectorizer, [*_SCRIPTS, *_HARD])
    for text in ("", "ΟΔΥΣΣΕΥΣ"):  # alone in a call
        _assert_same(tmp_path, vectorizer, [text])


def _assert_same(folder: Path, model: Any, texts: list[str]) -> None:
    session = opened(folder)
    name = session.signature.names[0]
    answers = session.predict({name: np.array(texts, dtype=object)})
    given = np.column_stack([answers[output.name] for output in session.signature.outputs])
    expected = model.transform(texts).toarray().astype(np.float64)
    assert np.abs(given - expected).max() <= EXACT


@pytest.mark.parametrize(("analyzer", "accents"), crossed(["word", "char", "char_wb"], [None, "unicode", "ascii"]))
def test_every_character_of_unicode_is_seen_as_the_original_sees_it(
    tmp_path: Path, analyzer: str, accents: Any
) -> None:
    """A text of each character, between letters, before a sigma and in upper case, has the original's counts."""
    model: Any = CountVectorizer(analyzer=analyzer, strip_accents=accents, ngram_range=(1, 2), max_features=150)
    model.fit([*_SCRIPTS, "a b ab ba aσ aς σa ςa aaa aa bσ bς a1 1a"])
    assert export(tmp_path, model) == 0
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    lines = [every[start : start + 64] for start in range(0, len(every), 64)]
    lines = [line for line in lines if any(character.isprintable() for character in line)][::40] + lines[:60]
    _assert_same_counts(
        tmp_path, model, ["".join(f"a{one}b a{one}Σ aΣ{one} {one}{one} " for one in line) for line in lines]
    )


def _assert_same_counts(folder: Path, model: Any, texts: list[str]) -> None:
    session = opened(folder)
    for start in range(0, len(texts), 200):
        part = texts[start : start + 200]
        answers = session.predict({session.signature.names[0]: np.array(part, dtype=object)})
        given = np.column_stack([answers[output.name] for output in session.signature.outputs])
        np.testing.assert_array_equal(given, model.transform(part).toarray())


_TEXTS = [*_SCRIPTS, *(text.upper() for text in _SCRIPTS), *(text[: len(text) // 2] for text in _SCRIPTS)]
_LABELS = np.array([index % 3 for index in range(len(_TEXTS))])
_FRESH = [text[len(text) // 3 :] for text in _SCRIPTS] + [text for text in _HARD if len(text) < 100]


@pytest.mark.parametrize(
    "model",
    picked(
        [
            make_pipeline(TfidfVectorizer(), LogisticRegression()),
            make_pipeline(TfidfVectorizer(sublinear_tf=True), LinearSVC()),
            make_pipeline(CountVectorizer(), TfidfTransformer(), MultinomialNB()),
            make_pipeline(CountVectorizer(), MultinomialNB()),
            make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0), LogisticRegression()),
            make_pipeline(
                FeatureUnion(
                    [("word", TfidfVectorizer()), ("char", TfidfVectorizer(analyzer="char", ngram_range=(2, 3)))]
                ),
                LogisticRegression(),
            ),
        ],
        1,
        2,
        4,
        5,
    ),
    ids=named,
)
def test_pipelines_on_texts_answer_as_the_original(tmp_path: Path, model: Any) -> None:
    """Classifiers behind vectorizers answer fresh texts as the original."""
    model.fit(_TEXTS, _LABELS)
    assert export(tmp_path, model) == 0
    session = opened(tmp_path)
    answers = session.predict({session.signature.names[0]: np.array(_FRESH, dtype=object)})
    assert answers["prediction"].tolist() == model.predict(_FRESH).tolist()
    method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
    given = np.column_stack([answers[output.name] for output in session.signature.outputs[1:]])
    assert np.abs(given - getattr(model, method)(_FRESH)).max() <= EXACT


def test_a_column_of_texts_stands_beside_numbers(tmp_path: Path) -> None:
    """A vectorizer of one column of a frame is told to be text, without which it would be taken for a number."""
    frame = pd.DataFrame({"note": _TEXTS, "amount": np.linspace(-3.0, 5.0, len(_TEXTS))})
    prepare = ColumnTransformer([("text", TfidfVectorizer(), "note"), ("scale", StandardScaler(), ["amount"])])
    model = make_pipeline(prepare, LogisticRegression()).fit(frame, _LABELS)
    assert export(tmp_path, model) == 0
    column = opened(tmp_path).signature.inputs[0]
    assert (column.dtype, column.nullable) == ("string", False)
    fresh = pd.DataFrame({"note": _FRESH, "amount": np.linspace(-9.0, 9.0, len(_FRESH))})
    assert_equal(tmp_path, model, fresh)


@pytest.mark.parametrize(
    "transformer",
    [TfidfTransformer(), TfidfTransformer(norm="l1"), TfidfTransformer(norm=None, use_idf=False)],
    ids=named,
)
def test_weights_of_given_counts_are_the_originals(tmp_path: Path, transformer: Any) -> None:
    """A TfidfTransformer alone weights a table of counts, zeros among them, as the original."""
    counts = np.random.default_rng(0).poisson(0.7, (60, 5)).astype(np.float64)
    transformer.fit(counts[:40])
    assert export(tmp_path, transformer) == 0
    assert_equal(tmp_path, transformer, np.vstack([counts[40:], np.zeros((1, 5)), 0.5 - counts[:1]]))


@pytest.mark.parametrize(
    "options",
    [
        {"token_pattern": r"(?u)\b[a-z]\w+\b"},
        {"token_pattern": r"(\w)\w+"},
        {"token_pattern": r"(?a)\w+"},
        {"dtype": np.float32},
        {"tokenizer": np.ravel, "token_pattern": None},
        {"analyzer": np.asarray},
        {"vocabulary": ["a b", "c d"]},
    ],
    ids=named,
)
def test_options_that_would_not_be_the_same_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    """Patterns with more than a run of one class, functions and small dtypes end in exit 5, without a file."""
    model = CountVectorizer(**options)
    if callable(options.get("tokenizer")) or callable(options.get("analyzer")):
        model.vocabulary_ = {"aa": 0, "bb": 1}
    else:
        model.fit(["aa bb cc", "bb dd"])
    assert export(tmp_path, model) == 5
    assert not (tmp_path / "model.onnx").exists()
