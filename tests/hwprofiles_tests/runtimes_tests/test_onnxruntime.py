from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from hwprofiles import ArtefactError, HardwareProfile, InputSpec, Target, get_runtime
from hwprofiles.runtimes.onnxruntime.profile import _Node, _times_of_runs, _value_of

from ..onnx_files import conv_file, file_of

TARGET = Target("onnxruntime")


@pytest.fixture(autouse=True)
def _needs_the_library() -> None:
    reason = get_runtime("onnxruntime").unavailable(TARGET)
    if reason is not None:
        pytest.skip(reason)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("flags", "quantum"),
    [(("avx2", "avx512f"), 16), (("avx", "avx2"), 8), (("asimd",), 4), ((), 4), (None, 16)],
)
def test_width_quantum_is_the_block_of_the_layout(flags: tuple[str, ...] | None, quantum: int) -> None:
    assert get_runtime("onnxruntime").width_quantum(HardwareProfile(cpu_flags=flags)) == quantum


def test_missing_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    runtime = get_runtime("onnxruntime")
    monkeypatch.setattr(importlib, "import_module", refuse)
    assert runtime.unavailable(TARGET) == "The package onnxruntime must import, but: No module named 'onnxruntime'."


def test_several_threads_agree_with_one() -> None:
    feeds = {"image": rng().normal(size=(1, 3, 8, 8)).astype(np.float32)}
    found = []
    for threads in (1, 2):
        with get_runtime("onnxruntime").load(conv_file(), Target("onnxruntime", threads=threads), rng()) as session:
            session.run()
            found.append(session.outputs(feeds)["scores"].astype(np.float64).ravel().tolist())
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_integer_and_boolean_inputs_are_bound() -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Where", ["mask", "rows", "zero"], ["y"]),
    ]
    file = file_of(nodes, {}, {"y": None}, {"table": np.ones((2, 3)), "zero": np.zeros(1)})
    import onnx

    model = onnx.load_from_string(file)
    model.graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 4]))
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, [1, 4, 1]))
    with get_runtime("onnxruntime").load(model.SerializeToString(), TARGET, rng()) as session:
        assert session.input_specs == (InputSpec("ids", (1, 4), "int64"), InputSpec("mask", (1, 4, 1), "bool"))
        session.run()


def test_symbolic_size_beside_the_batch_is_refused() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ArtefactError, match="Only the batch"):
        get_runtime("onnxruntime").load(file_of([relu], {"x": [1, "w"]}, {"y": None}, {}), TARGET, rng())


def test_error_of_a_run_is_translated_and_names_the_operator() -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    file = file_of([node], {"x": ["n", 3]}, {"y": None}, {})
    import onnx

    model = onnx.load_from_string(file)
    model.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [2, 2]))
    with pytest.raises(ArtefactError) as caught:
        get_runtime("onnxruntime").load(model.SerializeToString(), TARGET, rng())
    assert caught.value.operator == "Reshape"


def test_library_error_names_the_operator_of_another_domain() -> None:
    import onnx

    model = onnx.load_from_string(conv_file())
    model.graph.node[1].domain = "some.vendor"
    model.opset_import.append(helper.make_opsetid("some.vendor", 1))
    with pytest.raises(ArtefactError) as caught:
        get_runtime("onnxruntime").load(model.SerializeToString(), TARGET, rng())
    assert caught.value.operator == "some.vendor:Relu"


def test_fused_activation_of_several_nodes_is_found() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["c"], ["gate"]),
        helper.make_node("Mul", ["c", "gate"], ["swish"]),
        helper.make_node("Conv", ["swish", "w2"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weights = {"w": np.ones((16, 16, 3, 3)), "w2": np.ones((16, 16, 3, 3))}
    file = file_of(nodes, {"x": [1, 16, 8, 8]}, {"y": None}, weights)
    with get_runtime("onnxruntime").load(file, TARGET, rng()) as session:
        names = [node.name for node in session.profile(3)]
    assert {"c", "y"} <= set(names) <= {"x", "c", "gate", "swish", "y"}


def event(category: str, name: str, microseconds: int = 0) -> dict[str, Any]:
    return {"cat": category, "name": name, "dur": microseconds, "args": {"op_name": "Conv"}}


def test_events_are_split_into_runs() -> None:
    events = [
        event("Session", "session_initialization", 99),
        event("Node", "a_kernel_time", 3),
        event("Node", "b_kernel_time", 4),
        event("Session", "SequentialExecutor::Execute", 8),
        event("Session", "model_run", 9),
        event("Node", "a_kernel_time", 1),
        event("Node", "b_kernel_time", 2),
        event("Session", "model_run", 4),
    ]
    runs = _times_of_runs(events)
    assert [[node[:2] for node in run] for run in runs] == [[("a", "Conv"), ("b", "Conv")]] * 2
    assert [[node[2] for node in run] for run in runs] == [pytest.approx([3e-6, 4e-6]), pytest.approx([1e-6, 2e-6])]


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "expected"),
    [
        ("v_nchwc", ("u",), ("token",), "v"),
        ("anything", ("u",), ("v",), "v"),
        ("v/QuickGeluFusion/", ("token",), ("token2",), "v"),
        ("fused v", ("token",), ("token2",), "v"),
        ("/layer/v/Conv_output_0_nchwc", (), (), "/layer/v/Conv_output_0"),
        ("ReorderInput", ("u",), ("token",), "u"),
        ("ReorderInput", ("token",), ("token2",), "ReorderInput"),
    ],
)
def test_names_of_fused_nodes(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], expected: str) -> None:
    values = frozenset({"u", "v", "/layer/v/Conv_output_0"})
    assert _value_of(name, _Node(name, "Conv", inputs, outputs), values) == expected
    if not set(outputs) & values and expected != "u":
        assert _value_of(name, None, values) == expected
