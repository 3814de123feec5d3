"""A fitted model's file becomes an ONNX artifact that is proven equal to it."""
