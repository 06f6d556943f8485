"""GPUs by way of PyTorch: the names that are used exist in every build; what needs a GPU is skipped without one."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from functools import reduce
from typing import Any

import numpy as np
import pytest
import torch

from hwprofiles import Session, Target, get_runtime, unavailable
from hwprofiles.runtimes import cuda
from hwprofiles.runtimes.torch.program import load_program, moved, quiet

from ..onnx_files import IMAGE, conv_file, reference_outputs
from ..program_files import CALLS, program_file

GPU_TARGETS = [
    "cuda-torch-fp32-b1-t1", "cuda-torch-tf32-b1-t1", "cuda-torch-fp16-b1-t1", "cuda-torch-bf16-b1-t1",
    "cuda-torch-fp16-b1-t1-layout=channels_last", "cuda-aotinductor-fp32-b1-t1", "cuda-onnxruntime-fp32-b1-t1",
    "cuda-onnxruntime-tf32-b1-t1-provider=tensorrt", "cuda-tensorrt-fp32-b1-t1", "cuda-tensorrt-fp16-b1-t1",
    "cuda-tensorrt-bf16-b1-t1",
]  # fmt: skip

TOLERANCES = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2, "bf16": 0.1}


@pytest.mark.parametrize(
    "name",
    [
        "cuda.CUDAGraph", "cuda.Event", "cuda.Stream", "cuda.current_stream", "cuda.graph", "cuda.stream",
        "cuda.is_available", "cuda._sleep", "backends.cudnn.version", "backends.cudnn.conv", "backends.cuda.matmul",
    ],
)  # fmt: skip
def test_names_that_are_used_exist(name: str) -> None:
    found: Any = reduce(getattr, name.split("."), torch)
    assert found is not None


def test_programs_move_to_a_device_in_a_process_that_did_nothing_before() -> None:
    """Torch imports the module for it on demand only, so that another test may have done so here."""
    code = (
        "import sys, torch; from hwprofiles.runtimes.torch.program import load_program, moved; "
        "program = load_program(sys.stdin.buffer.read()); there = moved(program.exported, 'meta'); "
        "print({str(v.device) for v in there.state_dict.values()} | "
        "{str(v.device) for v in program.exported.state_dict.values()})"
    )
    told = subprocess.run([sys.executable, "-c", code], input=program_file(8), capture_output=True, check=True)
    assert set(re.findall(r"cpu|meta", told.stdout.decode())) == {"cpu", "meta"}, "a copy moves, the program stays"


def test_tf32_is_set_and_unset() -> None:
    backends: Any = torch.backends
    places = (backends.cuda.matmul, backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for allowed in (True, False):
            cuda.set_tf32(allowed)
            assert [place.allow_tf32 for place in places] == [allowed, allowed]
            # The exporter reads them, too, and fails where finer flags were set.
            torch.export.export(torch.nn.Conv1d(1, 1, 1), (torch.zeros(2, 1, 3),))
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


def test_what_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    reason = cuda.missing()
    assert reason is not None
    assert reason.startswith("PyTorch must be built with CUDA")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    reason = cuda.missing()
    assert reason is not None
    assert "none answers" in reason
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert cuda.missing() is None


def opened(slug: str) -> tuple[Target, Session]:
    target = Target.parse(slug)
    reason = unavailable(target)
    if reason is not None:
        pytest.skip(reason)
    runtime = get_runtime(target.runtime)
    file = conv_file(8) if runtime.artefact_kind == "onnx" else program_file(8)
    return target, runtime.load(file, target, np.random.default_rng(0))


@pytest.mark.device
@pytest.mark.parametrize("slug", GPU_TARGETS)
def test_targets_on_a_gpu_compute_and_run(slug: str) -> None:
    target, session = opened(slug)
    with session:
        image = {"image": np.random.default_rng(1).normal(size=IMAGE).astype(np.float32)}
        (found,) = session.outputs(image).values()
        expected = reference_outputs(conv_file(8), image).astype(np.float64)
        tolerance = TOLERANCES[target.precision] * float(np.abs(expected).max())
        np.testing.assert_allclose(found.astype(np.float64), expected, rtol=0, atol=tolerance)
        for _ in range(10):
            session.run()
        assert session.threads is None


@pytest.mark.device
@pytest.mark.parametrize("slug", ["cuda-torch-fp32-b1-t1", "cuda-tensorrt-fp32-b1-t1"])
def test_layers_are_told_apart_on_a_gpu(slug: str) -> None:
    _, session = opened(slug)
    with session:
        nodes = session.profile(5)
    assert {node.name for node in nodes} <= {"image", *CALLS}
    assert all(0 < node.seconds < 0.1 for node in nodes)


@pytest.mark.parametrize("name", ["input", "image", "type", "max"])
def test_a_program_moves_whatever_its_inputs_are_called(name: str) -> None:
    """Copying a program renames inputs that are called as builtins are; its signature has to follow."""
    names: dict[str, Any] = {"torch": torch}
    exec(
        f"class Named(torch.nn.Linear):\n    def forward(self, {name}): return torch.relu(self.weight @ {name})", names
    )
    network = names["Named"](3, 2).eval()
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(network, (torch.zeros(3, 2),)), buffer)
    with quiet():
        there = moved(load_program(buffer.getvalue()).exported, "cpu")
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(there.module(check_guards=False)(x), network(x))
