"""The error function in double precision, for which onnxruntime has no kernel."""

from __future__ import annotations

from collections.abc import Sequence

from mlship.export.graph.expr import Expr, where

# S. Moshier, Cephes Math Library 2.9, ndtr.c (https://www.netlib.org/cephes), which scipy.special.erf is made of.
_T = (
    9.60497373987051638749e0, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
    5.55923013010394962768e4,
)  # fmt: skip
_U = (
    1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
    4.92673942608635921086e4,
)  # fmt: skip
_P = (
    2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0, 4.86371970985681366614e1,
    1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
    5.57535335369399327526e2,
)  # fmt: skip
_Q = (
    1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
    1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3, 5.57535340817727675546e2,
)  # fmt: skip
_MOST = 8.0  # past 6 the error function is 1 in double precision


def erf(x: Expr) -> Expr:
    """Write scipy.special.erf."""
    square = x * x
    near = x * _polynomial(square, _T) / _polynomial(square, _U)
    size = x.abs().minimum(_MOST)
    rest = (-(size * size)).exp() * _polynomial(size, _P) / _polynomial(size, _Q)
    far = where(x < 0.0, rest - 1.0, 1.0 - rest)
    return where(x.abs() <= 1.0, near, far)


def _polynomial(x: Expr, terms: Sequence[float]) -> Expr:
    """Horner's scheme, from the highest power on."""
    value = x * terms[0] + terms[1]
    for term in terms[2:]:
        value = value * x + term
    return value
