"""Another model takes the place of the one that is served: checked before anything changes, and then all at once.

New workers are started beside the old ones on the same listening socket. Only when all of them answer are the old ones
told to end, each after what it has begun; no request waits for a model to open, and none is lost. A model that is
refused, or workers that do not start, leave everything as it is. What came of it is written where workers find it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlship.errors import MlshipError
from mlship.files import write_atomic
from mlship.serve.plan import ModelPlan, Plan
from mlship.serve.preflight import Check

_FILE = "reload.json"


def last(folder: Path) -> dict[str, Any] | None:
    """Return what came of the last reload as JSON values, or None when there was none."""
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads((folder / _FILE).read_bytes())
        return found
    return None


@dataclass
class Candidate:
    """Models on their way to being served.

    Attributes:
        plan: The plan that is served meanwhile.
        found: The models that passed their checks, by name.
        checks: Those under way.
        pids: Processes of the workers that were started for it; empty until all checks have passed.
        retiring: Processes of the workers that it replaces.
    """

    plan: Plan
    checks: list[Check]
    found: dict[str, ModelPlan] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)
    retiring: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, plan: Plan) -> Candidate:
        """Begin to check all models of a plan anew."""
        models = [*plan.models, *([plan.shadow] if plan.shadow else [])]
        return cls(plan, [Check(model.name, model.source, model.facts.signature) for model in models])

    def checked(self) -> Plan | None:
        """Return the new plan when all checks have passed, or None while some go on.

        Raises:
            MlshipError: A model is refused.
        """
        for check in list(self.checks):
            try:
                found = check.poll()
            except MlshipError:
                self.checks.remove(check)  # it has ended
                raise
            if found is not None:
                self.checks.remove(check)
                self.found[_key(found.name, found.source)] = found
        if self.checks:
            return None
        plan = self.plan
        fresh = tuple(self.found[_key(model.name, model.source)] for model in plan.models)
        shadow = plan.shadow and self.found[_key(plan.shadow.name, plan.shadow.source)]
        return replace(plan, models=fresh, shadow=shadow)

    def drop(self) -> None:
        """End the checks that still go on."""
        for check in self.checks:
            check.end()
        self.checks.clear()

    def tell(self, error: MlshipError | None, *, changed: bool = True) -> dict[str, Any]:
        """Write what came of it for the workers, and return it.

        Args:
            error: Why nothing changed, or None.
            changed: Whether any model was another than before.
        """
        before = last(self.plan.folder) or {}
        told: dict[str, Any] = {
            "at": time.time(),
            "succeeded": before.get("succeeded", 0) + (error is None and changed),
            "refused": before.get("refused", 0) + (error is not None),
            "code": None if error is None else error.code,  # not the message, which names a path: /readyz is open to all
        }
        with contextlib.suppress(MlshipError):  # a full disk is no reason to end a server
            write_atomic(self.plan.folder / _FILE, json.dumps(told).encode())
        return told


def digests(plan: Plan) -> Mapping[str, str]:
    """Return the digest of each model by name and source."""
    models = [*plan.models, *([plan.shadow] if plan.shadow else [])]
    return {_key(model.name, model.source): model.facts.digest for model in models}


def _key(name: str, source: str) -> str:
    return f"{name}\n{source}"
