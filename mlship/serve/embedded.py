"""One model behind the Flask application, without a server of ours: for hosts that bring their own, such as functions.

What only a server needs stays out: gunicorn, workers, metrics, a line of requests that wait, and with them threads,
which a host may freeze between two requests. So do tokens: the host says who may ask.
"""

from __future__ import annotations

import io

from werkzeug.wrappers import Request, Response

from mlship.model.session import Session
from mlship.serve.app import App
from mlship.serve.desk import Desk
from mlship.serve.exchange import JSON, Reply
from mlship.serve.health import Health
from mlship.serve.naming import fit_for_paths
from mlship.serve.served import Served
from mlship.serve.settings import Limits, Pace
from mlship.serve.table import endpoints_of
from mlship.serve.views import views_of


class Embedded:
    """Answers for one open model.

    Args:
        session: The model.
        limits: The most that one request may ask for.

    Attributes:
        served: The model, under its own name as far as that can stand in a path.
        app: The WSGI application, which may be called from several threads.
    """

    def __init__(self, session: Session, limits: Limits | None = None) -> None:
        self.served = Served(fit_for_paths(session.card.name), session, limits or Limits(), Pace())
        models = {self.served.name: self.served}
        health = Health(models, is_draining=lambda: False)
        self._desk = Desk(endpoints_of(models))
        self.app = App(self._desk, models, health, views_of(models, health))

    def predict(self, body: bytes) -> Reply:
        """Answer JSON as `POST /predict` does, for who brings it without HTTP."""
        exchange = self._desk.open({"REQUEST_METHOD": "POST", "PATH_INFO": "/predict", "CONTENT_TYPE": JSON})
        return self._desk.answer(exchange, body)

    def forward(self, request: Request) -> Response:
        """Answer a request that another Flask application has taken."""
        body = request.get_data()
        environ = {**request.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)  # the framing is off
        return Response.from_app(self.app, environ, buffered=True)
