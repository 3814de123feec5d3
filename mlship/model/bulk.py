"""Tree ensembles laid out for many rows at once: one operator a tree instead of one for all.

One operator takes row after row through every tree, and a large forest does not fit into the cache. With one operator a
tree all rows of a call go through one tree and then through the next. The bits stay: each operator gives one number a
row, and these are added in the order of the trees, as the single operator adds them.

Trees that differ in their leaves only, as those of a forest of several classes do, become one operator that tells which
leaf a row reaches, and a table of what each leaf adds to each sum: they are walked once instead of once a class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlship.model.ensembles import INTS, ML_DOMAIN, SUM, TENSORS, Ensemble, Tree, read_ensemble, splits_of

_OPERATOR = b"TreeEnsemble"
_MOST_BYTES = 1 << 28  # the model is read, laid out and opened a second time
_INT32 = 6  # TensorProto.INT32


@dataclass(frozen=True)
class Layout:
    """A model laid out for many rows.

    Attributes:
        data: The model without its metadata; it gives the same bits.
        splits: What the trees compare columns of a graph input with, in order, by the input's name and the column's
            place; of inputs that the trees are given as they are.
    """

    data: bytes = field(repr=False)
    splits: dict[str, dict[int, NDArray[Any]]] = field(repr=False)


def laid_out(data: bytes) -> Layout | None:
    """Lay the tree ensembles of a model out for many rows at once.

    Args:
        data: A serialized model.

    Returns:
        The layout, or None when the model holds no ensemble of some size that can be laid out.
    """
    if _OPERATOR not in data or len(data) > _MOST_BYTES:
        return None
    import onnx

    model: Any = onnx.load_from_string(data)
    splits = splits_of(model.graph)
    if not _lay_out(model.graph, _Names(model.graph)):
        return None
    del model.metadata_props[:]
    return Layout(model.SerializeToString(), splits)


class _Names:
    """Names of tensors that a model does not have yet."""

    def __init__(self, graph: Any) -> None:
        self._taken = set(_names(graph))
        self._count = 0

    def __call__(self) -> str:
        while (name := f"bulk_{self._count}") in self._taken:
            self._count += 1
        self._taken.add(name)
        return name


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
        ensemble = read_ensemble(node)
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

    def write(self, ensemble: Ensemble) -> None:
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
        """Add up from the left to the right, each once it is there: a Sum would keep all of them until the end."""
        total = terms[0]
        for term in terms[1:]:
            total = self._add("Add", [total, term])
        if out is not None and len(terms) > 1:
            self.nodes[-1].output[0] = out
        elif out is not None:
            self._add("Identity", [total], out)
        return total

    def _shared(self, group: list[Tree]) -> str:
        """Trees that send rows the same ways, [rows, sums]: the leaf reached, and what it adds to each sum."""
        weights = np.stack([tree.weights for tree in group], axis=1)
        reached = self._tree(group[0], np.arange(len(weights), dtype=weights.dtype))
        flat = self._add("Squeeze", [reached, self._constant(np.array([1]))])
        place = self._add("Cast", [flat], to=_INT32)
        return self._add("Gather", [self._constant(weights + 0.0), place], axis=0)  # a sum from 0 has no -0.0

    def _tree(self, tree: Tree, weights: NDArray[Any]) -> str:
        """One tree, [rows, 1]."""
        from onnx import numpy_helper

        tensors = {name: tree.nodes[name] for name in TENSORS}
        tensors["leaf_weights"] = weights
        if len(tree.members):
            tensors["membership_values"] = tree.members
        return self._add(
            "TreeEnsemble",
            [self._node.input[0]],
            domain=ML_DOMAIN,
            aggregate_function=SUM,
            post_transform=0,
            n_targets=1,
            tree_roots=[0],
            leaf_targetids=[0] * len(weights),
            **{name: tree.nodes[name].tolist() for name in INTS},
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
