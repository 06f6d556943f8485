"""Nested graphs become part of the graph where that is the same."""

from typing import Any

import torch
from torch import nn

from search.graph.tracing import Trace, is_mutable, is_region, operator_name, source_line, trace

from .tracing import Forward, check_equal, operators, traced

EXAMPLE = torch.randn(2, 4)


def nested(found: Trace) -> list[str]:
    return [name for name, module in found.module.named_modules() if name and isinstance(module, torch.fx.GraphModule)]


class Regions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = self.a(x)
            with torch.autocast("cpu", enabled=False):
                z = self.b(y) + y
                with torch.no_grad():
                    w = torch.relu(z)
        out: torch.Tensor = self.c(y) + z + w
        return out


def test_regions_in_regions_are_dissolved_and_leave_nothing_behind() -> None:
    model = Regions()
    found = trace(model, EXAMPLE)
    assert not nested(found)
    assert "detach" in operators(found)
    assert not any(is_region(node) for node in found.module.graph.nodes)
    check_equal(model, found, torch.randn(3, 4))


def test_dissolved_regions_pass_on_the_gradients_that_they_passed_on() -> None:
    model = Regions()
    found = trace(model, EXAMPLE)
    x = torch.randn(3, 4)
    for module in (model, found.module):
        module(x).sum().backward()
    assert model.a.weight.grad is None
    for name, parameter in model.named_parameters():
        ours = found.module.get_parameter(name).grad
        torch.testing.assert_close(ours, parameter.grad, msg=name)


def test_dissolved_calls_know_where_they_come_from() -> None:
    found = trace(Regions(), EXAMPLE)
    (relu,) = [node for node in found.module.graph.nodes if operator_name(node) == "relu"]
    assert "val" in relu.meta
    assert "w = torch.relu(z)" in str(source_line(relu))
    paths = [list(node.meta["nn_module_stack"].values())[-1][0] for node in found.module.graph.nodes
             if operator_name(node) == "linear"]  # fmt: skip
    assert paths == ["a", "b", "c"]


def test_a_region_without_autocast_is_noted() -> None:
    found = trace(Regions(), EXAMPLE)
    assert [note for note in found.notes if "torch.autocast" in note and "dissolved" in note and "test_regions" in note]


def test_a_region_that_writes_to_memory_from_outside_without_gradients_stays() -> None:
    def forward(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        v = y[:, :2]
        with torch.no_grad():
            v.mul_(3)
        return y + 1

    found = traced(forward, EXAMPLE)
    (region,) = [node for node in found.module.graph.nodes if is_region(node)]
    assert is_mutable(region)
    check_equal(Forward(forward), found, torch.randn(3, 4))


def test_gradients_that_are_switched_on_inside_a_region_without_are_kept() -> None:
    def forward(self: Any, x: torch.Tensor) -> Any:
        with torch.no_grad():
            y = self.a(x)
            with torch.enable_grad():
                z = self.b(y)
        return z * 2

    model = Forward(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    found = trace(model, EXAMPLE)
    check_equal(model, found, torch.randn(3, 4))
    found.module(torch.randn(3, 4)).sum().backward()
    grads = {name: parameter.grad is not None for name, parameter in found.module.named_parameters()}
    assert grads == {"a.weight": False, "a.bias": False, "b.weight": True, "b.bias": True}
