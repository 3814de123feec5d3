"""One ONNX session behind Flask on gunicorn: the same answers over HTTP as everywhere else."""
