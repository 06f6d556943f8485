"""ONNX Runtime's providers: which one serves a target, and that it is never silently another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwprofiles import RuntimeUnavailableError, Target, get_runtime
from hwprofiles.runtimes.onnxruntime import runtime as adapter
from hwprofiles.runtimes.onnxruntime import sessions
from hwprofiles.runtimes.onnxruntime.providers import provider_of, settings, unsuitable

from ..onnx_files import conv_file

CUDA = Target.parse("cuda-onnxruntime-fp32-b1-t1")
TENSORRT = Target.parse("cuda-onnxruntime-tf32-b1-t1-provider=tensorrt")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Target("onnxruntime"), "CPUExecutionProvider"),
        (CUDA, "CUDAExecutionProvider"),
        (Target("onnxruntime", "cuda", options=(("provider", "cuda"),)), "CUDAExecutionProvider"),
        (TENSORRT, "TensorrtExecutionProvider"),
    ],
)
def test_each_target_has_one_provider(target: Target, name: str) -> None:
    assert unsuitable(target) is None
    assert provider_of(target).name == name


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [
        ("cpu-onnxruntime-fp32-b1-t1-provider=cuda", "is for the device cuda, but"),
        ("tpu-onnxruntime-fp32-b1-t1", "serves the devices cpu and cuda here, but got 'tpu'."),
        ("cuda-onnxruntime-fp32-b1-t1-provider=dml", "must be one of cuda, tensorrt, but got 'dml'."),
        ("cuda-onnxruntime-fp16-b1-t1", "CUDA provider serves fp32 and tf32 here, but got 'fp16'."),
        ("cpu-onnxruntime-tf32-b1-t1", "CPU provider serves fp32 here, but got 'tf32'."),
        ("cuda-onnxruntime-fp32-b1-t1-provider=tensorrt", "NVIDIA_TF32_OVERRIDE=0"),
    ],
)
def test_what_no_provider_serves_is_one_sentence(slug: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    reason = unsuitable(Target.parse(slug))
    assert reason is not None
    assert sentence in reason
    assert get_runtime("onnxruntime").unavailable(Target.parse(slug)) == reason


def test_tf32_is_chosen_and_never_a_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("LATHE_CACHE", str(tmp_path))
    assert settings(CUDA)["use_tf32"] == "0"
    assert settings(Target("onnxruntime", "cuda", "tf32"))["use_tf32"] == "1"
    assert settings(TENSORRT)["trt_timing_cache_path"].startswith(str(tmp_path))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert unsuitable(Target.parse("cuda-onnxruntime-fp32-b1-t1-provider=tensorrt")) is None


class Library:
    """ONNX Runtime with a GPU build whose provider may not start."""

    def __init__(self, started: str) -> None:
        import onnxruntime

        self._real, self._started = onnxruntime, started
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_available_providers(self) -> list[str]:
        return ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]

    def InferenceSession(self, model: Any, options: Any, providers: Any) -> Any:  # noqa: N802
        self.asked += [providers, options]
        return SimpleNamespace(disable_fallback=lambda: None, get_providers=lambda: [self._started])


def test_a_provider_that_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library("CPUExecutionProvider")
    monkeypatch.setattr(adapter, "library", lambda: library)
    monkeypatch.setattr(sessions, "library", lambda: library)
    runtime = get_runtime("onnxruntime")
    assert runtime.unavailable(CUDA) is None
    with pytest.raises(RuntimeUnavailableError, match="did not start and it took CPUExecutionProvider"):
        runtime.load(conv_file(), CUDA, np.random.default_rng(0))
    providers, options = library.asked
    assert providers == [("CUDAExecutionProvider", settings(CUDA))], "and no other one"
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"


def test_a_provider_that_is_not_installed_is_one_sentence() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("This build of ONNX Runtime has the CUDA provider.")
    reason = get_runtime("onnxruntime").unavailable(CUDA)
    assert reason is not None
    assert "install the package onnxruntime-gpu" in reason
    with pytest.raises(RuntimeUnavailableError, match="onnxruntime-gpu"):
        get_runtime("onnxruntime").load(conv_file(), CUDA, np.random.default_rng(0))
