"""Tree ensembles laid out for many rows at once: one operator a tree instead of one for all.

One operator takes row after row through every tree, and a large forest does not fit into the cache. With one operator a
tree all rows of a call go through one tree and then through the next. The bits stay: each operator gives one number a
row, and these are added in the order of the trees, as the single operator adds them.

Trees that differ in their leaves only, as those of a forest of several classes do, become one operator that tells which
leaf a row reaches, and a table of what each leaf adds to each sum: they are walked once instead of once a class.

Operator: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ML_DOMAIN = "ai.onnx.ml"
_OPERATOR = b"TreeEnsemble"
_SUM, _MEMBER = 1, 6  # values of `aggregate_function` and of `nodes_modes`
_MOST_TREES = 4000  # each costs a fifth of a millisecond to open and a few microseconds a call
_FEWEST_NODES = 12  # of a tree on average; what is smaller stays in the cache together with all others
_INT32 = 6  # TensorProto.INT32
_MOST_LEAVES = 1 << 24  # of a tree whose leaves are numbered: float32 holds every whole number up to it
_IDS = ("nodes_truenodeids", "nodes_falsenodeids")
_LEAFS = ("nodes_trueleafs", "nodes_falseleafs")
_SIDES = tuple(zip(_IDS, _LEAFS, strict=True))
_INTS = ("nodes_featureids", *_IDS, *_LEAFS, "nodes_missing_value_tracks_true")
_TENSORS = ("nodes_splits", "nodes_modes")
_KNOWN = {
    *_INTS, *_TENSORS, "tree_roots", "leaf_targetids", "leaf_weights", "membership_values", "n_targets",
    "aggregate_function", "post_transform",
}  # fmt: skip


@dataclass(frozen=True)
class _Tree:
    """One tree, with nodes and leaves counted from its own first.

    Attributes:
        nodes: [nodes] of each attribute that has one value a node.
        members: The values of its membership tests, each test's ended by NaN.
        target: The sum that its leaves add to.
        weights: [leaves]; what each adds.
    """

    nodes: dict[str, NDArray[Any]]
    members: NDArray[Any]
    target: int
    weights: NDArray[Any]

    def shape(self) -> bytes:
        """Return what tells trees apart whose rows go different ways."""
        return b"".join(part.tobytes() for part in (*self.nodes.values(), self.members)) + bytes(len(self.weights))


@dataclass(frozen=True)
class _Ensemble:
    """An operator that can be laid out.

    Attributes:
        targets: Number of its sums.
        groups: Its trees in order; those of a group send rows the same ways, each adding to a sum of its own.
    """

    targets: int
    groups: list[list[_Tree]]

    @property
    def shared(self) -> bool:
        """Whether every group adds to all sums, in order."""
        return self.targets > 1 and all(
            [tree.target for tree in group] == list(range(self.targets)) for group in self.groups
        )


def laid_out(data: bytes) -> bytes | None:
    """Lay the tree ensembles of a model out for many rows at once.

    Args:
        data: A serialized model.

    Returns:
        The model without its metadata, which gives the same bits; None when it holds no ensemble of some size that
        can be laid out.
    """
    if _OPERATOR not in data:
        return None
    import onnx

    model: Any = onnx.load_from_string(data)
    if not _lay_out(model.graph, _Names(model.graph)):
        return None
    del model.metadata_props[:]
    laid: bytes = model.SerializeToString()
    return laid


class _Names:
    """Names of tensors that a model does not have yet."""

    def __init__(self, graph: Any) -> None:
        self._taken = set(_names(graph))
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        name = f"bulk_{self._count}"
        return name if name not in self._taken else self()


def _names(graph: Any) -> Iterator[str]:
    for item in (*graph.input, *graph.output, *graph.initializer):
        yield item.name
    for node in graph.node:
        yield from node.output
        for body in _bodies(node):
            yield from _names(body)


def _bodies(node: Any) -> Iterator[Any]:
    """Yield the graphs that a node such as Loop or If holds."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _lay_out(graph: Any, names: _Names) -> bool:
    """Lay out the ensembles of a graph and of the graphs in it; tell whether there was one."""
    nodes: list[Any] = []
    found = False
    for node in graph.node:
        for body in _bodies(node):
            found |= _lay_out(body, names)
        ensemble = _read(node)
        if ensemble is None:
            nodes.append(node)
            continue
        found = True
        writer = _Writer(node, names)
        writer.write(ensemble)
        nodes += writer.nodes
        graph.initializer.extend(writer.constants)
    if found:
        del graph.node[:]
        graph.node.extend(nodes)
    return found


def _read(node: Any) -> _Ensemble | None:
    """Read an operator; None when it is no ensemble, or one that had better stay as it is."""
    if node.op_type != "TreeEnsemble" or node.domain != _ML_DOMAIN:
        return None
    given = {item.name: item for item in node.attribute}
    if not given.keys() <= _KNOWN or given["aggregate_function"].i != _SUM or given["post_transform"].i:
        return None
    trees = _trees(given)
    if trees is None:
        return None
    targets = int(given["n_targets"].i)
    ensemble = _Ensemble(targets, list(_groups(trees)))
    count = sum(len(tree.nodes["nodes_modes"]) for tree in trees)
    small = len(trees) < 2 or count < _FEWEST_NODES * len(trees)
    return None if len(trees) > _MOST_TREES or (small and not ensemble.shared) else ensemble


def _trees(given: dict[str, Any]) -> list[_Tree] | None:
    """The trees in their order; None where they are no plain sequence, or one has leaves of several sums."""
    from onnx import numpy_helper

    nodes: dict[str, Any] = {name: numpy_helper.to_array(given[name].t) for name in _TENSORS}
    count = len(nodes["nodes_modes"])
    for name in _INTS:
        values = given[name].ints if name in given else ()
        nodes[name] = np.fromiter(values, np.int64, len(values)) if len(values) else np.zeros(count, dtype=np.int64)
    weights = numpy_helper.to_array(given["leaf_weights"].t)
    targets = np.fromiter(given["leaf_targetids"].ints, np.int64, len(weights))
    members = _Members(nodes["nodes_modes"], given)
    bounds = [*given["tree_roots"].ints, count]
    if bounds[0] != 0 or any(end <= begin for begin, end in pairwise(bounds)):
        return None
    trees = []
    for begin, end in pairwise(bounds):
        own = {name: values[begin:end] for name, values in nodes.items()}
        leaves = np.unique(np.concatenate([own[ids][own[leafs] != 0] for ids, leafs in _SIDES]))
        for ids, leafs in _SIDES:
            is_leaf = own[leafs] != 0
            own[ids] = np.where(is_leaf, np.searchsorted(leaves, own[ids]), own[ids] - begin)
            if not ((own[ids] >= 0) & (is_leaf | (own[ids] < end - begin))).all():
                return None
        if (targets[leaves] != targets[leaves[0]]).any() or len(leaves) > _MOST_LEAVES:
            return None
        trees.append(_Tree(own, members.of(begin, end), int(targets[leaves[0]]), weights[leaves]))
    return trees


class _Members:
    """The values of the membership tests of an ensemble, which stand in the order of the nodes."""

    def __init__(self, modes: NDArray[np.uint8], given: dict[str, Any]) -> None:
        from onnx import numpy_helper

        known = given.get("membership_values")
        self._values: NDArray[Any] = numpy_helper.to_array(known.t) if known is not None else np.empty(0)
        self._starts = np.append(0, np.flatnonzero(np.isnan(self._values)) + 1)
        self._before = np.append(0, np.cumsum(modes == _MEMBER))

    def of(self, begin: int, end: int) -> NDArray[Any]:
        """Return the values for nodes from `begin` up to `end`."""
        return self._values[self._starts[self._before[begin]] : self._starts[self._before[end]]]


def _groups(trees: list[_Tree]) -> Iterator[list[_Tree]]:
    """Put neighbours that send rows the same ways together."""
    group: list[_Tree] = []
    shape = b""
    for tree in trees:
        own = tree.shape()
        if group and (own != shape or tree.target <= group[-1].target):
            yield group
            group = []
        group.append(tree)
        shape = own
    yield group


class _Writer:
    """Writes the operators that take the place of one.

    Args:
        node: The operator.
        names: Gives names for tensors.
    """

    def __init__(self, node: Any, names: _Names) -> None:
        self._node, self._names = node, names
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def write(self, ensemble: _Ensemble) -> None:
        """Write all operators; the last gives what the one gave, under its name."""
        out = self._node.output[0]
        if ensemble.shared:
            self._sum([self._shared(group) for group in ensemble.groups], out)
            return
        terms: list[list[str]] = [[] for _ in range(ensemble.targets)]
        for group in ensemble.groups:
            for tree in group:
                terms[tree.target].append(self._tree(tree, tree.weights))
        if ensemble.targets == 1:
            self._sum(terms[0], out)
        else:
            self._add("Concat", [self._sum(part) for part in terms], out, axis=1)

    def _sum(self, terms: list[str], out: str | None = None) -> str:
        """Add up from the left to the right."""
        return self._add("Sum", terms, out)

    def _shared(self, group: list[_Tree]) -> str:
        """Trees that send rows the same ways, [rows, sums]: the leaf reached, and what it adds to each sum."""
        weights = np.stack([tree.weights for tree in group], axis=1)
        reached = self._tree(group[0], np.arange(len(weights), dtype=weights.dtype))
        flat = self._add("Squeeze", [reached, self._constant(np.array([1]))])
        place = self._add("Cast", [flat], to=_INT32)
        return self._add("Gather", [self._constant(weights + 0.0), place], axis=0)  # a sum from 0 has no -0.0

    def _tree(self, tree: _Tree, weights: NDArray[Any]) -> str:
        """One tree, [rows, 1]."""
        from onnx import numpy_helper

        tensors = {name: tree.nodes[name] for name in _TENSORS}
        tensors["leaf_weights"] = weights
        if len(tree.members):
            tensors["membership_values"] = tree.members
        return self._add(
            "TreeEnsemble",
            [self._node.input[0]],
            domain=_ML_DOMAIN,
            aggregate_function=_SUM,
            post_transform=0,
            n_targets=1,
            tree_roots=[0],
            leaf_targetids=[0] * len(weights),
            **{name: tree.nodes[name].tolist() for name in _INTS},
            **{name: numpy_helper.from_array(values, name) for name, values in tensors.items()},
        )

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = self._names()
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _add(self, op: str, inputs: list[str], out: str | None = None, *, domain: str = "", **attributes: Any) -> str:
        node = type(self._node)(op_type=op, domain=domain, input=inputs, output=[out or self._names()])
        for name, value in attributes.items():
            item = node.attribute.add(name=name)
            if isinstance(value, int):
                item.i, item.type = value, item.INT
            elif isinstance(value, list):
                item.ints.extend(value)
                item.type = item.INTS
            else:
                item.t.CopyFrom(value)
                item.type = item.TENSOR
        self.nodes.append(node)
        return str(node.output[0])
