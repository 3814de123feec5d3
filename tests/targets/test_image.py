"""The image that a bundle describes: built offline, then run by its own words, unprivileged on a read-only root."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlship.serve.settings import DRAIN_SECONDS, GRACEFUL_SECONDS
from tests.serve.server import run
from tests.targets.box import USER, Box, Running
from tests.targets.conftest import INPUT, Bundle, Image

TOKEN = "a-token-of-the-tests"  # noqa: S105  of nothing else
URL = "http://127.0.0.1:8000"
SMOKE = ["python", "-m", "mlship.targets.smoke", "/srv/model.onnx", URL]
# What asks inside the box: whatever is sent comes as CSV, and so does the answer; or the status of a path.
PREDICT = f"""
import sys, urllib.request as r
headers = {{"Content-Type": "text/csv", "Accept": "text/csv", "Authorization": "Bearer {TOKEN}"}}
body = open("/data/input.csv", "rb").read()
sys.stdout.buffer.write(r.urlopen(r.Request("{URL}/predict", body, headers), timeout=60).read())
"""
STATUS = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the penguins that the image's user may write to."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(INPUT, folder / "input.csv")
    shutil.chown(folder, USER, USER)
    return folder


@pytest.fixture(scope="module")
def box(image: Image, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """A container of the image that sees the data."""
    return image.box(tmp_path_factory.mktemp("box") / "root").with_(binds={"/data:rw": data})


@pytest.fixture(scope="module")
def server(image: Image, box: Box) -> Iterator[Running]:
    """What the Dockerfile's ENTRYPOINT and CMD start, once its HEALTHCHECK succeeds."""
    running = box.with_(env={"MLSHIP_TOKEN": TOKEN}).start([*image.stage.entrypoint, *image.stage.cmd])
    try:
        running.until(image.stage.health)
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def scored(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `mlship batch` of this environment answers for the penguins, as CSV without their own columns."""
    output = tmp_path_factory.mktemp("scored") / "out.csv"
    done = run("batch", INPUT, "-m", artifact, "--keep", "none", "-o", output, "--quiet")
    assert done.returncode == 0, done.stderr
    return output.read_text()


def test_golden_rows_agree_where_it_runs(server: Running) -> None:
    """The smoke test finds the golden rows answered in the image and over HTTP, where the token is shown."""
    done = server.run(SMOKE, env={"MLSHIP_TOKEN": TOKEN})

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"64 golden rows of penguins \w+ agree here, and \d\d of them at {URL}.\n", done.stdout)
    without = server.run(SMOKE, env={"MLSHIP_TOKEN": ""})
    assert without.returncode == 6
    assert "401" in without.stderr


def test_answers_are_those_of_batch(server: Running, scored: str) -> None:
    """The image answers over HTTP and from files what batch answers elsewhere, byte for byte."""
    over_http = server.run(["python", "-c", PREDICT])
    from_files = server.run(["mlship", "batch", "/data/input.csv", "--keep", "none", "-o", "/data/out.csv", "--quiet"])

    assert over_http.stdout == scored, over_http.stderr
    assert from_files.returncode == 0, from_files.stderr
    assert server.run(["cat", "/data/out.csv"]).stdout == scored


def test_nothing_is_told_to_others(server: Running) -> None:
    """The runtime keeps no identifier of the machine, as it does below the home folder when it sends events."""
    done = server.run(["find", "/tmp", "-ipath", "*microsoft*"])  # noqa: S108  HOME of the image

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("user", [USER, 0], ids=["its user", "root"])
def test_nothing_is_written_but_below_tmp(box: Box, user: int) -> None:
    """The root is read-only, even for root, and the process of the image is nobody and has no capability."""
    places = "/ /srv /opt/mlship /etc /usr/bin /tmp"
    written = f"for place in {places}; do touch $place/written 2>/dev/null && echo $place; done"

    done = replace(box, user=user).run(["sh", "-c", f"{written}; grep CapEff /proc/self/status"])

    written, capabilities = done.stdout.splitlines()
    assert written == "/tmp"  # noqa: S108
    assert (capabilities.split()[1] == "0" * 16) == (user == USER)


def test_sigterm_ends_it_with_0_in_time(image: Image, box: Box) -> None:
    """The server ends with exit code 0 within the time that compose and Kubernetes leave it."""
    running = box.with_(env={"MLSHIP_TOKEN": TOKEN}).start([*image.stage.entrypoint, *image.stage.cmd])
    try:
        running.until_said("Ctrl-C stops it.")  # once all of its workers are there
        code, seconds = running.stop(signal.SIGTERM)
    finally:
        running.end()

    assert code == 0, running.log.read_text()
    assert seconds < DRAIN_SECONDS + GRACEFUL_SECONDS


def _pod(bundle: Bundle, name: str) -> dict[str, Any]:
    document = yaml.safe_load((bundle("kubernetes") / name).read_text())
    spec = document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else document["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    return {**container, "volumes": spec["template"]["spec"]["volumes"]}


def test_the_deployment_runs(image: Image, bundle: Bundle, tmp_path: Path) -> None:
    """The pod's command serves with a token that root owns and the pod's group may read; its probes are answered."""
    container = _pod(bundle, "manifests/deployment.yaml")
    secret = tmp_path / "tokens"
    secret.mkdir()
    (secret / "tokens").write_text(f"first:{TOKEN}\n")
    os.chown(secret / "tokens", 0, USER)
    (secret / "tokens").chmod(container["volumes"][1]["secret"]["defaultMode"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    running = image.box(tmp_path / "root").with_(binds={"/etc/mlship": secret})
    pod = running.start([*image.stage.entrypoint, *container["args"]])
    try:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container[name]["httpGet"]
            url = f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}"
            pod.until(["python", "-c", f"import urllib.request as r; r.urlopen('{url}', timeout=3)"])
        done = pod.run(SMOKE, env={"MLSHIP_TOKEN": TOKEN})
        assert done.returncode == 0, done.stderr
        metrics = pod.run(["python", "-c", STATUS, f"http://127.0.0.1:{ports['metrics']}/metrics"])
        assert metrics.stdout == "200\n", metrics.stderr
        assert pod.run(["python", "-c", STATUS, f"{URL}/metrics"]).stdout == "401\n"
        before = [part.replace("sleep(5)", "sleep(0)") for part in container["lifecycle"]["preStop"]["exec"]["command"]]
        assert pod.run(before).returncode == 0
        assert pod.stop(signal.SIGTERM)[0] == 0
    finally:
        pod.end()


def test_the_cron_job_runs(image: Image, bundle: Bundle, tmp_path: Path, scored: str) -> None:
    """The job's command scores the files of the volume, and has nothing to do when it is run again."""
    container = _pod(bundle, "optional/batch/cronjob.yaml")
    volume = tmp_path / "volume"
    volume.mkdir()
    shutil.copy(INPUT, volume / "monday.csv")
    shutil.chown(volume, USER, USER)
    job = image.box(tmp_path / "root").with_(binds={"/data:rw": volume})
    command = [*image.stage.entrypoint, *container["args"]]

    first, second = job.run(command), job.run(command)

    assert first.returncode == 0, first.stderr
    assert "344 rows in, 344 out" in first.stderr
    assert second.returncode == 0
    assert "was scored before and is unchanged" in second.stderr
    columns = len(scored.partition("\n")[0].split(","))
    lines = (volume / "monday.scored.csv").read_text().splitlines()
    assert [",".join(line.rsplit(",", columns)[1:]) for line in lines] == scored.splitlines()


def test_a_model_that_was_harmed_does_not_start(image: Image, tmp_path: Path) -> None:
    """A server whose model was changed ends with exit code 4, which no scheduler takes for a moment's trouble."""
    harmed = tmp_path / "model.onnx"
    data = bytearray((image.bundle / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    harmed.write_bytes(data)
    done = image.box(tmp_path / "root", harmed).run([*image.stage.entrypoint, "serve", "/srv/model.onnx"])

    assert done.returncode == 4, done.stderr


def test_every_module_that_serves_or_scores_is_there(box: Box) -> None:
    """Each module of serve, batch and what they stand on is imported with the lock's libraries alone."""
    code = (
        "import importlib, pkgutil, sys, mlship\n"
        "for part in ('batch', 'serve', 'model', 'tables', 'monitor', 'report', 'objects', 'targets'):\n"
        "    found = importlib.import_module(f'mlship.{part}')\n"
        "    for module in pkgutil.walk_packages(getattr(found, '__path__', []), f'mlship.{part}.'):\n"
        "        importlib.import_module(module.name)\n"
        "assert mlship.__file__.startswith('/opt/mlship/'), mlship.__file__\n"
        "assert not {'sklearn', 'pandas', 'joblib'} & set(sys.modules)\n"
    )
    done = box.run(["python", "-c", code])

    assert done.returncode == 0, done.stderr


def test_a_wheelhouse_holds_what_an_index_gives(image: Image) -> None:
    """A library that is there for the platform is taken so, under whichever of the platform's names it goes."""
    assert [path.name for path in image.wheelhouse.glob("protobuf-*") if "manylinux" in path.name]
