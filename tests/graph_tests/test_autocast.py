"""Regions with autocast become calls that cast what autocast casts, and compute the same to the bit."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search.graph import comb, uniform
from search.graph.tracing import is_region, operator_name, trace
from search.importance import select
from search.surgery import cut, permutation, silenced

from .tracing import Forward, check_equal, operators

BF16 = torch.bfloat16


def on(**options: Any) -> torch.autocast:
    return torch.autocast("cpu", **{"dtype": BF16, **options})


def casts(model: nn.Module, *shape: int) -> list[torch.dtype]:
    """Trace a network, check that no region is left and that it computes the same; return what it casts to."""
    torch.manual_seed(0)
    found = trace(model.eval(), torch.randn(2, *shape))
    assert not any(is_region(node) for node in found.module.graph.nodes)
    check_equal(model, found, torch.randn(3, *shape))
    return [node.args[1] for node in found.module.graph.nodes if operator_name(node) == "to"]


def around(function: Any, **members: Any) -> Forward:
    """Return a network that computes a function under autocast."""

    def forward(self: Any, x: Tensor) -> Any:
        with on():
            return function(self, x)

    return Forward(forward, **members)


def test_what_torch_narrows_is_narrowed_with_its_weights() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.out(torch.relu(self.norm(self.conv(x))).mean((2, 3)))
        return y.float()

    model = around(forward, conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), out=nn.Linear(4, 2))
    assert casts(model, 3, 8, 8) == [BF16] * 5 + [torch.float32]


def test_what_torch_widens_is_widened() -> None:
    model = around(lambda self, x: torch.prod(self.a(x), 1), a=nn.Linear(4, 4))
    assert casts(model, 4) == [BF16] * 3 + [torch.float32]


def test_what_torch_promotes_is_promoted() -> None:
    model = around(lambda self, x: torch.cat([self.a(x), x], 1), a=nn.Linear(4, 4))
    assert casts(model, 4) == [BF16] * 3 + [torch.float32]


@pytest.mark.parametrize("inner", [{"enabled": False}, {"dtype": torch.float16}])
def test_regions_in_regions_follow_the_inner_one(inner: dict[str, Any]) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = self.a(x)
        with on(**inner):
            y = self.b(y.float())
        return self.c(y) + y  # type: ignore[no-any-return]

    model = around(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4), c=nn.Linear(4, 4))
    other = inner.get("dtype")
    # Casts that change nothing stay: the user's own `float`.
    expected = [BF16] * 3 + [torch.float32] + [other] * 3 * (other is not None) + [BF16] * 3
    assert casts(model, 4) == expected


def test_regions_without_gradients_inside_take_part() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.a(x)
        return (self.b(y) + y).float()  # type: ignore[no-any-return]

    assert casts(around(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4)), 4).count(BF16) == 5


def test_a_plain_recurrent_layer_is_cast_with_its_states() -> None:
    model = around(lambda self, x: self.net(x)[0], net=nn.RNN(4, 3, batch_first=True))
    assert set(casts(model, 5, 4)) == {BF16}


def test_a_decorated_method_is_a_region() -> None:
    class Decorated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        @torch.autocast("cpu", dtype=BF16)  # type: ignore[untyped-decorator]
        def body(self, x: Tensor) -> Tensor:
            y: Tensor = self.a(x)
            return y

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.body(x)
            return y.float() * x

    assert casts(Decorated(), 4) == [BF16] * 3 + [torch.float32]


def test_products_and_attention_are_narrowed() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = F.scaled_dot_product_attention(x, x, x)
        return torch.einsum("bnd,bmd->bnm", y, x) @ torch.softmax(self.a(x), -1)

    assert BF16 in casts(around(forward, a=nn.Linear(4, 4)), 5, 4)


def test_autocast_for_another_device_leaves_tensors_alone() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        with torch.autocast("cuda", dtype=torch.float16):
            y: Tensor = self.a(x)
        return y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Torch says that there is no such device.
        assert not casts(Forward(forward, a=nn.Linear(4, 4)), 4)


def test_double_numbers_are_not_cast() -> None:
    model = around(lambda self, x: F.linear(x.double(), self.w), w=nn.Parameter(torch.randn(2, 4).double()))
    assert casts(model, 4) == [torch.float64]


def test_users_are_told_which_region_became_casts() -> None:
    found = trace(around(lambda self, x: self.a(x), a=nn.Linear(4, 4)).eval(), torch.randn(2, 4))
    (note,) = found.notes
    assert "test_autocast" in note
    assert "cast by calls of its own" in note


def test_gradients_pass_through_the_casts() -> None:
    model = around(lambda self, x: self.a(x).float(), a=nn.Linear(4, 4)).eval()
    found = trace(model, torch.randn(2, 4))
    x = torch.randn(3, 4)
    for module in (model, found.module):
        module(x).square().sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found.module.get_parameter(name).grad, parameter.grad)


def test_a_network_in_autocast_is_cut_and_proved() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y: Tensor = self.c(torch.relu(self.b(torch.relu(self.a(x)))).mean((2, 3)))
        return y.float()

    model = around(forward, a=nn.Conv2d(3, 8, 3), b=nn.Conv2d(8, 8, 3), c=nn.Linear(8, 2)).eval()
    blueprint = comb(model, torch.randn(2, 3, 8, 8))
    assert {dim.name for dim in blueprint.dims} == {"a.weight:0", "b.weight:0"}
    selection = select(blueprint, uniform(blueprint, 0.5))
    assert permutation(blueprint, np.random.default_rng(0)).passed
    assert silenced(blueprint, selection, np.random.default_rng(0)).passed
    network = cut(blueprint, selection)
    calls = [node for node in network.graph.nodes if operator_name(node) == "conv2d"]
    assert len(calls) == 2
    assert network(torch.randn(1, 3, 8, 8)).dtype == torch.float32


def test_a_region_whose_casts_cannot_be_written_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr("search.graph.tracing.autocast._copied", fail)
    model = around(lambda self, x: self.a(x), a=nn.Linear(4, 4)).eval()
    found = trace(model, torch.randn(2, 4))
    assert "wrap_with_autocast" in operators(found)
    assert "what autocast does to linear (linear) is not known" in found.notes[0]
    check_equal(model, found, torch.randn(3, 4))


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_what_autocast_casts_inside_an_operator_is_computed_in_float32(kind: Any) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        with on():
            y = self.net(x)[0]
        out: Tensor = self.head(y.float())
        return out

    torch.manual_seed(0)
    model = Forward(forward, net=kind(4, 8, batch_first=True), head=nn.Linear(8, 2)).eval()
    blueprint = comb(model, torch.randn(2, 5, 4))
    (note,) = blueprint.trace.notes
    assert "computes in float32 there and rounds its results" in note
    assert {dim.size for dim in blueprint.dims} == {8}
    x = torch.randn(3, 5, 4)
    with torch.no_grad():
        got, expected = blueprint.trace.module(x), model(x)
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-2)
    assert permutation(blueprint, np.random.default_rng(0)).passed


def test_operators_whose_numbers_are_of_other_types_are_left_in_their_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.graph.tracing.autocast._copied", lambda *_: None)
    double = nn.Linear(4, 4).double()
    model = around(lambda self, x: self.a(x.double()), a=double).eval()
    found = trace(model, torch.randn(2, 4))
    assert any("inside linear (linear) is no cast of its arguments" in note for note in found.notes)
    check_equal(model, found, torch.randn(3, 4))
