"""`POST /v1/models/M:predict`: version 1 of KServe's protocol, and what Vertex AI asks of a container."""

from __future__ import annotations

from collections.abc import Mapping

from mlship.errors import MlshipError
from mlship.model.values.codes import Array
from mlship.serve.exchange import Asked, Call, Reply
from mlship.serve.protocols.instances import feed_of_rows, predictions_only, read_object, the_one_of
from mlship.serve.protocols.oip import error_only
from mlship.serve.served import Served


class KServe:
    """See `serve.endpoint.Endpoint`."""

    protocol = "kserve_v1"
    forms: tuple[str, ...] = ("instances", "inputs")

    def __init__(self, served: Served) -> None:
        self.served = served

    def read(self, asked: Asked) -> Call:
        """Read instances: records, or lists of values in the signature's order."""
        form, rows = the_one_of(read_object(asked), self.forms, "parameters")
        return Call(feed_of_rows(self.served, rows, form), asked)

    def write(self, call: Call, outputs: Mapping[str, Array]) -> Reply:  # noqa: ARG002 - as the protocol has it
        """Write predictions."""
        return predictions_only(outputs)

    def refuse(self, error: MlshipError) -> Reply:
        """Write an error as `{"error": "..."}`."""
        return error_only(error)


class Vertex(KServe):
    """Vertex AI's contract with a container, at the path that `AIP_PREDICT_ROUTE` names."""

    protocol = "vertex"
    forms = ("instances",)
