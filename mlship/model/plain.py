"""Dataclasses to and from plain JSON values, with every value's type checked: a file may say anything."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(item: Any) -> dict[str, Any]:
    """Return a dataclass as JSON values, leaving out what has its default, so that files stay short."""
    plain = {}
    for entry in dataclasses.fields(item):
        value = getattr(item, entry.name)
        if entry.default is dataclasses.MISSING or value != entry.default:
            plain[entry.name] = list(value) if isinstance(value, tuple) else value
    return plain


def from_plain(kind: type[T], item: Any) -> T:
    """Make a dataclass of JSON values; the inverse of `to_plain`.

    Raises:
        ValueError: It is no object, a field is missing or unknown, or a value is not of its field's type.
    """
    made: Any = kind
    hints = _hints(made)
    if not isinstance(item, Mapping):
        raise ValueError(f"a {kind.__name__.lower()} is no object")
    values = {}
    for name, value in item.items():
        if name not in hints:
            raise ValueError(f"a {kind.__name__.lower()} has the unknown field {name!r}")
        values[name] = checked(value, hints[name], name)
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default is not there
        raise ValueError(str(error)) from error


def checked(value: Any, hint: Any, name: str) -> Any:
    """Return a JSON value as the type that a field wants: lists become tuples, whole numbers floats.

    Args:
        value: The value.
        hint: The field's type: str, int, float, bool, None, tuples and dictionaries of them, literals, unions.
        name: The field's name, for the error.

    Raises:
        ValueError: It is of another type.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(checked(part, arguments[0], name) for part in value)
    if origin is dict and isinstance(value, Mapping):
        return {key: checked(part, arguments[1], name) for key, part in value.items()}
    if origin in (types.UnionType, Union):
        for choice in arguments:
            if _is(value, choice):
                return checked(value, choice, name)
    elif _is(value, hint):
        return value
    raise ValueError(f"the field '{name}' has an unexpected value")


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, as far as can be told without looking into it."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is str:
        return isinstance(value, str) and is_text(value)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if origin is tuple:
        return isinstance(value, list | tuple)
    if origin is dict:
        return isinstance(value, Mapping)
    return type(value) is (hint if isinstance(hint, type) else type(None))


def is_text(text: str) -> bool:
    """Whether a text can be written as UTF-8, which a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)
