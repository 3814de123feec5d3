"""In a worker: the models are opened, and what answers is put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from mlship.errors import ModelRefused
from mlship.model.session import SessionSpec, open_session
from mlship.monitor.metrics import Metrics
from mlship.serve import offered, reload
from mlship.serve.access import Access
from mlship.serve.access_log import AccessLog
from mlship.serve.app import App
from mlship.serve.audit import Audit
from mlship.serve.desk import Desk, safe_headers
from mlship.serve.dispatch import Dispatch, Room
from mlship.serve.drift import DriftWatch, drift_folder
from mlship.serve.exchange import Exchange
from mlship.serve.health import Health
from mlship.serve.observe import MetricsView, Observe, metrics_folder
from mlship.serve.page.shell import shell_views
from mlship.serve.page.told import page_views
from mlship.serve.plan import ModelPlan, Plan
from mlship.serve.served import Served
from mlship.serve.settings import Limits
from mlship.serve.shadow import Shadow
from mlship.serve.table import endpoints_of
from mlship.serve.tracing import is_asked_for, tracing
from mlship.serve.views import View, open_paths, views_of
from mlship.serve.watchers import Watcher


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
    access = Access(plan.tokens, apart=plan.metrics_listener is not None, open_paths=_open_paths(plan), page=plan.page)
    desk = Desk(endpoints_of(models), access, safe=safe_headers(encrypted=plan.tls is not None))
    metrics = Metrics(metrics_folder(plan.folder))
    health = Health(models, is_draining, lambda: reload.last(plan.folder))
    views: dict[str, View] = views_of(models, health, plan.workers * plan.threads)
    views["/metrics"] = MetricsView(metrics, plan.folder)
    if plan.page:
        views |= page_views(models, plan, metrics, views.get("/"))
    app = App(desk, models, health, views)
    offered.tell(plan.folder, app)
    room = Room(plan.threads, plan.parallel, plan.queue, plan.timeout, plan.batch_wait)
    dispatch = Dispatch(app, desk, models, room, on_hang)
    watchers = _watchers(plan, metrics, models, dispatch)
    desk.observers = dispatch.watchers = watchers
    return dispatch


def _open_paths(plan: Plan) -> frozenset[str]:
    """What everybody is answered; the page's own files tell nothing of models."""
    return open_paths() | (shell_views(None).keys() - {"/"} if plan.page else frozenset())


class _Observing(Watcher, Protocol):
    def __call__(self, exchange: Exchange) -> None: ...


def _watchers(plan: Plan, metrics: Metrics, models: Mapping[str, Served], dispatch: Dispatch) -> tuple[_Observing, ...]:
    """Who is told of exchanges; metrics come last, so that they write what the others counted at the end."""
    found: list[_Observing] = []
    if plan.access_log:
        found.append(AccessLog(metrics))
    if plan.log_predictions is not None:
        found.append(Audit(plan.log_predictions, metrics))
    found.append(DriftWatch(metrics, models, drift_folder(plan.folder), dispatch.pool.submit))
    if plan.shadow is not None:
        (served,) = models.values()
        other = _served(plan.shadow, plan.limits).session
        found.append(Shadow(metrics, served, other, dispatch.pool.submit))
    if is_asked_for() and (traces := tracing(warns=metrics.slot.number == 0)) is not None:
        found.append(traces)
    return (*found, Observe(metrics, models))


def _served(model: ModelPlan, limits: Limits) -> Served:
    session = open_session(SessionSpec(model.data, origin=model.source))
    if session.digest != model.facts.digest:  # what was checked are these bytes
        raise ModelRefused(f"'{model.source}' is not what was checked.", code="model_changed")
    return Served(model.name, session, limits, model.facts.pace)
