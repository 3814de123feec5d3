"""What a user would write instead of `mlship serve`: FastAPI, uvicorn, pydantic, onnxruntime and prometheus_client.

`python -m tests.benchmarks.fastapi_server MODEL.onnx PORT`. Validation and metrics are on, as ours are; the log of
requests is off, as ours is.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import onnxruntime as ort
import prometheus_client
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

from tests.benchmarks.rows import COLUMNS

Row = create_model("Row", **dict.fromkeys(COLUMNS, (float, ...)))  # type: ignore[call-overload]


class Rows(BaseModel):
    """The body of a request."""

    rows: list[Row]  # type: ignore[valid-type]


def application(model: str) -> FastAPI:
    """Return the application."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    kind = np.float32 if given.type == "tensor(float)" else np.float64
    app = FastAPI()
    requests = prometheus_client.Counter("requests_total", "Requests answered", ["path", "status"])
    seconds = prometheus_client.Histogram("request_seconds", "Time that a request took", ["path"])

    @app.post("/predict")
    async def predict(body: Rows) -> list[dict[str, Any]]:
        start = time.perf_counter()  # here and not in a middleware, which costs FastAPI as much again
        matrix = np.array([[getattr(row, name) for name in COLUMNS] for row in body.rows], dtype=kind)
        labels, *chances = session.run(None, {given.name: matrix})
        columns = np.column_stack([np.asarray(part, dtype=np.float64).reshape(len(matrix), -1) for part in chances])
        answer = [
            {"prediction": label.item(), **{f"probability_{place}": chance for place, chance in enumerate(found)}}
            for label, found in zip(np.ravel(labels), columns.tolist(), strict=True)
        ]
        seconds.labels("/predict").observe(time.perf_counter() - start)
        requests.labels("/predict", 200).inc()
        return answer

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "live"}

    app.mount("/metrics", prometheus_client.make_asgi_app())
    return app


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
