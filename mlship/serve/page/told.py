"""All that is there for the page."""

from __future__ import annotations

from collections.abc import Mapping

from mlship.monitor.metrics import Metrics
from mlship.serve.page import BEHIND
from mlship.serve.page.about import about_view
from mlship.serve.page.live import Live
from mlship.serve.page.shell import View, shell_views
from mlship.serve.plan import Plan
from mlship.serve.served import Served


def page_views(models: Mapping[str, Served], plan: Plan, metrics: Metrics, program: View | None) -> dict[str, View]:
    """Return what answers at each path of the page.

    Args:
        models: The models by name.
        plan: How they are served.
        metrics: The metrics of this worker.
        program: What answers programs at `/`, or None where nothing does.
    """
    views = {**shell_views(program), f"{BEHIND}about": about_view(models, plan)}
    if plan.metrics_listener is None:  # else they are for who reaches the other port
        views[f"{BEHIND}live"] = Live(models, plan, metrics)
    return views
