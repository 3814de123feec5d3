"""Golden rows come back bit for bit, and a model that answers otherwise is stopped."""

from __future__ import annotations

import base64
import json
import math
import re
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlship.errors import ModelRefused, UsageError
from mlship.model.artifact import sign
from mlship.model.golden import MOST_ROWS, Golden
from mlship.model.session import Replay, SessionSpec, open_session
from tests.model.making import linear_artifact, linear_card, linear_golden, linear_graph, mixed_golden

HOLD = [
    np.array([0.1, -0.0, 5e-324, -2.2e-308, 1.7976931348623157e308, math.inf, -math.inf, math.nan]),
    np.array([0.1, -0.0, 1e-45, 3.4028235e38, math.nan], dtype=np.float32),
    np.array([2**63 - 1, -(2**63), 0, -1]),
    np.array([True, False]),
    np.array(["2020-01-01T00:00:00.000001", "NaT", "0001-01-01"], dtype="datetime64[us]"),
    np.array(["1969-12-31", "NaT", "9999-12-31"], dtype="datetime64[D]"),
    np.array(["", "São é", "\x00", "\U0001f600", "\uffff", None, " a\n"], dtype=object),
    np.array([], dtype=np.float64),
    np.array([], dtype=object),
]


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays are of one dtype and hold the same bits."""
    if a.dtype == object:
        return bool(b.dtype == object and a.tolist() == b.tolist())
    return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())


@pytest.mark.parametrize("values", HOLD, ids=lambda values: f"{values.dtype}-{len(values)}")
def test_every_kind_of_value_comes_back_bit_for_bit(values: Any) -> None:
    """Nothing of a value is lost: signs of zero, subnormals, infinities, nulls, dates and odd texts."""
    golden = Golden(len(values), 1e-12, {"São é": values}, {"": values})
    read = Golden.decode(golden.encode())
    assert (read.rows, read.tolerance) == (len(values), 1e-12)
    assert same_bits(read.inputs["São é"], values)
    assert same_bits(read.outputs[""], values)
    assert read.encode() == golden.encode()


@settings(deadline=None)
@given(arrays.arrays(np.float64, 8, elements=st.floats(allow_nan=False)))
def test_any_float_comes_back_bit_for_bit(values: Any) -> None:
    """Any float64 is kept exactly."""
    assert same_bits(Golden.decode(Golden(8, 0.0, {"a": values}, {}).encode()).inputs["a"], values)


def test_numpy_texts_are_kept_as_texts() -> None:
    """Numpy's own texts, as some libraries' labels are, come back as str."""
    read = Golden.decode(Golden(2, 0.0, {}, {"y": np.array(["ab", "c"])}).encode())
    assert read.outputs["y"].tolist() == ["ab", "c"]
    assert read.outputs["y"].dtype == object


def packed(plain: Any) -> str:
    """Pack anything as golden rows are packed."""
    return base64.b64encode(zlib.compress(json.dumps(plain).encode())).decode()


def column(dtype: Any, *values: Any) -> dict[str, Any]:
    """Return golden rows of one column."""
    return {"rows": len(values), "tolerance": 0.0, "inputs": {"a": {"dtype": dtype, "values": values}}, "outputs": {}}


GOOD = linear_golden().encode()
DAMAGED = [
    "",
    "%",
    "é",
    "AAAA",
    GOOD[:-8],
    GOOD[8:],
    GOOD[:10] + "%" + GOOD[10:],
    base64.b64encode(b"plain").decode(),
    base64.b64encode(zlib.compress(b"\xff")).decode(),
    base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
    packed(None),
    packed([]),
    packed({"rows": 1}),
    packed({**column("f8", "0x1p0"), "rows": 2}),
    packed({**column("f8", "0x1p0"), "rows": True}),
    packed({**column("f8"), "rows": -1}),
    packed({**column("f8", "0x1p0"), "tolerance": "1"}),
    packed({**column("f8", "0x1p0"), "tolerance": math.inf}),
    packed(column("f8", *["0x1p0"] * (MOST_ROWS + 1))),
    packed(column("f8", 1.0)),
    packed(column("f8", "0x1p99999")),
    packed(column("f8", "one")),
    packed(column("i8", 2**63)),
    packed(column("i1", 128)),
    packed(column("i8", "1")),
    packed(column("U1000000000", "a")),
    packed(column("V999999999", "a")),
    packed(column("O", "a")),
    packed(column("M8[1000Y]", 1)),
    packed(column(5, 1)),
    packed(column("string", ["a"])),
    packed(column("string", "\ud800")),
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_text_is_refused(text: str) -> None:
    """Text that is no golden rows is a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        Golden.decode(text)


def test_zip_bomb_is_refused_before_it_fills_the_memory() -> None:
    """A small text that unpacks to much more than any golden rows is refused while little of it has been unpacked."""
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 24)) for _ in range(16)) + packer.flush()  # 256 MiB
    text = base64.b64encode(bomb).decode()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="the golden rows are cut short or too large"):
            Golden.decode(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 26  # what may be unpacked is 64 MiB, held twice at the end of growing


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40), st.integers(0, len(GOOD)))
def test_random_text_is_read_or_refused(noise: str, at: int) -> None:
    """Random text, and golden rows with something put into them, lead to a ValueError or to golden rows."""
    for text in (noise, GOOD[:at] + noise + GOOD[at + len(noise) :]):
        try:
            golden = Golden.decode(text)
        except ValueError:
            continue
        assert text == GOOD or golden.rows <= MOST_ROWS


def answering(**outputs: Any) -> bytes:
    """Return an artifact, signed anew, that claims other answers of its original."""
    golden = linear_golden()
    return linear_artifact(golden=replace(golden, outputs={**golden.outputs, **outputs}))


OTHERS = [
    (answering(prediction=np.array([1, 1, 0])), "2 of 3 golden rows have another label"),
    (answering(score=np.array([1.0, -3.0, 1.1])), "'score' differs by 0.033 of its largest value in 3 golden rows"),
    (answering(score=np.array([1.0, -3.0, np.nan])), "'score' differs by inf of its largest value in 3 golden rows"),
    (answering(score=np.array([1.0, -3.0, 1.0 + 1e-11])), "'score' differs by 3.3e-12 of its largest value"),
]


@pytest.mark.parametrize(("data", "what"), OTHERS)
def test_other_answer_stops_the_model(data: bytes, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that answers its golden rows otherwise is refused, naming the versions then and now."""
    monkeypatch.delenv("MLSHIP_GOLDEN", raising=False)
    with pytest.raises(ModelRefused) as caught:
        open_session(SessionSpec(data))
    error = caught.value
    assert error.message.startswith(f"the model no longer answers as its original did: {what}")
    assert error.message.endswith(f"onnxruntime was 1.2.3 then and is {onnxruntime.__version__} now.")
    assert error.hint is not None
    assert "MLSHIP_GOLDEN=warn" in error.hint
    assert (error.exit_code, error.http_status, error.code) == (4, 503, "golden_rows_differ")


def test_answer_within_the_tolerance_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference within the recorded tolerance is none."""
    monkeypatch.delenv("MLSHIP_GOLDEN", raising=False)
    session = open_session(SessionSpec(answering(score=np.array([1.0, -3.0, 1.0 + 1e-12]))))
    assert session.replay == Replay(3, agrees=True)


@pytest.mark.parametrize("versions", [None, [], {}, {"onnxruntime": None}, 5])
def test_unknown_version_is_said_to_be_unknown(versions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that does not tell its versions is refused all the same."""
    monkeypatch.delenv("MLSHIP_GOLDEN", raising=False)
    golden = replace(linear_golden(), outputs={**linear_golden().outputs, "prediction": np.zeros(3, dtype=np.int64)})
    data = linear_artifact(golden=golden, provenance={"versions": versions})
    with pytest.raises(ModelRefused, match=r"onnxruntime was (unknown|None) then and is"):
        open_session(SessionSpec(data))


def test_warning_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With MLSHIP_GOLDEN=warn the model opens, and the session says what is wrong."""
    monkeypatch.setenv("MLSHIP_GOLDEN", "warn")
    session = open_session(SessionSpec(OTHERS[0][0]))
    assert (session.replay.rows, session.replay.agrees) == (3, False)
    assert session.replay.warning is not None
    assert re.match("the model no longer answers as its original did: 2 of 3", session.replay.warning)
    assert session.predict(linear_golden().inputs)["prediction"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("mode", ["refuse", "warn", ""])
def test_agreement_is_no_warning(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that answers as its original did opens without a warning, whatever the variable says."""
    monkeypatch.setenv("MLSHIP_GOLDEN", mode)
    assert open_session(SessionSpec(linear_artifact())).replay == Replay(3, agrees=True)


@pytest.mark.parametrize("mode", ["wran", " ", "WARN", "0"])
@pytest.mark.parametrize("golden", [True, False])
def test_other_value_of_the_variable_is_a_usage_error(mode: str, golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in MLSHIP_GOLDEN is said at every start, not only on the day when rows differ."""
    monkeypatch.setenv("MLSHIP_GOLDEN", mode)
    data = linear_artifact() if golden else sign(linear_graph(), linear_card())
    with pytest.raises(UsageError) as caught:
        open_session(SessionSpec(data))
    assert caught.value.message == f"MLSHIP_GOLDEN is '{mode}'; it may be 'refuse' or 'warn'."
    assert caught.value.exit_code == 2


def test_golden_rows_are_few_and_small() -> None:
    """There are up to 64 golden rows, and those of every dtype are small: they ride in every file."""
    assert MOST_ROWS == 64
    assert len(mixed_golden().encode()) < 1000
