"""Sine and cosine whose bits do not depend on the numbers beside them.

onnxruntime computes several numbers at once, in one of several ways that it chooses by the largest of them, so that
its sine of a number can change in the last bit when a neighbour does.
"""

from __future__ import annotations

import math

from mlship.export.graph.expr import Expr, where

_MEDIUM = 1e6  # up to which a multiple of pi / 2 times its first part is exact
_HUGE = 1e15  # up to which turns can be counted; past it onnxruntime takes each number by itself
_TURN = 2.0 * math.pi
_TURN_REST = 2.4492935982947064e-16  # 2 pi less _TURN
# pi / 2 in parts of 33 bits and what remains of each, and the polynomials on [-pi / 4, pi / 4], from fdlibm 5.3:
# e_rem_pio2.c, k_sin.c, k_cos.c (https://www.netlib.org/fdlibm)
_INVERSE = 6.36619772367581382433e-01
_PART_1 = 1.57079632673412561417e00
_PART_2, _REST_2 = 6.07710050630396597660e-11, 2.02226624879595063154e-21
_SINE = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
_COSINE = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip


def cos(x: Expr) -> Expr:
    """The cosine, within a few units in the last place of 1."""
    return _turned(x, 1.0, "Cos")


def sin(x: Expr) -> Expr:
    """The sine, within a few units in the last place of 1."""
    return _turned(x, 0.0, "Sin")


def _turned(x: Expr, quarters: float, operator: str) -> Expr:
    """The sine of x plus some quarters of a turn."""
    turned = x.op("Mod", _TURN, fmod=1)
    turns = ((x - turned) / _TURN).op("Round")
    small = where(x.abs() > _MEDIUM, turned - turns * _TURN_REST, x)
    count = (small * _INVERSE).op("Round")
    first = small - count * _PART_1
    second = count * _PART_2
    rest = first - second
    below = count * _REST_2 - ((first - rest) - second)
    high = rest - below
    low = (rest - high) - below
    quarter = (count + quarters).op("Mod", 4.0, fmod=1)
    quarter = where(quarter < 0.0, quarter + 4.0, quarter)
    odd = quarter.equals(1.0) | quarter.equals(3.0)
    value = where(odd, _cosine(high, low), _sine(high, low))
    value = where(quarter > 1.5, -value, value)
    return where(x.abs() < _HUGE, value, x.op(operator))


def _sine(high: Expr, low: Expr) -> Expr:
    square = high * high
    cube = square * high
    inner = square.like(_SINE[-1])
    for coefficient in _SINE[-2:0:-1]:
        inner = inner * square + coefficient
    return high - ((square * (0.5 * low - cube * inner) - low) - cube * _SINE[0])


def _cosine(high: Expr, low: Expr) -> Expr:
    square = high * high
    inner = square.like(_COSINE[-1])
    for coefficient in _COSINE[-2::-1]:
        inner = inner * square + coefficient
    half = 0.5 * square
    whole = 1.0 - half
    return whole + (((1.0 - whole) - half) + (square * (square * inner) - high * low))
