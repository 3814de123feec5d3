"""What the original refuses, found by asking it: null, infinity, huge numbers, unseen categories.

What it refuses the signature must refuse, on every path and with a reason; what it accepts must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlship.errors import MlshipError, NotConvertible
from mlship.export.infer import Draft
from mlship.export.original import Original
from mlship.model.signature import Category, Column, Dtype
from mlship.model.values.codes import Array

# The largest float64 that rounds to a finite float32, which is what scikit-learn's trees cast to: half a
# step above the largest float32 rounds to infinity.
FLOAT32_LIMIT = float(np.nextafter(2.0**128 - 2.0**103, 0.0))
_HUGE = 1e300
_OVERFLOWING = 30  # past this exponent it is sums that overflow, a little sooner in some rows: one power is left free
_PITS = (0.0, -1.0)  # where logarithms are infinite
_STEPS = (0.5, 1.0, 2.0, 30.0, 1e6)  # below those, where all numbers should be one to the model
_MOST_ASKED = 32  # more columns than this are judged by as many of them
UNSEEN = "\u00a1unseen\u00a1"
"""A category that no training data holds."""
UNSEEN_NUMBER = 987654321.0

Row = dict[str, Any]


def probed_columns(original: Original, drafts: Sequence[Draft], likely: Sequence[Row]) -> tuple[Column, ...]:
    """Complete the drafts to columns by probing the original.

    Args:
        original: The model.
        drafts: Its columns.
        likely: Rows of which one should be accepted, the likeliest first; one value a column each.

    Returns:
        The columns, each still to be bound to a graph tensor.

    Raises:
        NotConvertible: The original answers none of the likely rows.
    """
    columns = tuple(_column(draft) for draft in drafts)
    typical = _answered(original, columns, likely)

    def accepts(*changes: Row) -> bool:
        return original.accepts(as_columns(columns, [{**typical, **row} for row in changes]))

    null = _refusing(accepts, [column.name for column in columns], None)
    known = {
        column.name
        for column in columns
        if column.categories is not None and not accepts({column.name: unseen(column)})
    }
    floats = [column.name for column in columns if column.dtype == "float64" and column.name not in known]
    infinite = _refusing(accepts, floats, np.inf) | _refusing(accepts, floats, -np.inf)
    huge = _refusing(accepts, floats, _HUGE)
    limits = _limits(accepts, [name for name in floats if name in huge])
    deep = _refusing(accepts, [name for name in floats if name not in huge], -_HUGE)
    deep |= _refusing(accepts, [name for name in floats if name in huge], -1.0)
    lows = _lows(accepts, {name: typical[name] for name in floats if name in deep})
    lows |= _above_pits(original, columns, {name: typical[name] for name in floats if name not in deep}, typical)
    return tuple(
        replace(
            column,
            nullable=column.name not in null,
            finite=column.name in infinite,
            limit=limits.get(column.name),
            low=lows.get(column.name),
            unknown=column.name not in known,
            categories=_accepted(original, columns, column, typical) if column.name in known else column.categories,
        )
        for column in columns
    )


def _accepted(original: Original, columns: Sequence[Column], column: Column, typical: Row) -> tuple[Category, ...]:
    """The categories of a column that the original answers: of two encoders over it one may know more."""
    every = column.categories or ()
    rows = [{**typical, column.name: value} for value in every]
    if original.accepts(as_columns(columns, rows)):
        return every
    return tuple(value for value, row in zip(every, rows, strict=True) if original.accepts(as_columns(columns, [row])))


def as_columns(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, Array]:
    """Turn rows of plain values into arrays [rows]; None is null."""
    arrays: dict[str, Array] = {}
    for column in columns:
        values = [row[column.name] for row in rows]
        if column.dtype in ("string", "category"):
            texts = np.empty(len(values), dtype=object)
            texts[:] = values
            arrays[column.name] = texts
        else:
            numbers = [np.nan if value is None else float(value) for value in values]
            arrays[column.name] = np.array(numbers, dtype=np.float64)
    return arrays


def _column(draft: Draft) -> Column:
    dtypes: dict[str, Dtype] = {"string": "string", "int": "float64", "float": "float64", "bool": "bool"}
    dtype = dtypes[draft.kind]
    if dtype == "string" and draft.categories is not None:
        dtype = "category"
    return Column(draft.name, dtype, tensor="", categories=draft.categories)


def unseen(column: Column) -> str | float:
    """Return a value that is none of a column's categories."""
    value: str | float = UNSEEN if column.dtype == "category" else UNSEEN_NUMBER
    while value in column.known:
        value += value  # type: ignore[operator]
    return value


def _answered(original: Original, columns: Sequence[Column], likely: Sequence[Row]) -> Row:
    """The first row that the original answers."""
    first: Exception | None = None
    for row in likely:
        try:
            original.answers(as_columns(columns, [row]))
        except (MlshipError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001  an estimator fails in any way that code can
            first = first or error
        else:
            return row
    reason = (str(first).strip() or type(first).__name__).splitlines()[0][:200]
    raise NotConvertible(
        f"{type(original.estimator).__name__} does not answer a row of the columns that it was fitted on: {reason}",
        hint="Give some of its data with --sample FILE.",
        code="no_answer",
    ) from first


def _refusing(accepts: Callable[[Row], bool], names: Sequence[str], value: Any) -> set[str]:
    """The columns in which a value is refused; one question when all accept it at once.

    Of very many columns a part is asked one by one; when each of these refuses, all are taken to refuse, which at
    worst refuses what the original accepts.
    """
    if not names or accepts(dict.fromkeys(names, value)):
        return set()
    asked = _some(names)
    refusing = {name for name in asked if not accepts({name: value})}
    if len(refusing) == len(asked):
        return set(names)
    return refusing | {name for name in names if name not in asked and not accepts({name: value})}


def _some(names: Sequence[str]) -> Sequence[str]:
    return names[:: -(-len(names) // _MOST_ASKED)]


def _limits(accepts: Callable[..., bool], names: Sequence[str]) -> dict[str, float]:
    """The limit of each column; of very many columns the limit of all when a part of them agrees on one."""
    if not names:
        return {}
    # One question, of a row for each column and number, for the columns of trees: not four for each.
    near = accepts(*({name: side} for name in _some(names) for side in (1.0, -1.0, FLOAT32_LIMIT, -FLOAT32_LIMIT)))
    limits = {name: _limit(accepts, name, near=near) for name in _some(names)}
    if len(set(limits.values())) == 1:
        return dict.fromkeys(names, next(iter(limits.values())))
    return {name: limits[name] if name in limits else _limit(accepts, name, near=False) for name in names}


def _limit(accepts: Callable[[Row], bool], name: str, *, near: bool) -> float:
    """The largest magnitude that a column accepts: that of float32, or the power of ten below.

    Where numbers below zero are refused anyway it is that of those above.

    Args:
        accepts: Asks the original.
        name: The column.
        near: Whether it is known to accept numbers as large as float32 has them, on either side.
    """
    sides = [side for side in (1.0, -1.0) if near or accepts({name: side})] or [1.0, -1.0]

    def both(value: float) -> bool:
        return all(accepts({name: side * value}) for side in sides)

    if (near or both(FLOAT32_LIMIT)) and not both(float(np.nextafter(FLOAT32_LIMIT, np.inf))):
        return FLOAT32_LIMIT
    low, high = 0, 300  # exponents: 10 ** low is accepted, 10 ** high is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if both(10.0**middle) else (low, middle)
    return 10.0 ** (low - 1 if low > _OVERFLOWING else low)


def _lows(accepts: Callable[[Row], bool], typical: Mapping[str, float]) -> dict[str, float]:
    """The smallest number that each column accepts; of very many the one that a part of them agrees on."""
    if not typical:
        return {}
    lows = {name: _low(accepts, name, typical[name]) for name in _some(list(typical))}
    if len(set(lows.values())) == 1:
        return dict.fromkeys(typical, next(iter(lows.values())))
    return {name: lows[name] if name in lows else _low(accepts, name, typical[name]) for name in typical}


def _above_pits(
    original: Original, columns: Sequence[Column], typical: Mapping[str, float], row: Row
) -> dict[str, float]:
    """The smallest number above one that is refused, of columns of which all below it is taken for missing.

    Such is a logarithm before an imputer: it refuses -inf, and what is NaN it fills in. What the original makes of
    numbers below is no answer to them, and the signature, which knows ranges only, refuses them.
    """

    def accepts(changes: Row) -> bool:
        return original.accepts(as_columns(columns, [{**row, **changes}]))

    found: dict[str, float] = {}
    for pit in _PITS:
        refusing = _refusing(accepts, [name for name, value in typical.items() if value > pit], pit)
        for name in refusing - set(found):
            missing = [{**row, name: None}, *({**row, name: pit - step} for step in _STEPS)]
            below = as_columns(columns, missing)
            if original.accepts(below) and all(len(set(out.tolist())) == 1 for out in original.answers(below).values()):
                found[name] = _low(accepts, name, typical[name], pit)
    return found


def _low(accepts: Callable[[Row], bool], name: str, typical: float, refused: float = -_HUGE) -> float:
    """The smallest number between one that is refused and one that is accepted, found to the last bit."""
    below, above = _place(refused), _place(typical)
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if accepts({name: _number_at(middle)}) else (middle, above)
    found = _number_at(above)
    if above == 1 or 10.0**-_OVERFLOWING < abs(found) < 10.0**_OVERFLOWING or not found:
        return found
    return found / 10.0 if found < 0 else found * 10.0  # it overflows below it, a little sooner in some rows


def _place(number: float) -> int:
    """The place of a number among all of float64 in order, zero's being 0."""
    bits = int(np.float64(abs(number)).view(np.int64))
    return -bits if number < 0 else bits


def _number_at(place: int) -> float:
    size = float(np.int64(abs(place)).view(np.float64))
    return -size if place < 0 else size
