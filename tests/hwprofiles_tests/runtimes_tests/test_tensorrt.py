"""The TensorRT adapter on a stand-in for the library, and its pure parts on what real engines say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprofiles import ArtefactError, InputSpec, RuntimeUnavailableError, Target, get_runtime
from hwprofiles.runtimes import cuda
from hwprofiles.runtimes.tensorrt import TensorRt, build
from hwprofiles.runtimes.tensorrt import runtime as adapter
from hwprofiles.runtimes.tensorrt.profile import named_layers

from ..onnx_files import IMAGE, conv_file, reference_outputs, values_of
from . import fake_bindings, fake_tensorrt

TARGET = Target("tensorrt", "cuda")


@pytest.fixture(params=["10.16.1.11", "11.4.0.106"])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TensorRt:
    library = fake_tensorrt.module(request.param)
    monkeypatch.setattr(build, "library", lambda: library)
    monkeypatch.setattr(adapter, "library", lambda: library)
    monkeypatch.setattr(cuda, "missing", lambda: None)
    monkeypatch.setattr(cuda, "versions", lambda: {"cuda": "13.0"})
    monkeypatch.setattr(cuda, "Memory", fake_tensorrt.HostMemory)
    monkeypatch.setenv("LATHE_CACHE", str(tmp_path))
    fake_tensorrt.Builder.built.clear()
    return TensorRt()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def image(batch: int = 1) -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(1).normal(size=(batch, *IMAGE[1:])).astype(np.float32)}


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("tf32", 1e-4), ("fp16", 2e-2)])
def test_engines_compute_what_the_file_says(runtime: TensorRt, precision: str, tolerance: float) -> None:
    file = conv_file(8)
    with runtime.load(file, Target("tensorrt", "cuda", precision), rng()) as session:
        assert session.input_specs == (InputSpec("image", IMAGE, "float32"),)
        assert session.threads is None
        session.run()
        found = session.outputs(image())
    scores, expected = (a.astype(np.float64) for a in (found["scores"], reference_outputs(file, image())))
    np.testing.assert_allclose(scores, expected, rtol=tolerance, atol=tolerance)
    allowed = fake_bindings.BuilderFlag.TF32 in fake_tensorrt.Builder.built[-1]
    assert allowed == (precision == "tf32"), "left to itself the library computes float32 in tf32"


def test_symbolic_batch_takes_the_batch_of_the_target(runtime: TensorRt) -> None:
    with runtime.load(conv_file(8, batch="n"), Target("tensorrt", "cuda", batch=3), rng()) as session:
        assert session.input_specs[0].shape == (3, *IMAGE[1:])
        assert session.outputs(image(3))["scores"].shape == (3, 5)


def test_an_engine_is_built_once_for_a_file_and_a_target(runtime: TensorRt, tmp_path: Path) -> None:
    for _ in range(2):
        runtime.load(conv_file(8), TARGET, rng()).close()
    assert len(fake_tensorrt.Builder.built) == 1
    runtime.load(conv_file(8), Target("tensorrt", "cuda", "tf32"), rng()).close()
    assert len(fake_tensorrt.Builder.built) == 2
    caches = list((tmp_path / "tensorrt").glob("*.timing"))
    assert len(caches) == 1
    assert caches[0].read_bytes() == b"**", "the second build went on with the cache of the first"


def test_a_timing_cache_of_another_gpu_is_begun_anew(runtime: TensorRt, tmp_path: Path) -> None:
    runtime.load(conv_file(8), TARGET, rng()).close()
    cache = next((tmp_path / "tensorrt").glob("*.timing"))
    cache.write_bytes(b"foreign")
    runtime.load(conv_file(13), TARGET, rng()).close()
    assert cache.read_bytes() == b"*"


def test_profile_names_the_values_that_layers_make(runtime: TensorRt) -> None:
    file = conv_file(8)
    with runtime.load(file, TARGET, rng()) as session:
        nodes = session.profile(4)
    assert {node.name for node in nodes} <= values_of(file)
    assert nodes[-1].name == "scores"
    assert [node.seconds for node in nodes] == pytest.approx([1e-3 * (1 + place) for place in range(len(nodes))])
    assert sum(node.operator == "Conv" for node in nodes) == 2


def test_what_the_library_cannot_build_is_an_error_in_its_words(runtime: TensorRt) -> None:
    hard = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Hardmax", ["x"], ["y"])],
            "g",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4])],
        )
    )
    with pytest.raises(ArtefactError, match="cannot build the file: could not find any implementation"):
        runtime.load(hard.SerializeToString(), TARGET, rng())


def test_an_unknown_operator_is_named(runtime: TensorRt) -> None:
    broken = conv_file().replace(b"GlobalAveragePool", b"GlobalAverageFool")
    with pytest.raises(ArtefactError, match="cannot read the file at operator GlobalAverageFool") as caught:
        runtime.load(broken, TARGET, rng())
    assert caught.value.operator == "GlobalAverageFool"


def test_a_weight_that_fp16_cannot_hold_is_named(runtime: TensorRt) -> None:
    model = onnx.load_from_string(conv_file(8))
    weight = model.graph.initializer[0]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.full(tuple(weight.dims), 1e6, np.float32), weight.name))
    with pytest.raises(ArtefactError, match=f"within 65,504, but '{weight.name}' holds 1e\\+06"):
        runtime.load(model.SerializeToString(), Target("tensorrt", "cuda", "fp16"), rng())


def test_activations_that_overflow_are_no_timing(runtime: TensorRt) -> None:
    model = onnx.load_from_string(conv_file(8))
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32:
            weight.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(500), weight.name))
    with pytest.raises(ArtefactError, match="finite numbers in fp16"):
        runtime.load(model.SerializeToString(), Target("tensorrt", "cuda", "fp16"), rng())
    runtime.load(model.SerializeToString(), TARGET, rng()).close()


def test_a_damaged_engine_is_refused(runtime: TensorRt, tmp_path: Path) -> None:
    runtime.load(conv_file(8), TARGET, rng()).close()
    next((tmp_path / "tensorrt").glob("*.plan")).write_bytes(b"")
    with pytest.raises(ArtefactError, match="cannot load the engine of the file: the plan is of another version"):
        runtime.load(conv_file(8), TARGET, rng())


def test_a_closed_session_refuses_work(runtime: TensorRt) -> None:
    session = runtime.load(conv_file(8), TARGET, rng())
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.run()


def test_other_majors_are_refused(runtime: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "library", lambda: fake_tensorrt.module("9.3.0"))
    reason = runtime.unavailable(TARGET)
    assert reason == "TensorRT must be of version 10 or 11, but 9.3.0 is installed."


@pytest.mark.parametrize(
    ("target", "word"),
    [(Target("tensorrt"), "the device cuda only"), (Target("tensorrt", "cuda", "int8"), "fp32, tf32, fp16, bf16")],
)
def test_targets_out_of_reach_are_refused(target: Target, word: str) -> None:
    reason = get_runtime("tensorrt").unavailable(target)
    assert reason is not None
    assert word in reason
    with pytest.raises(RuntimeUnavailableError):
        get_runtime("tensorrt").load(conv_file(8), target, rng())


INFORMATION = json.loads((Path(__file__).parents[1] / "assets" / "tensorrt_engine.json").read_text())
VALUES = {"image": -1, "conv1": 0, "relu1": 1, "conv2": 2, "sum": 3, "relu2": 4, "pool": 5, "scores": 6}


def test_layers_of_an_engine_are_named_after_their_last_value() -> None:
    names = [layer["Name"] for layer in INFORMATION["Layers"]]
    nodes = named_layers(INFORMATION, {name: [2e-6, 4e-6] for name in names}, VALUES)
    assert [node.name for node in nodes] == ["image", "relu1", "relu2", "pool", "scores"]
    assert [node.operator for node in nodes] == [
        "Reformat",
        "CaskConvolution",
        "CaskConvolution",
        "CaskPooling",
        "kgen",
    ]
    assert all(node.seconds == pytest.approx(3e-6) for node in nodes)


def test_layers_that_did_not_run_are_left_out_and_unknown_ones_keep_their_names() -> None:
    information = {"Layers": ["conv1 + relu1", {"Name": "(Unnamed Layer* 7)"}, "gone"]}
    nodes = named_layers(information, {"conv1 + relu1": [1e-6], "(Unnamed Layer* 7)": [1e-6], "gone": []}, VALUES)
    assert [(node.name, node.operator) for node in nodes] == [("relu1", "layer"), ("(Unnamed Layer* 7)", "layer")]
