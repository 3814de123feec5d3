"""What shards of one run agree on, and what a run leaves of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlship import __version__, objects
from mlship.batch.freeze import shared_out
from mlship.batch.inputs import Input
from mlship.batch.outputs.folder import FolderOutput
from mlship.batch.outputs.manifest import Manifest
from mlship.batch.outputs.objects import ObjectOutput
from mlship.batch.outputs.shared import SharedObjects
from mlship.errors import OutputFailed
from mlship.tables.registry import known_kind
from tests.batch.conftest import Batch, Outcome
from tests.batch.models import town_model
from tests.batch.shards.array import content, names, published, put, rows

ON_DISK = pytest.mark.parametrize("place", [pytest.param("store", marks=pytest.mark.whole), "disk"], indirect=True)
"""For what is decided in the same way wherever the output is: a store is slower."""
KEEP = ("--keep", "none", "--chunk-size", "300")


@dataclass
class Place:
    """Inputs and an output, and how shards of them are run in this process.

    Attributes:
        given: The folder of inputs.
        output: The output.
        batch: Runs a command.
        setenv: Sets a variable of the environment.
    """

    given: str
    output: str
    batch: Batch
    setenv: Callable[[str, str], None]

    @property
    def stored(self) -> bool:
        """Whether they are in a store."""
        return objects.is_uri(self.output)

    def child(self, index: int, size: int = 3, parent: str | None = "job-1", more: tuple[str, ...] = ()) -> Outcome:
        """Run a child of an array job, or a shard that has no such job."""
        share = f"{index}/{size}"
        if parent is not None:
            share = "auto"
            self.setenv("AWS_BATCH_JOB_ID", f"{parent}:{index}")
            self.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(index))
            self.setenv("AWS_BATCH_JOB_ARRAY_SIZE", str(size))
        return self.batch(self.given, "-o", self.output, "--shard", share, *KEEP, *more)

    def all(self, size: int = 3, parent: str | None = "job-1", more: tuple[str, ...] = ()) -> list[Outcome]:
        """Run all children, one after the other; each ends well."""
        ended = [self.child(index, size, parent, more) for index in range(size)]
        assert [child.code for child in ended] == [0] * size, [child.stderr for child in ended]
        return ended

    def alone(self) -> list[bytes]:
        """What a run without shards makes of what is there now."""
        output = self.output.replace("/out/", "/alone/")
        assert self.batch(self.given, "-o", output, *KEEP).code == 0
        found = published(output)
        assert found is not None
        return found

    def add(self, name: str, start: int, count: int = 40) -> None:
        """Put an input."""
        put(self.given + name, rows(start, count).replace("old", "1"))

    def remove(self, name: str) -> None:
        """Remove a file or an object."""
        if self.stored:
            objects.delete([objects.parse(name)])
        else:
            Path(name).unlink()


@pytest.fixture(params=["store", "disk"])
def place(request: pytest.FixtureRequest, folder: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Five inputs of different sizes."""
    root = request.getfixturevalue("bucket") if request.param == "store" else str(folder)
    made = Place(f"{root}/in/", f"{root}/out/", batch, monkeypatch.setenv)
    for number in range(5):
        made.add(f"{number}.csv", 1000 * number, 20 + 10 * (number * 3 % 5))
    return made


def test_shares_are_even_and_depend_on_nothing_else() -> None:
    """The largest goes first, to who has least; names decide between equal sizes, counts between equal loads."""
    kind = known_kind("x.csv")
    sizes = {"a": 5, "b": 9, "c": 4, "d": 4, "e": 0, "g": 1}
    shares = {"a": 1, "b": 0, "c": 2, "d": 2, "e": 1, "g": 1}
    inputs = [Input(name, kind, state={"size": size}) for name, size in sizes.items()]
    for given in (inputs, inputs[::-1]):
        assert {one.name: shard for one, shard in zip(given, shared_out(given, 3), strict=True)} == shares
    assert shared_out(inputs[:1], 3) == [None]
    assert shared_out([Input(name, kind, state={"size": 0}) for name in "abcd"], 3) == [0, 1, 2, 0]


@ON_DISK
def test_a_file_that_comes_between_two_starts_changes_nothing(place: Place) -> None:
    """Children of a submission go by its listing, tried again after its end too; the next one lists anew."""
    expected = place.alone()
    assert place.child(1).code == 0
    place.add("00.csv", 9000)
    assert place.child(0).code == 0
    place.add("9.csv", 9500)
    assert published(place.output) is None
    assert place.child(2).code == 0
    assert published(place.output) == expected

    assert "was scored before" in place.child(1).stderr
    assert published(place.output) == expected
    place.all(parent="job-2")
    assert published(place.output) == place.alone() != expected


@ON_DISK
def test_a_submission_takes_up_what_another_left(place: Place) -> None:
    """Another array job goes by the listing of an unfinished run and does not score again what is done."""
    expected = place.alone()
    assert place.child(1).code == 0
    place.add("00.csv", 9000)
    first = place.child(0, parent="job-2")
    assert "Going on with the 5 inputs that were listed at" in first.stderr
    place.add("000.csv", 9500)
    assert "was scored before" in place.child(1, parent="job-2").stderr
    assert place.child(2, parent="job-2").code == 0
    assert "was scored before" in place.child(0, parent="job-2").stderr
    assert published(place.output) == expected


@pytest.mark.parametrize("parent", ["job-1", None], ids=["array", "by hand"])
@ON_DISK
def test_shards_of_two_versions(place: Place, monkeypatch: pytest.MonkeyPatch, parent: str | None) -> None:
    """A shard of a run that other versions began is refused; a new submission, or --restart, does all anew."""
    expected = place.alone()
    assert place.child(1, parent=parent).code == 0
    monkeypatch.setattr("mlship.batch.prepare.__version__", "9.9")
    refused = place.child(0, parent=parent)
    assert refused.code == 2
    assert "Other shards of this run have mlship 0.1" in refused.stderr
    assert "and here is 9.9" in refused.stderr
    ended = place.all(parent=parent and "job-2", more=() if parent else ("--restart",))
    assert "it was begun with other versions" in ended[0].stderr
    assert published(place.output) == expected
    monkeypatch.setattr("mlship.batch.prepare.__version__", __version__)
    ended = place.all(parent=parent and "job-3")
    assert "was scored before" not in "".join(one.stderr for one in ended)
    assert published(place.output) == expected


@ON_DISK
def test_what_changed_since_the_listing(place: Place) -> None:
    """Where shards are done, another's input that changed is an error; a new submission starts over with it."""
    assert place.child(1).code == 0
    for number in range(5):
        place.add(f"{number}.csv", 5000 + 1000 * number, 50 + number)
    refused = place.child(0)
    assert (refused.code, "Submit the whole job again." in refused.stderr) == (3, True)
    ended = place.all(parent="job-2")
    assert "An unfinished run for" in ended[0].stderr
    assert published(place.output) == place.alone()

    for number in range(5):
        place.add(f"{number}.csv", 7000 + 1000 * number, 50 + number)
    by_hand = ("--keep", "all")
    assert place.child(1, parent=None, more=by_hand).code == 0
    place.add("2.csv", 100)
    place.add("0.csv", 100)
    refused = place.child(0, parent=None, more=by_hand)
    assert (refused.code, "Run each shard with --restart." in refused.stderr) == (3, True)
    place.all(parent=None, more=(*by_hand, "--restart"))
    assert sum(len(part.splitlines()) - 1 for part in published(place.output) or []) == sum(
        len(part.splitlines()) - 1 for part in place.alone()
    )


@ON_DISK
def test_a_part_that_is_gone_is_not_made_of_another_input(place: Place) -> None:
    """A shard that was done, and lost a part, goes by the inputs that were listed or not at all."""
    assert place.child(1).code == 0
    for number in range(5):
        place.add(f"{number}.csv", 5000 + 1000 * number, 50 + number)
    gone = next(name for name in names(place.output) if name.startswith("part-"))
    place.remove(place.output + gone)
    refused = place.child(1)
    assert (refused.code, "changed while it was read" in refused.stderr) == (3, True)
    place.all(parent="job-2")
    assert published(place.output) == place.alone()


@ON_DISK
def test_a_listing_that_nobody_went_by_is_taken_anew(place: Place) -> None:
    """A file that is mended before any shard is done needs no word."""
    put(f"{place.given}0.csv", "age,income\n1,2\n")
    assert place.child(0).code == 3
    place.add("0.csv", 0)
    place.all()
    assert published(place.output) == place.alone()


@ON_DISK
@pytest.mark.parametrize("parent", ["job-2", pytest.param(None, marks=pytest.mark.whole)])
def test_other_runs_are_never_mixed(place: Place, folder: Path, parent: str | None) -> None:
    """Another number of shards, another model, no shards, and shards again: each time all parts are of that run."""
    place.all()
    assert place.child(0, size=2, parent=parent).code == 0
    if place.stored:
        assert published(place.output) == place.alone()  # still the older run's
    place.all(size=4, parent=parent)
    expected = place.alone()
    assert published(place.output) == expected
    assert place.child(3, size=5, parent=parent).code == 0
    assert place.batch(place.given, "-o", place.output, *KEEP, "--overwrite").code == 0
    assert published(place.output) == expected
    assert not [name for name in names(place.output) if "shard" in name or "listing" in name or "-of-" in name]

    (folder / "town.onnx").write_bytes(town_model("v2"))
    place.add("5.csv", 8000)
    expected = place.alone()
    assert place.child(1, parent=parent).code == 0
    place.add("6.csv", 9000)
    place.all(parent=None if parent is None else "job-3")
    assert published(place.output) == expected
    assert len([name for name in names(place.output) if name.startswith("part-")]) == len(expected)


@ON_DISK
@pytest.mark.parametrize("size", [pytest.param(4, marks=pytest.mark.whole), 7])
def test_fewer_inputs_than_shards(place: Place, size: int) -> None:
    """Shards without an input say so and end well, before and after the others; inputs without rows are fine."""
    for number in range(1, 5):
        put(f"{place.given}{number}.csv", "my age,income,city\n")
    expected = b"".join(part.partition(b"\n")[2] for part in place.alone())
    ended = place.all(size=size)
    nothing = ["Nothing to do for shard" in child.stderr for child in ended]
    assert nothing == [False] * min(size, 5) + [True] * (size - min(size, 5))
    told = place.child(size - 1, size, more=("--json", *(("--max-drift", "1") if size > 5 else ())))
    assert told.data["status"] == "done"
    assert b"".join(part.partition(b"\n")[2] for part in published(place.output) or []) == expected


@ON_DISK
def test_one_input_is_shared_by_chunks(place: Place) -> None:
    """Each child scores every third chunk; children without one have an empty share; the rows are in order."""
    place.add("0.csv", 0, 120)
    place.given += "0.csv"
    expected = place.alone()
    assert len(expected) > 1
    assert place.child(1).code == 0  # of another number of shards
    place.all(size=len(expected) + 1)
    assert published(place.output) == expected
    put(place.given, "my age,income,city\n")
    place.all(size=2, parent="job-9")
    assert published(place.output) == [b"prediction,score\n"]


@ON_DISK
def test_a_job_of_one_that_is_no_array(place: Place) -> None:
    """`auto` in a job of AWS Batch that is no array does all of the work."""
    place.setenv("AWS_BATCH_JOB_ID", "job-1")
    assert place.batch(place.given, "-o", place.output, "--shard", "auto", *KEEP).code == 0
    assert published(place.output) == place.alone()


def test_restart_does_each_share_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers see a whole output at any time in a store, and in the end the same bytes."""
    place.all()
    expected = published(place.output)
    real: Any = SharedObjects.add

    def add(self: Any, *chunk: Any) -> None:
        assert published(place.output) == expected
        real(self, *chunk)

    monkeypatch.setattr(SharedObjects, "add", add)
    for index in range(3):
        before = set(names(place.output))
        assert "was scored before" not in place.child(index, more=("--restart",)).stderr
        assert published(place.output) == expected
        assert not place.stored or set(names(place.output)) != before
    assert len([name for name in names(place.output) if name.startswith("part-")]) == len(expected or ())


def test_a_share_done_anew_but_not_joined(bucket: str, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What readers see stays until it is joined, also while the next attempt is at work."""
    place = Place(f"{bucket}/in/", f"{bucket}/out/", batch, monkeypatch.setenv)
    for number in range(2):
        place.add(f"{number}.csv", 1000 * number)
    place.all(size=2)
    expected = published(place.output)
    real = SharedObjects._join
    tries: list[int] = []

    def join(self: SharedObjects) -> Manifest | None:
        assert published(place.output) == expected
        tries.append(len(tries))
        if len(tries) == 1:
            raise OutputFailed("The network is gone.")
        return real(self)

    monkeypatch.setattr(SharedObjects, "_join", join)
    assert place.child(0, size=2, more=("--restart",)).code == 6
    for more in [("--restart",), ()]:
        assert place.child(0, size=2, more=more).code == 0
        assert published(place.output) == expected
    assert len(tries) == 2
    assert len([name for name in names(place.output) if name.startswith("part-")]) == len(expected or ())


@pytest.mark.parametrize(
    ("place", "what"),
    [("disk", "part-"), ("disk", "_"), ("store", "_"), pytest.param("store", "part-", marks=pytest.mark.whole)],
    indirect=["place"],
)
def test_what_is_gone_is_made_again(place: Place, what: str) -> None:
    """A part is made again by its shard alone, and what says that all is there by the first that misses it."""
    place.all()
    expected = published(place.output)
    if what == "_":
        what = "_manifest.json" if place.stored else "_SUCCESS"
    place.remove(place.output + next(name for name in names(place.output) if name.startswith(what)))
    again = ["was scored before" not in child.stderr for child in place.all()]
    assert sum(again) == 1
    assert published(place.output) == expected


def test_a_changed_part_is_not_replaced_unasked(bucket: str, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of the run and of a later one refuse an output in a store that somebody changed."""
    place = Place(f"{bucket}/in/", f"{bucket}/out/", batch, monkeypatch.setenv)
    for number in range(2):
        place.add(f"{number}.csv", 1000 * number)
    place.all(size=2)
    put(place.output + next(name for name in names(place.output) if name.startswith("part-")), "mended by hand\n")
    for more in [(), ("--row-numbers",)]:
        refused = [place.child(index, size=2, more=more) for index in range(2)]
        assert [one.code for one in refused] == [2, 2]
        assert all("was changed since mlship wrote it" in one.stderr for one in refused)
    place.all(size=2, more=("--overwrite",))
    assert published(place.output) == place.alone()


@pytest.mark.parametrize(
    ("place", "before"),
    [
        ("disk", "shards"),
        ("store", "no shards"),
        pytest.param("disk", "no shards", marks=pytest.mark.whole),
        pytest.param("store", "shards", marks=pytest.mark.whole),
    ],
    indirect=["place"],
)
def test_parts_of_an_older_run_are_gone(place: Place, before: str) -> None:
    """Where a later run has fewer inputs, nothing of the older ones is left, of shards or not."""
    if before == "shards":
        place.all()
    else:
        assert place.batch(place.given, "-o", place.output, *KEEP).code == 0
    place.remove(f"{place.given}4.csv")
    place.all(parent="job-2")
    expected = place.alone()
    assert published(place.output) == expected
    assert len([name for name in names(place.output) if name.startswith("part-")]) == len(expected)


def test_foreign_files_are_refused_before_anything_is_written(place: Place) -> None:
    """Without --overwrite nothing is put beside what others put there."""
    put(f"{place.output}data.csv", "precious")
    refused = place.child(0)
    assert (refused.code, "'data.csv', which mlship did not write" in refused.stderr) == (2, True)
    assert names(place.output) == ["data.csv"]
    assert place.stored or not Path(place.output).with_name(".out.mlship").exists()
    place.all(more=("--overwrite",))
    assert published(place.output) == place.alone()
    assert content(f"{place.output}data.csv") == b"precious"


def test_the_last_two_join_at_once(bucket: str, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see that all are there: one puts the manifest, and the other finds the very bytes that it would put."""
    place = Place(f"{bucket}/in/", f"{bucket}/out/", batch, monkeypatch.setenv)
    for number in range(2):
        place.add(f"{number}.csv", 1000 * number)
    real = SharedObjects._joined
    seen: list[Manifest] = []

    def joined(self: SharedObjects, shards: list[Manifest]) -> Manifest:
        made = real(self, shards)
        if not seen:  # after this one has looked, and before it puts
            seen.append(made)
            self._prefix.put_if("_manifest.json", made.to_bytes(), None)
        return made

    monkeypatch.setattr(SharedObjects, "_joined", joined)
    place.all(size=2)
    assert len(seen) == 1
    assert published(place.output) == place.alone()


@pytest.mark.parametrize("moment", ["add", "_finish"])
def test_a_run_that_came_in_between_is_not_replaced(
    bucket: str, batch: Batch, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A shard whose listing was replaced while it worked or was joined ends with exit code 7 and publishes nothing."""
    place = Place(f"{bucket}/in/", f"{bucket}/out/", batch, monkeypatch.setenv)
    place.add("0.csv", 0)
    real = getattr(SharedObjects, moment)

    def late(self: SharedObjects, *arguments: Any) -> None:
        listing = json.loads(content(f"{place.output}_mlship/listing.json"))
        put(f"{place.output}_mlship/listing.json", json.dumps({**listing, "asked": "0" * 64}))
        real(self, *arguments)

    monkeypatch.setattr(SharedObjects, moment, late)
    outcome = place.child(0, size=1)
    assert (outcome.code, "is written by another run by now" in outcome.stderr) == (7, True)
    assert "_manifest.json" not in names(place.output)


@pytest.mark.parametrize(
    ("place", "kinds"),
    [
        pytest.param(place, kinds, id=f"{place}-{' '.join(kinds)}", marks=pytest.mark.whole if is_alike else ())
        for kinds in (("shard", "alone"), ("alone", "shard"), ("shard", "other shard"))
        for place, is_alike in (("store", kinds[1] != "alone"), ("disk", False))
    ],
    indirect=["place"],
)
def test_runs_are_kept_apart(place: Place, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, str]) -> None:
    """While a shard is at work a run without shards, or of other options, is refused with exit code 7; and so on."""
    owner: Any = ObjectOutput if place.stored else FolderOutput
    real: Any = owner.begin
    refused: list[Outcome] = []
    ways = {
        "shard": lambda: place.child(0),
        "other shard": lambda: place.child(1, more=("--row-numbers",)),
        "alone": lambda: place.batch(place.given, "-o", place.output, *KEEP),
    }

    def begin(self: Any, head: bytes) -> None:
        refused.append(ways[kinds[1]]())
        real(self, head)

    monkeypatch.setattr(owner, "begin", begin)
    assert ways[kinds[0]]().code == 0
    assert [(one.code, "Another run" in one.stderr) for one in refused] == [(7, True)]


def test_a_shard_beside_a_run_that_goes_on(folder: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without shards that goes on from its journal leaves the listing, but shards are refused all the same."""
    place = Place(f"{folder}/in/", f"{folder}/out/", batch, monkeypatch.setenv)
    for number in range(2):
        put(f"{place.given}{number}.csv", rows(1000 * number, 40))
    alone, enough = (place.given, "-o", place.output, *KEEP), ("--max-rejects", "50%")
    assert batch(*alone, "--max-rejects", "2").code == 3
    assert place.child(1, 2, more=enough).code == 0
    real: Any = FolderOutput.publish
    refused: list[Outcome] = []

    def publish(self: Any, *arguments: Any) -> Any:
        refused.append(place.child(0, 2, more=enough))
        return real(self, *arguments)

    monkeypatch.setattr(FolderOutput, "publish", publish)
    assert batch(*alone, *enough).code == 0
    assert [one.code for one in refused] == [7], refused


def test_each_shard_has_a_rejects_file_of_its_own(folder: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """One name is given to all, and no shard's file replaces another's."""
    place = Place(f"{folder}/in/", f"{folder}/out/", batch, monkeypatch.setenv)
    for number in range(2):
        put(f"{place.given}{number}.csv", rows(100 * number, 40))
    place.all(size=2, more=("--max-rejects", "50%", "--rejects", "bad.ndjson"))
    found = {path.name: path.read_text() for path in folder.glob("bad*")}
    assert sorted(found) == ["bad.shard-0-of-2.ndjson", "bad.shard-1-of-2.ndjson"]
    assert "".join(found.values()).count('"record"') == sum(row % 17 == 5 for row in (*range(40), *range(100, 140)))


def test_standard_input_is_no_input_of_shards(batch: Batch) -> None:
    """A pipe is read once, by one run."""
    outcome = batch("-", "-o", "out/", "--shard", "0/2")
    assert (outcome.code, "Standard input can be read by one run only" in outcome.stderr) == (2, True)


def test_auto_elsewhere(batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a job of AWS Batch `auto` says what it reads."""
    for name in ("AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"):
        monkeypatch.delenv(name, raising=False)
    (folder / "a.csv").write_text(rows(0, 3))
    outcome = batch("a.csv", "-o", "out/", "--shard", "auto")
    assert (outcome.code, "AWS_BATCH_JOB_ARRAY_INDEX" in outcome.stderr) == (2, True)
