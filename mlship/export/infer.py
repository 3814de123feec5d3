"""The input columns of a fitted estimator, read from the object alone.

Nobody stores the dtypes of the training frame, but encoders keep their categories and imputers the dtype
they saw; what is left unsaid is a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlship.errors import NotConvertible, UsageError
from mlship.export.parts import (
    column_parts,
    is_column_transformer,
    is_dropped,
    is_passthrough,
    is_pipeline,
    is_union,
    seen_first,
    steps_of,
    takes_texts,
)
from mlship.export.registry import methods_of
from mlship.model.signature import Category, duplicates


@dataclass(frozen=True)
class Draft:
    """One input column as far as the estimator tells.

    Attributes:
        name: Its name.
        position: Its place among the columns that the estimator was fitted on.
        kind: `float`, `int`, `bool` or `string`.
        categories: The values that an encoder learned, or None.
        marker: A value that an imputer takes for missing, other than null, or None.
        boxed: Whether the estimator was fitted on Python objects, and takes them only.
        none: Whether null was None in training, and not NaN.
        filled: Whether an imputer fills in NaN, which None is not.
        category: Whether the estimator takes a column of pandas' category dtype: `closed` when only of the
            categories of training, `open` when of any, empty when not.
    """

    name: str
    position: int
    kind: str = "float"
    categories: tuple[Category, ...] | None = None
    marker: Category | None = None
    boxed: bool = False
    none: bool = False
    filled: bool = False
    category: Literal["", "open", "closed"] = ""


@dataclass(frozen=True)
class Schema:
    """The columns of an estimator.

    Attributes:
        columns: Those that it uses, in fitted order.
        width: How many columns it was fitted on.
        named: Whether it was fitted on a frame and wants names.
        text: Whether it takes a plain sequence of texts instead of a table.
    """

    columns: tuple[Draft, ...]
    width: int
    named: bool
    text: bool = False


def infer_schema(estimator: Any, given: Sequence[str] | None = None) -> Schema:
    """Read the input columns off a fitted estimator.

    Args:
        estimator: A fitted estimator or pipeline.
        given: Names for the columns of an estimator that was fitted without names, in its order.

    Raises:
        UsageError: The given names are too few, too many or occur twice, or the model has names of its own.
        NotConvertible: The estimator does not tell how many columns it takes, or two have one name.
    """
    text = takes_texts(estimator)
    fitted = None if text else _fitted_names(estimator)
    width = 1 if text else _width(estimator)
    names = _names(fitted, given, ("text",) if text else tuple(f"x{index}" for index in range(width)))
    drafts = [Draft(name, position, "string" if text else "float") for position, name in enumerate(names)]
    if text:
        return Schema(tuple(drafts), width, named=False, text=True)
    return Schema(tuple(_told(estimator, drafts)), width, named=fitted is not None)


def _names(fitted: list[str] | None, given: Sequence[str] | None, default: tuple[str, ...]) -> Sequence[str]:
    if fitted is not None:
        if given is not None:
            raise UsageError(
                "The model was fitted on named columns, and --columns would rename them.",
                hint="Leave --columns out.",
            )
        if duplicates(fitted):
            raise NotConvertible(f"Two columns of the model are named {duplicates(fitted)[0]!r}.", code="bad_columns")
        return fitted
    if given is None:
        return default
    if len(given) != len(default):
        raise UsageError(
            f"The model takes {len(default)} columns, and {len(given)} names were given.",
            hint=f"Give {len(default)} names with --columns, in the order in which the model was fitted.",
        )
    if duplicates(tuple(given)):
        raise UsageError(
            f"The column name {duplicates(tuple(given))[0]!r} occurs twice.", hint="Give each column a name of its own."
        )
    return given


def _fitted_names(estimator: Any) -> list[str] | None:
    for item in seen_first(estimator):
        methods = methods_of(type(item))
        own = methods.names if methods else None
        names = own(item) if own else getattr(item, "feature_names_in_", None)
        if names is not None and any(isinstance(name, str) for name in names):  # others number columns of an array
            return [str(name) for name in names]
    return None


def _width(estimator: Any) -> int:
    for item in seen_first(estimator):
        width = getattr(item, "n_features_in_", None)
        if width == 0:  # CatBoost, which forgets it when it is pickled
            width = len(getattr(item, "feature_names_", None) or ())
        if width is not None:
            return int(width)
        methods = methods_of(type(item))
        if methods is not None and methods.width is not None:
            return methods.width
    raise NotConvertible(
        f"{type(estimator).__name__} does not say how many columns it was fitted on.", code="unknown_columns"
    )


def _told(estimator: Any, drafts: list[Draft]) -> list[Draft]:
    """The drafts with what the estimator says of them; columns that it never looks at are left out."""
    told = dict(enumerate(drafts))
    used: set[int] = set()
    _follow(estimator, list(range(len(drafts))), _Notes(told, used))
    for draft in told.values():
        if draft.none and draft.filled:
            raise NotConvertible(
                f"Nulls of column {draft.name!r} were None in training, and its imputer fills in only NaN.",
                hint="Fit with NaN for null, or give the imputer missing_values=None.",
                code="not_supported",
            )
    return [told[position] for position in sorted(used)]


@dataclass(frozen=True)
class _Notes:
    """What was found so far: the drafts by position, and the positions of columns that something looks at."""

    told: dict[int, Draft]
    used: set[int]


_Flow = Sequence[int | None]
"""For each column that a step takes, the position of the input column that it is, or None when it is none."""


def _follow(step: Any, flow: _Flow, notes: _Notes) -> _Flow:
    """Note what a step and those within it say; return what flows on, empty when that is not known."""
    if is_passthrough(step):
        notes.used.update(position for position in flow if position is not None)
        return flow
    if is_pipeline(step):
        return _follow_steps([inner for _, inner in steps_of(step)], flow, notes)
    if is_column_transformer(step):
        taken = [(part.step, [flow[at] for at in part.positions]) for part in column_parts(step)]
        notes.used.update(position for _, inside in taken for position in inside if position is not None)
        flows = [_follow(inner, inside, notes) for inner, inside in taken]
        return [position for part in flows for position in part] if all(flows) else []
    if is_union(step):
        flows = [_follow(inner, flow, notes) for _, inner in step.transformer_list if not is_dropped(inner)]
        return [position for part in flows for position in part] if all(flows) else []
    methods = methods_of(type(step))
    inner = methods.inner(step) if methods and methods.inner else []
    for child in inner:
        _follow(child, flow, notes)
    if not inner:
        notes.used.update(position for position in flow if position is not None)
    sayings = methods.tells(step) if methods and methods.tells else []
    for position, saying in zip(flow, sayings, strict=False):  # most steps say nothing
        if position is not None and saying is not None:
            notes.told[position] = saying(notes.told[position])
    passed = methods.passes(step) if methods and methods.passes else []
    return [None if place is None else flow[place] for place in passed]


def _follow_steps(steps: Sequence[Any], flow: _Flow, notes: _Notes) -> _Flow:
    if not steps:
        notes.used.update(position for position in flow if position is not None)
    for step in steps:
        flow = _follow(step, flow, notes)
        if not flow:
            break
    return flow
