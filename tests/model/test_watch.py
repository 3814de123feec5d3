"""What counts as another file, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlship.model import watch
from mlship.model.watch import Watch


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two files that are looked at without a pause between."""
    monkeypatch.setattr(watch, "_SECONDS", 0.0)
    paths = tmp_path / "a.onnx", tmp_path / "b.onnx"
    for path in paths:
        path.write_bytes(b"1")
    return paths


def test_a_change_is_told_once_when_it_is_over(files: tuple[Path, Path]) -> None:
    """A file that is still written is not told of; when it stays as it is, it is, once."""
    first, _ = files
    seen = Watch([str(path) for path in files])
    assert not seen.changed()
    first.write_bytes(b"22")
    assert not seen.changed()
    first.write_bytes(b"333")
    assert not seen.changed()
    assert seen.changed()
    assert not seen.changed()


def test_a_missing_file_hides_no_change(files: tuple[Path, Path]) -> None:
    """A file that is gone is a change too, and those beside it are still looked at."""
    first, second = files
    seen = Watch([str(path) for path in files])
    second.unlink()
    assert [seen.changed() for _ in range(3)] == [False, True, False]
    first.write_bytes(b"22")
    assert [seen.changed() for _ in range(3)] == [False, True, False]


def test_uris_are_not_watched() -> None:
    """Objects of a store are taken anew by SIGHUP only."""
    assert not Watch(["s3://bucket/model.onnx"]).changed()
