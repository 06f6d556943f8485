"""Networks that take and return dicts, lists and things that are no tensors: files hold their tensors, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from search.deploy import export, exported, write_pt2
from search.graph import Blueprint, comb, uniform
from search.importance import select
from search.surgery import Subnet, compare, cut, from_bytes, permutation, reloaded, to_bytes
from tests.programs import opened


class Structured(nn.Module):
    """Keyword arguments in another order than they are given in; an output that is an input, and one that is twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 16), nn.Linear(3, 16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor, *, meta: dict[str, torch.Tensor], parts: Any = (), flag: bool = False) -> Any:
        y = torch.relu(self.a(x) + self.b(meta["m"]))
        for part in parts:
            y = y + part
        scores = self.c(2 * y if flag else y)
        return {"scores": scores, "n": 3, "none": None, "list": [y.sum(-1), x], "again": scores, "large": scores > 0}


def example(batch: int = 2) -> tuple[torch.Tensor, dict[str, Any]]:
    generator = torch.Generator().manual_seed(batch)
    parts = [torch.randn(batch, 1, generator=generator)]
    meta = {"m": torch.randn(batch, 3, generator=generator)}
    return torch.randn(batch, 4, generator=generator), {"parts": parts, "flag": True, "meta": meta}


@pytest.fixture
def halved() -> tuple[Blueprint, Subnet]:
    torch.manual_seed(0)
    x, keywords = example()
    blueprint = comb(Structured().eval(), x, keywords)
    assert blueprint.trace.static_batch is None
    return blueprint, cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))


def test_structures_come_back_as_they_are(halved: tuple[Blueprint, Subnet]) -> None:
    blueprint, subnet = halved
    x, keywords = example(3)
    found = subnet(x, **keywords)
    assert list(found) == ["scores", "n", "none", "list", "again", "large"]
    assert (found["n"], found["none"]) == (3, None)
    assert torch.equal(found["list"][1], x)
    assert subnet.state_dict()["a.weight"].shape == (8, 4)
    again = from_bytes(*to_bytes(subnet).values())(x, **keywords)
    assert torch.equal(again["scores"], found["scores"])
    assert permutation(blueprint, np.random.default_rng(0)).passed


@pytest.mark.parametrize(("dynamic", "batches"), [(False, (2,)), (True, (1, 3))])
def test_files_hold_tensors_in_order(
    halved: tuple[Blueprint, Subnet], tmp_path: Path, dynamic: bool, batches: tuple[int, ...]
) -> None:
    blueprint, subnet = halved
    x, keywords = example()
    export(subnet, tmp_path / "net.onnx", (x,), keywords, dynamic_batch=dynamic)
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert [value.name for value in graph.input] == ["input", "parts_0", "meta_m"]
    assert [value.name for value in graph.output] == [f"output_{i}" for i in range(5)]
    names = {size.dim_param for value in [*graph.input, *graph.output] for size in value.type.tensor_type.shape.dim}
    assert names == ({"batch", ""} if dynamic else {""})
    proof = exported(subnet, tmp_path / "net.onnx", blueprint.trace, np.random.default_rng(0), batches=batches)
    assert proof.passed, proof


def test_the_proof_sees_each_output(halved: tuple[Blueprint, Subnet], tmp_path: Path) -> None:
    """A small output that is wrong does not hide behind a large one."""
    blueprint, subnet = halved
    parameters = dict(subnet.named_parameters())
    with torch.no_grad():
        parameters["a.bias"].add_(1e5)
        parameters["c.weight"].mul_(1e-7)
    export(subnet, tmp_path / "net.onnx", (example()[0],), example()[1])
    with torch.no_grad():
        parameters["c.bias"].add_(0.01)
    proof = exported(subnet, tmp_path / "net.onnx", blueprint.trace, np.random.default_rng(0), batches=(2,))
    assert proof.failed
    assert proof.max_abs_diff == pytest.approx(0.01, rel=0.1)


def test_a_pt2_file_is_called_as_the_users_network_is(halved: tuple[Blueprint, Subnet], tmp_path: Path) -> None:
    _, subnet = halved
    x, keywords = example()
    write_pt2(subnet, tmp_path / "net.pt2", (x,), keywords, dynamic=True)
    x, keywords = example(5)
    program = opened(tmp_path / "net.pt2")
    assert program.example_inputs is None
    with torch.no_grad():
        found, expected = program.module()(x, **keywords), subnet(x, **keywords)
    assert list(found) == list(expected)
    assert torch.allclose(found["scores"], expected["scores"])


def test_it_is_read_in_a_fresh_process(halved: tuple[Blueprint, Subnet], tmp_path: Path) -> None:
    blueprint, subnet = halved
    for name, data in to_bytes(subnet).items():
        (tmp_path / name).write_bytes(data)
    assert reloaded(subnet, tmp_path, blueprint.trace, np.random.default_rng(0)).passed
    with torch.no_grad():
        dict(subnet.named_parameters())["c.bias"].add_(0.01)
    assert reloaded(subnet, tmp_path, blueprint.trace, np.random.default_rng(0)).failed


def test_outputs_that_are_no_numbers_are_no_pass() -> None:
    nothing = torch.full((3,), torch.nan, dtype=torch.float64)
    assert compare("export", nothing, nothing, 1.0).failed
