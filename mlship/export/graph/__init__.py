"""Writing an ONNX graph: nodes and constants, expressions over them, and the tables that flow between steps."""
