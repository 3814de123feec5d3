"""Models of allowed classes only that would do harm when they are asked: what they write or read is a harmless mark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

X = np.random.RandomState(0).rand(30, 2)
Y = np.arange(30) % 2


def stacked(estimator: Any, method: str) -> StackingClassifier:
    """A stack that would call a method of anything by a name that it holds."""
    model = StackingClassifier([("a", LogisticRegression())], cv=2).fit(X, Y)
    model.estimators_, model.stack_method_ = [estimator], [method]
    return model


def writes(mark: Path) -> Pipeline:
    """A pipeline that writes a file: its first steps make the file's name of any row, and an array writes itself."""
    words = np.array([["word"], ["b"]], dtype=object)
    named = SimpleImputer(missing_values="word", strategy="constant", fill_value=str(mark)).fit(words)
    one = StackingClassifier([("a", LogisticRegression())], cv=2).fit(X[:, :1], Y)
    one.estimators_, one.stack_method_ = [np.frombuffer(b"a mark\n\n", dtype=np.int64)], ["tofile"]
    return Pipeline([("name", named), ("one", FunctionTransformer(np.max)), ("write", one)])


def caches(folder: Path) -> Pipeline:
    """A pipeline that fits itself again when asked, and keeps what comes of it in a folder as pickles."""
    inner = Pipeline([("s", StandardScaler()), ("t", StandardScaler())], memory=str(folder))
    return Pipeline([("first", StandardScaler().fit(X)), ("stack", stacked(inner, "fit_transform"))])


def opens_files() -> Pipeline:
    """A pipeline of texts that takes its texts for names of files."""
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["aa bb", "bb cc", "aa"], [0, 1, 0])
    model[0].input = "filename"
    return model


def calls(kind: Any, **arguments: Any) -> Pipeline:
    """A pipeline that calls a class or a function with arguments of its own."""
    model = make_pipeline(FunctionTransformer(), LogisticRegression()).fit(X, Y)
    model[0].func, model[0].kw_args = kind, arguments
    return model


def tree(**nodes: int) -> DecisionTreeClassifier:
    """A tree whose first node says what is given."""
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)
    state = model.tree_.__getstate__()
    changed = state["nodes"].copy()
    for name, value in nodes.items():
        changed[name][0] = value
    model.tree_.__setstate__({**state, "nodes": changed})
    return model


def circle() -> DecisionTreeClassifier:
    """A tree that never comes to a leaf."""
    return tree(left_child=0, right_child=0)


def beyond() -> DecisionTreeClassifier:
    """A tree whose children lie outside of the memory."""
    return tree(left_child=2**40, right_child=2**40)


def sparse() -> LogisticRegression:
    """A model whose sparse coefficients lie outside of their array."""
    model = LogisticRegression().fit(X, Y).sparsify()
    model.coef_.indices = np.array([10**8, 2 * 10**8], dtype=np.int32)
    return model


def chatty() -> RandomForestClassifier:
    """A forest that prints a line for each of its trees."""
    return RandomForestClassifier(3, random_state=0).fit(X, Y).set_params(verbose=100)


def one_line(said: str) -> str:
    """The error in what a command printed: one line, and at most a hint."""
    error, *hint = said.splitlines()
    assert error.startswith("error: ")
    assert [line[:6] for line in hint] in ([], ["hint: "])
    return re.sub(r"^error: ", "", error)
