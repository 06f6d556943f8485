import copy

import numpy as np
import pytest
import torch
from torch import nn

from search.graph import Candidate, Choices, Selection, assemble, comb, edited, full, sample, uniform
from search.graph.axes import Algebra, Axis
from search.importance import score, select
from search.surgery import Subnet, cut
from tests.deploy_tests.networks import Tower
from tests.networks import EXAMPLE, Residual, residual


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_full_candidate_is_the_users_network() -> None:
    model, x = residual(), torch.randn(3, 3, 16, 16)
    blueprint = comb(model, EXAMPLE)
    whole = cut(blueprint, select(blueprint, full(blueprint)))
    assert torch.equal(whole(x), model(x))
    assert {n for n, _ in whole.named_parameters()} == {n for n, _ in model.named_parameters()}


def test_native_twin() -> None:
    """A natively smaller network with the same slices computes the same."""
    model, x = residual(), torch.randn(3, 3, 16, 16)
    blueprint = comb(model, EXAMPLE)
    small = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    twin = Residual(width=4).eval()
    twin.load_state_dict(small.state_dict(), strict=False)
    assert same(twin(x), small(x))
    assert sum(p.numel() for p in twin.parameters()) == sum(p.numel() for p in small.parameters())


@pytest.mark.parametrize("block", ["blocks.0", "blocks.1", "blocks.2"])
def test_a_removed_block_is_the_path_that_stays(block: str) -> None:
    model, x = residual(), torch.randn(3, 3, 16, 16)
    blueprint = comb(model, EXAMPLE)
    whole = full(blueprint)
    hidden = edited(blueprint, Choices.without(block)).hidden
    candidate = Candidate({n: w for n, w in whole.dims.items() if n not in hidden}, {**whole.blocks, block: "remove"})
    without = cut(blueprint, select(blueprint, candidate))
    by_hand = copy.deepcopy(model)
    with torch.no_grad():
        if block == "blocks.2":
            by_hand.blocks[2].body[7].weight.zero_()  # type: ignore[index, union-attr]
            by_hand.blocks[2].body[7].bias.zero_()  # type: ignore[index, union-attr]
        else:
            getattr(by_hand.blocks, block[-1]).bn2.weight.zero_()
            getattr(by_hand.blocks, block[-1]).bn2.bias.zero_()
    assert same(without(x), by_hand(x))
    assert not any(name.startswith(f"{block}.conv1") for name, _ in without.named_parameters())


def test_random_candidates_run_train_and_match_their_shapes() -> None:
    blueprint = comb(residual(), EXAMPLE)
    scores = score(blueprint)
    for seed in range(8):
        candidate = sample(blueprint, np.random.default_rng(seed))
        subnet = cut(blueprint, select(blueprint, candidate, scores))
        widths = blueprint.widths(candidate)
        for name, tensor in subnet.state_dict().items():
            axes = blueprint.parameters[name]
            assert tuple(tensor.shape) == tuple(blueprint.algebra.width(axis, widths).count for axis in axes)
        subnet.train()
        subnet(torch.randn(4, 3, 16, 16)).square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in subnet.parameters())


def test_train_and_eval_switch_the_literals() -> None:
    model, x = residual(), torch.randn(8, 3, 16, 16)
    blueprint = comb(model, EXAMPLE)
    subnet = cut(blueprint, select(blueprint, full(blueprint)))
    model.drop.p = 0.0
    for node in subnet.graph.nodes:
        if "dropout" in node.name:
            node.update_arg(1, 0.0)
    subnet.train()
    model.train()
    assert same(subnet(x), model(x))
    subnet.eval()
    model.eval()
    assert same(subnet(x), model(x))
    moved = dict(subnet.named_buffers())["stem.1.running_mean"]
    assert same(moved, model.stem[1].running_mean)  # type: ignore[arg-type]


def test_a_subnet_is_copied_with_tensors_of_its_own() -> None:
    blueprint = comb(residual(), EXAMPLE)
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.25)))
    twin = copy.deepcopy(subnet)
    assert isinstance(twin, Subnet)
    x = torch.randn(2, 3, 16, 16)
    before = subnet(x)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(subnet(x), before)


def test_three_cuts_in_a_row() -> None:
    network: torch.nn.Module = residual()
    for _ in range(3):
        blueprint = comb(network, EXAMPLE)
        network = cut(blueprint, select(blueprint, uniform(blueprint, 0.3)))
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 5)


def test_magnitude_counts_each_element_of_every_carrier_once() -> None:
    model = residual()
    blueprint = comb(model, EXAMPLE)
    got = score(blueprint, "magnitude")["blocks.0.conv1.weight:0"]
    block = model.blocks[0]
    expected = (
        block.conv1.weight.detach().double().square().sum((1, 2, 3))  # type: ignore[union-attr, operator]
        + block.bn1.weight.detach().double().square()  # type: ignore[union-attr, operator]
        + block.bn1.bias.detach().double().square()  # type: ignore[union-attr, operator]
        + block.conv2.weight.detach().double().square().sum((0, 2, 3))  # type: ignore[union-attr, operator]
    )
    assert np.allclose(got, expected.numpy())


class Dense(nn.Module):
    """Each layer reads all that came before it."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3 + 2 * i, 2) for i in range(layers))
        self.head = nn.Linear(3 + 2 * layers, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x).relu()], -1)
        out: torch.Tensor = self.head(x)
        return out


def test_magnitude_reads_each_axis_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def readings(layers: int) -> int:
        blueprint = comb(Dense(layers).eval(), torch.zeros(2, 3))
        calls, resolve = list[Axis](), Algebra.resolve

        def counted(self: Algebra, axis: Axis) -> Axis:
            calls.append(axis)
            return resolve(self, axis)

        with monkeypatch.context() as patch:
            patch.setattr(Algebra, "resolve", counted)
            score(blueprint)
        return len(calls)

    # An axis of n parts has n dims on it: twice the layers are four times the work, and eight times if read for each.
    assert readings(32) < 5 * readings(16)


def test_select_keeps_the_best_in_their_old_order() -> None:
    blueprint = comb(residual(), EXAMPLE)
    name = "blocks.0.conv1.weight:0"
    scores = score(blueprint)
    (kept,) = select(blueprint, uniform(blueprint, 0.5), scores).keep[name]
    assert list(kept) == sorted(np.argsort(-scores[name][0])[:4].tolist())
    with pytest.raises(ValueError, match="Did you mean 'magnitude'"):
        score(blueprint, "magnitud")


def test_candidates_of_another_network_are_refused() -> None:
    blueprint = comb(residual(), EXAMPLE)
    with pytest.raises(ValueError, match="in one only"):
        blueprint.check(Candidate({"x.weight:0": 3}, {b.name: "keep" for b in blueprint.blocks}))
    whole = full(blueprint)
    wide = Candidate({**whole.dims, "stem.0.weight:0": 9}, whole.blocks)
    with pytest.raises(ValueError, match="at most the dim's size"):
        blueprint.check(wide)
    with pytest.raises(ValueError, match="distinct units"):
        Selection(whole, {n: [[0] * w] for n, w in whole.dims.items()})


def test_choices_that_are_not_understood_are_refused() -> None:
    blueprint = comb(residual(), EXAMPLE)
    whole = full(blueprint)
    with pytest.raises(ValueError, match=r"nothing else yet, .* layers {'stem.0': 'pointwise'} and resolution None"):
        blueprint.check(Candidate(whole.dims, whole.blocks, layers={"stem.0": "pointwise"}))
    smaller = Candidate(whole.dims, whole.blocks, resolution=8)
    for refusing in (blueprint.check, lambda candidate: select(blueprint, candidate)):
        with pytest.raises(ValueError, match=r"nothing else yet, .* layers {} and resolution 8"):
            refusing(smaller)
    kept = {dim.name: [range(dim.size)] * dim.outer for dim in blueprint.dims}
    with pytest.raises(ValueError, match="nothing else yet"):
        cut(blueprint, Selection(smaller, kept))


@pytest.mark.parametrize("gone", [(0, 1), (1, 2), (1, 2, 3), (0, 2), (0, 1, 2, 3)])
def test_blocks_that_follow_each_other_directly_go_together(gone: tuple[int, ...]) -> None:
    """Without an activation between them, the path that stays of one is the addition of the one before."""
    torch.manual_seed(0)
    tower, x = Tower().eval(), torch.randn(2, 3, 16, 16)
    blueprint = comb(tower, EXAMPLE)
    candidate = assemble(blueprint, dict(full(blueprint).dims), [blueprint.blocks[i].name for i in gone])
    subnet = cut(blueprint, select(blueprint, candidate))
    tower.blocks = torch.nn.ModuleList(block for i, block in enumerate(tower.blocks) if i not in gone)
    assert same(subnet(x), tower(x))
    assert sum(p.numel() for p in subnet.parameters()) == sum(p.numel() for p in tower.parameters())
