"""Outputs in an object store: whole or not at all, resumed by part, and one writer at a time."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlship import objects
from mlship.batch.outputs import objects as outputs
from mlship.batch.outputs.objects import ObjectOutput
from mlship.errors import OutputFailed, OutputLocked, UsageError, exit_code_of
from mlship.objects import parse
from tests.batch.outputs.small_job import CHUNKS, JOB, RECORD, chunk, go_on, run

ROOT = Path(__file__).resolve().parents[3]
OTHER = {**JOB, "model": "1" * 64}


def everything(uri: str) -> dict[str, bytes]:
    """Return all objects below a URI but the claim, by name."""
    found = [item.uri for item in objects.list_objects(parse(uri))]
    names = [name.removeprefix(uri) for name in found if not name.endswith(("claim.json", "/clock"))]
    return {name: objects.get(parse(uri + name))[0] for name in names}


def manifest(uri: str) -> Any:
    """Return the manifest of an output."""
    return json.loads(everything(uri)["_manifest.json"])


def published(uri: str) -> bytes:
    """Return what a reader who goes by the manifest gets."""
    found = everything(uri)
    return b"".join(found[part["name"]] for part in manifest(uri)["parts"])


def expected(job: dict[str, Any] = JOB) -> bytes:
    """Return what a job's parts hold."""
    return b"".join(chunk(index, job)[1] for index in range(CHUNKS))


def leave_unfinished(uri: str, job: dict[str, Any] = JOB, chunks: int = 4) -> None:
    """Do some chunks of a job and stop."""
    output = ObjectOutput(uri, ".csv")
    output.check(job, overwrite=False)
    with output.held():
        go_on(output, job, stop=chunks)


def spoil(uri: str, name_part: str) -> str:
    """Flip a bit in the one object whose name has a part, and return its name."""
    (name,) = [name for name in everything(uri) if name_part in name]
    data = bytearray(objects.get(parse(uri + name))[0])
    data[len(data) // 2] ^= 1
    objects.put(parse(uri + name), bytes(data))
    return name


@pytest.mark.parametrize("folder", ["deep/er/", ""], ids=["folder", "whole bucket"])
def test_a_job_is_published_by_its_manifest(bucket: str, folder: str) -> None:
    """Parts, manifest, mark and rejects are there, with digests that are right, and nothing of the journal is left."""
    uri = f"{bucket}/{folder}"
    told, dropped = run(uri)

    found = everything(uri)
    tag = manifest(uri)["tag"]
    parts = [f"part-{tag}-0000{index}.csv" for index in range(CHUNKS)]
    assert sorted(found) == sorted([*parts, "_SUCCESS", "_manifest.json", f"_rejects-{tag}.ndjson"])
    assert [part["name"] for part in manifest(uri)["parts"]] == parts
    assert manifest(uri)["rows"] == 16
    assert manifest(uri)["record"] == RECORD
    assert all(part["sha256"] == hashlib.sha256(found[part["name"]]).hexdigest() for part in manifest(uri)["parts"])
    assert published(uri) == expected()
    assert found[f"_rejects-{tag}.ndjson"] == b'{"row":1}\n{"row":4}\n'
    assert dropped is None
    assert told is not None
    assert told.outputs == (uri,)
    assert told.rejects == f"{uri}_rejects-{tag}.ndjson"
    assert told.digests == {uri + part["name"]: part["sha256"] for part in manifest(uri)["parts"]}


def test_a_finished_job_is_not_done_again(bucket: str) -> None:
    """The same job has nothing to do, and its record is told."""
    run(f"{bucket}/out/")
    before = everything(f"{bucket}/out/")

    found = ObjectOutput(f"{bucket}/out/", ".csv").check(JOB, overwrite=False)
    assert found is not None
    assert {key: found[key] for key in RECORD} == RECORD
    assert found["outputs"] == [f"{bucket}/out/"]
    assert found["rejects_file"].startswith(f"{bucket}/out/_rejects-")
    assert run(f"{bucket}/out/") == (None, None)
    assert everything(f"{bucket}/out/") == before


def test_another_job_replaces_all_at_once(bucket: str) -> None:
    """Until the new manifest is put readers see the old output; afterwards the old parts are gone."""
    uri = f"{bucket}/out/"
    run(uri)
    leave_unfinished(uri, OTHER)
    assert published(uri) == expected()

    run(uri, OTHER)
    assert published(uri) == expected(OTHER)
    tags = {name.split("-")[1][:8] for name in everything(uri) if "-" in name}
    assert tags == {manifest(uri)["tag"]}
    assert not any(name.startswith("_mlship") for name in everything(uri))


@pytest.mark.parametrize("jobs", [[JOB], [OTHER, JOB]], ids=["first output", "later output"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_run_goes_on_where_it_stood(bucket: str, jobs: list[dict[str, Any]], restart: bool) -> None:
    """Chunks of an unfinished run of the job are returned, and the result is that of an undisturbed run."""
    uri, undisturbed = f"{bucket}/out/", f"{bucket}/undisturbed/"
    for job in jobs:
        run(undisturbed, job)
    for job in jobs[:-1]:
        run(uri, job)
    leave_unfinished(uri)

    output = ObjectOutput(uri, ".csv")
    assert output.check(JOB, overwrite=False) is None
    with output.held():
        there = go_on(output, restart=restart)
        output.publish(RECORD, [chunk(index)[0] for index in range(CHUNKS)])
    assert there == ([] if restart else [chunk(index)[0] for index in range(4)])
    assert output.dropped == ("An unfinished run was dropped, as told." if restart else None)
    assert everything(uri) == everything(undisturbed)


def test_a_job_done_all_over_leaves_what_is_published_alone(bucket: str) -> None:
    """With --restart the parts that readers see are not touched until the new ones are published."""
    uri = f"{bucket}/out/"
    run(uri)
    before = everything(uri)
    output = ObjectOutput(uri, ".csv")
    with output.held():
        go_on(output, restart=True, stop=3)
    assert before.items() <= everything(uri).items()

    run(uri)
    assert published(uri) == expected()
    assert manifest(uri)["tag"] not in before["_manifest.json"].decode()
    assert len(everything(uri)) == len(before)


def test_leftovers_of_another_job_are_never_mixed(bucket: str) -> None:
    """An unfinished run of another model is dropped, and the user is told in what it differs."""
    uri, undisturbed = f"{bucket}/out/", f"{bucket}/undisturbed/"
    run(undisturbed)
    leave_unfinished(uri, OTHER)

    assert run(uri)[1] == "An unfinished run was dropped: it differs in model."
    assert everything(uri) == everything(undisturbed)


@pytest.mark.parametrize(
    ("spoilt", "count"),
    [
        pytest.param("part-{tag}-00002", 2, id="part"),
        pytest.param("{tag}/00001", 1, id="journal with rejects"),
        pytest.param("{tag}/00000", 0, id="first of the journal"),
    ],
)
@pytest.mark.parametrize("how", ["flipped", "gone"])
def test_a_damaged_chunk_is_found_and_done_again(bucket: str, spoilt: str, count: int, how: str) -> None:
    """The prefix ends before a chunk that is not what was written; the result is that of an undisturbed run."""
    uri, undisturbed = f"{bucket}/out/", f"{bucket}/undisturbed/"
    run(undisturbed)
    leave_unfinished(uri)
    name = spoilt.format(tag=manifest(undisturbed)["tag"])
    if how == "flipped":
        spoil(uri, name)
    else:
        objects.delete([parse(uri + found) for found in everything(uri) if name in found])

    output = ObjectOutput(uri, ".csv")
    with output.held():
        there = go_on(output)
        output.publish(RECORD, [chunk(index)[0] for index in range(CHUNKS)])
    assert len(there) == count
    assert output.dropped is not None
    assert "chunks of an unfinished run were dropped" in output.dropped or how == "gone"
    assert everything(uri) == everything(undisturbed)


@pytest.mark.parametrize("what", ["part-", "00004.entry"])
def test_damage_before_publishing_is_found(bucket: str, what: str) -> None:
    """A chunk changed while the run still works is not published, and the next run does it again."""
    uri = f"{bucket}/out/"
    output = ObjectOutput(uri, ".csv")
    with output.held():
        go_on(output)
        output.add(*chunk(CHUNKS))  # waits for nothing: but publish does
        output._wait()
        spoil(uri, "-00003.csv" if what == "part-" else what)
        with pytest.raises(OutputFailed, match="is not what was written") as failed:
            output.publish(RECORD, [chunk(index)[0] for index in range(CHUNKS)])
    assert (failed.value.code, exit_code_of(failed.value)) == ("damaged_chunk", 6)
    assert "_manifest.json" not in everything(uri)

    run(uri)
    assert published(uri) == expected()


@pytest.mark.parametrize("odd", [0, 1])
def test_a_put_that_was_repeated_is_fine(bucket: str, odd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """When an answer gets lost, a request is repeated and refused because of itself; all goes on all the same."""
    real, count = objects._put, itertools.count()

    def twice(place: objects.Location, data: Any, mode: Any) -> objects.Stamp:
        if next(count) % 2 == odd:
            real(place, data, mode)
        return real(place, data, mode)

    monkeypatch.setattr(objects, "_put", twice)
    run(f"{bucket}/out/")
    run(f"{bucket}/out/", OTHER)
    assert published(f"{bucket}/out/") == expected(OTHER)


def test_other_bytes_under_a_parts_name_are_replaced(bucket: str) -> None:
    """A part that something else made after the run began does not stay, and one with the same bytes is fine."""
    uri, undisturbed = f"{bucket}/out/", f"{bucket}/undisturbed/"
    run(undisturbed)
    output = ObjectOutput(uri, ".csv")
    with output.held():
        go_on(output, stop=1)
        for index, data in [(2, b"other"), (3, chunk(3)[1])]:
            objects.put_new(parse(f"{uri}part-{manifest(undisturbed)['tag']}-0000{index}.csv"), data)
        for index in range(1, CHUNKS):
            output.add(*chunk(index))
        output.publish(RECORD, [chunk(index)[0] for index in range(CHUNKS)])
    assert everything(uri) == everything(undisturbed)


def test_many_rejects_are_put_block_by_block(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejects that do not fit one request make the same object."""
    monkeypatch.setattr(outputs, "_IN_MEMORY", 1)
    told, _ = run(f"{bucket}/out/")
    assert told is not None
    assert told.rejects is not None
    assert objects.get(parse(told.rejects))[0] == b'{"row":1}\n{"row":4}\n'


def test_only_the_rejects_are_published_when_there_are_too_many(bucket: str) -> None:
    """They get their name, nothing else does, and raising the limit only publishes."""
    uri = f"{bucket}/out/"
    output = ObjectOutput(uri, ".csv")
    with output.held():
        go_on(output)
        where = output.publish_rejects()
    assert where is not None
    assert objects.get(parse(where))[0] == b'{"row":1}\n{"row":4}\n'
    assert "_manifest.json" not in everything(uri)

    output = ObjectOutput(uri, ".csv")
    with output.held():
        assert len(output.resume(JOB, restart=False)) == CHUNKS
        output.publish(RECORD, [chunk(index)[0] for index in range(CHUNKS)])
    assert published(uri) == expected()


def test_no_chunk_at_all_is_one_part_with_a_head(bucket: str) -> None:
    """An input without rows makes a part that holds what a file begins with."""
    output = ObjectOutput(f"{bucket}/out/", ".csv")
    with output.held():
        go_on(output, stop=0)
        output.publish({}, [])
    assert published(f"{bucket}/out/") == b"id,prediction\n"
    assert output.check(JOB, overwrite=False) == {"outputs": [f"{bucket}/out/"], "rejects_file": None}


@pytest.mark.parametrize("name", ["data.csv", "sub/part-0.parquet", "_manifest.json"])
def test_what_others_wrote_is_not_replaced(bucket: str, name: str) -> None:
    """Objects that mlship would not make end the run before any work; --overwrite writes beside them."""
    uri = f"{bucket}/out/"
    objects.put(parse(uri + name), b"precious")
    with pytest.raises(UsageError) as refused:
        run(uri)
    assert refused.value.message == f"'{uri}' holds '{name}', which mlship did not write."
    assert (refused.value.code, exit_code_of(refused.value)) == ("output_exists", 2)
    assert everything(uri) == {name: b"precious"}

    run(uri, overwrite=True)
    assert published(uri) == expected()
    assert name == "_manifest.json" or everything(uri)[name] == b"precious"


def test_a_part_changed_since_is_not_replaced_unasked(bucket: str) -> None:
    """Somebody's change to a published part is refused, and a part that is gone is made again."""
    uri = f"{bucket}/out/"
    run(uri)
    name = spoil(uri, "00003.csv")
    with pytest.raises(UsageError, match=f"{name}' was changed since mlship wrote it"):
        run(uri)

    objects.delete([parse(uri + name)])
    run(uri)
    assert published(uri) == expected()


@pytest.mark.parametrize("end", ["/out", ""], ids=["key", "bucket"])
def test_a_uri_without_a_slash_at_its_end(bucket: str, end: str) -> None:
    """It names one object, and the hint can be typed."""
    with pytest.raises(UsageError) as refused:
        ObjectOutput(bucket + end, ".csv")
    assert refused.value.hint == f"Add a slash: -o '{bucket}{end}/'"
    assert exit_code_of(refused.value) == 2


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there() -> None:
    """Nothing is begun without a bucket."""
    with pytest.raises(OutputFailed, match="'s3://no-such-bucket': there is no such bucket"):
        run("s3://no-such-bucket/out/")


def test_one_writer_at_a_time(bucket: str) -> None:
    """A second run is refused while the first holds the output, also beyond one lease, and goes on afterwards."""
    uri = f"{bucket}/out/"
    first = ObjectOutput(uri, ".csv", lease=1)
    with first.held():
        go_on(first, stop=2)
        for _ in range(2):
            with pytest.raises(OutputLocked, match=f"Another run of mlship is writing '{uri}'") as locked:
                run(uri)
            assert exit_code_of(locked.value) == 7
            time.sleep(1.2)
        go_on(first)
        first.publish(RECORD, [chunk(index)[0] for index in range(CHUNKS)])
    run(uri, OTHER)
    assert published(uri) == expected(OTHER)


def test_an_expired_claim_is_taken_over(bucket: str) -> None:
    """Once a run has not renewed its claim for a lease, the next one takes over; the first can write no more."""
    uri = f"{bucket}/out/"
    first = ObjectOutput(uri, ".csv", lease=1)
    first.check(JOB, overwrite=False)
    with first.held():
        go_on(first, stop=2)
        first._claim._over.set()  # it sleeps: nothing renews its claim
        time.sleep(3.5)
        run(uri, OTHER)
        with pytest.raises(OutputLocked, match="has taken over") as locked:
            first.add(*chunk(2))
        with pytest.raises(OutputLocked):
            first.publish(RECORD, [chunk(index)[0] for index in range(2)])
    assert exit_code_of(locked.value) == 7
    assert published(uri) == expected(OTHER)


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"owner": "somebody"}'])
def test_a_claim_that_cannot_be_read_is_somebodys(bucket: str, said: bytes) -> None:
    """It is respected until it is as old as a claim becomes by default."""
    objects.put(parse(f"{bucket}/out/_mlship/claim.json"), said)
    with pytest.raises(OutputLocked, match="is writing"):
        run(f"{bucket}/out/")


def test_an_output_published_in_between_is_not_replaced(bucket: str) -> None:
    """A run that looked before another one published does not go on with what it saw."""
    uri = f"{bucket}/out/"
    first = ObjectOutput(uri, ".csv")
    first.check(JOB, overwrite=False)
    run(uri, OTHER)
    with pytest.raises(OutputLocked, match="was written by something else meanwhile"), first.held():
        pass


def start(uri: str, request: int = 0, when: str = "before") -> subprocess.Popen[str]:
    """Start the small job in a process of its own."""
    command = [sys.executable, str(ROOT / "tests/batch/outputs/small_job.py"), uri, str(request), when]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


KILLS = [pytest.param(seed, marks=[pytest.mark.whole] if seed >= 3 else []) for seed in range(20)]


@pytest.mark.parametrize("seed", KILLS)
def test_kill_at_any_request(bucket: str, seed: int) -> None:
    """SIGKILL before or after any request; the same command then ends with the bytes of an undisturbed run."""
    uri, undisturbed = f"{bucket}/out/", f"{bucket}/undisturbed/"
    chance = random.Random(seed)  # noqa: S311 - points to kill at
    for job in [OTHER, JOB] if seed % 2 else [JOB]:
        run(undisturbed, job)
    if seed % 2:
        run(uri, OTHER)
    for _ in range(chance.randint(1, 2)):
        with start(uri, chance.randint(1, 24), chance.choice(["before", "after"])) as child:
            child.communicate(timeout=60)
        objects.delete([parse(f"{uri}_mlship/claim.json")])  # as if its lease had passed
        if "_manifest.json" in everything(uri):
            assert published(uri) in (expected(OTHER), expected())

    run(uri)
    assert everything(uri) == everything(undisturbed)


def test_two_processes_at_once(bucket: str, whole: bool) -> None:
    """Of two processes that start together one does the job, and the other is told so or finds it done."""
    for number in range(5 if whole else 2):
        uri = f"{bucket}/out-{number}/"
        children = [start(uri), start(uri)]
        told = [child.communicate(timeout=60) for child in children]
        assert any(child.returncode == 0 for child in children), told
        for child, (_, said) in zip(children, told, strict=True):
            assert child.returncode == 0 or "OutputLocked" in said
        assert published(uri) == expected()
