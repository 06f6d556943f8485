"""What is particular to OpenVINO: pinned precision, and names from its own graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwprofiles import ArtefactError, HardwareProfile, Target, get_runtime
from hwprofiles.runtimes.openvino import compiled, runtime
from hwprofiles.runtimes.openvino.profile import Op, attributed

from ..onnx_files import IMAGE, conv_file

TARGET = Target("openvino")


@pytest.fixture
def _needs_the_library() -> None:
    reason = get_runtime("openvino").unavailable(TARGET)
    if reason is not None:
        pytest.skip(reason)


def load(target: Target = TARGET) -> Any:
    return get_runtime("openvino").load(conv_file(), target, np.random.default_rng(0))


@pytest.mark.usefixtures("_needs_the_library")
def test_precision_threads_and_streams_are_those_of_the_target() -> None:
    with load(Target("openvino", threads=2)) as session:
        compiled = session._compiled
        assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
        assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
        assert compiled.get_property("NUM_STREAMS") == 1
        assert session.threads == 2


@pytest.mark.usefixtures("_needs_the_library")
def test_a_file_that_is_compiled_for_another_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compiled.HINTS, "fp32", "bf16")
    monkeypatch.setattr(compiled, "library", lambda: Imposter())
    with pytest.raises(ArtefactError, match="must compute in fp32, but it compiled the file for f32"):
        load()


class Imposter:
    """A library that compiles for f32 whatever it is asked."""

    def Core(self) -> Imposter:  # noqa: N802
        return self

    def read_model(self, artefact: bytes) -> Imposter:
        return self

    inputs = ()

    def is_dynamic(self) -> bool:
        return False

    def compile_model(self, model: object, device: str, settings: dict[str, object]) -> Imposter:
        assert settings["INFERENCE_PRECISION_HINT"] == "bf16"
        return self

    def get_property(self, name: str) -> Imposter:
        return self

    def to_string(self) -> str:
        return "f32"


def test_bf16_needs_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("openvino", precision="bf16")
    monkeypatch.setattr(runtime, "probe", lambda: HardwareProfile(cpu_flags=("avx2", "avx512f")))
    reason = get_runtime("openvino").unavailable(target)
    assert reason is not None
    assert "this one has neither" in reason


@pytest.mark.usefixtures("_needs_the_library")
def test_bf16_is_computed_in_bf16() -> None:
    target = Target("openvino", precision="bf16")
    reason = get_runtime("openvino").unavailable(target)
    if reason is not None:
        pytest.skip(reason)
    image = {"image": np.random.default_rng(1).normal(size=IMAGE).astype(np.float32)}
    with load() as exact, load(target) as rough:
        difference = np.abs(exact.outputs(image)["scores"] - rough.outputs(image)["scores"]).max()
    assert 1e-4 < difference < 1.0


ORDER = {"conv": 0, "add": 1, "relu": 2, "pool": 3}


@pytest.mark.parametrize(
    ("ops", "names"),
    [
        # What was fused bears the last of its names.
        ([Op("conv", "Convolution", ["conv", "relu", "add"], [])], ["relu"]),
        # What the library adds to a name does not matter.
        ([Op("conv/WithoutBiases", "Convolution", ["conv/WithoutBiases"], [])], ["conv"]),
        # A node of the library's own belongs to what it reads, or else to what reads it.
        ([Op("conv", "Convolution", ["conv"], []), Op("x", "Reorder", [], ["conv"])], ["conv", "conv"]),
        ([Op("x", "Reorder", [], ["image"]), Op("pool", "Reduce", ["pool"], ["x"])], ["pool", "pool"]),
        (
            [Op("y", "Mul", ["Multiply_7"], []), Op("x", "Reorder", [], ["y"]), Op("add", "Add", ["add"], ["x"])],
            ["add"] * 3,
        ),
        # What nobody knows keeps the library's name: its time is loose, not lost.
        ([Op("z", "Mul", ["Multiply_7"], [])], ["z"]),
        # Constants and inputs take no time.
        ([Op("conv", "Const", ["conv"], []), Op("add", "Eltwise", ["add"], ["conv"])], ["add"]),
    ],
)
def test_nodes_are_named_after_values_of_the_file(ops: list[Op], names: list[str]) -> None:
    found = attributed(ops, {op.name: 1e-5 for op in ops}, ORDER)
    assert [node.name for node in found] == names


def test_nodes_that_did_not_run_are_left_out() -> None:
    ops = [Op("conv", "Convolution", ["conv"], []), Op("relu", "Eltwise", ["relu"], ["conv"])]
    assert [node.name for node in attributed(ops, {"conv": 2e-5}, ORDER)] == ["conv"]
