"""The targets that there are: a new one is a module, a row here, and its name in `mlship.targets`."""

from __future__ import annotations

from mlship.targets import aws_batch, docker
from mlship.targets.contract import Target

TARGETS: dict[str, Target] = {target.name: target for target in (docker.TARGET, aws_batch.TARGET)}
