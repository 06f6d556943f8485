from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from hwprofiles import DEFAULT_LAW, ArtefactError, NullRuntime, StaircaseLaw, Target, get_runtime

from ..onnx_files import conv_file, file_of, values_of

LAW = StaircaseLaw(quantum=4, node_s=1.0, block_s=0.01, other_s=0.5, element_s=0.001)


def one_node(node: onnx.NodeProto, shape: list[int], weights: dict[str, tuple[int, ...]]) -> float:
    arrays = {name: np.zeros(sizes) for name, sizes in weights.items()}
    return LAW.seconds(file_of([node], {"x": shape}, {"y": None}, arrays))["y"]


@pytest.mark.parametrize(("inputs", "outputs", "blocks"), [(4, 4, 1), (4, 5, 2), (5, 5, 4), (8, 8, 4), (9, 1, 3)])
def test_convolution_is_a_staircase_in_both_widths(inputs: int, outputs: int, blocks: int) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2])
    seconds = one_node(node, [1, inputs, 6, 6], {"w": (outputs, inputs, 3, 3)})
    assert seconds == pytest.approx(1.0 + 0.01 * blocks * 9 * 9)


def test_depthwise_and_grouped_convolutions() -> None:
    depthwise = helper.make_node("Conv", ["x", "w"], ["y"], group=10)
    assert one_node(depthwise, [1, 10, 5, 5], {"w": (10, 1, 1, 1)}) == pytest.approx(1.0 + 0.01 * 3 * 25)
    grouped = helper.make_node("Conv", ["x", "w"], ["y"], group=2)
    assert one_node(grouped, [1, 10, 5, 5], {"w": (12, 5, 1, 1)}) == pytest.approx(1.0 + 0.01 * 2 * 2 * 2 * 25)


def test_transposed_convolution_visits_its_input() -> None:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
    assert one_node(node, [2, 4, 5, 5], {"w": (4, 4, 2, 2)}) == pytest.approx(1.0 + 0.01 * 2 * 25 * 4)


def test_products() -> None:
    gemm = helper.make_node("Gemm", ["x", "w"], ["y"])
    assert one_node(gemm, [2, 5], {"w": (5, 9)}) == pytest.approx(1.0 + 0.01 * 2 * 3 * 2)
    flipped = helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)
    assert one_node(flipped, [5, 2], {"w": (5, 9)}) == pytest.approx(1.0 + 0.01 * 2 * 3 * 2)
    matmul = helper.make_node("MatMul", ["x", "w"], ["y"])
    assert one_node(matmul, [2, 3, 5], {"w": (5, 9)}) == pytest.approx(1.0 + 0.01 * 2 * 3 * 6)


def test_other_nodes_cost_little_but_something() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    assert one_node(relu, [1, 2, 3], {}) == pytest.approx(0.5 + 0.001 * 6)


def test_every_node_is_named_by_its_value() -> None:
    file = conv_file()
    assert list(DEFAULT_LAW.seconds(file)) == [node.output[0] for node in onnx.load_from_string(file).graph.node]
    assert set(DEFAULT_LAW.seconds(file)) == values_of(file)


def test_constants_are_folded() -> None:
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=helper.make_tensor("t", onnx.TensorProto.INT64, [2], [2, 3])),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    assert LAW.seconds(file_of(nodes, {"x": [6]}, {"y": None}, {})) == {"y": pytest.approx(0.506)}


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40))
def test_law_is_monotone_in_width(one: int, other: int) -> None:
    low, high = sorted((one, other))
    narrow, wide = (math.fsum(LAW.seconds(conv_file(width)).values()) for width in (low, high))
    assert narrow <= wide
    same_tread = -(-low // LAW.quantum) == -(-high // LAW.quantum)
    convolutions = [LAW.seconds(conv_file(width))["block"] for width in (low, high)]
    assert (convolutions[0] == convolutions[1]) == same_tread


def test_model_file_and_bytes_agree(tmp_path: Path) -> None:
    file = conv_file()
    path = tmp_path / "net.onnx"
    path.write_bytes(file)
    model = onnx.load_from_string(file)
    assert LAW.seconds(file) == LAW.seconds(path) == LAW.seconds(model)
    assert model.SerializeToString() == file  # the caller's model is left alone


def test_symbolic_batch_is_filled_in() -> None:
    symbolic = conv_file(batch="n")
    assert LAW.seconds(symbolic, batch=3) == LAW.seconds(conv_file(batch=3))


def test_unknown_sizes_are_refused_with_the_operator() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["found"]), helper.make_node("Cast", ["found"], ["y"], to=1)]
    file = file_of(nodes, {"x": [4]}, {"y": None}, {})
    with pytest.raises(ArtefactError, match="NonZero") as caught:
        LAW.seconds(file)
    assert caught.value.operator == "NonZero"


def test_shapes_that_do_not_fit_are_refused_with_the_operator() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    file = file_of([node], {"x": [2, 5]}, {"y": None}, {"w": np.zeros((4, 9))})
    with pytest.raises(ArtefactError) as caught:
        LAW.seconds(file)
    assert caught.value.operator == "MatMul"


@pytest.mark.parametrize("field", ["quantum", "node_s", "block_s", "other_s", "element_s"])
def test_law_is_checked(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        StaircaseLaw(**{field: 0})


def test_null_session_takes_exactly_the_time_of_the_law() -> None:
    runtime = NullRuntime(LAW)
    with runtime.load(conv_file(), Target("null"), np.random.default_rng(0)) as session:
        session.run()
        assert runtime.clock() == pytest.approx(math.fsum(LAW.seconds(conv_file()).values()), rel=1e-12)
        assert {node.name: node.seconds for node in session.profile(1)} == LAW.seconds(conv_file())
        assert runtime.clock() == pytest.approx(math.fsum(LAW.seconds(conv_file()).values()), rel=1e-12)


def test_noise_and_drift_are_seeded() -> None:
    def times(seed: int, noise: float, drift: float) -> list[float]:
        runtime = NullRuntime(LAW, noise=noise, drift=drift, seed=seed)
        session = runtime.load(conv_file(), Target("null"), np.random.default_rng(0))
        found = []
        for _ in range(200):
            session.run()
            found.append(runtime.clock())
        return np.diff(found).tolist()

    assert times(1, 0.1, 0.2) == times(1, 0.1, 0.2)
    assert times(1, 0.1, 0.2) != times(2, 0.1, 0.2)
    noisy, drifting = np.log(times(1, 0.1, 0.0)), np.log(times(1, 0.0, 0.2))
    assert noisy.std() == pytest.approx(0.1, rel=0.2)
    assert drifting.std() == pytest.approx(0.2, rel=0.35)


def test_null_refuses_wrong_use() -> None:
    with pytest.raises(ValueError, match="noise"):
        NullRuntime(noise=-0.1)


def test_version_of_null_changes_with_its_law() -> None:
    assert NullRuntime(LAW).versions() != get_runtime("null").versions()
    assert NullRuntime().versions() == get_runtime("null").versions()
