"""A runtime for MLServer with one ONNX model, in its own environment; it imports nothing of mlship."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Model(MLModel):  # type: ignore[misc]  # MLServer is not where mypy runs
    """An ONNX model with one input."""

    async def load(self) -> bool:
        """Open the model."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        path = self.settings.parameters.uri
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.given = self.session.get_inputs()[0].name
        return True

    async def predict(self, payload: Any) -> Any:
        """Answer a request."""
        labels, chances = self.session.run(None, {self.given: NumpyCodec.decode_input(payload.inputs[0])})
        outputs = [NumpyCodec.encode_output("prediction", labels), NumpyCodec.encode_output("probability", chances)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
