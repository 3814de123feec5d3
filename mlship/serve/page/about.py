"""`/page/about`: what the page is told of the models, under the token where there is one.

Numbers that JavaScript would round, as large integers, are told as the JSON text that a request would hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from flask import Request

from mlship import __version__
from mlship.model.signature import Column, Output
from mlship.model.values.codes import MEANINGS
from mlship.serve.exchange import Reply
from mlship.serve.plan import Plan
from mlship.serve.served import Served

_MOST_CATEGORIES = 500
"""Categories that are told, to choose from; of a column with more the first of them."""


def about_view(models: Mapping[str, Served], plan: Plan) -> Callable[[Request], Reply]:
    """Return what answers at `/page/about`; the answer is put together when it is first asked for.

    Args:
        models: The models by name.
        plan: How they are served.
    """
    kept: list[bytes] = []

    def view(_: Request) -> Reply:
        if not kept:
            kept.append(orjson.dumps(_about(models, plan)))
        return Reply(200, kept[0])

    return view


def _about(models: Mapping[str, Served], plan: Plan) -> dict[str, Any]:
    alone = len(models) == 1
    return {
        "mlship": __version__,
        "live": plan.metrics_listener is None,
        "token": plan.tokens is not None,
        "codes": MEANINGS,
        "limits": {"body": plan.limits.body, "rows": plan.limits.rows},
        "models": [_model(models[model.name], model.facts.example, alone=alone) for model in plan.models],
    }


def _model(served: Served, example: Mapping[str, Any] | None, *, alone: bool) -> dict[str, Any]:
    session = served.session
    card = session.card
    columns = (card.baseline or {}).get("columns", {})
    return {
        "name": served.name,
        "title": card.name,
        "version": card.version,
        "digest": session.digest,
        "labels": card.labels,
        "path": "/predict" if alone else f"/models/{served.name}/predict",
        "proven": session.proven,
        "proof": None if card.parity is None else vars(card.parity),
        "golden": {"rows": session.replay.rows, "agrees": session.replay.agrees},
        "provenance": card.provenance,
        "sample_rows": None if card.baseline is None else card.baseline["rows"],
        "inputs": [_input(column, columns.get(column.name)) for column in served.signature.inputs],
        "outputs": [_output(output) for output in served.signature.outputs],
        "example": None if example is None else {name: _literal(value) for name, value in example.items()},
    }


def _input(column: Column, seen: Mapping[str, Any] | None) -> dict[str, Any]:
    categories = column.categories
    told: dict[str, Any] = {
        "name": column.name,
        "dtype": column.dtype,
        "nullable": column.nullable,
        "low": _bound(column.low, column.limit, largest=False),
        "high": _bound(column.limit, column.limit, largest=True),
        "unknown": column.unknown,
        "categories": None if categories is None else [_literal(value) for value in categories[:_MOST_CATEGORIES]],
        "category_count": None if categories is None else len(categories),
        "missing": None,
        "range": None,
    }
    if seen is not None:
        told["missing"] = seen["missing"]
        if deciles := seen.get("deciles"):
            told["range"] = [_figure(column, deciles[place]) for place in (0, 5, 10)]
    return told


def _output(output: Output) -> dict[str, Any]:
    return {"name": output.name, "dtype": output.dtype, "meaning": output.meaning}


def _literal(value: Any) -> str:
    return orjson.dumps(value).decode()


def _bound(value: float | None, limit: float | None, *, largest: bool) -> str | None:
    if value is None:
        value = limit if largest or limit is None else -limit
    return None if value is None else f"{value:.6g}"


def _figure(column: Column, value: float) -> str:
    """One of the sample's deciles, as a person reads it."""
    match column.dtype:
        case "datetime":
            return str(np.datetime64(round(value), "us").astype("datetime64[m]"))
        case "date":
            return str(np.datetime64(round(value), "D"))
        case _:
            return f"{value:.6g}"
