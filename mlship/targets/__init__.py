"""Where a model goes: bundles of files for containers and clouds, and the adapters that run in them."""

TARGET_NAMES = ("docker", "kubernetes", "systemd", "aws-lambda", "aws-batch", "google-cloud-function")
"""The targets of `mlship export --target`; what they are stands in `registry`, which loads much."""
