"""What is particular to PyTorch eager: one number of threads a process, layouts, and programs that stay loaded."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hwprofiles import ArtefactError, Target, get_runtime, graph_bytes
from hwprofiles.runtimes.torch import runtime as runtime_module
from hwprofiles.runtimes.torch.graph import load_graph

from ..onnx_files import IMAGE
from ..program_files import program_file

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


def test_a_program_that_is_loaded_again_lies_elsewhere_than_before() -> None:
    runtime = get_runtime("torch")
    with runtime.load(program_file(), TARGET, rng()) as session:
        module, places = session._module, [value.data_ptr() for value in session._module.buffers()]  # type: ignore[attr-defined]
        values = [value.clone() for value in module.buffers()]
    with runtime.load(program_file(), TARGET, rng()) as session:
        assert session._module is module, "the graph is not made again"  # type: ignore[attr-defined]
        again = list(module.buffers())
        assert all(value.data_ptr() != place for value, place in zip(again, places, strict=True))
        assert all(torch.equal(value, before) for value, before in zip(again, values, strict=True))


def test_layouts_do_not_share_what_lies_in_memory() -> None:
    runtime = get_runtime("torch")
    last = Target("torch", options=(("layout", "channels_last"),))
    runtime.load(program_file(), last, rng()).close()
    with runtime.load(program_file(), TARGET, rng()) as session:
        weights = [value for value in session._module.buffers() if value.dim() == 4]  # type: ignore[attr-defined]
        assert weights
        assert all(value.is_contiguous() for value in weights)


class Plain(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = torch.ops.aten.split.Tensor(x, 2, 1)
        steps = torch.ops.aten.arange.default(4, dtype=torch.float32, device=torch.device("cpu"))
        found: torch.Tensor = operator.getitem(parts, 0) + steps[1:3]
        return found


def graph_file() -> bytes:
    return graph_bytes(torch.fx.symbolic_trace(Plain()), [torch.zeros(1, 4)])


def test_a_graph_is_run_as_it_stands() -> None:
    """Calls without a tensor to begin with, devices, types, slices and tuples are kept."""
    x = np.arange(4, dtype=np.float32)[None]
    with get_runtime("torch").load(graph_file(), TARGET, rng()) as session:
        np.testing.assert_array_equal(session.outputs({"x": x})["output"], [[1.0, 3.0]])
        assert [node.operator for node in session.profile(1)][:1] == ["split"]
    with pytest.raises(ArtefactError, match="has 1 and the target 2"):
        get_runtime("torch").load(graph_file(), Target("torch", batch=2), rng())


@pytest.mark.parametrize("damage", [lambda c: c[:-200], lambda c: c[:100], lambda c: c.replace(b"split", b"splot")])
def test_a_damaged_graph_is_refused(damage: Callable[[bytes], bytes]) -> None:
    content = graph_file()
    assert damage(content) != content
    with pytest.raises(ArtefactError, match="PyTorch cannot load the program"):
        get_runtime("torch").load(damage(content), TARGET, rng())


def test_a_graph_is_refused_on_another_device() -> None:
    """Devices that its calls name cannot be moved as those of an exported program can."""
    with pytest.raises(ArtefactError, match="graphs on the CPU only, but the target is on cuda"):
        runtime_module._moved_module(load_graph(graph_file()), Target("torch", "cuda"))


def test_a_graph_that_calls_modules_is_refused() -> None:
    module = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.ReLU()))
    with pytest.raises(ArtefactError, match="calls of operators alone"):
        graph_bytes(module, [torch.zeros(1, 4)])


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
