"""QuantileTransformer: the mean of two interpolations between the quantiles of each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.preprocessing import QuantileTransformer

from mlship.export.converters.search import Sorted
from mlship.export.graph.context import Context
from mlship.export.graph.expr import Expr, where
from mlship.export.graph.methods import Family, Methods
from mlship.export.graph.table import Table

_BOUND = 1e-7  # BOUNDS_THRESHOLD of sklearn/preprocessing/_data.py
_TYPICAL = 16


def _transform(ctx: Context, model: QuantileTransformer, table: Table) -> Table:
    """`_transform_col`, sklearn/preprocessing/_data.py."""
    quantiles = np.asarray(model.quantiles_, dtype=np.float64).T
    references = np.asarray(model.references_, dtype=np.float64)
    _note(ctx, model, table, quantiles)
    rows = table.numbers()
    low, high = ctx.constant(quantiles[:, 0]), ctx.constant(quantiles[:, -1])
    value = _interpolated(ctx, rows, quantiles, references)
    value = where(rows < low, float(references[0]), where(rows > high, float(references[-1]), value))
    if model.output_distribution == "normal":
        under, over = rows - _BOUND < low, rows + _BOUND > high
    else:
        under, over = rows.equals(low), rows.equals(high)
    value = where(under, 0.0, where(over, 1.0, value))
    if model.output_distribution == "normal":
        least, most = (float(stats.norm.ppf(edge)) for edge in _clipped())
        value = ndtri(value).maximum(least).minimum(most)
    if table.sparse:  # only what is kept is transformed, which no zero is
        value = where(rows.equals(0.0), 0.0, value)
    return Table.of(value, table.width, sparse=table.sparse)


def _clipped() -> tuple[float, float]:
    least = _BOUND - np.spacing(1)
    return float(least), float(1 - least)


def _note(ctx: Context, model: QuantileTransformer, table: Table, quantiles: NDArray[np.float64]) -> None:
    """Note some quantiles, between which rows are drawn, and the ends, at which the answer jumps."""
    reach = _BOUND if model.output_distribution == "normal" else 0.0
    for column, values in enumerate(quantiles):
        some = values[:: max(1, len(values) // _TYPICAL)].tolist()
        ctx.typical(table, column, [*some, float(values[-1])])
        ctx.jumps(table, column, [*some[:3], float(values[0]) + reach, float(values[-1]) - reach])


def _interpolated(ctx: Context, rows: Expr, quantiles: NDArray[np.float64], references: NDArray[np.float64]) -> Expr:
    """The mean of numpy.interp upwards and downwards, which differ where quantiles are equal.

    numpy/_core/src/multiarray/compiled_base.c, arr_interp: `slope * (x - xp[j]) + fp[j]`, and `fp[j]` at xp[j].
    """
    every, count = Sorted(ctx, list(quantiles)), len(references)
    with np.errstate(all="ignore"):
        rises = np.diff(references) / np.diff(quantiles, axis=1)
    rises = np.where(np.isfinite(rises), rises, 0.0)  # between equal quantiles nothing is interpolated
    last = np.zeros((len(quantiles), 1))
    first = np.arange(len(quantiles))[None, :] * count
    flat_quantiles, flat_references = ctx.constant(quantiles.ravel()), ctx.constant(references)

    def along(place: Expr, slopes: NDArray[np.float64]) -> Expr:
        at = place + ctx.constant(first, "int64")
        known = flat_references.rows_of(place)
        quantile = flat_quantiles.rows_of(at)
        between = ctx.constant(slopes.ravel()).rows_of(at) * (rows - quantile) + known
        return where(rows.equals(quantile), known, between)

    up = every.count(rows, below=False) - 1
    down = every.count(rows, below=True)
    upwards = along(_within(up, count), np.hstack([rises, last]))
    downwards = along(_within(down, count), np.hstack([last, rises]))
    return 0.5 * (upwards + downwards)


def _within(place: Expr, count: int) -> Expr:
    return place.op("Clip", 0, count - 1)


# Cephes, ndtri.c (S. Moshier, https://www.netlib.org/cephes/), as scipy.special.ndtri computes it
_MIDDLE = (
    (-59.9633501014107895267, 98.0010754185999661536, -56.6762857469070293439, 13.9312609387279679503,
     -1.23916583867381258016),
    (1.0, 1.95448858338141759834, 4.67627912898881538453, 86.3602421390890590575, -225.462687854119370527,
     200.260212380060660359, -82.0372256168333339912, 15.9056225126211695515, -1.18331621121330003142),
)  # fmt: skip
_TAIL = (
    (4.05544892305962419923, 31.5251094599893866154, 57.1628192246421288162, 44.0805073893200834700,
     14.6849561928858024014, 2.18663306850790267539, -0.140256079171354495875, -0.0350424626827848203418,
     -8.57456785154685413611e-4),
    (1.0, 15.7799883256466749731, 45.3907635128879210584, 41.3172038254672030440, 15.0425385692907503408,
     2.50464946208309415979, -0.142182922854787788574, -0.0380806407691578277194, -9.33259480895457427372e-4),
)  # fmt: skip
_EXP_OF_MINUS_TWO = 0.13533528323661269189
_ROOT_OF_TWO_PI = 2.50662827463100050242


def _ratio(x: Expr, polynomials: Sequence[Sequence[float]]) -> Expr:
    over, under = (_polynomial(x, coefficients) for coefficients in polynomials)
    return over / under


def _polynomial(x: Expr, coefficients: Sequence[float]) -> Expr:
    """A polynomial by Horner's rule, its highest power first."""
    value = x * coefficients[0] + coefficients[1] if coefficients[0] != 1.0 else x + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value


def ndtri(share: Expr) -> Expr:
    """The quantile of the standard normal distribution, for shares from exp(-32) to 1 - exp(-32), and 0 and 1.

    Shares nearer to 0 or 1 than that but not equal to them are answered as if they were not so near.
    """
    upper = share > 1.0 - _EXP_OF_MINUS_TWO
    tail = where(upper, 1.0 - share, share)
    middle = share - 0.5
    square = middle * middle
    near = (middle + middle * (square * _ratio(square, _MIDDLE))) * _ROOT_OF_TWO_PI
    root = (-2.0 * tail.maximum(np.exp(-32.0)).log()).sqrt()
    inverse = 1.0 / root
    far = root - root.log() / root - inverse * _ratio(inverse, _TAIL)
    return where(tail > _EXP_OF_MINUS_TWO, near, where(upper, far, -far))


CONVERTERS: Family = {QuantileTransformer: Methods(transform=_transform)}
