"""The functions: `predict` for requests, `predict_event` for messages of Pub/Sub and objects of Cloud Storage.

The model is opened here, when the function starts.
"""

from pathlib import Path
from typing import Any

import functions_framework

from mlship.targets.google_functions.adapter import make_functions

_functions = make_functions(Path(__file__).with_name("model.onnx"))


@functions_framework.http
def predict(request: Any) -> Any:
    """Answer a request as `mlship serve` answers it."""
    return _functions.predict(request)


@functions_framework.cloud_event
def predict_event(event: Any) -> None:
    """Score what an event brings; its result goes to MLSHIP_RESULTS."""
    _functions.predict_event(event)
