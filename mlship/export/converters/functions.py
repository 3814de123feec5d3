"""Functions of numpy and scipy that work element by element, in double precision.

Where onnxruntime has no double kernel, or where the plain formula cancels, they are composed with the classic
formulas of fdlibm (https://www.netlib.org/fdlibm/) and of Kahan, accurate to a few units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from mlship.export.converters.error_function import erf
from mlship.export.converters.trigonometry import cos, sin
from mlship.export.graph.expr import Expr, where

_FLAT = 22.0  # past it exp(-x) is less than half a unit in the last place of exp(x)
_VAST = 2.0**28  # past it x * x + 1 is x * x


def log1p(x: Expr) -> Expr:
    """log(1 + x), accurate near zero.

    D. Goldberg, What Every Computer Scientist Should Know About Floating-Point Arithmetic, theorem 4.
    """
    grown = 1.0 + x
    kept = grown - 1.0
    ratio = where(kept.equals(x), 1.0, x / kept)  # of an infinity too
    return where(grown.equals(1.0), x, grown.log() * ratio)


def expm1(x: Expr) -> Expr:
    """exp(x) - 1, accurate near zero.

    W. Kahan's formula; N. Higham, Accuracy and Stability of Numerical Algorithms, 1.14.1.
    """
    power = x.exp()
    less = power - 1.0
    near = where(power.equals(1.0), x, less * x / power.log())
    return where(x.abs() < 1.0, near, less)


def cbrt(x: Expr) -> Expr:
    """The cube root: a power, and one step of Newton's as a third is no double."""
    size = x.abs()
    guess = size ** (1.0 / 3.0)
    ratio = size / (guess * guess)
    root = where(ratio.isnan(), guess, guess + (ratio - guess) / 3.0)  # of zero and infinity the guess is right
    return where(x < 0.0, -root, root)


def expit(x: Expr) -> Expr:
    """The logistic function."""
    return x.sigmoid()


def logit(x: Expr) -> Expr:
    """log(x / (1 - x)), accurate near a half, as scipy splits it (scipy/special/_logit.h)."""
    twice = 2.0 * (x - 0.5)
    middle = log1p(twice) - log1p(-twice)
    return where((x < 0.3) | (x > 0.65), (x / (1.0 - x)).log(), middle)


def _sinh(x: Expr) -> Expr:
    size = x.abs()
    less, half = expm1(size), (size * 0.5).exp()
    grown = where(size < _FLAT, 0.5 * (less + less / (less + 1.0)), 0.5 * half * half)
    return where(x < 0.0, -grown, grown)


def _cosh(x: Expr) -> Expr:
    size = x.abs()
    power, half = size.exp(), (size * 0.5).exp()
    return where(size < _FLAT, 0.5 * power + 0.5 / power, 0.5 * half * half)


def _arcsinh(x: Expr) -> Expr:
    size = x.abs()
    square = size * size
    grown = log1p(size + square / (1.0 + (square + 1.0).sqrt()))
    grown = where(size > _VAST, size.log() + math.log(2.0), grown)
    return where(x < 0.0, -grown, grown)


def _arccosh(x: Expr) -> Expr:
    over = x - 1.0
    grown = where(x > _VAST, x.log() + math.log(2.0), log1p(over + (2.0 * over + over * over).sqrt()))
    return where(x < 1.0, math.nan, grown)


def _arctanh(x: Expr) -> Expr:
    size = x.abs()
    twice = size + size
    near, far = twice + twice * size / (1.0 - size), twice / (1.0 - size)
    grown = 0.5 * log1p(where(size < 0.5, near, far))
    return where(x < 0.0, -grown, grown)


def _tan(x: Expr) -> Expr:
    return sin(x) / cos(x)


def _trunc(x: Expr) -> Expr:
    whole = x.abs().op("Floor")
    return where(x < 0.0, -whole, whole)


def _nan_to_num(x: Expr) -> Expr:
    most = float(np.finfo(np.float64).max)
    return where(x.isnan(), 0.0, x.maximum(-most).minimum(most))


def _flag(test: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """What tests the elements gives them as zeros and ones."""
    return lambda x: test(x).cast("float64")


def _isinf(x: Expr) -> Expr:
    return x.abs().equals(math.inf)


def _isfinite(x: Expr) -> Expr:
    return x.abs() < math.inf


def _operator(name: str) -> Callable[[Expr], Expr]:
    return lambda x: x.op(name)


def _same(x: Expr) -> Expr:
    return x


FUNCTIONS: Mapping[Any, Callable[[Expr], Expr]] = {
    np.absolute: Expr.abs,
    np.arccosh: _arccosh,
    np.arcsinh: _arcsinh,
    np.arctanh: _arctanh,
    np.around: _operator("Round"),
    np.cbrt: cbrt,
    np.ceil: _operator("Ceil"),
    np.cos: cos,
    np.cosh: _cosh,
    np.deg2rad: lambda x: x * (math.pi / 180.0),
    np.degrees: lambda x: x * (180.0 / math.pi),
    np.exp: Expr.exp,
    np.exp2: lambda x: x.like(2.0) ** x,
    np.expm1: expm1,
    np.fabs: Expr.abs,
    np.fix: _trunc,
    np.floor: _operator("Floor"),
    np.isfinite: _flag(_isfinite),
    np.isinf: _flag(_isinf),
    np.isnan: _flag(Expr.isnan),
    np.log: Expr.log,
    np.log10: lambda x: x.log() / math.log(10.0),
    np.log1p: log1p,
    np.log2: lambda x: x.log() / math.log(2.0),
    np.logical_not: _flag(lambda x: x.equals(0.0)),
    np.nan_to_num: _nan_to_num,
    np.negative: Expr.__neg__,
    np.positive: _same,
    np.rad2deg: lambda x: x * (180.0 / math.pi),
    np.radians: lambda x: x * (math.pi / 180.0),
    np.reciprocal: lambda x: 1.0 / x,
    np.rint: _operator("Round"),
    np.round: _operator("Round"),
    np.sign: _operator("Sign"),
    np.sin: sin,
    np.sinh: _sinh,
    np.sqrt: Expr.sqrt,
    np.square: lambda x: x * x,
    np.tan: _tan,
    np.tanh: _operator("Tanh"),
    np.trunc: _trunc,
    special.erf: erf,
    special.exp2: lambda x: x.like(2.0) ** x,
    special.expit: expit,
    special.expm1: expm1,
    special.log1p: log1p,
    special.logit: logit,
}
"""What takes float64 and gives float64 of the same shape, by the function that it stands for.

What gives bool in numpy gives zeros and ones here.
"""

JUMPING = (np.around, np.ceil, np.fix, np.floor, np.rint, np.round, np.sign, np.trunc)
"""Functions that jump: what comes out may differ in full where what goes in differs in its last bit."""
