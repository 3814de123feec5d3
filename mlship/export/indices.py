"""Whether the nodes of a decision tree lead anywhere but to later nodes of it and to columns that there are.

scikit-learn's compiled code follows what they say without looking: to a place outside of the memory, or for ever in
a circle. Every tree that it grows has the children of a node after the node.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAF = -1
_WORDS = 8  # of 32 bits, for 256 categories: compiled code reads so many of each set
_BEYOND = "is a tree whose nodes lead out of it or round in a circle"
_COLUMNS = "is a tree that reads columns which the model does not have"


def wrong_tree(tree: Any, width: int | None) -> str:
    """Say what is wrong with a tree of scikit-learn; or nothing.

    Args:
        tree: The compiled tree.
        width: How many columns the estimator takes that holds it, or None when it does not say.
    """
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = np.flatnonzero(left != _LEAF)
    if not len(left) or not _lead_on(inner, left[inner], right[inner], len(left)):
        return _BEYOND
    columns = tree.n_features if width is None else min(width, tree.n_features)
    return "" if _are_within(feature[inner], columns) else _COLUMNS


def wrong_grown(predictor: Any, width: int | None) -> str:
    """Say what is wrong with a tree of histogram gradient boosting; or nothing."""
    nodes, sets = predictor.nodes, predictor.raw_left_cat_bitsets
    if (
        not isinstance(nodes, np.ndarray)
        or nodes.ndim != 1
        or not {"left", "right", "is_leaf"} <= set(nodes.dtype.names or ())
    ):
        return "is a tree without nodes"
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    left, right = (nodes[side].astype(np.int64)[inner] for side in ("left", "right"))
    if not len(nodes) or not _lead_on(inner, left, right, len(nodes)):
        return _BEYOND
    if width is not None and not _are_within(nodes["feature_idx"].astype(np.int64)[inner], width):
        return _COLUMNS
    whole = type(sets) is np.ndarray and sets.dtype == np.uint32 and sets.ndim == 2 and sets.shape[1] == _WORDS
    asks = inner[nodes["is_categorical"][inner] != 0]
    if len(asks) and not (whole and _are_within(nodes["bitset_idx"].astype(np.int64)[asks], len(sets))):
        return "is a tree that reads sets of categories which it does not have"
    return ""


def _lead_on(nodes: NDArray[Any], left: NDArray[Any], right: NDArray[Any], count: int) -> bool:
    """Tell whether both children of each node come after it and before the end."""
    children = np.stack([left, right])
    return bool((children > nodes).all() and (children < count).all())


def _are_within(places: NDArray[Any], count: int) -> bool:
    return bool(((places >= 0) & (places < count)).all())
