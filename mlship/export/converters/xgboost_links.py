"""What XGBoost's objectives make of a margin, in the arithmetic of the model."""

from __future__ import annotations

from mlship.export.converters.boosting import exp_single
from mlship.export.graph.expr import Expr

_IDENTITY = (
    "reg:squarederror", "reg:absoluteerror", "reg:quantileerror", "reg:pseudohubererror", "reg:squaredlogerror",
    "reg:expectileerror", "binary:logitraw", "rank:pairwise", "rank:ndcg", "rank:map", "multi:softmax",
)  # fmt: skip
LINKS: dict[str, str] = {
    **dict.fromkeys(_IDENTITY, "identity"),
    **dict.fromkeys(("binary:logistic", "reg:logistic"), "sigmoid"),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), "exp"),
    "multi:softprob": "softmax",
    "binary:hinge": "hinge",
}
"""What each objective makes of the margin (PredTransform in XGBoost's src/objective)."""


def linked(margins: Expr, link: str) -> Expr:
    """Return what a link of `LINKS` makes of margins, float32 or float64 [rows, groups]."""
    exp = exp_single if margins.kind == "float32" else Expr.exp
    if link == "sigmoid":  # common::Sigmoid: 1 / (1 + exp(min(-x, 88.7)) + 1e-16)
        return 1.0 / (exp((-margins).minimum(88.7)) + 1.0 + 1e-16)
    if link == "softmax":  # common::Softmax adds in double and divides by the sum rounded
        shares = exp(margins - margins.max())
        return shares / shares.cast("float64").sum().cast(margins.kind)
    if link == "hinge":
        return (margins > 0.0).cast(margins.kind)
    return exp(margins) if link == "exp" else margins
