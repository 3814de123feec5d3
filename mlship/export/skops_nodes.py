"""The nodes of a .skops file's schema: what they are called, what they hold, and whether that is plain data."""

from __future__ import annotations

import importlib
import io
import json
import math
from typing import Any

import numpy as np

from mlship.export.allowed import is_allowed
from mlship.export.calls import is_attribute
from mlship.export.sound import is_own_parser, may_hold_function
from mlship.export.unpickler import Forbidden

Node = dict[str, Any]

_CALLABLE = ("FunctionNode", "TypeNode", "PartialNode", "MethodNode", "OperatorFuncNode")


class Malformed(ValueError):
    """A schema that skops did not write."""


class Shapes:
    """Tells nodes that are alike, but for the numbers and files that skops makes up anew each time it writes one."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], int] = {}
        self._told: dict[int, int] = {}  # by the id of a part of the schema, which lives as long as this

    def of(self, part: Any) -> int:
        """Return a number that is the same for parts that are alike."""
        told = self._told.get(id(part))
        if told is not None:
            return told
        key: tuple[Any, ...]
        if isinstance(part, dict):
            key = ("dict", *((key, self.of(value)) for key, value in part.items() if key not in ("__id__", "file")))
        elif isinstance(part, list):
            key = ("list", *(self.of(item) for item in part))
        else:
            return self._known.setdefault((type(part), part), len(self._known))
        return self._told.setdefault(id(part), self._known.setdefault(key, len(self._known)))


def content_of(node: Node) -> dict[str, Any]:
    """Return what a node holds."""
    content = node.get("content")
    if not isinstance(content, dict):
        raise Malformed("a node has no content")
    return content


def name_of(node: Node) -> str:
    """The name of a node's class in full; one with a dot in it, which walks attributes, is none."""
    module, own = node.get("__module__"), node.get("__class__")
    if not isinstance(module, str) or not isinstance(own, str):
        raise Malformed("a node has no class")
    if not own.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise Forbidden("import", f"{module}.{own}")
    return f"{module}.{own}"


def class_of(name: str) -> type:
    """Import a class whose name has been looked at."""
    module, _, own = name.rpartition(".")
    found = getattr(importlib.import_module(module), own)
    if not isinstance(found, type):
        raise Forbidden("call", name)
    return found


def is_scalar(name: str) -> bool:
    """Tell whether a name is one of numpy's scalar types."""
    module, _, own = name.rpartition(".")
    kind = getattr(np, own, None) if module == "numpy" and is_allowed(module, own) else None
    return isinstance(kind, type) and issubclass(kind, np.generic)


def is_function(node: Any) -> bool:
    """Tell whether what a node makes can be called."""
    if node.get("__loader__") in _CALLABLE:
        return True
    return node.get("__loader__") == "ObjectNode" and "__call__" in dir(class_of(name_of(node)))


def is_sound_attributes(kind: type, state: dict[str, Node]) -> bool:
    """Tell whether a dictionary may become the attributes of an object of a class, as in the pickle path."""
    model = "__model" if kind.__module__ == "catboost.core" else ""
    for key, value in state.items():
        text = key == "__doc__" and value.get("__loader__") == "JsonNode"  # of a distribution
        if not is_attribute(key) and key != model and not text:
            return False
    if kind.__name__ == "TreePredictor" and state.get("nodes", {}).get("__loader__") != "NdArrayNode":
        return False
    return all(not is_function(value) or may_hold_function(kind, key) for key, value in state.items())


def is_sound_distribution(own: tuple[str, str], state: Node) -> bool:
    """Tell whether a state is one of a distribution, with scipy's own text in it.

    Args:
        own: Where the class reads its state: module and class.
        state: The state.
    """
    if own != ("scipy.stats._distn_infrastructure", "rv_generic"):
        return False
    texts = {key: value for key, value in state["content"].items() if key in ("shapes", "_parse_arg_template")}
    if not all(value.get("__loader__") == "JsonNode" for value in texts.values()):
        return False
    return is_own_parser({key: json.loads(value["content"]) for key, value in texts.items()})


def check_plain(node: Node, name: str) -> None:
    """Let only values in that are no more than text and numbers."""
    if node["__loader__"] in ("TupleNode", "ListNode"):
        for item in node["content"]:
            check_plain(item, name)
    elif node["__loader__"] not in ("JsonNode", "BytesNode"):
        raise Forbidden("call", name)


def check_npy(data: bytes) -> None:
    """Look whether an array is as long as it says, and has no objects: numpy takes the memory before it reads."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = head(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise Malformed("an array is not as long as it says")
