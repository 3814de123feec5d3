"""Converters of ours for estimators that skl2onnx converts inexactly or not at all; one file a family.

Each module has `CONVERTERS`, a mapping of estimator class to a (shape calculator, converter) pair as
skl2onnx calls them.
"""

from __future__ import annotations

from mlship.export.converters import imputer, linear, onehot, scalers, trees
from mlship.export.converters.family import Family

CONVERTERS: Family = {
    **imputer.CONVERTERS,
    **linear.CONVERTERS,
    **onehot.CONVERTERS,
    **scalers.CONVERTERS,
    **trees.CONVERTERS,
}
