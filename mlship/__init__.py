"""Takes a trained model to production, in batch or in real time, from one proven ONNX file."""

__all__ = ["__version__"]

__version__ = "0.1.0"
