"""`/page/live`: how the server is, as figures and as pictures of them."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from flask import Request

from mlship.monitor.metrics import Metrics
from mlship.serve.drift import drift_folder, results
from mlship.serve.exchange import Reply
from mlship.serve.page import charts
from mlship.serve.page.samples import EVERY_SECONDS, sampled
from mlship.serve.plan import Plan
from mlship.serve.problems import RequestRefused
from mlship.serve.served import Served


class Live:
    """Answers `/page/live?model=NAME`.

    Args:
        models: The models by name.
        plan: How they are served.
        metrics: The metrics of this worker; what it has not written yet is written first.
    """

    def __init__(self, models: Mapping[str, Served], plan: Plan, metrics: Metrics) -> None:
        self._models = models
        self._plan = plan
        self._metrics = metrics

    def __call__(self, request: Request) -> Reply:
        """Answer with the charts of one model.

        Raises:
            RequestRefused: 404, there is no such model.
        """
        name = request.args.get("model", next(iter(self._models)))
        served = self._models.get(name)
        if served is None:
            raise RequestRefused(404, "unknown_model", "There is no such model here.")
        self._metrics.flush()
        samples = sampled(self._plan.folder)
        drift, predictions = results(drift_folder(self._plan.folder), served)
        baseline = served.session.card.baseline or {}
        made = [
            *charts.of_requests(samples, name),
            charts.of_errors(samples),
            charts.of_batches(samples),
            charts.of_drift(drift),
            *charts.of_predictions(predictions, baseline.get("outputs", {})),
            *charts.of_shadow(samples, labels=any(output.meaning == "label" for output in served.signature.outputs)),
        ]
        told = {
            "digest": served.session.digest,
            "time": samples[-1]["time"],
            "every": EVERY_SECONDS,
            "charts": [chart.to_json() for chart in made],
        }
        return Reply(200, orjson.dumps(told))
