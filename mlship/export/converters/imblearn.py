"""imbalanced-learn: pipelines whose samplers vanish when rows are scored, and ensembles trained on balanced samples.

Its ensembles fit otherwise than those of scikit-learn that they derive from, but answer by the inherited methods.
"""

from __future__ import annotations

from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.pipeline import Pipeline
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier

from mlship.export.converters.compose import PIPELINE
from mlship.export.graph.methods import Family
from mlship.export.registry import own_family

_AS = {
    BalancedBaggingClassifier: BaggingClassifier,
    BalancedRandomForestClassifier: RandomForestClassifier,
    EasyEnsembleClassifier: BaggingClassifier,
    RUSBoostClassifier: AdaBoostClassifier,
}

CONVERTERS: Family = {
    Pipeline: PIPELINE,
    **{kind: own_family()[base] for kind, base in _AS.items() if base in own_family()},
}
