"""Models that no rule fits: each works, or freezes what it must and says so; the user's model stays as it is."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search.errors import ModelError
from search.graph import Blueprint, comb, full, sample, uniform
from search.importance import select
from search.surgery import cut, permutation, silenced

F = nn.functional


class Between(nn.Module):
    """Two linear layers before and behind what is odd; their inner widths stay free."""

    def __init__(self, odd: Callable[[Tensor], Tensor] | nn.Module, width: int = 8) -> None:
        super().__init__()
        self.odd = odd
        self.a, self.b = nn.Linear(5, 7), nn.Linear(7, width)
        self.c, self.d = nn.Linear(width, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.odd(self.b(self.a(x).relu()))
        out: Tensor = self.d(self.c(y[0] if isinstance(y, tuple) else y).relu())
        return out


def fourier(x: Tensor) -> Tensor:
    real: Tensor = torch.fft.fft(x, dim=-1).real
    return real


def scan(x: Tensor) -> Tensor:
    return torch.cumprod(x.sigmoid(), -1)


def sorted_(x: Tensor) -> Tensor:
    values: Tensor = x.sort(-1).values
    return values


def best(x: Tensor) -> Tensor:
    return x.gather(-1, x.argsort(-1))


@torch.library.custom_op("lathe_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return x * 2.0


def custom(x: Tensor) -> Tensor:
    out: Tensor = doubled(x)
    return out


@doubled.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def check(model: nn.Module, blueprint: Blueprint, *args: Tensor) -> None:
    """The whole network is the user's, half of it runs, and the combing is right."""
    with torch.no_grad():
        whole = cut(blueprint, select(blueprint, full(blueprint)))
        assert torch.allclose(whole(*args), model(*args), atol=1e-5)
        half = select(blueprint, uniform(blueprint, 0.5))
        assert cut(blueprint, half)(*args).shape == model(*args).shape
    proof = permutation(blueprint, np.random.default_rng(0))
    assert proof.passed, proof
    assert not silenced(blueprint, half, np.random.default_rng(0)).failed


@pytest.mark.parametrize(
    ("odd", "operator"),
    [
        (fourier, "fft_fft"),
        (custom, "doubled"),
    ],
    ids=["fft", "custom"],
)
def test_what_has_no_rule_freezes_what_it_touches_and_is_named(odd: Any, operator: str) -> None:
    torch.manual_seed(0)
    model = Between(odd).eval()
    blueprint = comb(model, torch.randn(2, 4, 5))
    assert {dim.name: dim.size for dim in blueprint.dims} == {"a.weight:0": 7, "c.weight:0": 6}
    assert operator in blueprint.unknown
    reasons = {frozen.dim: frozen for frozen in blueprint.frozen}
    assert operator in reasons["b.weight:0"].reason
    assert reasons["b.weight:0"].node in blueprint.unknown[operator]
    check(model, blueprint, torch.randn(3, 4, 5))


@pytest.mark.parametrize(
    ("odd", "operator"), [(scan, "cumprod"), (sorted_, "sort"), (best, "argsort")], ids=["scan", "sort", "gather"]
)
def test_what_works_along_units_keeps_them(odd: Any, operator: str) -> None:
    torch.manual_seed(0)
    model = Between(odd).eval()
    blueprint = comb(model, torch.randn(2, 4, 5))
    assert {dim.name: dim.size for dim in blueprint.dims} == {"a.weight:0": 7, "c.weight:0": 6}
    assert not blueprint.unknown
    reasons = {frozen.dim: frozen.reason for frozen in blueprint.frozen}
    assert f"{operator} ({operator}) works along axis 2" in reasons["b.weight:0"]
    check(model, blueprint, torch.randn(3, 4, 5))


class Seen(Between):
    """Something odd is done to the input, to a table, to what leaves, or to the units in between."""

    def __init__(self, where: str) -> None:
        super().__init__(custom)
        self.where = where
        self.register_buffer("table", torch.rand(8))

    def forward(self, x: Tensor) -> Any:
        x = doubled(doubled(x)) if self.where == "input" else x
        y = self.b(self.a(x).relu())
        y = y + doubled(self.table) if self.where == "table" else y
        y = doubled(y) if self.where == "units" else y
        made = doubled(torch.ones(3)) if self.where == "constant" else torch.ones(3)
        out = self.d(self.c(y).relu())
        return (out, doubled(out)) if self.where == "output" else out * made


@pytest.mark.parametrize(
    ("where", "is_named"),
    # What is computed from a table alone is computed once.
    [("input", False), ("constant", False), ("output", False), ("table", False), ("units", True)],
)
def test_an_operator_without_a_rule_is_named_where_it_costs_freedom_alone(where: str, is_named: bool) -> None:
    torch.manual_seed(0)
    model = Seen(where).eval()
    blueprint = comb(model, torch.randn(2, 4, 5))
    assert ("doubled" in blueprint.unknown) == is_named
    assert len(blueprint.dims) == (2 if is_named else 3)
    reasons = {frozen.dim: frozen.reason for frozen in blueprint.frozen}
    assert any("doubled" in reason for reason in reasons.values()) == is_named
    if not is_named:
        assert reasons["a.weight:1"] == "an axis of an input"
        assert reasons["d.weight:0"] == "an axis of an output"


def test_what_the_user_keeps_costs_no_freedom() -> None:
    model = Seen("units").eval()
    blueprint = comb(model, torch.randn(2, 4, 5), keep=("b",))
    assert not blueprint.unknown
    assert "kept by the user" in {frozen.dim: frozen.reason for frozen in blueprint.frozen}["b.weight:0"]


@torch.library.custom_op("lathe_tests::raise_all", mutates_args=("x",))
def raise_all(x: Tensor) -> None:
    x.add_(1.0)


def test_an_operator_that_only_writes_is_named_too() -> None:
    def raised(x: Tensor) -> Tensor:
        y = x.sigmoid()
        raise_all(y)
        return y

    model = Between(raised).eval()
    blueprint = comb(model, torch.randn(2, 4, 5))
    assert list(blueprint.unknown) == ["raise_all"]
    reasons = {frozen.dim: frozen.reason for frozen in blueprint.frozen}
    assert reasons["b.weight:0"] == "raise_all (raise_all) writes to memory that is read later"
    check(model, blueprint, torch.randn(3, 4, 5))


class Volume(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.b = nn.Conv3d(2, 6, 3, padding=1), nn.BatchNorm3d(6), nn.Conv3d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(F.max_pool3d(self.n(self.a(x)).relu(), 2))
        return out


def test_three_dimensions() -> None:
    model = Volume().eval()
    blueprint = comb(model, torch.randn(1, 2, 4, 4, 4))
    assert [dim.name for dim in blueprint.dims] == ["a.weight:0"]
    check(model, blueprint, torch.randn(2, 2, 4, 4, 4))


class Masked(nn.Module):
    """A buffer as long as a width, a constant made in `forward`, and a scale that two modules share."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 8), nn.Linear(8, 8, bias=False), nn.Linear(8, 3)
        self.register_buffer("mask", torch.arange(8.0), persistent=False)
        self.c.scale = self.b.scale = nn.Parameter(torch.rand(8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x) * self.mask + torch.tensor([0.5, -1, 2, 3, 4, 5, 6, 7])
        out: Tensor = self.c(self.b(y) * self.b.scale + self.c.scale)
        return out


def test_buffers_constants_and_tied_parameters_follow_the_widths() -> None:
    model = Masked().eval()
    blueprint = comb(model, torch.randn(2, 5))
    assert {dim.name: dim.size for dim in blueprint.dims} == {"a.weight:0": 8, "b.weight:0": 8}
    check(model, blueprint, torch.randn(3, 5))
    half = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    # One parameter has one name in the graph, however many the user's modules give it.
    assert [tuple(p.shape) for name, p in half.named_parameters() if name.endswith("scale")] == [(4,)]
    assert half.get_buffer("mask").shape == (4,)


class Overlapping(nn.Module):
    """Two parameters that are views of one memory, one of them in part."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 8), nn.Linear(8, 4), nn.Linear(4, 3)
        with torch.no_grad():
            memory = torch.randn(80)
            self.a.weight = nn.Parameter(memory[:40].view(8, 5))
            self.b.weight = nn.Parameter(memory[20:52].view(4, 8))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c(self.b(self.a(x).relu()).relu())
        return out


def test_memory_shared_in_part_is_frozen() -> None:
    with pytest.raises(ModelError, match=r"a\.weight, b\.weight share memory in part"):
        comb(Overlapping().eval(), torch.randn(2, 5))


class Halved(nn.Module):
    """Works on one batch only."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.a(x).relu().view(4, 8))
        return out


def test_a_batch_that_the_model_fixes_is_static_and_says_why() -> None:
    model = Halved().eval()
    blueprint = comb(model, torch.randn(4, 5))
    assert "fixes its batch" in str(blueprint.trace.static_batch)
    check(model, blueprint, torch.randn(4, 5))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    model = Between(F.gelu).eval().to(dtype)
    blueprint = comb(model, torch.randn(2, 4, 5).to(dtype))
    half = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    assert {p.dtype for p in half.parameters()} == {dtype}
    assert half(torch.randn(1, 4, 5).to(dtype)).dtype == dtype
    assert permutation(blueprint, np.random.default_rng(0)).passed


def test_parameters_in_any_memory_layout() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    model[0].weight = nn.Parameter(torch.randn(8, 3, 3, 3).to(memory_format=torch.channels_last))
    model[2].weight = nn.Parameter(torch.randn(8, 4, 3, 3).transpose(0, 1))
    blueprint = comb(model, torch.randn(1, 3, 8, 8))
    check(model, blueprint, torch.randn(2, 3, 8, 8))


class InPlace(nn.Module):
    """Changes its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2.0)
        out: Tensor = self.b(self.a(x).relu())
        return out


def test_the_users_example_is_not_changed() -> None:
    x = torch.randn(2, 5)
    before = x.clone()
    blueprint = comb(InPlace().eval(), x)
    assert torch.equal(x, before)
    assert [dim.name for dim in blueprint.dims] == ["a.weight:0"]


def test_proofs_hold_where_inputs_are_changed() -> None:
    blueprint = comb(InPlace().eval(), torch.randn(2, 5))
    half = select(blueprint, uniform(blueprint, 0.5))
    assert permutation(blueprint, np.random.default_rng(0)).passed
    assert silenced(blueprint, half, np.random.default_rng(0)).passed


class Fails(Between):
    """Fails where export meets it, after it has run."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if float(y.sum()) > 1e9 else y * 2


@pytest.mark.parametrize("kind", [Between, Fails])
def test_the_users_model_is_the_same_to_the_bit_after_success_and_failure(kind: type[Between]) -> None:
    model = kind(F.relu).train()
    state = copy.deepcopy(model.state_dict())
    pointers = {name: value.data_ptr() for name, value in model.state_dict().items()}
    flags = [(module.training, *(p.requires_grad for p in module.parameters())) for module in model.modules()]
    if kind is Fails:
        with pytest.raises(ModelError, match=r"test_odd_models\.py"):
            comb(model, torch.randn(2, 4, 5))
    else:
        rng = np.random.default_rng(0)
        blueprint = comb(model, torch.randn(2, 4, 5))
        half = cut(blueprint, select(blueprint, sample(blueprint, rng)))
        half.train()(torch.randn(3, 4, 5)).sum().backward()
        permutation(blueprint, rng)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert pointers == {name: value.data_ptr() for name, value in model.state_dict().items()}
    assert flags == [(module.training, *(p.requires_grad for p in module.parameters())) for module in model.modules()]
    assert all(p.grad is None for p in model.parameters())


class Step(nn.Module):
    """A residual block of the cheapest kind."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.b(self.a(x).relu())
        return out


@pytest.mark.slow
def test_a_thousand_blocks() -> None:
    """No recursion on the depth of the network anywhere; how long it takes stands in the benchmark."""
    model = nn.Sequential(nn.Linear(3, 4), *(Step(4) for _ in range(1000)), nn.Linear(4, 2)).eval()
    blueprint = comb(model, torch.randn(2, 3))
    assert (len(blueprint.dims), len(blueprint.blocks)) == (1001, 1000)
    check(model, blueprint, torch.randn(3, 3))
