"""What is particular to PyTorch eager: one number of threads a process, layouts, and programs that stay loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hwprofiles import ArtefactError, Target, get_runtime
from hwprofiles.runtimes import torch as runtime_module

from .onnx_files import IMAGE
from .program_files import program_file

TARGET = Target("torch")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_threads_are_those_of_the_target_while_a_session_is_open() -> None:
    before = torch.get_num_threads()
    runtime = get_runtime("torch")
    one = runtime.load(program_file(), Target("torch", threads=before + 1), rng())
    two = runtime.load(program_file(), Target("torch", threads=before + 1), rng())
    assert torch.get_num_threads() == before + 1
    one.close()
    one.close()
    assert torch.get_num_threads() == before + 1
    two.close()
    assert torch.get_num_threads() == before


def test_a_program_that_fails_leaves_the_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(runtime_module._TorchSession, "run", lambda self: 1 / 0)
    with pytest.raises(ArtefactError, match="cannot run the program: ZeroDivisionError"):
        get_runtime("torch").load(program_file(), Target("torch", threads=before + 1), rng())
    assert torch.get_num_threads() == before


def test_layouts_agree_and_are_part_of_the_slug() -> None:
    image = {"image": np.random.default_rng(1).normal(size=IMAGE).astype(np.float32)}
    runtime = get_runtime("torch")
    target = Target.parse("cpu-torch-fp32-b1-t1-layout=channels_last")
    with runtime.load(program_file(), TARGET, rng()) as plain, runtime.load(program_file(), target, rng()) as last:
        one, other = (session.outputs(image)["output"].astype(np.float64) for session in (plain, last))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        weights = [value for value in last._module.buffers() if value.dim() == 4]  # type: ignore[attr-defined]
        assert weights
        assert all(value.is_contiguous(memory_format=torch.channels_last) for value in weights)
    reason = runtime.unavailable(Target("torch", options=(("layout", "diagonal"),)))
    assert reason is not None
    assert "contiguous, channels_last" in reason


def test_a_program_that_was_loaded_before_lies_elsewhere_in_memory() -> None:
    runtime = get_runtime("torch")
    with runtime.load(program_file(), TARGET, rng()) as one, runtime.load(program_file(), TARGET, rng()) as other:
        places = [[value.data_ptr() for value in s._module.buffers()] for s in (one, other)]  # type: ignore[attr-defined]
    assert not set(places[0]) & set(places[1])


def test_only_the_last_programs_stay_loaded() -> None:
    runtime = get_runtime("torch")
    for width in range(4, 4 + runtime_module._KEPT + 3):
        runtime.load(program_file(width), TARGET, rng()).close()
    assert len(runtime._kept) == runtime_module._KEPT  # type: ignore[attr-defined]


def test_gradients_are_off() -> None:
    with get_runtime("torch").load(program_file(), TARGET, rng()) as session:
        assert not any(value.requires_grad for value in session._module.parameters())  # type: ignore[attr-defined]


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot read the file"):
        get_runtime("torch").load(tmp_path, TARGET, rng())
