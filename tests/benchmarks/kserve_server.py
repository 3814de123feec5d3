"""KServe's python server with one ONNX model, in its own environment: `python kserve_server.py MODEL.onnx PORT`.

It imports nothing of mlship, and is run with no metrics of its own asked for: they are on by default, as ours are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from kserve import InferOutput, InferResponse, Model, ModelServer, logging


class OnnxModel(Model):  # type: ignore[misc]  # KServe is not where mypy runs
    """An ONNX model with one input."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.given = self.session.get_inputs()[0].name
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        """Answer a request."""
        labels, chances = self.session.run(None, {self.given: payload.inputs[0].as_numpy()})
        outputs = []
        for name, kind, values in (("prediction", "INT64", labels), ("probability", "FP64", chances)):
            output = InferOutput(name=name, shape=list(values.shape), datatype=kind)
            output.set_data_from_numpy(np.ascontiguousarray(values), binary_data=False)
            outputs.append(output)
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=outputs)


if __name__ == "__main__":
    logging.logger.setLevel("ERROR")
    ModelServer(
        http_port=int(sys.argv[2]), enable_grpc=False, workers=1, access_log_format=None, enable_docs_url=False
    ).start([OnnxModel(Path(sys.argv[1]))])
