"""`POST /invocations`: the forms of MLflow's scoring server, and SageMaker's contract with a container.

MLflow: an object with exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`. SageMaker: CSV
and lines of JSON. The answer is `{"predictions": [...]}`, or a table where the Accept header asks for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlship.errors import MlshipError
from mlship.model.feed import Feed
from mlship.model.values.codes import Array
from mlship.serve.exchange import JSON, Asked, Call, Reply, telling
from mlship.serve.payload import column_names, read_rows
from mlship.serve.problems import RequestRefused, body_of
from mlship.serve.protocols import media
from mlship.serve.protocols.bodies import feed_of, read_table, written_table
from mlship.serve.protocols.instances import feed_of_rows, predictions_only, read_object, the_one_of
from mlship.serve.served import Served

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def mlflow_error(error: MlshipError) -> Reply:
    """Return an error in MLflow's shape, with the refused rows where there are any."""
    told = body_of(error)["error"]
    body = {"error_code": told["code"].upper(), "message": told["message"]}
    if "rows" in told:
        body["rows"] = told["rows"]
    return telling(error, body)


class Invocations:
    """See `serve.endpoint.Endpoint`."""

    protocol = "invocations"

    def __init__(self, served: Served) -> None:
        self.served = served

    def read(self, asked: Asked) -> Call:
        """Read one of MLflow's forms, or a table."""
        answer = media.answer_type(asked)
        if asked.content_type in media.FORMATS:
            return Call(feed_of(read_table(asked, self.served, reject=False)), asked, answer)
        if not media.is_json(asked.content_type):
            raise media.unsupported(asked.content_type, JSON, *media.FORMATS)
        form, given = the_one_of(read_object(asked), _FORMS, "params")
        return Call(self._feed(form, given), asked, answer)

    def _feed(self, form: str, given: Any) -> Feed:
        served = self.served
        if form == "dataframe_split":
            names, data = (given.get("columns"), given.get("data")) if type(given) is dict else (None, None)
            if type(names) is not list or type(data) is not list:
                raise RequestRefused(400, "bad_shape", "'dataframe_split' must have lists as 'columns' and 'data'.")
            return feed_of(read_rows(data, column_names(names), served.signature, served.limits.rows))
        if form == "inputs" and type(given) is dict:
            return self._columns(given)
        return feed_of_rows(served, given, form)

    def _columns(self, given: dict[str, Any]) -> Feed:
        """A list of values for each column, or one value where there is one row."""
        columns = [values if type(values) is list else [values] for values in given.values()]
        if len(set(map(len, columns))) > 1:
            raise RequestRefused(400, "bad_shape", "The columns of 'inputs' have different numbers of values.")
        rows = [list(row) for row in zip(*columns, strict=True)]
        return feed_of(read_rows(rows, list(given), self.served.signature, self.served.limits.rows))

    def write(self, call: Call, outputs: Mapping[str, Array]) -> Reply:
        """Write predictions."""
        if call.context == JSON:
            return predictions_only(outputs)
        return written_table(call.context, self.served, outputs)

    def refuse(self, error: MlshipError) -> Reply:
        """Write an error in MLflow's shape."""
        return mlflow_error(error)
