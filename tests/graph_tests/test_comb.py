import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from search.errors import ModelError
from search.graph import comb, edited, full, sample, uniform
from search.graph.rules import RULES, Axes, Call, pointwise
from search.importance import select
from search.surgery import cut, permutation
from tests.networks import EXAMPLE, residual


def test_dims_blocks_and_reasons_of_a_residual_network() -> None:
    blueprint = comb(residual(), EXAMPLE)
    assert {dim.name: dim.size for dim in blueprint.dims} == {
        "stem.0.weight:0": 8,
        "blocks.0.conv1.weight:0": 8,
        "blocks.1.conv1.weight:0": 16,
        "blocks.1.conv2.weight:0": 16,
        "blocks.2.body.0.weight:0": 32,
        "blocks.3.body.0.weight:0": 32,
        "blocks.3.body.6.weight:0": 24,
    }
    assert [(block.name, block.hides) for block in blueprint.blocks] == [
        ("blocks.0", ("blocks.0.conv1.weight:0",)),
        ("blocks.1", ("blocks.1.conv1.weight:0",)),
        ("blocks.2", ("blocks.2.body.0.weight:0",)),
    ]
    reasons = {frozen.dim: frozen.reason for frozen in blueprint.frozen}
    assert reasons["stem.0.weight:1"] == "an axis of an input"
    assert reasons["head.weight:0"] == "an axis of an output"
    assert not blueprint.unknown


def test_the_users_model_is_unchanged_to_the_bit() -> None:
    model = residual().train()
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    blueprint = comb(model, EXAMPLE)
    cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("seed", range(3))
def test_the_permutation_proof_holds(seed: int) -> None:
    proof = permutation(comb(residual(seed), EXAMPLE), np.random.default_rng(seed))
    assert proof.passed, proof
    assert proof.scale > 0


@contextmanager
def broken(operator: str, rule: object) -> Iterator[None]:
    """Run with one rule of the table replaced."""
    good = RULES[operator]
    RULES[operator] = rule  # type: ignore[assignment]
    try:
        yield
    finally:
        RULES[operator] = good


def untied_statistics(call: Call) -> list[Axes]:
    """A broken batch_norm: the running statistics are taken for something of their own."""
    axes = call.take_all("input")
    for name in ("weight", "bias"):
        call.tie(axes[1], call.take(name, 0))
    call.take("running_mean", 0)
    call.take("running_var", 0)
    return [axes]


def untied_input(call: Call) -> list[Axes]:
    """A broken linear: the weight's input axis is not tied to what it reads."""
    *outer, _ = call.take_all("input")
    call.take("weight", 1)
    call.tie(call.take("weight", 0), call.take("bias", 0))
    return [[*outer, call.take("weight", 0)]]


def untied_channels(call: Call) -> list[Axes]:
    """A broken conv2d: the weight's input axis is not tied to the channels that it reads."""
    out = call.take("weight", 0)
    call.take("input", 1)
    call.take("weight", 1)
    spatial = [call.fresh(size, "a spatial axis") for size in call.outputs[0][2:]]
    return [[call.take("input", 0), out, *spatial]]


@pytest.mark.parametrize(
    ("operator", "rule"),
    [("batch_norm", untied_statistics), ("linear", untied_input), ("conv2d", untied_channels)],
)
def test_a_broken_rule_is_caught_by_the_permutation_proof(operator: str, rule: object) -> None:
    with broken(operator, rule):
        blueprint = comb(residual(), EXAMPLE)
        assert blueprint.dims
        assert not _permutes(blueprint)


def test_a_broken_addition_is_caught_by_the_permutation_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def untied(call: Call) -> list[Axes]:
        outputs = [call.take_all(name) for name in call.tensors]
        return [max(outputs, key=len)]

    monkeypatch.setattr(pointwise, "pointwise", untied)
    assert not _permutes(comb(residual(), EXAMPLE))


def _permutes(blueprint: object) -> bool:
    """Tell whether the proof passes; a permutation that cannot even be sliced does not."""
    try:
        return permutation(blueprint, np.random.default_rng(0)).passed  # type: ignore[arg-type]
    except RuntimeError:
        return False


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3)
        self.b = nn.Conv2d(8, 12, 3)
        self.c = nn.Conv2d(12, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.renorm(self.a(x), 2, 1, 9.0)
        out: torch.Tensor = self.c(self.b(y))
        return out


def test_an_unknown_operator_freezes_what_it_touches_and_is_reported() -> None:
    blueprint = comb(Unknown().eval(), torch.zeros(1, 3, 12, 12))
    assert [dim.name for dim in blueprint.dims] == ["b.weight:0"]
    assert list(blueprint.unknown) == ["renorm"]
    reasons = {frozen.dim: frozen.reason for frozen in blueprint.frozen}
    assert "renorm" in reasons["a.weight:0"]
    assert permutation(blueprint, np.random.default_rng(0)).passed


class ThroughView(nn.Module):
    """An in-place operator past the gradients, on memory that is read later."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 8)
        self.b = nn.Linear(8, 4)
        self.c = nn.Linear(4, 4)
        self.d = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        v = y.detach()
        v.mul_(2.0)
        out: torch.Tensor = self.d(self.c(self.b(y)))
        return out


def test_an_in_place_operator_that_is_read_later_is_not_renamed() -> None:
    """Renaming `mul_` would change the answer without a word; it stays, and what it touches is frozen."""
    model = ThroughView().eval()
    blueprint = comb(model, torch.zeros(2, 6))
    x = torch.randn(3, 6)
    whole = cut(blueprint, select(blueprint, full(blueprint)))
    assert torch.allclose(whole(x), model(x))
    assert [dim.name for dim in blueprint.dims] == ["b.weight:0", "c.weight:0"]
    assert list(blueprint.unknown) == ["mul_"]


def test_a_grouped_convolution_keeps_units_of_its_own_in_each_group() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 12, 3, groups=4), nn.Conv2d(12, 2, 1)).eval()
    blueprint = comb(model, torch.zeros(1, 3, 8, 8))
    found = {dim.name: (dim.size, dim.outer, dim.counts_groups) for dim in blueprint.dims}
    assert found == {
        "0.weight:0.0": (4, 1, True),
        "0.weight:0.1": (2, 4, False),
        "1.weight:0.1": (3, 4, False),
    }
    assert permutation(blueprint, np.random.default_rng(0)).passed
    # Of a product one factor is cut: the inside of the groups.
    half = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    assert half(torch.zeros(2, 3, 8, 8)).shape == (2, 2, 6, 6)
    assert [tuple(p.shape[:2]) for n, p in half.named_parameters() if n.endswith("weight")] == [(4, 3), (8, 1), (2, 8)]


def test_keep_covers_children_and_must_match() -> None:
    blueprint = comb(residual(), EXAMPLE, keep=["blocks.2"])
    assert "blocks.2.body.0.weight:0" not in {dim.name for dim in blueprint.dims}
    assert "blocks.2" not in {block.name for block in blueprint.blocks}
    with pytest.raises(ModelError, match="match none"):
        comb(residual(), EXAMPLE, keep=["nothing.*"])


def test_bad_models_name_what_is_wrong() -> None:
    with pytest.raises(ModelError, match=r"inputs of shape \[\[4, 16, 16\]\]"):
        comb(residual(), torch.zeros(1, 4, 16, 16))

    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1 if x.sum() > 0 else x - 1

    with pytest.raises(ModelError, match=r"Branches does not: .*x\.sum\(\) > 0"):
        comb(Branches(), torch.zeros(1, 4))
    with pytest.raises(ModelError, match="nothing in this model can be cut"):
        comb(nn.Linear(4, 2), torch.zeros(1, 4))


def test_uniform_rounds_half_up_and_keeps_one() -> None:
    blueprint = comb(residual(), EXAMPLE)
    assert uniform(blueprint, 0.5).dims["blocks.3.body.6.weight:0"] == 12
    assert set(uniform(blueprint, 0.99).dims.values()) == {1}
    with pytest.raises(ValueError, match="0 <= ratio < 1"):
        uniform(blueprint, 1.0)


def test_candidates_leave_out_what_removed_blocks_hide() -> None:
    blueprint = comb(residual(), EXAMPLE)
    for seed in range(20):
        candidate = sample(blueprint, np.random.default_rng(seed))
        blueprint.check(candidate)
        hidden = edited(blueprint, candidate.choices).hidden
        assert set(candidate.dims) == {dim.name for dim in blueprint.dims} - hidden
