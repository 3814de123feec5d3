"""The targets that there are: a new one is a module, a row here, and its name in `mlship.targets`."""

from __future__ import annotations

from mlship.targets import aws_batch, docker, kubernetes, systemd
from mlship.targets.aws_lambda import target as aws_lambda
from mlship.targets.contract import Target
from mlship.targets.google_functions import target as google_functions

_TARGETS = (
    docker.TARGET,
    kubernetes.TARGET,
    systemd.TARGET,
    aws_lambda.TARGET,
    aws_batch.TARGET,
    google_functions.TARGET,
)
TARGETS: dict[str, Target] = {target.name: target for target in _TARGETS}
