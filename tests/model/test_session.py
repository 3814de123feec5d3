"""A session feeds a graph what the contract says, and gives a row the same answer in any company."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlship.errors import ModelRefused, UsageError
from mlship.model.artifact import Card, RowPlan, sign
from mlship.model.session import SessionSpec, open_session
from mlship.model.signature import NULL_TEXT, Column, Output, Signature, Tensor
from mlship.model.values.records import read_records
from tests.model.making import (
    WEIGHTS,
    counting_session,
    linear_artifact,
    linear_card,
    linear_golden,
    linear_graph,
    mixed_card,
    mixed_golden,
    mixed_graph,
    model,
    one_column,
    value,
)

MIXED = SessionSpec(sign(mixed_graph(), mixed_card()))


def score_in_another_process(spec: SessionSpec) -> list[float]:
    """Open a spec and score the golden rows: what every worker does."""
    scores: list[float] = open_session(spec).predict(linear_golden().inputs)["score"].tolist()
    return scores


def test_answers_are_those_of_the_formula() -> None:
    """The answers are the graph's, under the signature's names and in its order, widened."""
    session = open_session(SessionSpec(linear_artifact()))
    first, second = np.array([1.0, 0.1, -7.5]), np.array([0.2, 0.3, 1e-300])
    answers = session.predict({"São é": second, "other": first, "my age": first})
    assert list(answers) == ["prediction", "score"]
    assert answers["score"].tobytes() == (WEIGHTS[0] * first + WEIGHTS[1] * second).tobytes()
    assert answers["prediction"].dtype == np.int64
    assert answers["prediction"].tolist() == [1, 0, 0]
    assert (session.proven, session.card.name, len(session.digest)) == (True, "linear", 64)


def test_one_thread_a_session() -> None:
    """A session computes on one thread, so that its sums are always added in one order."""
    options = open_session(SessionSpec(linear_artifact()))._runtime.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_every_kind_of_input_is_fed_as_said() -> None:
    """Nulls are fed as NaN or the null text, times as microseconds, dates as days, all else as it is."""
    answers = open_session(MIXED).predict(mixed_golden().inputs)
    wanted = mixed_golden().outputs
    for name, values in wanted.items():
        assert answers[name].dtype == values.dtype, name
        np.testing.assert_array_equal(answers[name], values)
    assert answers["city"].tolist() == ["Porto", NULL_TEXT]


def test_from_json_to_answer() -> None:
    """Records read by the value rules can be scored as they are."""
    session = open_session(MIXED)
    record = {"my age": 1, "2x": None, "São é": "NA", "when": "2020-01-01T01:00+01:00", "day": "1970-01-03"}
    read = read_records(session.signature, [{**record, "flag": True, "count": -5, "small": 0.1}] * 3)
    assert read.errors == []
    answers = session.predict(read.accepted_columns())
    assert answers["city"].tolist() == ["NA"] * 3
    assert answers["when_out"].tolist() == [1577836800e6] * 3
    assert answers["day_out"].tolist() == [2] * 3
    assert answers["count_out"].tolist() == [-5] * 3
    assert np.isnan(answers["twice"]).all()
    assert answers["small_out"].tolist() == [float(np.float32(0.1))] * 3


def test_arguments_are_left_alone() -> None:
    """Scoring does not write into the columns that it is given."""
    columns = {name: values.copy() for name, values in mixed_golden().inputs.items()}
    open_session(MIXED).predict(columns)
    for name, values in mixed_golden().inputs.items():
        np.testing.assert_array_equal(columns[name], values)


@pytest.mark.parametrize(
    "plan",
    [RowPlan(), RowPlan(2), RowPlan(8), RowPlan(32), RowPlan(fixed=1), RowPlan(fixed=4), RowPlan(1, 64)],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 9, 64, 65, 130])
def test_calls_have_the_number_of_rows_planned(plan: RowPlan, rows: int) -> None:
    """A call is padded to the multiple or to the fixed size, and the padding never comes out."""
    values = np.arange(rows, dtype=np.float64)
    answers = counting_session(plan).predict({"x": values})
    assert answers["same"].tolist() == values.tolist()
    padded = -(-rows // plan.multiple) * plan.multiple
    assert set(answers["calls"].tolist()) == {plan.fixed or padded}


@pytest.mark.parametrize("plan", [RowPlan(4), RowPlan(fixed=3)], ids=str)
def test_a_row_has_the_same_bits_in_any_company(plan: RowPlan) -> None:
    """An answer has the same bits alone and in a crowd."""
    session = open_session(SessionSpec(linear_artifact(rows=plan)))
    columns = {name: np.random.default_rng(0).normal(size=50) for name in session.signature.names}
    whole = session.predict(columns)["score"]
    for size in (1, 2, 3, 5, 50):
        parts = [
            session.predict({name: values[start : start + size] for name, values in columns.items()})["score"]
            for start in range(0, 50, size)
        ]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("plan", [RowPlan(), RowPlan(2), RowPlan(fixed=4)], ids=str)
def test_no_rows(plan: RowPlan) -> None:
    """No rows give columns of no rows, of the dtypes that rows would have."""
    session = open_session(SessionSpec(sign(mixed_graph(), replace(mixed_card(), rows=plan))))
    answers = session.predict({name: values[:0] for name, values in mixed_golden().inputs.items()})
    assert {name: (values.dtype, len(values)) for name, values in answers.items()} == {
        name: (values.dtype, 0) for name, values in mixed_golden().outputs.items()
    }


def test_spec_works_in_a_spawned_process(tmp_path: Path) -> None:
    """A spec of a path or of bytes survives pickling and opens where nothing was imported before."""
    path = tmp_path / "São é.onnx"
    path.write_bytes(linear_artifact())
    specs = [SessionSpec(path), SessionSpec(linear_artifact())]
    assert pickle.loads(pickle.dumps(specs)) == specs
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(score_in_another_process, specs))
    assert answers == [linear_golden().outputs["score"].tolist()] * 2


def test_threads_share_a_session() -> None:
    """Several threads may score with one session, each getting its own answers."""
    session = open_session(SessionSpec(linear_artifact(rows=RowPlan(4))))
    start = threading.Barrier(8)

    def score(seed: int) -> bool:
        first, second = np.random.default_rng(seed).normal(size=(2, 1 + seed * 7))
        start.wait(30)
        return all(
            np.array_equal(
                session.predict({"my age": first, "São é": second})["score"], WEIGHTS[0] * first + WEIGHTS[1] * second
            )
            for _ in range(50)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(score, range(8)))


LINEAR = linear_card().signature
MISFITS = {
    "input of another name": replace(
        LINEAR,
        inputs=tuple(replace(column, tensor="z") for column in LINEAR.inputs),
        tensors=(Tensor("z", "float64"),),
    ),
    "input of another type": replace(LINEAR, tensors=(Tensor("x", "float32"),)),
    "input too narrow": replace(LINEAR, inputs=LINEAR.inputs[:1]),
    "input too wide": replace(LINEAR, inputs=(*LINEAR.inputs, Column("c", "float64", "x"))),
    "input flat": replace(LINEAR, inputs=LINEAR.inputs[:1], tensors=(Tensor("x", "float64", flat=True),)),
    "one input more": replace(
        LINEAR, inputs=(*LINEAR.inputs, Column("c", "float64", "z")), tensors=(*LINEAR.tensors, Tensor("z", "float64"))
    ),
    "output of another name": replace(LINEAR, outputs=(Output("y", "float64", "score", "z"),)),
    "output of text": replace(LINEAR, outputs=(Output("y", "string", "score", "score"),)),
    "output of whole numbers": replace(LINEAR, outputs=(Output("y", "int64", "score", "score"),)),
    "output past the last": replace(LINEAR, outputs=(Output("y", "float64", "score", "score", 1),)),
}


@pytest.mark.parametrize("signature", MISFITS.values(), ids=MISFITS)
def test_signature_that_does_not_fit_its_graph_is_refused(signature: Signature) -> None:
    """A signature of other names, types or widths than the graph's is refused before anything is scored."""
    signature.check()
    with pytest.raises(ModelRefused, match=r"^the model has a signature that does not fit its graph\.$") as caught:
        open_session(SessionSpec(sign(linear_graph(), replace(linear_card(), signature=signature))))
    assert (caught.value.exit_code, caught.value.code) == (4, "bad_signature")


def reading(graph: bytes, outputs: tuple[Output, ...], **options: Any) -> Any:
    """Open a graph of one input `x`, signed with these outputs."""
    signature = replace(one_column("float64", nullable=False, **options), outputs=outputs)
    return open_session(SessionSpec(sign(graph, Card("m", "1", {}, signature))))


@pytest.mark.parametrize("name", ["sum", "twice"])
def test_answer_of_another_shape_is_refused(name: str) -> None:
    """A graph that does not give one answer a row is a refused model, not a crash."""
    node = {
        "sum": helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1),
        "twice": helper.make_node("Concat", ["x", "x"], ["y"], axis=0),
    }[name]
    graph = model([node], [value("x", TensorProto.DOUBLE, None, 1)], [value("y", TensorProto.DOUBLE, None, None)])
    session = reading(graph, (Output("y", "float64", "value", "y"),))
    with pytest.raises(ModelRefused, match=r"^the model gave an output 'y' of shape \(\d, 1\) for 3 rows\.$") as caught:
        session.predict({"a": np.ones(3)})
    assert caught.value.code == "runtime_failed"


@pytest.mark.parametrize(("index", "what"), [(None, "6 values for 3 rows of 'y'"), (2, "has no column 2 for 'y'")])
def test_answer_of_another_width_is_refused(index: int | None, what: str) -> None:
    """A graph whose width only shows while scoring, and is another then, is a refused model."""
    nodes = [  # y is x widened to the shape that the first two values of x say
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Slice", ["whole", "zero", "two"], ["first"]),
        helper.make_node("Reshape", ["first", "flat"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "two": np.array([2]), "flat": np.array([-1])}
    graph = model(
        nodes, [value("x", TensorProto.DOUBLE, None, 1)], [value("y", TensorProto.DOUBLE, None, None)], constants
    )
    session = reading(graph, (Output("y", "float64", "value", "y", index),))
    with pytest.raises(ModelRefused, match=what):
        session.predict({"a": np.array([3.0, 2.0, 1.0])})


def test_failure_of_the_runtime_is_a_refused_model(capfd: pytest.CaptureFixture[str]) -> None:
    """What the runtime refuses while scoring is told in one line, without the values, and nothing is printed."""
    graph = model(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)],
        [value("x", TensorProto.STRING, None, 1)],
        [value("y", TensorProto.DOUBLE, None, 1)],
    )
    signature = replace(one_column("string"), outputs=(Output("y", "float64", "value", "y"),))
    session = open_session(SessionSpec(sign(graph, Card("m", "1", {}, signature))))
    assert session.predict({"a": np.array(["1.5"], dtype=object)})["y"].tolist() == [1.5]
    with pytest.raises(ModelRefused, match=r"^the model failed in onnxruntime: ") as caught:
        session.predict({"a": np.array(["S3CR3T"], dtype=object)})
    assert "S3CR3T" not in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 4
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("before", "after", "reason"), [(b"MatMul", b"NoSuch", "NoSuch"), (b"MatMul", b"Mat\xfful", "'utf-8' codec")]
)
def test_graph_that_does_not_load_is_a_refused_model(
    before: bytes, after: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A whole file whose graph is wrong is refused with the runtime's reason, and nothing is printed beside it."""
    graph = linear_graph().replace(before, after)
    for data in (sign(graph, linear_card()), graph):
        with pytest.raises(ModelRefused, match=f"^the model cannot be opened by onnxruntime: .*{reason}") as caught:
            open_session(SessionSpec(data))
        assert (caught.value.code, caught.value.exit_code) == ("no_load", 4)
    assert capfd.readouterr() == ("", "")


def test_mark_of_another_format_does_not_change_the_reader() -> None:
    """Bytes that bear the mark of onnxruntime's own format are read as ONNX, which is what was checked."""
    made = onnx.load_from_string(linear_graph())
    made.producer_name = "ORTMabcd"
    data = made.SerializeToString()
    assert data[4:8] == b"ORTM"
    assert open_session(SessionSpec(data)).predict({"x_0": np.ones(1), "x_1": np.ones(1)})["score"].tolist() == [1.0]


def test_no_file_is_a_usage_error(tmp_path: Path) -> None:
    """A spec of a file that went away is a usage error in the worker."""
    with pytest.raises(UsageError, match=r"There is no model file '.*gone.onnx'."):
        open_session(SessionSpec(tmp_path / "gone.onnx"))
