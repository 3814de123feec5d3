"""The objects of a Kubernetes bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

OLDEST, NEWEST = "1.29", kubernetes_validate.latest_version().rpartition(".")[0]
UNKNOWN = {"Kustomization", "Component", "PodMonitor", "PrometheusRule"}
"""Kinds that are not Kubernetes' own."""


def documents(folder: Path) -> list[dict[str, Any]]:
    """All objects, but for what kustomize makes."""
    files = [*folder.glob("manifests/*.yaml"), *folder.glob("optional/*/*.yaml")]
    return [
        yaml.safe_load(path.read_text()) for path in files if path.name not in ("kustomization.yaml", "adapter.yaml")
    ]


def one(folder: Path, kind: str, component: str | None = None) -> dict[str, Any]:
    """The only object of a kind, or of a kind and a component."""
    (found,) = [
        document
        for document in documents(folder)
        if document["kind"] == kind
        and component in (None, document["metadata"]["labels"]["app.kubernetes.io/component"])
    ]
    return found


def pod_of(found: dict[str, Any]) -> dict[str, Any]:
    """The template of a Deployment's pods, or a CronJob's."""
    spec: dict[str, Any] = found["spec"].get("jobTemplate", found)["spec"]
    template: dict[str, Any] = spec["template"]
    return template


def patched(folder: Path, name: str, kind: str, component: str) -> dict[str, Any]:
    """An object as an optional component patches it, by JSON patches that append; its name has to be the target's."""
    (patch,) = yaml.safe_load((folder / "optional" / name / "kustomization.yaml").read_text())["patches"]
    found = one(folder, kind, component)
    assert patch["target"] == {"kind": kind, "name": found["metadata"]["name"]}
    for step in yaml.safe_load(patch["patch"]):
        assert step["op"] == "add"
        *path, last = step["path"].strip("/").split("/")
        assert last == "-"
        place: Any = found
        for key in path:
            place = place[key]
        place.append(step["value"])
    return found
