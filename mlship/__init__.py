"""Takes a trained model to production, in batch or in real time, from one proven ONNX file."""

import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# onnxruntime's wheels send events to their maker when this is not set ahead of its import (its Privacy.md), and write
# an identifier of the machine below the home folder. A tool for production tells nobody what it does.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
