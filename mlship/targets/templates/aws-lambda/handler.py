"""The function: AWS Lambda calls `handler` with each event. The model is opened here, once for each cold start."""

from pathlib import Path

from mlship.targets.aws_lambda.adapter import make_handler

handler = make_handler(Path(__file__).with_name("model.onnx"))
