"""Which additions are removable blocks, and why the others are not."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search.graph import Candidate, Choices, comb, edited, full
from search.importance import select
from search.surgery import cut


class Host(nn.Module):
    """Two convolutions around whatever a test adds together."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.left = nn.Conv2d(8, 8, 3, padding=1)
        self.right = nn.Conv2d(8, 8, 1)
        self.bias = nn.Parameter(torch.ones(1, 8, 6, 6))
        self.head = nn.Conv2d(8, 4, 1)

    def mixed(self, x: Tensor) -> Any:
        raise AssertionError

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.mixed(self.stem(x)))
        return out


class Identity(Host):
    def mixed(self, x: Tensor) -> Any:
        return x + self.left(x).relu()


class Swapped(Host):
    def mixed(self, x: Tensor) -> Any:
        return torch.add(self.left(x).relu(), x)


class Downsampling(Host):
    def mixed(self, x: Tensor) -> Any:
        return self.right(x) + self.left(x.relu())


class Linear(Host):
    def mixed(self, x: Tensor) -> Any:
        return self.right(x) + self.left(x)


class Active(Host):
    def mixed(self, x: Tensor) -> Any:
        return self.right(x).relu() + self.left(x).relu()


class Scaled(Host):
    def mixed(self, x: Tensor) -> Any:
        return torch.add(x, self.left(x).relu(), alpha=2)


class WithoutParameters(Host):
    def mixed(self, x: Tensor) -> Any:
        return x + x.relu()


class Position(Host):
    def mixed(self, x: Tensor) -> Any:
        return x + self.bias


class Nested(Host):
    def mixed(self, x: Tensor) -> Any:
        y = self.left(x).relu()
        y = y + self.right(y).relu()
        return x + y


class Parallel(Host):
    """Two branches of one trunk, added one after the other."""

    def mixed(self, x: Tensor) -> Any:
        return x + self.left(x).relu() + self.right(x).relu()


class Pyramid(Host):
    """A lateral path and an enlarged one, as in a feature pyramid."""

    def mixed(self, x: Tensor) -> Any:
        deep = self.left(nn.functional.max_pool2d(x, 2)).relu()
        return self.right(x) + nn.functional.interpolate(deep, scale_factor=2.0)


class Reused(Host):
    """A branch that is read elsewhere."""

    def mixed(self, x: Tensor) -> Any:
        deep = self.left(x).relu()
        return (self.right(x) + deep) * deep.mean((2, 3), keepdim=True)


class Whole(nn.Module):
    """A skip round the whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.b(self.a(x).relu())
        return out


def test_parallel_branches_go_one_by_one() -> None:
    model = Parallel().eval()
    blueprint = comb(model, torch.zeros(1, 3, 6, 6))
    first, second = blueprint.blocks
    x = torch.randn(2, 3, 6, 6)
    stem = model.stem(x)
    branches = {first.name: model.left(stem).relu(), second.name: model.right(stem).relu()}
    for removed in ([first.name], [second.name], [first.name, second.name]):
        choice = {name: "remove" if name in removed else "keep" for name in branches}
        without = cut(blueprint, select(blueprint, Candidate(dict(full(blueprint).dims), choice)))
        expected = model.head(stem + sum(value for name, value in branches.items() if name not in removed))
        assert torch.allclose(without(x), expected, atol=1e-6)


def test_a_skip_round_the_whole_network_is_no_block() -> None:
    blueprint = comb(Whole().eval(), torch.zeros(1, 3, 6, 6))
    assert [refused.reason for refused in blueprint.not_removable] == ["its trunk is the network's input itself"]


@pytest.mark.parametrize("kind", [Identity, Swapped])
def test_an_identity_block_leaves_its_trunk(kind: type[Host]) -> None:
    model = kind().eval()
    blueprint = comb(model, torch.zeros(1, 3, 6, 6))
    (block,) = blueprint.blocks
    whole = full(blueprint)
    without = cut(blueprint, select(blueprint, Candidate(dict(whole.dims), {block.name: "remove"})))
    x = torch.randn(2, 3, 6, 6)
    assert torch.allclose(without(x), model.head(model.stem(x)), atol=1e-6)
    assert {name for name, _ in without.named_parameters()} == {
        "stem.weight",
        "stem.bias",
        "head.weight",
        "head.bias",
    }


def test_the_linear_path_stays_where_both_are_branches() -> None:
    model = Downsampling().eval()
    blueprint = comb(model, torch.zeros(1, 3, 6, 6))
    (block,) = blueprint.blocks
    without = cut(blueprint, select(blueprint, Candidate(dict(full(blueprint).dims), {block.name: "remove"})))
    x = torch.randn(2, 3, 6, 6)
    assert torch.allclose(without(x), model.head(model.right(model.stem(x))), atol=1e-6)


class InTurn(Host):
    """The trunk of all but the first is the addition before: of linear branches, and of two at a time."""

    def mixed(self, x: Tensor) -> Any:
        x = x + self.left(x)
        x = x + self.right(x)
        return x + self.head(x).repeat(1, 2, 1, 1).relu() + self.head(x).repeat(1, 2, 1, 1).tanh() * self.bias


def test_a_later_block_is_judged_like_the_first() -> None:
    model = InTurn().eval()
    blueprint = comb(model, torch.zeros(1, 3, 6, 6))
    assert [block.name for block in blueprint.blocks] == ["model:0", "model:1", "model:3"]
    assert [item.reason for item in blueprint.not_removable] == ["its branch has no parameters of its own"]
    removed = dict.fromkeys(("model:0", "model:1", "model:3"), "remove")
    hidden = edited(blueprint, Choices.without(*removed)).hidden
    dims = {name: width for name, width in full(blueprint).dims.items() if name not in hidden}
    without = cut(blueprint, select(blueprint, Candidate(dims, removed)))
    x = torch.randn(2, 3, 6, 6)
    stem = model.stem(x)
    expected = model.head(stem + model.head(stem).repeat(1, 2, 1, 1).relu())
    assert torch.allclose(without(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Linear, "both of its operands are linear paths"),
        (Active, "both of its operands are branches with an activation"),
        (Scaled, "the addition scales an operand"),
        (WithoutParameters, "its branch has no parameters of its own"),
        (Pyramid, "an operand is enlarged, as in a feature pyramid"),
        (Reused, "its branch feeds other layers too"),
    ],
)
def test_what_is_no_block_says_why(kind: type[Host], reason: str) -> None:
    blueprint = comb(kind().eval(), torch.zeros(1, 3, 6, 6))
    assert not blueprint.blocks
    assert [refused.reason for refused in blueprint.not_removable] == [reason]


def test_a_position_embedding_is_not_even_a_candidate() -> None:
    blueprint = comb(Position().eval(), torch.zeros(1, 3, 6, 6))
    assert not blueprint.blocks
    assert not blueprint.not_removable


def test_nested_blocks_vanish_with_the_outer_one() -> None:
    model = Nested().eval()
    blueprint = comb(model, torch.zeros(1, 3, 6, 6))
    inner, outer = blueprint.blocks
    assert [inner.name, outer.name] == ["model:0", "model:1"]
    both = {inner.name: "remove", outer.name: "remove"}
    x = torch.randn(2, 3, 6, 6)
    for choices in (both, {inner.name: "keep", outer.name: "remove"}):
        removed = [name for name, choice in choices.items() if choice == "remove"]
        hidden = edited(blueprint, Choices.without(*removed)).hidden
        dims = {name: width for name, width in full(blueprint).dims.items() if name not in hidden}
        without = cut(blueprint, select(blueprint, Candidate(dims, choices)))
        assert torch.allclose(without(x), model.head(model.stem(x)), atol=1e-6)


class Shared(Host):
    """Two blocks through one pair of layers: what they share vanishes only when both are gone."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv2d(8, 16, 1)
        self.narrow = nn.Conv2d(16, 8, 1)
        self.own = nn.ModuleList([nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)])

    def mixed(self, x: Tensor) -> Any:
        for own in self.own:
            x = x + own(self.narrow(self.widen(x).relu()))
        return x


def test_what_two_blocks_hide_together_may_be_named_or_not() -> None:
    model = Shared().eval()
    blueprint = comb(model, torch.zeros(1, 3, 6, 6))
    removed = {block.name: "remove" for block in blueprint.blocks}
    assert len(removed) == 2
    hidden = edited(blueprint, Choices.without(*removed)).hidden
    assert "widen.weight:0" in hidden - {d for b in blueprint.blocks for d in b.hides}
    x = torch.randn(2, 3, 6, 6)
    for named in (frozenset(), frozenset({"widen.weight:0"})):
        dims = {d.name: d.size for d in blueprint.dims if d.name not in hidden - named}
        without = cut(blueprint, select(blueprint, Candidate(dims, removed)))
        assert torch.allclose(without(x), model.head(model.stem(x)), atol=1e-6)
