"""The optional stream of the Kubernetes bundle: its objects fit together, and its pod's command is one of mlship's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from mlship.cli import main
from mlship.serve.settings import Limits
from mlship.stream import host
from mlship.stream.options import Bounds, StreamOptions, Topics
from mlship.stream.worker import ENDS_SECONDS
from mlship.targets import bundle as targets
from mlship.targets import measure
from mlship.targets.contract import MIB, Memory, ModelFacts
from mlship.targets.kubernetes import stream_memory
from tests.targets.conftest import Bundle
from tests.targets.manifests import one, pod_of

PROPERTIES = "optional/stream/kafka.properties"
VARIABLE = re.compile(r"MLSHIP_SERVE_\w+")


def kustomization(folder: Path) -> dict[str, Any]:
    """The component."""
    found: dict[str, Any] = yaml.safe_load((folder / "optional/stream/kustomization.yaml").read_text())
    return found


def topics(folder: Path) -> dict[str, str]:
    """The variables that the component sets."""
    (generator,) = kustomization(folder)["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generator["literals"])


def test_objects_find_one_another(bundle: Bundle) -> None:
    """Selectors match the pods' labels only, and Secret, ConfigMap and ports are those that are asked for."""
    folder = bundle("kubernetes")
    deployment = one(folder, "Deployment", "stream")
    pod = pod_of(deployment)
    (container,) = pod["spec"]["containers"]
    policy = one(folder, "NetworkPolicy", "stream")["spec"]
    labels = pod["metadata"]["labels"]
    (port,) = container["ports"]
    (secret,) = kustomization(folder)["secretGenerator"]
    (config,) = kustomization(folder)["configMapGenerator"]

    for selector in (deployment["spec"]["selector"], policy["podSelector"]):
        assert selector["matchLabels"].items() <= labels.items()
        assert (
            not selector["matchLabels"].items()
            <= pod_of(one(folder, "Deployment", "serve"))["metadata"]["labels"].items()
        )
    assert one(folder, "HorizontalPodAutoscaler", "stream")["spec"]["scaleTargetRef"]["name"] == "penguins-stream"
    assert deployment["metadata"]["name"] == "penguins-stream"
    assert container["envFrom"] == [{"configMapRef": {"name": config["name"]}}]
    (files,) = [volume for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert files["secret"] == {"secretName": secret["name"], "defaultMode": 0o440}
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == files["name"]]
    assert [f"--kafka-config={mount['mountPath']}/{name}" for name in secret["files"]] == container["args"][-1:]
    for path, probe in (("/readyz", "startupProbe"), ("/readyz", "readinessProbe"), ("/livez", "livenessProbe")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}
    assert [entry["port"] for rule in policy["ingress"] for entry in rule["ports"]] == [port["name"]]
    assert [entry["port"] for rule in policy["egress"] for entry in rule["ports"]] == [53, 53, 9092]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, (Topics("penguins", "penguins-scores", "penguins-rejects"), True, "none"), id="as it is"),
        pytest.param(
            {
                "MLSHIP_SERVE_TOPIC_IN": "in",
                "MLSHIP_SERVE_TOPIC_REJECTS": "",
                "MLSHIP_SERVE_KEEP": "id,name",
                "MLSHIP_SERVE_AT_LEAST_ONCE": "true",
            },
            (Topics("in", "penguins-scores", None), False, ("id", "name")),
            id="changed",
        ),
    ],
)
def test_the_command_of_the_pod_is_understood(
    bundle: Bundle,
    changed: dict[str, str],
    expected: tuple[Topics, bool, object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The pod's arguments and variables start a stream of one process with these topics, at the port of the probes."""
    folder = bundle("kubernetes")
    (container,) = pod_of(one(folder, "Deployment", "stream"))["spec"]["containers"]
    started: list[tuple[StreamOptions, host.Address]] = []
    monkeypatch.setattr(host, "stream", lambda options, address, *_, **__: started.append((options, address)))
    for name, value in {**topics(folder), **changed}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "kafka.properties").write_text("bootstrap.servers=kafka:9092\n")
    arguments = [argument.replace("/etc/kafka/", f"{tmp_path}/") for argument in container["args"]]

    assert main.run(arguments) == 0

    ((options, address),) = started
    assert (options.topics, options.exactly_once, options.keep) == expected
    assert (options.model, options.workers) == ("/srv/model.onnx", 1)
    assert address == host.Address("0.0.0.0", container["ports"][0]["containerPort"])  # noqa: S104  in a pod of its own


def test_variables_and_names_in_texts_are_real(bundle: Bundle) -> None:
    """Each variable that README and component name is an option's, and what the README patches is there."""
    folder = bundle("kubernetes")
    command: Any = typer.main.get_command(main.app)
    known = {f"MLSHIP_SERVE_{option.name.upper()}" for option in command.commands["serve"].params}
    readme = (folder / "README.md").read_text()
    told = {*VARIABLE.findall(readme), *VARIABLE.findall((folder / "optional/stream/kustomization.yaml").read_text())}
    assert {"MLSHIP_SERVE_TOPIC_IN", "MLSHIP_SERVE_KEEP"} <= told <= known

    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)]
    patches = [yaml.safe_load(patch["patch"]) for block in blocks for patch in block.get("patches", [])]
    assert {(patch["kind"], patch["metadata"]["name"]) for patch in patches} == {
        ("ConfigMap", kustomization(folder)["configMapGenerator"][0]["name"]),
        ("HorizontalPodAutoscaler", one(folder, "HorizontalPodAutoscaler", "stream")["metadata"]["name"]),
    }
    named = {name for block in blocks for name in block.get("components", [])}
    assert all((folder / name.removeprefix("../kubernetes-bundle/")).is_dir() for name in named)


def test_who_ends_a_stream_waits_long_enough(bundle: Bundle) -> None:
    """A stream has the time to commit, and to end a process that does not; a new pod works before an old one ends."""
    deployment = one(bundle("kubernetes"), "Deployment", "stream")["spec"]

    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] > ENDS_SECONDS + 1
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_properties_are_kept_and_kept_secret(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file with the password stays when the bundle is made anew, and neither git nor an image gets it."""
    monkeypatch.setattr(targets, "measured", lambda _: Memory(100 * MIB, 120 * MIB))
    folder = tmp_path / "out"
    command = ["export", str(artifact), "--target", "kubernetes", "-o", str(folder), "--quiet"]
    assert main.run(command) == 0
    (folder / PROPERTIES).write_text("sasl.password=mine\n")
    (folder / PROPERTIES).chmod(0o600)

    assert main.run(command) == 0

    assert (folder / PROPERTIES).read_text() == "sasl.password=mine\n"
    assert (folder / PROPERTIES).stat().st_mode & 0o777 == 0o600
    assert PROPERTIES not in json.loads((folder / "mlship-bundle.json").read_text())["files"]
    assert PROPERTIES.rpartition("/")[2] in (folder / ".gitignore").read_text().splitlines()
    ignored, *taken = [line for line in (folder / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
    assert ignored == "*"
    assert taken == ["!mlship.lock", "!*.whl", "!model.onnx", "!wheelhouse/"]


def test_memory_is_that_of_a_worker_and_of_the_client(bundle: Bundle) -> None:
    """What was measured holds as much as a micro-batch; the client's part is there for the smallest model too."""
    facts = ModelFacts("m", "1", "0" * 64, 1, proven=True, memory=Memory(200 * MIB, 0, idle=100 * MIB))
    resources = pod_of(one(bundle("kubernetes"), "Deployment", "stream"))["spec"]["containers"][0]["resources"]
    request, limit = (int(resources[kind]["memory"].removesuffix("Mi")) for kind in ("requests", "limits"))

    assert measure._THREADS * Limits().body >= Bounds().bytes
    assert Limits().rows >= Bounds().rows
    assert stream_memory(facts) >= (200 + 2 * 64 + 50 + 3 * 16) * 1.5
    assert limit - request >= (64 + 50 + 16) * 1.5
