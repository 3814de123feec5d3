"""An output appears whole or not at all, replaces only what mlship wrote, and leaves a record."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from mlship import __version__
from mlship.files import file_digest
from tests.batch.conftest import Batch
from tests.batch.models import town_model

GOOD = "my age,income,city\n1,2,Porto\n3,4,Lisboa\n"
MORE = GOOD + "5,6,Porto\n"
BAD = GOOD + "x,6,Porto\n"


@pytest.fixture
def scored(batch: Batch, folder: Path) -> Path:
    """A finished output of an earlier run."""
    (folder / "in.csv").write_text(GOOD)
    assert batch("in.csv", "-o", "out.csv").code == 0
    return folder / "out.csv"


def leftovers(folder: Path) -> set[str]:
    """Return what lies in the work folder of out.csv."""
    return {path.name for path in (folder / ".out.csv.mlship").iterdir()}


def test_the_record_says_what_was_done(batch: Batch, folder: Path) -> None:
    """After a success the record names model, input, options, counts and digests."""
    (folder / "in.csv").write_text(BAD)
    outcome = batch("in.csv", "-o", "out.csv", "--keep", "city", "--null", "-", "--json")
    record = json.loads((folder / ".out.csv.mlship/record.json").read_text())
    assert set(record) == {"job", "report", "outputs", "rejects_file", "output_sha256", "replaced_sha256"}
    job, report = record["job"], record["report"]
    assert job["model"] == outcome.data["model"]["digest"]
    assert job["input"] == [["in.csv", len(BAD)]]
    assert (job["options"]["format"], job["options"]["keep"], job["options"]["null"]) == ("csv", ["city"], ["-"])
    assert job["version"]["mlship"] == __version__
    assert (report["rows"], report["rejects"]) == ({"in": 3, "out": 2, "rejected": 1}, {"not_a_number": 1})
    assert report["model"] == outcome.data["model"]
    assert (record["outputs"], record["rejects_file"]) == (["out.csv"], "out.rejects.ndjson")
    assert record["output_sha256"] == file_digest(folder / "out.csv") == outcome.data["digests"]["out.csv"]
    assert record["replaced_sha256"] is None
    assert leftovers(folder) == {"lock", "record.json"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_our_own_output_is_replaced(batch: Batch, folder: Path, suffix: str) -> None:
    """A nightly job whose input keeps its name just runs, with another model too."""
    contents = []
    for version, data in (("v1", GOOD), ("v1", MORE), ("v2", MORE)):
        (folder / "in.csv").write_text(data)
        (folder / "town.onnx").write_bytes(town_model(version))
        outcome = batch("in.csv", "-o", f"out.{suffix}", "--json")
        assert outcome.code == 0, outcome.stderr
        assert outcome.data["model"]["version"] == version
        contents.append((folder / f"out.{suffix}").read_bytes())
    assert contents[0] != contents[1] == contents[2]


def test_a_file_of_others_needs_overwrite(batch: Batch, folder: Path) -> None:
    """What mlship did not write stays untouched, and no work folder appears, until --overwrite says otherwise."""
    (folder / "in.csv").write_text(GOOD)
    (folder / "out.csv").write_text("precious")
    outcome = batch("in.csv", "-o", "out.csv")
    assert outcome.code == 2
    assert "'out.csv' is there already and was not written by mlship" in outcome.stderr
    assert "--overwrite" in outcome.stderr
    assert (folder / "out.csv").read_text() == "precious"
    assert not (folder / ".out.csv.mlship").exists()
    assert batch("in.csv", "-o", "out.csv", "--overwrite").code == 0
    assert (folder / "out.csv").read_text().startswith("my age,")
    assert batch("in.csv", "-o", "out.csv").code == 0


def test_our_output_that_someone_changed_needs_overwrite(batch: Batch, scored: Path) -> None:
    """An output of ours that was edited counts as someone else's."""
    scored.write_text(scored.read_text() + "9,9,Porto,yes,1.0\n")
    outcome = batch("in.csv", "-o", "out.csv")
    assert outcome.code == 2
    assert "or was changed since" in outcome.stderr


@pytest.mark.parametrize("left", ["new", "replaced"])
def test_a_crash_between_record_and_rename_is_known(batch: Batch, folder: Path, scored: Path, left: str) -> None:
    """The record is written right before the rename and knows the file whichever side of it the crash was."""
    old = scored.read_bytes()
    (folder / "in.csv").write_text(MORE)
    assert batch("in.csv", "-o", "out.csv").code == 0
    if left == "replaced":
        scored.write_bytes(old)
    assert batch("in.csv", "-o", "out.csv").code == 0


def test_past_the_limit_the_earlier_output_stays(batch: Batch, folder: Path, scored: Path) -> None:
    """A run past the reject limit leaves the finished output of an earlier run as it was, and ours."""
    before = scored.read_bytes()
    (folder / "in.csv").write_text(BAD)
    assert batch("in.csv", "-o", "out.csv", "--max-rejects", "0").code == 3
    assert scored.read_bytes() == before
    assert leftovers(folder) == {"lock", "record.json", "journal", "output.csv", "rejects.ndjson"}
    assert (folder / "out.rejects.ndjson").exists()
    assert batch("in.csv", "-o", "out.csv", "--max-rejects", "1").code == 0
    assert leftovers(folder) == {"lock", "record.json"}
    assert scored.read_bytes() == before
    assert (folder / "out.rejects.ndjson").exists()


def test_a_clean_run_removes_the_rejects_of_the_one_before(batch: Batch, folder: Path) -> None:
    """The rejects file is absent when no row is rejected."""
    (folder / "in.csv").write_text(BAD)
    assert batch("in.csv", "-o", "out.csv").code == 0
    assert (folder / "out.rejects.ndjson").exists()
    (folder / "in.csv").write_text(GOOD)
    assert batch("in.csv", "-o", "out.csv", "--json").data["rejects_file"] is None
    assert not (folder / "out.rejects.ndjson").exists()


def test_a_file_of_others_in_the_place_of_the_rejects(batch: Batch, folder: Path) -> None:
    """A file that is no rejects file is not removed in its place."""
    (folder / "in.csv").write_text(GOOD)
    (folder / "out.rejects.ndjson").write_text('{"mine": 1}\n')
    outcome = batch("in.csv", "-o", "out.csv")
    assert outcome.code == 2
    assert "'out.rejects.ndjson' is there already and is no rejects file" in outcome.stderr
    assert (folder / "out.rejects.ndjson").read_text() == '{"mine": 1}\n'


@pytest.mark.parametrize(
    ("output", "said"),
    [
        pytest.param("absent/out.csv", "there is no folder 'absent'", id="no folder"),
        pytest.param("in.csv/out.csv", "there is no folder 'in.csv'", id="a file for a folder"),
        pytest.param("x" * 250 + ".csv", "File name too long", id="name too long"),
        pytest.param("/proc/out.csv", "cannot be written", id="a folder that takes no files"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_scoring(
    batch: Batch, folder: Path, output: str, said: str
) -> None:
    """A folder that is absent or not writable is exit 6 before any row is read."""
    (folder / "in.csv").write_text(GOOD)
    outcome = batch("in.csv", "-o", output, "--json")
    assert outcome.code == 6
    assert said in outcome.stderr
    assert outcome.data["rows"] == {"in": 0, "out": 0, "rejected": 0}


@pytest.mark.parametrize("output", ["out.csv", "out/", "-"])
def test_a_place_for_rejects_that_is_not_there_is_told_before_scoring(batch: Batch, folder: Path, output: str) -> None:
    """The folder of --rejects is looked at before any row is read, also where no row is rejected."""
    (folder / "in.csv").write_text(GOOD)
    outcome = batch("in.csv", "-o", output, "--rejects", "absent/bad.ndjson")
    assert outcome.code == 6
    assert "'absent/bad.ndjson' cannot be written: there is no folder 'absent'" in outcome.stderr
    assert outcome.stdout == ""
    assert not (folder / "out.csv").exists()


def test_a_symbolic_link_is_replaced_and_not_written_through(batch: Batch, folder: Path) -> None:
    """An output that is a symbolic link becomes a file of its own; what it pointed to stays."""
    (folder / "in.csv").write_text(GOOD)
    (folder / "target.csv").write_text("precious")
    (folder / "out.csv").symlink_to("target.csv")
    assert batch("in.csv", "-o", "out.csv", "--overwrite").code == 0
    assert not (folder / "out.csv").is_symlink()
    assert (folder / "target.csv").read_text() == "precious"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0, 0o666)])
def test_the_umask_decides_who_may_read_the_output(
    batch: Batch, folder: Path, suffix: str, umask: int, mode: int
) -> None:
    """The output's mode is the user's choice, that of the rejects file never."""
    (folder / "in.csv").write_text(BAD)
    before = os.umask(umask)
    try:
        assert batch("in.csv", "-o", f"out.{suffix}").code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / f"out.{suffix}").stat().st_mode) == mode
    assert stat.S_IMODE((folder / "out.rejects.ndjson").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["with space.csv", "-dash.csv", "new\nline.csv", "[a-z]*?.csv", "São é.csv", "'.csv"])
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_awkward_file_names(batch: Batch, folder: Path, name: str, target: str) -> None:
    """File names with spaces, dashes, line feeds, quotes and patterns are just names."""
    (folder / name).write_text(BAD)
    (folder / "a.csv").write_text("not this one")
    outcome = batch("--format", target, "--json", "--", name)
    assert outcome.code == 0, outcome.stderr
    (output,) = outcome.data["outputs"]
    assert output == f"{name.removesuffix('.csv')}.scored.{target}"
    assert (folder / output).is_file()
    line = json.loads((folder / outcome.data["rejects_file"]).read_text())
    assert line["file"] == name


def test_a_name_that_is_no_utf8_is_refused(batch: Batch, folder: Path) -> None:
    """A file name in another encoding is exit 2 instead of half a message later."""
    name = os.fsdecode(b"caf\xe9.csv")
    (folder / name).write_text(GOOD)
    outcome = batch(name, "--json")
    assert outcome.code == 2
    assert outcome.data["error"]["code"] == "bad_name"


def test_quiet_prints_nothing_and_json_only_its_object(batch: Batch, folder: Path) -> None:
    """-q is silent on success, --json leaves stdout to the one object."""
    (folder / "in.csv").write_text(GOOD)
    outcome = batch("in.csv", "-q")
    assert (outcome.stdout, outcome.stderr) == ("", "")
    outcome = batch("in.csv", "--json")
    assert outcome.stdout.count("\n") == 1
    assert outcome.data["status"] == "done"
    said = batch("in.csv", "-m", "town.onnx", "--restart").stderr
    assert said.startswith("'in.csv': 2 rows in, 2 out, 0 rejected, in 0.")
    assert said.endswith("Output: 'in.scored.csv'")
