"""What others say of the files of bundles: linters, schemas, and systemd; and that times and ports agree with serve."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from mlship.serve.settings import DRAIN_SECONDS, GRACEFUL_SECONDS
from mlship.targets.registry import TARGETS
from tests.targets.conftest import Bundle
from tests.targets.dockerfile import stages
from tests.targets.manifests import NEWEST, OLDEST, UNKNOWN, documents, one, patched, pod_of
from tests.targets.units import read_unit

ENDS_IN = DRAIN_SECONDS + GRACEFUL_SECONDS
TOOLS = Path(sys.executable).parent


def passed(command: list[str | Path], **options: Any) -> str:
    """Run a tool, which has to be content, and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("target", TARGETS)
def test_dockerfiles_and_scripts_are_clean(bundle: Bundle, target: str) -> None:
    """Nothing is found by hadolint in a Dockerfile or by shellcheck in a script, and the shell can read it."""
    folder = bundle(target)
    for file in folder.rglob("Dockerfile"):
        passed([TOOLS / "hadolint", "--no-color", file])
    scripts = [*folder.rglob("*.sh")]
    passed([TOOLS / "shellcheck", *scripts])
    for file in scripts:
        passed(["sh", "-n", file])
        assert file.stat().st_mode & 0o100


@pytest.mark.parametrize(
    ("tool", "name", "text"),
    [
        pytest.param("hadolint", "Dockerfile", "FROM python\nRUN cd /tmp\n", id="hadolint"),
        pytest.param("shellcheck", "a.sh", "#!/bin/sh\nrm $1\n", id="shellcheck"),
    ],
)
def test_the_linters_find_something(tmp_path: Path, tool: str, name: str, text: str) -> None:
    """The linters are really asked: they refuse what is wrong."""
    (tmp_path / name).write_text(text)

    with pytest.raises(AssertionError):
        passed([TOOLS / tool, tmp_path / name])


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_manifests_fit_the_schemas(bundle: Bundle, version: str) -> None:
    """All objects pass the strict schemas of the oldest Kubernetes that is promised and of the newest known."""
    found = [document for document in documents(bundle("kubernetes")) if document["kind"] not in UNKNOWN]

    assert len(found) == 11
    for document in found:
        assert kubernetes_validate.validate(document, version, strict=True) == version
    deployment = one(bundle("kubernetes"), "Deployment", "serve")
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, version, strict=True)


def test_kustomizations_name_every_file(bundle: Bundle) -> None:
    """Each manifest is named by the kustomization beside it, and all that is named is there, but for the tokens."""
    folder = bundle("kubernetes")
    for file in folder.rglob("kustomization.yaml"):
        told = yaml.safe_load(file.read_text())
        named = {(file.parent / name).resolve() for name in told.get("resources", [])}
        there = {*file.parent.glob("manifests/*.yaml")} if file.parent == folder else {*file.parent.glob("*.yaml")}
        assert named == {path for path in there if path.name not in ("kustomization.yaml", "adapter.yaml")}
    root = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert root["secretGenerator"] == [{"name": "penguins-tokens", "files": ["tokens"]}]
    assert not (folder / "tokens").exists()


@pytest.mark.parametrize(("name", "component"), [("queue-depth", "serve"), ("stream-lag", "stream")])
def test_patches_apply(bundle: Bundle, name: str, component: str) -> None:
    """What a component adds to an autoscaler is valid there, and prometheus-adapter answers for that very metric."""
    folder = bundle("kubernetes")
    autoscaler = patched(folder, name, "HorizontalPodAutoscaler", component)
    kubernetes_validate.validate(autoscaler, NEWEST, strict=True)
    (rule,) = yaml.safe_load((folder / "optional" / name / "adapter.yaml").read_text())["rules"]["custom"]
    metric = autoscaler["spec"]["metrics"][-1]["pods"]["metric"]["name"]
    assert rule["seriesQuery"].partition("{")[0] == metric
    assert "<<.GroupBy>>" in rule["metricsQuery"]


def test_objects_find_one_another(bundle: Bundle) -> None:
    """Selectors match the pods' labels, ports have the names that are asked for, volumes and secrets are there."""
    folder = bundle("kubernetes")
    deployment = one(folder, "Deployment", "serve")
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    arguments = dict(argument.partition("=")[::2] for argument in container["args"] if argument.startswith("--"))

    service = one(folder, "Service")["spec"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["selector"].items() <= labels
    assert [port["targetPort"] for port in service["ports"]] == ["http"]
    assert one(folder, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels
    assert (
        one(folder, "HorizontalPodAutoscaler", "serve")["spec"]["scaleTargetRef"]["name"]
        == deployment["metadata"]["name"]
    )
    assert ports == {"http": int(arguments["--port"]), "metrics": int(arguments["--metrics-port"])}
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == arguments["--metrics-port"]
    for path, probe in (("/readyz", "startupProbe"), ("/readyz", "readinessProbe"), ("/livez", "livenessProbe")):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
    (tokens,) = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert tokens == {"secretName": "penguins-tokens", "defaultMode": 0o440}


def test_nothing_in_the_cluster_has_privileges(bundle: Bundle) -> None:
    """Each pod is of a user who is not root, with a root that is read-only and no capability, and has no API token."""
    folder = bundle("kubernetes")
    pods = [pod_of(found)["spec"] for found in documents(folder) if found["kind"] in ("Deployment", "CronJob")]
    assert len(pods) == 3
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert f"{pod['securityContext']['runAsUser']}:" in stages((folder / "Dockerfile").read_text())[-1].user


def test_the_user_of_the_image_can_read_the_model(bundle: Bundle) -> None:
    """COPY keeps the modes of files, which may be their owner's alone, unless it is told another one."""
    last = stages((bundle("docker") / "Dockerfile").read_text())[-1]

    assert ("--chmod=0444", "model.onnx", "/srv/model.onnx") in last.copies


def test_who_ends_a_server_waits_long_enough(bundle: Bundle) -> None:
    """Every target leaves a server the time in which it turns clients away and answers what it has taken."""
    pod = one(bundle("kubernetes"), "Deployment", "serve")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][-1].partition("sleep(")[2].rstrip(")"))
    compose = yaml.safe_load((bundle("docker") / "compose.yaml").read_text())["services"]["serve"]
    unit = read_unit(bundle("systemd") / "mlship-serve-penguins.service")

    assert pod["terminationGracePeriodSeconds"] > before + ENDS_IN
    assert before >= 3
    assert int(compose["stop_grace_period"].rstrip("s")) > ENDS_IN
    assert int(unit["TimeoutStopSec"]) > ENDS_IN
    assert one(bundle("kubernetes"), "Deployment", "serve")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_only_what_can_be_cured_is_tried_again(bundle: Bundle) -> None:
    """Both schedulers try again after 6, 7 and signals, and leave all other exit codes of batch to somebody."""
    job = one(bundle("kubernetes"), "CronJob")["spec"]["jobTemplate"]["spec"]
    (rule,) = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    unit = read_unit(bundle("systemd") / "mlship-batch-penguins.service")

    assert rule["onExitCodes"] == {"containerName": "batch", "operator": "NotIn", "values": [6, 7, 130, 137, 143]}
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert one(bundle("kubernetes"), "CronJob")["spec"]["concurrencyPolicy"] == "Forbid"
    assert unit["Restart"] == "on-failure"
    assert unit["RestartPreventExitStatus"] == "1 2 3 4 5 8 9"


def test_compose_file_is_one(bundle: Bundle) -> None:
    """A strict reader of the Compose specification takes the file, and refuses a wrong one."""
    text = re.sub(
        r"\$\{\w+:-([\w.]+)\}", r"\1", (bundle("docker") / "compose.yaml").read_text()
    )  # as no variable is set

    assert PyCompose.from_yaml(text).service_names() == ["serve"]
    with pytest.raises(ValueError, match="restart"):
        PyCompose.from_yaml(text.replace("unless-stopped", "never-ever"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd")
@pytest.mark.parametrize("use", ["serve", "batch"])
def test_systemd_finds_the_services_safe(bundle: Bundle, use: str) -> None:
    """To systemd the exposure of each service, from 0 to 10, is 2 at most."""
    unit = bundle("systemd") / f"mlship-{use}-penguins.service"

    passed(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit])


def test_alert_rules_are_those_of_monitor(bundle: Bundle) -> None:
    """The PrometheusRule holds mlship's own rules, and the PodMonitor asks all pods at the port of metrics."""
    own = Path(__file__).resolve().parents[2] / "mlship" / "monitor" / "alerts.yml"

    assert one(bundle("kubernetes"), "PrometheusRule")["spec"] == yaml.safe_load(own.read_text())
    (endpoint,) = one(bundle("kubernetes"), "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "metrics"
    selector = one(bundle("kubernetes"), "PodMonitor")["spec"]["selector"]
    (among,) = selector["matchExpressions"]
    for component in ("serve", "stream"):
        pod = pod_of(one(bundle("kubernetes"), "Deployment", component))
        assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert pod["metadata"]["labels"][among["key"]] in among["values"]
        assert "metrics" in [port["name"] for port in pod["spec"]["containers"][0]["ports"]]
