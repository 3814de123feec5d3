"""The bundles of functions: what is in them, and that it runs as it stands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from mlship.errors import UsageError
from mlship.model.artifact import Card, Proof, sign
from mlship.model.signature import Column, Output, Signature, Tensor
from mlship.targets.contract import Memory, ModelFacts
from mlship.targets.google_functions import target as google_target
from tests.targets.conftest import make_bundle
from tests.targets.dockerfile import stages
from tests.targets.functions.conftest import Scored, same
from tests.targets.functions.framework import JSON, Framework
from tests.targets.functions.runtime import Own

# What Lambda's own runtime has beside the function.
RUNTIME = (
    "awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py", "boto3", "botocore", "s3transfer",
    "jmespath", "dateutil", "six", "urllib3",
)  # fmt: skip


def export(folder: Path, model: Path, target: str) -> tuple[Path, dict[str, Any]]:
    """Make a bundle, and return its folder and what was told."""
    return folder / "bundle", make_bundle(model, target, folder / "bundle")


@pytest.fixture(scope="module")
def aws_zip(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The bundle of a small model for AWS Lambda."""
    return export(tmp_path_factory.mktemp("zip"), scored.model, "aws-lambda")


@pytest.fixture(scope="module")
def aws_image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The bundle of a model that a zip does not take."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "large.onnx").write_bytes(large_model())
    return export(folder, folder / "large.onnx", "aws-lambda")


@pytest.fixture(scope="module")
def google(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small model for Google Cloud Functions."""
    return export(tmp_path_factory.mktemp("google"), scored.model, "google-cloud-function")[0]


def large_model() -> bytes:
    """Return a model of 4 MiB, which gives a column back."""
    nodes = [
        helper.make_node("ReduceSum", ["ballast"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [
            helper.make_tensor("ballast", TensorProto.DOUBLE, [1 << 19], [1.0] * (1 << 19)),
            helper.make_tensor("zero", TensorProto.DOUBLE, [], [0.0]),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    signature = Signature(
        inputs=(Column("x", "float64", "x", nullable=False),),
        tensors=(Tensor("x", "float64"),),
        outputs=(Output("prediction", "float64", "value", "y"),),
    )
    proof = Proof({"synthetic": 1}, 1.0, 0.0, 1e-12, "float64", "exact")
    return sign(made.SerializeToString(), Card("large", "v1", {}, signature, parity=proof))


def test_the_layout_is_chosen_by_size_and_told(aws_zip: Any, aws_image: Any) -> None:
    """A small model is a zip and a large one an image, and the command says which."""
    (folder, told), (other, told_other) = aws_zip, aws_image
    assert (folder / "build.sh").exists()
    assert not (folder / "Dockerfile").exists()
    assert told["bundle"]["notes"][0].startswith("The function is a zip")
    assert (other / "Dockerfile").exists()
    assert not (other / "build.sh").exists()
    assert told_other["bundle"]["notes"][0].startswith("The function is a container image")


def test_the_image_is_built_by_what_knows_its_mounts(aws_image: Any) -> None:
    """SAM builds without BuildKit unless told, and refuses `RUN --mount` then; files can be read by all."""
    text = (aws_image[0] / "Dockerfile").read_text()
    assert "RUN --mount" in text
    assert "sam build --use-buildkit" in (aws_image[0] / "README.md").read_text()
    assert ("--chmod=0444", "handler.py", "model.onnx", "./") in stages(text)[-1].copies


def test_a_wheelhouse_can_be_filled(aws_zip: Any, aws_image: Any) -> None:
    """Both layouts have the script that fills what an installation without a network takes."""
    for folder in (aws_zip[0], aws_image[0]):
        assert "wheelhouse.sh` on a machine" in (folder / "README.md").read_text().replace("\n", " ")
        assert os.access(folder / "wheelhouse.sh", os.X_OK)


@pytest.mark.parametrize("layout", ["aws_zip", "aws_image"])
def test_templates_are_what_lambda_takes(layout: str, request: pytest.FixtureRequest) -> None:
    """cfn-lint finds nothing, SAM translates it, and both kinds of records report their failures one by one."""
    folder, _ = request.getfixturevalue(layout)
    assert linted(folder / "template.yaml") == []
    resources = translated(yaml_of(folder / "template.yaml"))["Resources"]
    mappings = {name: item for name, item in resources.items() if item["Type"] == "AWS::Lambda::EventSourceMapping"}
    assert sorted(mappings) == ["FromQueue", "FromStream"]
    assert all(item["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for item in mappings.values())
    assert resources["FunctionUrl"]["Properties"]["AuthType"] == "AWS_IAM"
    function = resources["Function"]["Properties"]
    assert ("Handler" in function) == (layout == "aws_zip")


@pytest.mark.parametrize(
    ("wrong", "right"), [("AWS::IAM::Policy", "AWS::IAM::Polici"), ("BatchSize: 10\n", "BatchSize: many\n")]
)
def test_linter_sees_mistakes(aws_zip: Any, tmp_path: Path, wrong: str, right: str) -> None:
    """The control of the test above."""
    text = (aws_zip[0] / "template.yaml").read_text()
    assert wrong in text
    (tmp_path / "template.yaml").write_text(text.replace(wrong, right))
    assert linted(tmp_path / "template.yaml")


def test_translator_sees_mistakes(aws_image: Any) -> None:
    """The control of the test above: an image has no handler."""
    from samtranslator.model.exceptions import InvalidDocumentException

    template = yaml_of(aws_image[0] / "template.yaml")
    template["Resources"]["Function"]["Properties"]["Handler"] = "handler.handler"
    with pytest.raises(InvalidDocumentException):
        translated(template)


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SAM's translator takes the region from."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def linted(template: Path) -> list[Any]:
    """Return what cfn-lint finds."""
    from cfnlint.api import lint_file

    return list(lint_file(template))


def yaml_of(template: Path) -> Any:
    """Return a template as values."""
    from samtranslator.yaml_helper import yaml_parse

    return yaml_parse(template.read_text())


def translated(template: Any) -> Any:
    """Return what SAM makes of a template whose code was uploaded."""
    from samtranslator.translator.transform import transform

    class Policies:
        def load(self) -> Mapping[str, str]:
            name = "AWSLambdaBasicExecutionRole"
            return {name: f"arn:aws:iam::aws:policy/service-role/{name}"}

    function = template["Resources"]["Function"]["Properties"]
    if "CodeUri" in function:
        function["CodeUri"] = "s3://bucket/function.zip"
    else:
        function["ImageUri"] = "123456789012.dkr.ecr.us-east-1.amazonaws.com/function:v1"
    return transform(template, {}, Policies())


def script(folder: Path, name: str, text: str) -> None:
    """Put a program into a folder."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def run(command: Sequence[str], folder: Path, programs: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a bundle with programs of a test ahead of those that there are."""
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": sys.executable, **more}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


AWS = """#!/bin/sh
# aws lambda invoke --function-name NAME --cli-binary-format raw-in-base64-out --payload file://ROWS ANSWER
cp "$(echo "$8" | sed s,file://,,)" rows.json && touch asked
while [ ! -f answered ]; do sleep 0.05; done
cp answer.json "$9"
"""


@pytest.mark.parametrize("wrong", [False, True], ids=["same answers", "another answer"])
def test_smoke_test_of_lambda(aws_zip: Any, tmp_path: Path, *, wrong: bool) -> None:
    """`smoke.sh` sends the golden rows to the function as it stands, and tells whether the answers are the same."""
    folder = tmp_path / "bundle"
    shutil.copytree(aws_zip[0], folder)
    script(tmp_path, "aws", AWS)
    runtime = Own(folder, {})
    try:
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": sys.executable}
        smoke = subprocess.Popen(
            ["./smoke.sh", "name"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while not (folder / "asked").exists():
            assert smoke.poll() is None, smoke.communicate()
        answer = runtime.invoke((folder / "rows.json").read_bytes())
        if wrong:
            answer["predictions"][0]["probability_Adelie"] += 1e-6
        (folder / "answer.json").write_text(json.dumps(answer))
        (folder / "answered").touch()
        told, _ = smoke.communicate(timeout=60)
    finally:
        runtime.close()
    assert (smoke.returncode, "answers differently" in told) == ((4, True) if wrong else (0, False)), told
    assert wrong or "golden rows of model" in told


GCLOUD = """#!/bin/sh
if [ "$1" = auth ]; then echo a-token-of-google; exit; fi
printf '%s\\n' "$@" > gcloud.txt
"""


@pytest.mark.parametrize(
    ("arguments", "expected", "variables"),
    [
        pytest.param(
            ["http"],
            ["--entry-point=predict", "--trigger-http", "--no-allow-unauthenticated"],
            "OMP_NUM_THREADS=1",
            id="http",
        ),
        pytest.param(
            ["topic", "in", "gs://b/scores/"],
            ["--entry-point=predict_event", "--trigger-topic=in", "--retry"],
            "OMP_NUM_THREADS=1;MLSHIP_RESULTS=gs://b/scores/;MLSHIP_REJECTS=gs://b/bad/;MLSHIP_KEEP=a,b",
            id="topic",
        ),
        pytest.param(
            ["bucket", "in", "gs://b/scores/"],
            [
                "--entry-point=predict_event",
                "--trigger-event-filters=type=google.cloud.storage.object.v1.finalized",
                "--trigger-event-filters=bucket=in",
                "--retry",
            ],
            "OMP_NUM_THREADS=1;MLSHIP_RESULTS=gs://b/scores/;MLSHIP_REJECTS=gs://b/bad/;MLSHIP_KEEP=a,b",
            id="bucket",
        ),
    ],
)
def test_deploy_script(google: Path, tmp_path: Path, arguments: list[str], expected: list[str], variables: str) -> None:
    """`deploy.sh` gives gcloud what each kind of function takes."""
    script(tmp_path, "gcloud", GCLOUD)
    done = run(["./deploy.sh", *arguments], google, tmp_path, REJECTS="gs://b/bad/", KEEP="a,b", LOCATION="eu")
    assert done.returncode == 0, done.stderr
    given = (google / "gcloud.txt").read_text().splitlines()
    assert given[:5] == ["functions", "deploy", "model", "--gen2", "--runtime=python313"]
    assert set(expected) <= set(given)
    assert f"--set-env-vars=^;^{variables}" in given
    assert ("--trigger-location=eu" in given) == (arguments[0] == "bucket")


def test_scripts_touch_nothing_where_they_are_called_from(aws_zip: Any, google: Path, tmp_path: Path) -> None:
    """Called from another folder, scripts work on their bundle: no other `build/` is removed."""
    elsewhere, bundle = tmp_path / "elsewhere", tmp_path / "bundle"
    (elsewhere / "build").mkdir(parents=True)
    shutil.copytree(aws_zip[0], bundle)
    (bundle / "mlship.lock").write_text("no such thing\n")
    script(tmp_path, "gcloud", GCLOUD)
    (google / "gcloud.txt").unlink(missing_ok=True)
    assert run([str(bundle / "build.sh")], elsewhere, tmp_path).returncode != 0
    assert run([str(google / "deploy.sh"), "http"], elsewhere, tmp_path).returncode == 0
    assert [path.name for path in elsewhere.iterdir()] == ["build"]
    assert (google / "gcloud.txt").exists()


@pytest.mark.parametrize(("gib", "cpus"), [(0.1, 1), (3, 1), (3.5, 2), (12, 4), (25, 8), (26, None)])
def test_a_function_has_processors_for_its_memory(gib: float, cpus: int | None) -> None:
    """Google gives 4 GiB to one processor at most, and 32 to eight; a model that needs more is refused."""
    facts = ModelFacts("m", "1", "0" * 64, 1, True, Memory(serve=1, batch=int(gib * (1 << 30))))
    if cpus is None:
        with pytest.raises(UsageError, match="gives no function as much"):
            google_target.size(facts)
    else:
        assert google_target.size(facts)[0] == cpus


@pytest.mark.parametrize("arguments", [[], ["http", "more"], ["topic", "in"], ["bucket"]])
def test_deploy_script_says_how_it_is_used(google: Path, tmp_path: Path, arguments: list[str]) -> None:
    """Wrong use is told, and nothing is deployed."""
    script(tmp_path, "gcloud", GCLOUD)
    (google / "gcloud.txt").unlink(missing_ok=True)
    done = run(["./deploy.sh", *arguments], google, tmp_path)
    assert done.returncode == 2
    assert "./deploy.sh topic TOPIC RESULTS" in done.stderr
    assert not (google / "gcloud.txt").exists()


def test_google_bundle_runs_as_it_stands(google: Path, scored: Scored, tmp_path: Path) -> None:
    """Google's framework takes `main.py` as it is, and `smoke.sh` compares the golden rows at its address."""
    script(tmp_path, "gcloud", GCLOUD)
    function = Framework(google, "predict", {}).wait()
    try:
        answer = function.ask("POST", "/predict", json.dumps(scored.records).encode(), JSON)
        assert same(json.loads(answer.body)["predictions"], scored.outputs)
        done = run(["./smoke.sh", function.url], google, tmp_path)
    finally:
        function.close()
    assert done.returncode == 0, done.stderr
    assert f"of them at {function.url}" in done.stdout


@pytest.mark.whole
def test_lambda_runs_with_its_own_libraries_only(aws_zip: Any, scored: Scored, tmp_path: Path) -> None:
    """`build.sh` installs by hashes, what it makes fits with room for the largest model, and runs with nothing else."""
    from mlship.targets.aws_lambda.target import MOST_IN_ZIP, PYTHON

    folder = tmp_path / "bundle"
    shutil.copytree(aws_zip[0], folder)
    build = folder / "build.sh"
    version = ".".join(map(str, sys.version_info[:2]))
    build.write_text(build.read_text().replace(PYTHON, version))
    done = run(["./build.sh"], folder, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "function.zip").stat().st_size + MOST_IN_ZIP < 50 << 20, done.stdout
    libraries = tmp_path / "runtime"
    libraries.mkdir()
    site = Path(sysconfig.get_paths()["platlib"])
    for name in RUNTIME:
        for found in (*site.glob(name), *site.glob(f"{name}.*.so"), *site.glob(f"{name}.py")):
            (libraries / found.name).symlink_to(found)
    runtime = Own(folder / "build", {"PYTHONPATH": f"{folder / 'build'}:{libraries}"}, alone=True)
    try:
        assert same(runtime.invoke(scored.records)["predictions"], scored.outputs)
    finally:
        runtime.close()


@pytest.mark.whole
def test_google_runs_with_its_own_libraries_only(google: Path, scored: Scored, tmp_path: Path) -> None:
    """`requirements.txt` installs by hashes into an empty environment, in which the function runs."""
    folder = tmp_path / "bundle"
    shutil.copytree(google, folder)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    python = tmp_path / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r", "requirements.txt"]
    subprocess.run(command, cwd=folder, check=True, timeout=600)
    function = Framework(folder, "predict", {"PYTHONPATH": ""}, python=str(python)).wait()
    try:
        answer = function.ask("POST", "/predict", json.dumps(scored.records).encode(), JSON)
        assert same(json.loads(answer.body)["predictions"], scored.outputs)
        table = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\nDream,39.1,18.7,181,3750,male\n"
        answer = function.ask("POST", "/predict", table.encode(), {"Content-Type": "text/csv"})
        assert answer.status == 200
    finally:
        function.close()
