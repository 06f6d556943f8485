"""One suite for all runtimes; what a machine lacks is skipped by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwprofiles import (
    RUNTIMES,
    ArtefactError,
    HardwareProfile,
    InputSpec,
    Runtime,
    RuntimeUnavailableError,
    Target,
    TimingProtocol,
    available_targets,
    compare_on,
    get_runtime,
    unavailable,
)

from ..onnx_files import IMAGE, conv_file, reference_outputs, values_of
from ..program_files import CALLS, program_file

QUICK = TimingProtocol(turn_s=1e-4, turns_per_window=1, time_limit_s=0.2, warmup_s=0)


SLOW = {"aotinductor"}
"""Runtimes that compile each file for seconds."""


ON_GPU = ("aotinductor", "onnxruntime", "torch")
"""Runtimes that serve a GPU beside the CPU."""


def _params() -> list[Any]:
    """Return each runtime on its own device, and on a GPU those that serve one too."""
    slow = {name: [pytest.mark.slow] * (name in SLOW) for name in RUNTIMES}
    own = [pytest.param((name, None), id=name, marks=slow[name]) for name in sorted(RUNTIMES)]
    on_gpu = [pytest.param((n, "cuda"), id=f"{n}-cuda", marks=[pytest.mark.device, *slow[n]]) for n in ON_GPU]
    return [*own, *on_gpu]


@pytest.fixture(params=_params())
def runtime(request: pytest.FixtureRequest) -> Runtime:
    name, device = request.param
    made = get_runtime(name)
    if device is not None:
        # What these tests call the plainest target is on this device.
        made.device = device  # type: ignore[misc]
    reason = made.unavailable(target_of(made))
    if reason is not None:
        pytest.skip(reason)
    return made


def target_of(runtime: Runtime, **changed: Any) -> Target:
    """Return the plainest target of a runtime, with some fields changed."""
    return Target(runtime.name, **{"device": runtime.device, **changed})


def file_for(runtime: Runtime, width: int = 8, *, batch: int | str = 1, named: bool = True) -> bytes:
    """Return the same network as whatever the runtime takes."""
    if runtime.artefact_kind == "onnx":
        return conv_file(width, batch=batch, named=named)
    return program_file(width, batch=batch)


def values_for(runtime: Runtime, file: bytes) -> set[str]:
    return values_of(file) if runtime.artefact_kind == "onnx" else set(CALLS)


def scores(outputs: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return the only output; programs do not name theirs."""
    assert list(outputs) in (["scores"], ["output"])
    return next(iter(outputs.values()))


def image(seed: int = 1) -> dict[str, NDArray[np.float32]]:
    return {"image": np.random.default_rng(seed).normal(size=IMAGE).astype(np.float32)}


def as_list(array: NDArray[np.generic]) -> list[float]:
    return [float(value) for value in array.astype(np.float64).ravel()]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("width", [8, 13, 17])
def test_outputs_agree_with_the_reference(runtime: Runtime, width: int) -> None:
    with runtime.load(file_for(runtime, width), target_of(runtime), rng()) as session:
        outputs = session.outputs(image())
    expected = reference_outputs(conv_file(width), image())
    assert as_list(scores(outputs)) == pytest.approx(as_list(expected), rel=1e-4, abs=1e-4)


def test_runs_take_time_on_the_clock(runtime: Runtime) -> None:
    with runtime.load(file_for(runtime), target_of(runtime), rng()) as session:
        before = runtime.clock()
        for _ in range(10):
            session.run()
        assert runtime.clock() > before


def test_outputs_do_not_disturb_runs(runtime: Runtime) -> None:
    with runtime.load(file_for(runtime), target_of(runtime), rng()) as session:
        first = scores(session.outputs(image(1))).copy()
        session.run()
        session.outputs(image(2))
        np.testing.assert_array_equal(scores(session.outputs(image(1))), first)


def test_loads_from_a_path(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / ("net.onnx" if runtime.artefact_kind == "onnx" else "net.pt2")
    path.write_bytes(file_for(runtime))
    with runtime.load(path, target_of(runtime), rng()) as session:
        session.run()
        assert scores(session.outputs(image())).shape == (1, 5)
        assert bool(session.profile(2)) == runtime.profiles(target_of(runtime))
    with pytest.raises(ArtefactError):
        runtime.load(tmp_path / f"missing{path.suffix}", target_of(runtime), rng())


def test_a_file_may_go_while_its_session_lives(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / ("net.onnx" if runtime.artefact_kind == "onnx" else "net.pt2")
    path.write_bytes(file_for(runtime))
    with runtime.load(path, target_of(runtime), rng()) as session:
        path.unlink()
        session.run()
        assert scores(session.outputs(image())).shape == (1, 5)
        assert bool(session.profile(2)) == runtime.profiles(target_of(runtime))


def test_sessions_of_one_runtime_take_turns(runtime: Runtime) -> None:
    target = target_of(runtime)
    with (
        runtime.load(file_for(runtime), target, rng()) as one,
        runtime.load(file_for(runtime, 13), target, rng()) as two,
    ):
        first, second = scores(one.outputs(image())), scores(two.outputs(image()))
        one.run()
        two.run()
        np.testing.assert_array_equal(scores(one.outputs(image())), first)
        two.close()
        one.run()
        np.testing.assert_array_equal(scores(one.outputs(image())), first)
    assert not np.array_equal(first, second)


def test_input_specs(runtime: Runtime) -> None:
    with runtime.load(file_for(runtime), target_of(runtime), rng()) as session:
        assert session.input_specs == (InputSpec("image", IMAGE, "float32"),)


def test_symbolic_batch_takes_the_batch_of_the_target(runtime: Runtime) -> None:
    with runtime.load(file_for(runtime, batch="n"), target_of(runtime, batch=3), rng()) as session:
        assert session.input_specs[0].shape == (3, *IMAGE[1:])
        session.run()
        feeds = {"image": np.ones((3, *IMAGE[1:]), np.float32)}
        assert scores(session.outputs(feeds)).shape == (3, 5)
        assert bool(session.profile(1)) == runtime.profiles(target_of(runtime))


def test_file_of_another_batch_is_refused(runtime: Runtime) -> None:
    with pytest.raises(ArtefactError, match="batch"):
        runtime.load(file_for(runtime, batch=2), target_of(runtime), rng())


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("width", [8, 13, 17])
def test_profile_names_values_of_the_file(runtime: Runtime, named: bool, width: int) -> None:
    if not runtime.profiles(target_of(runtime)):
        pytest.skip(f"The runtime {runtime.name} does not tell nodes apart.")
    file = file_for(runtime, width, named=named)
    with runtime.load(file, target_of(runtime), rng()) as session:
        nodes = session.profile(5)
    assert {node.name for node in nodes} <= values_for(runtime, file)
    assert all(node.seconds >= 0 for node in nodes)
    assert sum(node.seconds for node in nodes) > 0
    convolutions = [node.name for node in nodes if "conv" in node.operator.lower()]
    # Fused or not, each convolution shows under a value of its own layer, in order.
    assert [name.split("_")[0].replace("joined", "block") for name in convolutions] == ["stem", "block"]
    assert nodes[-1].name == "scores"


def test_profile_refuses_no_runs(runtime: Runtime) -> None:
    with (
        runtime.load(file_for(runtime), target_of(runtime), rng()) as session,
        pytest.raises(ValueError, match="runs"),
    ):
        session.profile(0)


@pytest.mark.parametrize("part", [slice(0), slice(200), slice(-40)])
def test_wrong_bytes_are_refused(runtime: Runtime, part: slice) -> None:
    for artefact in (b"garbage", file_for(runtime)[part]):
        with pytest.raises(ArtefactError):
            runtime.load(artefact, target_of(runtime), rng())


def test_unknown_operator_is_named(runtime: Runtime) -> None:
    if runtime.artefact_kind != "onnx":
        pytest.skip("A program is made of this very library's operators.")
    broken = conv_file().replace(b"GlobalAveragePool", b"GlobalAverageFool")
    with pytest.raises(ArtefactError, match="GlobalAverageFool") as caught:
        runtime.load(broken, target_of(runtime), rng())
    assert caught.value.operator == "GlobalAverageFool"


@pytest.mark.parametrize(
    "feeds",
    [
        {"image": np.ones((1, 3, 8, 9), np.float32)},
        {"image": np.ones((2, 3, 8, 8), np.float32)},
        {"image": np.ones(IMAGE, np.float64)},
        {"picture": np.ones(IMAGE, np.float32)},
        {},
        {"image": np.ones(IMAGE, np.float32), "more": np.ones(1, np.float32)},
    ],
)
def test_wrong_feeds_are_refused(runtime: Runtime, feeds: dict[str, NDArray[np.generic]]) -> None:
    with (
        runtime.load(file_for(runtime), target_of(runtime), rng()) as session,
        pytest.raises(ValueError, match="image"),
    ):
        session.outputs(feeds)


def test_closed_session_refuses_work(runtime: Runtime) -> None:
    session = runtime.load(file_for(runtime), target_of(runtime), rng())
    session.outputs(image())
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.run()
    with pytest.raises(RuntimeError, match="closed"):
        session.outputs(image())
    with pytest.raises(RuntimeError, match="closed"):
        session.profile(1)


def test_versions(runtime: Runtime) -> None:
    versions = runtime.versions()
    assert versions
    assert all(name and version for name, version in versions.items())


def test_takes_a_kind_of_file(runtime: Runtime) -> None:
    assert runtime.artefact_kind in ("onnx", "exported_program")
    assert runtime.name in RUNTIMES


def test_width_quantum(runtime: Runtime) -> None:
    for flags in (None, (), ("avx2",), ("avx2", "avx512f")):
        for device in ("cpu", "cuda"):
            assert runtime.width_quantum(HardwareProfile(cpu_flags=flags), device) in (4, 8, 16)


@pytest.mark.parametrize("changed", [{"device": "tpu"}, {"precision": "int8"}])
def test_target_out_of_reach_is_refused_with_its_reason(runtime: Runtime, changed: dict[str, str]) -> None:
    target = target_of(runtime, **changed)
    reason = runtime.unavailable(target)
    assert reason is not None
    assert reason.endswith(".")
    assert unavailable(target) == reason
    with pytest.raises(RuntimeUnavailableError) as caught:
        runtime.load(file_for(runtime), target, rng())
    assert caught.value.reason == reason


def test_target_of_another_runtime_is_refused(runtime: Runtime) -> None:
    other = next(name for name in RUNTIMES if name != runtime.name)
    assert runtime.unavailable(Target(other)) is not None


def test_comparison_carries_the_versions(runtime: Runtime) -> None:
    target = target_of(runtime)
    with runtime.load(file_for(runtime), target, rng()) as one, runtime.load(file_for(runtime), target, rng()) as other:
        made = compare_on(runtime, {"baseline": one, "subnet": other}, "baseline", QUICK, rng=rng())
    assert made.n_windows >= 8
    assert dict(made.versions) == runtime.versions()
    assert made.ratio("subnet") is not None


def test_every_name_has_a_runtime_and_a_kind_of_target() -> None:
    assert {status.target.runtime for status in available_targets()} == set(RUNTIMES)


def test_unknown_runtime_gets_a_near_match() -> None:
    with pytest.raises(ValueError, match="did you mean 'onnxruntime'"):
        get_runtime("onnx-runtime")


def test_available_targets_tells_versions_or_the_reason() -> None:
    for target, description, state in available_targets():
        assert description
        assert state
        reason = unavailable(target)
        assert state == (get_runtime(target.runtime).versions() if reason is None else reason)


@pytest.mark.parametrize("slug", ["cuda-onnxruntime-fp32-b1-t1", "cuda-torch-fp16-b1-t1", "cuda-tensorrt-fp16-b1-t1"])
def test_targets_on_a_gpu_can_be_used_or_say_what_is_missing(slug: str) -> None:
    reason = unavailable(Target.parse(slug))
    assert reason is None or any(word in reason for word in ("provider", "CUDA", "GPU", "tensorrt"))
