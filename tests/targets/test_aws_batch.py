"""The bundle for AWS Batch: what it registers and submits, seen by AWS's own checks of requests and by moto."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from moto.core.config import default_user_config

from mlship import objects
from mlship.batch.inputs import find_inputs
from mlship.cli.main import run
from mlship.errors import UsageError
from mlship.targets.aws_batch import container_size
from mlship.targets.contract import MIB, Memory, ModelFacts
from tests.batch.models import put_town

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("a.csv", "b.CSV", "c.tsv.gz", "d.tab", "deep/e.parquet", "f.pq", "g.jsonl.zst", "h.feather", "with space.ipc")
PASSED_OVER = ("_SUCCESS", "_hidden/x.csv", ".x.csv", "deep/_x.csv", "notes.txt", "x.parquet.gz.bak", "csv")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the town model."""
    folder = tmp_path_factory.mktemp("aws-batch")
    model = put_town(folder)
    assert run(["export", str(model), "--target", "aws-batch", "-o", str(folder / "bundle")]) == 0
    return folder / "bundle"


@pytest.fixture
def queue(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a job queue of the server on which the bucket is, with a command `aws` that leads there."""
    assert bucket.startswith("s3://")
    monkeypatch.setitem(default_user_config["batch"], "use_docker", False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command = tmp_path / "aws"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/targets/aws.py" "$@"\n')
    command.chmod(0o755)
    name = bucket.removeprefix("s3://")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    batch = boto3.client("batch")
    place = batch.create_compute_environment(computeEnvironmentName=name, type="UNMANAGED", serviceRole=role)
    order = [{"order": 1, "computeEnvironment": place["computeEnvironmentArn"]}]
    batch.create_job_queue(jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order)
    return name


def script(bundle: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the bundle."""
    return subprocess.run(
        [str(bundle / name), *arguments],
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def register(bundle: Path) -> dict[str, Any]:
    """Register the job definition, and return what is then known of it."""
    arn = "arn:aws:iam::123456789012:role/"
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/town:v1"
    done = script(bundle, "register.sh", IMAGE=image, JOB_ROLE=f"{arn}job", EXECUTION_ROLE=f"{arn}execution")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    found = boto3.client("batch").describe_job_definitions(jobDefinitions=[answer["jobDefinitionArn"]])
    (definition,) = found["jobDefinitions"]
    assert definition["containerProperties"]["image"] == image
    assert definition["containerProperties"]["jobRoleArn"] == f"{arn}job"
    assert isinstance(definition, dict)
    return definition


def errors(shape: str, request: dict[str, Any]) -> str:
    """What botocore has to say against a request of AWS Batch."""
    model = get_session().get_service_model("batch").shape_for(shape)
    return str(ParamValidator().validate(request, model).generate_report())


def action(strategy: dict[str, Any], told: dict[str, str]) -> str:
    """What AWS Batch does after an attempt: the first condition that holds decides, and none is to try again."""
    for rule in strategy["evaluateOnExit"]:
        wanted = {key.removeprefix("on"): value for key, value in rule.items() if key != "action"}
        if all(fnmatch(told.get(name, ""), pattern) for name, pattern in wanted.items()):
            return str(rule["action"])
    return "RETRY"


def test_the_definition_is_one_and_retries_what_it_should(bundle: Path) -> None:
    """It passes AWS's own check, and tries again what may go on, in no more conditions than there may be."""
    definition = json.loads((bundle / "job-definition.json").read_text())
    assert errors("RegisterJobDefinitionRequest", definition) == ""
    assert errors("RegisterJobDefinitionRequest", {**definition, "retry": 1}) != ""
    strategy = definition["retryStrategy"]
    assert len(strategy["evaluateOnExit"]) <= 5  # as the documentation of RetryStrategy says
    again = [code for code in range(1, 256) if action(strategy, {"ExitCode": str(code)}) == "RETRY"]
    assert {6, 7, 130, 137, 143} <= set(again)
    assert not {2, 3, 4, 5, 8, 9} & set(again)
    assert action(strategy, {"StatusReason": "Host EC2 (instance i-0) terminated."}) == "RETRY"


def test_submitted_for_what_is_there(bundle: Path, bucket: str, queue: str) -> None:
    """As many children as mlship finds files, at most MOST; no array for a single one, and exit code 3 for none."""
    definition = register(bundle)
    given, output = f"{bucket}/in/", f"{bucket}/out/"
    batch = boto3.client("batch")

    def size(*arguments: str, **environment: str) -> int | None:
        done = script(bundle, "submit.sh", *arguments, output, QUEUE=queue, **environment)
        assert done.returncode == 0, done.stderr
        (job,) = batch.describe_jobs(jobs=[json.loads(done.stdout)["jobId"]])["jobs"]
        assert job["jobDefinition"] == definition["jobDefinitionArn"]
        assert job["parameters"] == {"input": arguments[0], "output": output}
        found = job.get("arrayProperties", {}).get("size")
        return None if found is None else int(found)

    for name in PASSED_OVER:
        objects.put(objects.parse(given + name), b"")
    empty = script(bundle, "submit.sh", given, output, QUEUE=queue)
    assert (empty.returncode, "has no file to score" in empty.stderr) == (3, True)
    objects.put(objects.parse(given + NAMES[0]), b"")
    assert size(given) is None
    for name in NAMES:
        objects.put(objects.parse(given + name), b"")
    assert size(given) == len(find_inputs([given], None)) == len(NAMES)
    assert size(given, MOST="2") == 2
    assert size(f"{given}a.csv") is None


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("s3://b/in/", "s3://b/out"), {}, "The output is"),
        (("in/", "s3://b/out/"), {}, "The input is"),
        (('s3://b/"in/', "s3://b/out/"), {}, "quotation mark"),
        (("s3://b/in/", "s3://b/out/"), {"MOST": "many"}, "MOST is a number"),
        (("s3://b/in/", "s3://b/out/"), {"MOST": "0"}, "MOST is a number"),
        (("s3://b/in/", "s3://b/out/"), {"DEFINITION": 'a"b'}, "quotation mark"),
    ],
)
def test_what_submit_refuses(bundle: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str) -> None:
    """What cannot be meant is exit code 2, before anything is asked of AWS."""
    done = script(bundle, "submit.sh", *arguments, QUEUE="queue", **environment)
    assert (done.returncode, words in done.stderr) == (2, True)


def test_a_store_that_cannot_be_asked_is_no_empty_folder(bundle: Path, queue: str) -> None:
    """Where the listing fails, so does the script."""
    done = script(bundle, "submit.sh", "s3://no-such-bucket-at-all/in/", "s3://b/out/", QUEUE=queue)
    assert done.returncode not in (0, 3)
    assert "NoSuchBucket" in done.stderr


def test_the_children_score(bundle: Path, bucket: str, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the registered command says is run as each child of the array that was submitted, and all is there."""
    rows = "my age,income,city\n" + "1,2,Porto\n" * 20
    for number in range(3):
        objects.put(objects.parse(f"{bucket}/in/{number}.csv"), rows.encode())
    definition = register(bundle)
    done = script(bundle, "submit.sh", f"{bucket}/in/", f"{bucket}/out/", QUEUE=queue)
    (job,) = boto3.client("batch").describe_jobs(jobs=[json.loads(done.stdout)["jobId"]])["jobs"]
    values = {**definition["parameters"], **job["parameters"]}
    command = [values.get(word.removeprefix("Ref::"), word) for word in definition["containerProperties"]["command"]]
    monkeypatch.setenv("MLSHIP_MODEL", str(bundle / "model.onnx"))  # as the image has it
    for index in range(job["arrayProperties"]["size"]):
        monkeypatch.setenv("AWS_BATCH_JOB_ID", f"{job['jobId']}:{index}")
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(index))
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", str(job["arrayProperties"]["size"]))
        assert run(command) == 0
    manifest = json.loads(objects.get(objects.parse(f"{bucket}/out/_manifest.json"))[0])
    assert (len(manifest["parts"]), manifest["rows"]) == (3, 60)


def test_the_schedule(bundle: Path) -> None:
    """The template passes cfn-lint, and what it has the scheduler submit is a request of AWS Batch."""
    path = bundle / "schedule.yaml"
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), str(path)], text=True, capture_output=True, check=False
    )
    assert linted.returncode == 0, linted.stdout
    from cfnlint.decode import cfn_yaml

    template = cfn_yaml.load(str(path))
    text = template["Resources"]["Nightly"]["Properties"]["Target"]["Input"]["Fn::Sub"]
    for name, value in {"Queue": "q", "Definition": "d", "Children": "16", "Input": "i", "Output": "o"}.items():
        text = text.replace(f"${{{name}}}", value)
    request = {name[0].lower() + name[1:]: value for name, value in json.loads(text).items()}
    request["arrayProperties"] = {"size": request["arrayProperties"]["Size"]}
    assert errors("SubmitJobRequest", request) == ""


@pytest.mark.parametrize(
    ("needs", "expected"), [(100, (1, 2048)), (3000, (1, 5120)), (6000, (2, 9216)), (100000, None)]
)
def test_containers_are_of_sizes_that_there_are(needs: int, expected: tuple[int, int] | None) -> None:
    """The smallest size that holds what scoring needs; none is told."""
    facts = ModelFacts("town", "v1", "0" * 64, 1, True, Memory(MIB, needs * MIB))
    if expected is None:
        with pytest.raises(UsageError, match="Fargate gives no container as much"):
            container_size(facts)
        return
    assert container_size(facts) == expected
