"""The arithmetics that a graph can be asked for."""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "float32", "float64"]
"""`auto` is each model's own: double for scikit-learn, single for XGBoost."""
