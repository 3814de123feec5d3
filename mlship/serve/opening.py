"""In a worker: the models are opened, and what answers is put together."""

from __future__ import annotations

from collections.abc import Callable

from mlship.errors import ModelRefused
from mlship.model.session import SessionSpec, open_session
from mlship.serve import reload
from mlship.serve.app import App
from mlship.serve.desk import Desk
from mlship.serve.dispatch import Dispatch, Room
from mlship.serve.health import Health
from mlship.serve.plan import ModelPlan, Plan
from mlship.serve.served import Served
from mlship.serve.settings import Limits
from mlship.serve.table import endpoints_of
from mlship.serve.views import views_of


def opened(plan: Plan, is_draining: Callable[[], bool], on_hang: Callable[[], None]) -> Dispatch:
    """Open all models of a plan.

    Args:
        plan: What is served.
        is_draining: Tells whether this worker is about to stop.
        on_hang: Called when a call did not end in time.

    Raises:
        ModelRefused: A model cannot be opened.
    """
    models = {model.name: _served(model, plan.limits) for model in plan.models}
    desk = Desk(endpoints_of(models))
    health = Health(models, is_draining, lambda: reload.last(plan.folder))
    app = App(desk, models, health, views_of(models, health, plan.workers * plan.threads))
    room = Room(plan.threads, plan.parallel, plan.queue, plan.timeout, plan.batch_wait)
    return Dispatch(app, desk, models, room, on_hang)


def _served(model: ModelPlan, limits: Limits) -> Served:
    session = open_session(SessionSpec(model.data, origin=model.source))
    if session.digest != model.facts.digest:  # what was checked are these bytes
        raise ModelRefused(f"'{model.source}' is not what was checked.", code="model_changed")
    return Served(model.name, session, limits, model.facts.pace)
