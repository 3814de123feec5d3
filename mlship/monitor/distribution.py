"""Drift and predictions of one model as metrics, their series bounded whatever the model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlship.model.signature import Signature
from mlship.model.values.codes import Array
from mlship.monitor.contract import Counts
from mlship.monitor.metrics import OTHER, Count, Metrics, Spread
from mlship.monitor.predictions import PROBABILITY_BINS, kind_of

_MOST_COLUMNS = 50
_MOST_OUTPUTS = 20
_MOST_LABELS = 100
_QUANTILES = ((1, "0.1"), (5, "0.5"), (9, "0.9"))  # places among the deciles
_BOUNDS = tuple((place + 1) / PROBABILITY_BINS for place in range(PROBABILITY_BINS))


class Distribution:
    """Tells one model's drift and predictions.

    Args:
        metrics: Where.
        model: The model's name.
        signature: Its columns.
    """

    def __init__(self, metrics: Metrics, model: str, signature: Signature) -> None:
        self._metrics = metrics
        self._model = model
        self._columns = frozenset(signature.names[:_MOST_COLUMNS])
        # a foreign model may hand on texts that clients send: only labels are told
        self._labels = [output.name for output in signature.outputs if output.meaning == "label"][:_MOST_OUTPUTS]
        kinds = {output.name: kind_of(output) for output in signature.outputs}
        numbers = [name for name, kind in kinds.items() if kind == "number" and name not in self._labels]
        self._numbers = frozenset(numbers[:_MOST_OUTPUTS])
        told = "Probabilities that were answered."
        self._probabilities: dict[str, Spread] = {
            name: metrics.spread("mlship_prediction_probability", told, _BOUNDS, model=model, output=name)
            for name in [name for name, kind in kinds.items() if kind == "probability"][:_MOST_OUTPUTS]
        }
        self._counts: dict[tuple[str, str], Count] = {}
        self._gauges: dict[tuple[str, ...], Any] = {}

    def count(self, counts: Counts, outputs: Mapping[str, Array]) -> None:
        """Count predictions.

        Args:
            counts: What `Predictions.count` gave.
            outputs: An array [rows] for each output column.
        """
        labels = [
            (self._count_of(name, label), rows)
            for name in self._labels
            for label, rows in counts["outputs"][name].items()
        ]
        sums = {name: float(np.nansum(outputs[name])) for name in self._probabilities}
        with self._metrics.lock:
            for count, rows in labels:
                count.pending += rows
            for name, spread in self._probabilities.items():
                spread.add([*counts["outputs"][name]["bins"], 0], sums[name])

    def tell(self, drift: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
        """Set what comes of all counts: the results of `Drift` and `Predictions`."""
        columns = drift["columns"]
        self._set("mlship_drift_rows", "Rows looked at since the model was loaded.", drift["rows"])
        known = [column["psi"] for column in columns if column["psi"] is not None]
        if known:
            self._set("mlship_drift_psi_max", "The largest mlship_drift_psi of all columns.", max(known))
        for column in columns:
            if column["psi"] is not None and column["column"] in self._columns:
                name = column["column"]
                told = "Population stability index of an input against the model's sample."
                self._set("mlship_drift_psi", told, column["psi"], column=name)
                told = "Share of rows in which an input is null."
                self._set("mlship_missing_ratio", told, column["missing_now"], column=name)
        for output in predictions["outputs"]:
            if output["output"] in self._numbers and output.get("deciles"):
                for place, quantile in _QUANTILES:
                    told = "Quantiles of the numbers that were answered since the model was loaded."
                    value = output["deciles"][place]
                    self._set("mlship_prediction_quantile", told, value, output=output["output"], quantile=quantile)

    def _count_of(self, output: str, label: str) -> Count:
        key = (output, label)
        if key not in self._counts:
            if sum(known == output for known, _ in self._counts) >= _MOST_LABELS and label != OTHER:
                return self._count_of(output, OTHER)
            told = "Rows by the label that was answered."
            labels = {"model": self._model, "output": output, "label": label}
            self._counts[key] = self._metrics.count("mlship_predictions", told, **labels)
        return self._counts[key]

    def _set(self, name: str, told: str, value: float, **labels: str) -> None:
        key = (name, *labels.values())
        if key not in self._gauges:
            self._gauges[key] = self._metrics.gauge(name, told, "livemostrecent", model=self._model, **labels)
        self._gauges[key].set(value)
