"""What a .skops file may hold, read from its schema before skops makes anything of it.

skops trusts types. What it does with them is as much as pickle does: it calls constructors, sets states, reaches for
methods. So each kind of node has its one rule here, the pickle path's where there is one, and a node without is refused
by name. The schema is data: nothing is made to look at it, and only classes whose names are known are imported.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator

from mlship.export.allowed import is_callable
from mlship.export.calls import is_attribute
from mlship.export.skops_nodes import (
    Malformed,
    Node,
    Shapes,
    check_npy,
    check_plain,
    class_of,
    content_of,
    is_function,
    is_scalar,
    is_sound_attributes,
    is_sound_distribution,
    name_of,
)
from mlship.export.unpickler import Forbidden

_KEYS = {"builtins.str", "builtins.int", "builtins.float", "builtins.bool"}
_DICTS = {"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"}
_FACTORIES = {"builtins.int", "builtins.float", "builtins.list", "builtins.dict", "builtins.set", "builtins.str"}
_MADE = {
    "builtins.complex", "builtins.frozenset", "builtins.range", "datetime.date", "datetime.datetime",
    "datetime.timedelta", "pandas.StringDtype",
}  # fmt: skip
"""What may be called with plain values."""
_OWN_STATES = {
    ("catboost.core", "_CatBoostBase"),
    ("lightgbm.basic", "Booster"),
    ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
    ("sklearn.isotonic", "IsotonicRegression"),
    ("xgboost.core", "Booster"),
}
"""Classes that read their state themselves, and run nothing that is in it."""
_COMPILED_STATES = ("sklearn.metrics._dist_metrics", "sklearn.neighbors._ball_tree", "sklearn.neighbors._kd_tree")
_CHECK = "sklearn.utils.validation.check_array"
_LOSSES = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast")
_BIT_GENERATORS = {"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"}


class Audit:
    """Looks through the nodes of one file.

    Args:
        archive: The file.
        trust: Names that the user allows besides.
        most: Bytes that what is packed once more may unpack to.
    """

    def __init__(self, archive: zipfile.ZipFile, trust: tuple[str, ...], most: int) -> None:
        self._archive = archive
        self._trust = trust
        self._most = most
        self._shapes = Shapes()
        self._seen: dict[Any, int] = {}  # the shape of what has a number

    def check(self, schema: Any) -> None:
        """Look through all of it.

        Raises:
            Forbidden: It would call, change or use what it may not.
            Malformed: It is nothing that skops writes.
        """
        if not isinstance(schema, dict) or schema.get("protocol") not in (1, 2):
            raise Malformed("its protocol is not one of 1 and 2")
        self._walk(schema)

    def _walk(self, node: Any, *loaders: str) -> Node:
        """Look at a node and all that is in it.

        skops takes one node for all that have its number, whatever they look like, so that they have to look alike.
        """
        if not isinstance(node, dict) or not isinstance(node.get("__loader__"), str):
            raise Malformed("a node has no loader")
        loader = node["__loader__"]
        name = name_of(node)
        rule = _RULES.get(loader)
        if rule is None or (loaders and loader not in loaders):
            raise Forbidden("use", f"{loader} of {name}")
        number = node.get("__id__")
        if number and self._seen.setdefault(number, self._shapes.of(node)) != self._shapes.of(node):
            raise Forbidden("change", name)
        rule(self, node, name)
        return node

    def _walk_all(self, nodes: Any, *loaders: str) -> None:
        if not isinstance(nodes, list):
            raise Malformed("items are no list")
        for node in nodes:
            self._walk(node, *loaders)

    def _is_trusted(self, name: str) -> bool:
        return name in self._trust

    def _json(self, node: Node, _name: str) -> None:
        if not isinstance(node.get("content"), str):
            raise Malformed("a value is no text")

    def _held(self, _node: Node, _name: str) -> None:
        """A class or function that is held: its name is all, and all names have been looked at."""

    def _items(self, node: Node, name: str) -> None:
        if name not in ("builtins.list", "builtins.set"):
            raise Forbidden("change", name)
        self._walk_all(node.get("content"))

    def _tuple(self, node: Node, name: str) -> None:
        if name != "builtins.tuple" and not issubclass(class_of(name), tuple):
            raise Forbidden("call", name)
        self._walk_all(node.get("content"))

    def _dict(self, node: Node, name: str) -> None:
        if name not in _DICTS:
            raise Forbidden("change", name)
        for key_type in self._walk(node.get("key_types"), "ListNode")["content"]:
            kind = name_of(self._walk(key_type, "TypeNode"))
            if kind not in _KEYS and not is_scalar(kind):  # it is called with the key's text
                raise Forbidden("call", kind)
        if not isinstance(node.get("content"), dict):
            raise Malformed("a dictionary has no items")
        for key, value in node["content"].items():
            self._walk(value)
            if name.endswith(".Bunch") and (not is_attribute(key) or is_function(value)):
                raise Forbidden("change", name)

    def _default_dict(self, node: Node, name: str) -> None:
        content = content_of(node)
        self._walk(content.get("main"), "DictNode")
        factory = self._walk(content.get("default_factory"), "TypeNode", "JsonNode")
        known = factory["content"] == "null" if factory["__loader__"] == "JsonNode" else name_of(factory) in _FACTORIES
        if not known and name_of(factory) != "collections.OrderedDict":
            raise Forbidden("call", name_of(factory))
        if name != "collections.defaultdict":
            raise Forbidden("change", name)

    def _bytes(self, _node: Node, name: str) -> None:
        if name not in ("builtins.bytes", "builtins.bytearray"):
            raise Forbidden("call", name)

    def _slice(self, node: Node, _name: str) -> None:
        if not all(value is None or isinstance(value, int | str) for value in content_of(node).values()):
            raise Malformed("a slice is not of numbers")

    def _constructed(self, node: Node, name: str) -> None:
        """A call of a class with arguments of the file."""
        if not self._is_trusted(name) and name not in _MADE:
            raise Forbidden("call", name)
        arguments = self._walk(node.get("content"), "TupleNode")
        if not self._is_trusted(name):
            check_plain(arguments, name)

    def _partial(self, node: Node, name: str) -> None:
        """Arguments that are kept for check_array, the only function for which scikit-learn does."""
        content = content_of(node)
        function = self._walk(content.get("func"))
        self._walk(content.get("args"), "TupleNode")
        self._walk(content.get("kwds"), "DictNode")
        own = self._walk(content.get("namespace"), "DictNode", "JsonNode")
        check = function["__loader__"] == "FunctionNode" and name_of(function) == _CHECK
        if not check or name != "functools.partial" or own["content"] not in ("null", {}):
            raise Forbidden("call", name)

    def _object(self, node: Node, name: str) -> None:
        """An object that is made without arguments and then given its state."""
        content = node.get("content")
        state = None if content is None else self._walk(content, "DictNode", "TupleNode", "JsonNode")
        if self._is_trusted(name):
            return
        kind = class_of(name)
        owner = next(base for base in kind.__mro__ if "__setstate__" in vars(base) or base is object)
        own = (owner.__module__, owner.__name__)
        plain = owner is object or owner is BaseEstimator or own in _OWN_STATES
        if state is None or (state["__loader__"] == "JsonNode" and state["content"] == "null"):
            sound = plain
        elif state["__loader__"] == "TupleNode":
            sound = owner.__module__ in _COMPILED_STATES and not any(map(is_function, state["content"]))
        elif state["__loader__"] == "DictNode" and name_of(state) == "builtins.dict":
            sound = (plain or is_sound_distribution(own, state)) and is_sound_attributes(kind, state["content"])
        else:
            sound = False
        if not sound:
            raise Forbidden("change", name)

    def _array(self, node: Node, name: str) -> None:
        if name != "numpy.ndarray" and not is_scalar(name):  # a scalar's class is called with the array
            raise Forbidden("call", name)
        if node.get("type") == "numpy":
            check_npy(self._archive.read(str(node.get("file"))))
            return
        self._walk_all(node.get("content"))
        check_plain(self._walk(node.get("shape"), "TupleNode"), name)

    def _masked(self, node: Node, _name: str) -> None:
        content = content_of(node)
        self._walk(content.get("data"), "NdArrayNode")
        self._walk(content.get("mask"), "NdArrayNode")

    def _dtype(self, node: Node, _name: str) -> None:
        self._walk(node.get("content"), "NdArrayNode")

    def _random_state(self, node: Node, name: str) -> None:
        if name not in ("numpy.random.mtrand.RandomState", "numpy.random.RandomState"):
            raise Forbidden("call", name)
        self._walk(node.get("content"), "DictNode")

    def _generator(self, node: Node, name: str) -> None:
        if name not in ("numpy.random._generator.Generator", "numpy.random.Generator"):
            raise Forbidden("call", name)
        content = content_of(node)
        source = self._walk(content.get("bit_generator"), "DictNode")["content"].get("bit_generator", {})
        self._walk(content.get("seed_seq"), "DictNode")
        said = json.loads(source["content"]) if source.get("__loader__") == "JsonNode" else None
        if said not in _BIT_GENERATORS:
            raise Forbidden("call", f"numpy.random.{said}")

    def _sparse(self, node: Node, _name: str) -> None:
        with zipfile.ZipFile(io.BytesIO(self._archive.read(str(node.get("file"))))) as inner:
            if sum(item.file_size for item in inner.infolist()) > self._most:
                raise Malformed("a sparse matrix unpacks to more than one of a model does")
            for item in inner.namelist():
                check_npy(inner.read(item))

    def _loss(self, node: Node, name: str) -> None:
        module, _, own = name.rpartition(".")
        if module not in _LOSSES or not is_callable(module, own):
            raise Forbidden("call", name)
        reduced = node.get("__reduce__")
        arguments = self._walk(reduced.get("args") if isinstance(reduced, dict) else None, "TupleNode")
        check_plain(arguments, name)
        if self._walk(node.get("content"), "DictNode", "TupleNode")["content"]:
            raise Forbidden("change", name)

    def _tree(self, node: Node, name: str) -> None:
        if name != "sklearn.tree._tree.Tree":
            raise Forbidden("call", name)
        reduced = node.get("__reduce__")
        arguments = self._walk(reduced.get("args") if isinstance(reduced, dict) else None, "TupleNode")["content"]
        if [argument["__loader__"] for argument in arguments] != ["JsonNode", "NdArrayNode", "JsonNode"]:
            raise Forbidden("call", name)
        self._walk(node.get("content"), "DictNode")


_RULES: dict[str, Callable[[Audit, Node, str], None]] = {
    "BytearrayNode": Audit._bytes,
    "BytesNode": Audit._bytes,
    "ConstructorFromReduceNode": Audit._constructed,
    "DTypeNode": Audit._dtype,
    "DefaultDictNode": Audit._default_dict,
    "DictNode": Audit._dict,
    "FunctionNode": Audit._held,
    "JsonNode": Audit._json,
    "ListNode": Audit._items,
    "LossNode": Audit._loss,
    "MaskedArrayNode": Audit._masked,
    "NdArrayNode": Audit._array,
    "ObjectNode": Audit._object,
    "PartialNode": Audit._partial,
    "RandomGeneratorNode": Audit._generator,
    "RandomStateNode": Audit._random_state,
    "SetNode": Audit._items,
    "SliceNode": Audit._slice,
    "SparseMatrixNode": Audit._sparse,
    "TreeNode": Audit._tree,
    "TupleNode": Audit._tuple,
    "TypeNode": Audit._held,
}
