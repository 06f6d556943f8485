"""What does not fit: selections of other networks, coarse types, operators of the user's, regions that stay calls."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from search.deploy import export, exported
from search.errors import BundleError
from search.graph import Blueprint, Candidate, Selection, comb, full, uniform
from search.importance import select
from search.surgery import Subnet, cut, permutation, silenced, to_bytes
from tests.networks import EXAMPLE, Residual, residual
from tests.surgery_tests.test_stored import Two

RNG_SEED = 0


def half(blueprint: Blueprint) -> tuple[Selection, Subnet]:
    selection = select(blueprint, uniform(blueprint, 0.5))
    return selection, cut(blueprint, selection)


def test_a_selection_of_another_network_is_refused() -> None:
    small, large = comb(residual(), EXAMPLE), comb(residual(width=16), EXAMPLE)
    other = comb(Two().eval(), (torch.zeros(2, 4), torch.zeros(2, 3)))
    with pytest.raises(ValueError, match="at most the dim's size"):
        cut(small, select(large, full(large)))
    with pytest.raises(ValueError, match="in one only"):
        cut(small, select(other, full(other)))
    with pytest.raises(ValueError, match="in one only"):
        silenced(small, select(other, full(other)), np.random.default_rng(0))


@pytest.mark.parametrize("width", [0, -1, 2.5, True])
def test_widths_are_numbers_of_units(width: int) -> None:
    whole = full(comb(residual(), EXAMPLE))
    with pytest.raises(ValueError, match="at least 1"):
        Candidate({**whole.dims, "stem.0.weight:0": width}, whole.blocks)


def test_units_are_those_of_the_dim() -> None:
    blueprint = comb(residual(), EXAMPLE)
    candidate = uniform(blueprint, 0.5)
    rows = dict(select(blueprint, candidate).keep)
    for row, message in (((0, 1, 2, 99), "are 0 to 7"), ((-1, 0, 1, 2), "are 0 to 7"), ((0, 1), "distinct units")):
        with pytest.raises(ValueError, match=message):
            cut(blueprint, Selection(candidate, {**rows, "stem.0.weight:0": (row,)}))
    with pytest.raises(ValueError, match="sets of units"):
        cut(blueprint, Selection(candidate, {**rows, "stem.0.weight:0": rows["stem.0.weight:0"] * 2}))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_are_cut_and_proven_in_float64(dtype: torch.dtype, tmp_path: Path) -> None:
    model, x = residual().to(dtype), EXAMPLE.to(dtype)
    blueprint, rng = comb(model, x), np.random.default_rng(0)
    selection, subnet = half(blueprint)
    assert {p.dtype for p in subnet.parameters()} == {dtype}
    for proof in (permutation(blueprint, rng), silenced(blueprint, selection, rng)):
        assert proof.passed, proof
    export(subnet, tmp_path / "net.onnx")
    proof = exported(subnet, tmp_path / "net.onnx", blueprint.trace, rng)
    # What the runtime cannot run on this machine is said to be so; it is neither a pass nor a failure.
    assert not proof.failed, proof
    assert proof.passed or ("ONNX Runtime" in proof.note or "one of the types" in proof.note), proof
    if dtype == torch.bfloat16:
        assert not proof.passed
        assert proof.to_json()["passed"] is None


@pytest.fixture
def doubled() -> Iterator[torch._ops.OpOverload]:
    """An operator of a user's."""
    with torch.library._scoped_library("lathe_test", "FRAGMENT") as library:
        library.define("doubled(Tensor x) -> Tensor")
        library.impl("doubled", lambda x: x * 2, "CompositeExplicitAutograd")
        library.impl("doubled", lambda x: torch.empty_like(x), "Meta")
        yield torch.ops.lathe_test.doubled.default


def test_an_operator_of_the_users_is_cut_around_but_not_stored(doubled: torch._ops.OpOverload) -> None:
    class Custom(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 12), nn.Linear(12, 10), nn.Linear(10, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.c(torch.relu(self.b(doubled(self.a(x)))))
            return out

    model = Custom().eval()
    blueprint = comb(model, torch.zeros(2, 5))
    assert list(blueprint.unknown) == ["doubled"]
    assert [dim.name for dim in blueprint.dims] == ["b.weight:0"], "what it touches stays"
    _, subnet = half(blueprint)
    assert subnet.state_dict()["b.weight"].shape == (5, 12)
    assert subnet(torch.randn(3, 5)).shape == (3, 4)
    assert permutation(blueprint, np.random.default_rng(0)).passed
    with pytest.raises(BundleError, match=r"ATen operators and arithmetic.*lathe_test\.doubled.*search\.cut"):
        to_bytes(subnet)


class Region(nn.Module):
    """A part that computes in bfloat16, with a mode of its own inside."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Linear(6, 16), nn.BatchNorm1d(16)
        self.b, self.c = nn.Linear(16, 12), nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = nn.functional.dropout(self.norm(self.a(x)), 0.5, self.training)
        out: torch.Tensor = self.c(torch.relu(self.b(y.float())))
        return out


@pytest.fixture
def casts_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no casts of autocast be known, as where it reaches inside an operator."""
    monkeypatch.setattr("search.graph.tracing.regions.write_casts", lambda *_: "its casts are not known")


def test_a_region_that_stays_a_call_is_cut_around_copied_and_run(casts_unknown: None) -> None:
    torch.manual_seed(0)
    model, x = Region().eval(), torch.randn(5, 6)
    blueprint = comb(model, torch.zeros(2, 6))
    assert [dim.name for dim in blueprint.dims] == ["b.weight:0"]
    assert any("and its casts are not known" in note for note in blueprint.trace.notes)
    assert torch.equal(cut(blueprint, select(blueprint, full(blueprint)))(x), model(x))
    selection, subnet = half(blueprint)
    twin = copy.deepcopy(subnet)
    assert torch.equal(twin(x), subnet(x))
    again = comb(twin, torch.zeros(2, 6))
    assert [dim.size for dim in again.dims] == [6]
    for proof in (
        permutation(blueprint, np.random.default_rng(0)),
        silenced(blueprint, selection, np.random.default_rng(0)),
    ):
        assert proof.passed, proof
    with pytest.raises(BundleError, match="is a nested graph"):
        to_bytes(subnet)


def test_modes_reach_into_regions(casts_unknown: None) -> None:
    blueprint = comb(Region().eval(), torch.zeros(2, 6))
    _, subnet = half(blueprint)
    x, mean = torch.randn(32, 6), dict(subnet.named_buffers())["norm.running_mean"].clone()
    subnet.train()
    assert not torch.equal(subnet(x), subnet(x)), "dropout inside the region drops"
    assert not torch.equal(dict(subnet.named_buffers())["norm.running_mean"], mean)
    subnet.eval()
    assert torch.equal(subnet(x), subnet(x))


def test_a_network_that_writes_nan_fails_its_proof() -> None:
    """A difference that is no number is no pass."""
    blueprint = comb(Residual().eval(), EXAMPLE)
    selection, subnet = half(blueprint)
    with torch.no_grad():
        next(iter(blueprint.trace.module.parameters())).fill_(float("nan"))
    proof = permutation(blueprint, np.random.default_rng(0))
    assert proof.failed
    assert not proof.passed
    assert selection.candidate.dims
    assert subnet(EXAMPLE).isfinite().all()
