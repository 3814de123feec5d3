"""Looking through a loaded model before anything of it is asked.

A file may hold allowed classes only and still be made to do harm: the name of a method to call, a file to read, an
index that leads out of an array. What scikit-learn would follow blindly is checked here, and what would only start
threads or print is switched off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import scipy.sparse

from mlship.errors import ModelRefused
from mlship.export.called import wrong_called
from mlship.export.indices import wrong_grown, wrong_tree

_CACHING = ("sklearn", "imblearn")
_METHODS = {"predict", "predict_proba", "decision_function", "transform", "predict_log_proba", "score_samples", "auto"}
_NAMES_METHODS = {
    "stack_method", "stack_method_", "response_method", "_response_method", "chain_method", "chain_method_",
    "predict_method", "_predict_method", "_method_name",
}  # fmt: skip
_HOLDS_ESTIMATORS = {
    "estimators_", "estimator_", "final_estimator_", "best_estimator_", "base_estimator_", "named_estimators_",
    "regressor_", "transformer_", "transformers_", "steps", "transformer_list", "imputation_sequence_", "init_",
    "initial_estimator_", "calibrated_classifiers_", "label_binarizer_", "_label_binarizer", "classifiers_",
}  # fmt: skip
_STAND_INS = {"drop", "passthrough", "zero", "deprecated"}
_PARTS = ("steps", "transformers_", "transformer_list")  # each a list of (name, estimator, ...)
_HARMLESS = ("builtins", "collections", "numpy")  # modules of classes that are held as types of values
_PLAIN = (str, bytes, int, float, complex, bool, type(None), range, slice, np.generic)


def vet(model: Any, name: str, trust: Sequence[str] = ()) -> None:
    """Refuse a model that would do anything else than answer when it is asked; have it use one thread and not print.

    Args:
        model: The model as it was loaded.
        name: Its file, quoted, for messages.
        trust: Exact names that the user trusts, `module.Name`.

    Raises:
        ModelRefused: Something in it is not what fitting makes, named by its path in the model.
    """
    seen: set[int] = set()
    waiting: list[tuple[Any, str, int | None]] = [(model, type(model).__name__.lower(), None)]
    kept = []  # what was seen stays alive, so that no other thing gets its identity
    while waiting:
        thing, path, width = waiting.pop()
        if isinstance(thing, _PLAIN) or id(thing) in seen:
            continue
        seen.add(id(thing))
        kept.append(thing)
        problem = _wrong(thing, width, trust)
        if problem:
            raise _refused(name, path, problem)
        attributes = _attributes(thing)
        for key, value in attributes.items() if _named(type(thing)) not in trust else ():
            problem = _wrong_attribute(key, value, trust)
            if problem:
                raise _refused(name, f"{path}.{key}", problem)
        _quieten(thing, attributes)
        inner = attributes.get("n_features_in_", width)
        inner = int(inner) if isinstance(inner, int | np.integer) else width
        waiting.extend((item, f"{path}{step}", inner) for step, item in _within(thing, attributes))


def _refused(name: str, path: str, problem: str) -> ModelRefused:
    return ModelRefused(
        f"{name} is not asked for answers: {path} {problem}.",
        hint="The file is damaged, or made to do harm; save it again from the fitted model.",
        code="unsound",
    )


def _attributes(thing: Any) -> dict[str, Any]:
    """What a thing's own dictionary holds; no property of it is asked.

    A function comes by its name from a library, and files cannot set anything of it: what it holds is the library's.
    """
    if isinstance(thing, FunctionType | BuiltinFunctionType):
        return {}
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return dict(found) if isinstance(found, dict) and not isinstance(thing, type) else {}


def _within(thing: Any, attributes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What else there is to look at, with the step that leads to it."""
    yield from (("" if key in _PARTS else f".{key}", value) for key, value in attributes.items())
    if isinstance(thing, dict):
        yield from ((f"[{_shown(key)}]", value) for key, value in dict.items(thing))
    elif isinstance(thing, list | tuple):
        for place, item in enumerate(thing):
            if isinstance(item, tuple) and len(item) > 1 and isinstance(item[0], str):  # a step and its name
                yield from (
                    (f".{_shown(item[0])}" if at == 1 else f"[{place}][{at}]", part) for at, part in enumerate(item)
                )
            else:
                yield f"[{place}]", item
    elif isinstance(thing, set | frozenset):
        yield from (("{}", item) for item in thing)
    elif isinstance(thing, np.ndarray) and thing.dtype.hasobject and thing.dtype.kind == "O":
        yield from ((f"[{place}]", item) for place, item in enumerate(thing.ravel().tolist()))


def _shown(key: Any) -> str:
    return str(key)[:60] if isinstance(key, str | int) else type(key).__name__


def _wrong(thing: Any, width: int | None, trust: Sequence[str]) -> str:
    """Say what is wrong with a thing, wherever it is; or nothing."""
    if isinstance(thing, type) and thing.__module__ not in _HARMLESS and _named(thing) not in trust:
        return f"is the class {_named(thing)}, which would be called"
    if scipy.sparse.issparse(thing):
        return _wrong_sparse(thing)
    if isinstance(thing, defaultdict) and not _is_harmless(thing.default_factory):
        return "makes its missing items by calling something"
    kind = (type(thing).__module__, type(thing).__name__)
    if kind == ("sklearn.tree._tree", "Tree"):
        return wrong_tree(thing, width)
    if kind[1] == "TreePredictor":
        return wrong_grown(thing, width)
    return ""


def _is_harmless(factory: Any) -> bool:
    return factory is None or (isinstance(factory, type) and factory.__module__ in _HARMLESS)


def _wrong_sparse(thing: Any) -> str:
    try:
        if thing.format == "coo":
            thing._check()
        elif thing.format != "dok":  # a dictionary of places, which Python looks up
            (thing if hasattr(thing, "check_format") else thing.tocsr()).check_format(full_check=True)
    except (ValueError, TypeError, IndexError) as error:
        return f"is a sparse array whose indices lead out of it: {str(error)[:100]}"
    return ""


def _wrong_attribute(key: str, value: Any, trust: Sequence[str]) -> str:
    if key in _NAMES_METHODS:
        named = [item for item in _leaves(value) if item is not None and not callable(item)]
        odd = next((item for item in named if not isinstance(item, str) or item not in _METHODS), None)
        return "" if odd is None else f"names {_quoted(odd)}, which is no method that answers"
    if key == "input" and isinstance(value, str) and value != "content":
        return f"is {_quoted(value)}, and the model would open files; only 'content' can be exported"
    if key in _HOLDS_ESTIMATORS:
        odd = next((item for item in _held(key, value) if not _is_estimator(item, trust)), None)
        return "" if odd is None else f"holds an object of type {type(odd).__name__} where an estimator belongs"
    return wrong_called(key, value, trust)


def _quoted(value: Any) -> str:
    return repr(value[:60]) if isinstance(value, str) else f"an object of type {type(value).__name__}"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        value = value.ravel().tolist()
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _held(key: str, value: Any) -> Iterator[Any]:
    """The estimators among what an attribute holds; parts of a pipeline or a table stand between name and columns."""
    if key in _PARTS:
        value = [item[1] for item in value if isinstance(item, tuple | list) and len(item) > 1]
    elif key == "imputation_sequence_":
        value = [item[-1] for item in value if isinstance(item, tuple | list) and item]
    return _leaves(value)


def _is_estimator(thing: Any, trust: Sequence[str]) -> bool:
    if thing is None or (isinstance(thing, str) and thing in _STAND_INS):
        return True
    kind = type(thing)
    return hasattr(kind, "get_params") or kind.__name__ == "_CalibratedClassifier" or _named(kind) in trust


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _quieten(thing: Any, attributes: dict[str, Any]) -> None:
    """Have an estimator use one thread and no cache, and print nothing; none of it is part of what it learned."""
    kind = type(thing)
    if (kind.__module__, kind.__name__) == ("xgboost.core", "Booster"):
        thing.set_param({"nthread": 1})  # it was saved with a number of its own
    if not hasattr(kind, "get_params"):
        return
    if attributes.get("memory") is not None and kind.__module__.partition(".")[0] in _CACHING:
        thing.memory = None  # from it files of others would be loaded
    if attributes.get("n_jobs") is not None:
        thing.n_jobs = 1
    if attributes.get("_n_threads") is not None:  # as KMeans keeps it: more than there are here are waited for
        thing._n_threads = 1
    if attributes.get("verbose"):
        thing.verbose = type(attributes["verbose"])(0) if isinstance(attributes["verbose"], bool | int) else 0
