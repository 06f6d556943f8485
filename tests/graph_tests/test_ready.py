"""Networks that are wrapped, compiled, lazy, quantised or without numbers: made ready, or refused with a remedy."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from search.errors import ModelError
from search.graph import comb, trace, training_only

from .tracing import check_equal


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2)
        self.tied = nn.Linear(4, 8)
        self.tied.weight.data = self.a.weight.data

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.b(self.norm(self.a(x) * self.tied(x)))
        return out


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.LazyConv2d(16, 3), nn.LazyBatchNorm2d(), nn.LazyLinear(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.b(self.norm(self.a(x)).relu().mean((2, 3)))
        return out


def compiled() -> nn.Module:
    found: nn.Module = torch.compile(Net())  # type: ignore[assignment]
    return found


def compiled_part() -> nn.Module:
    model = Net()
    model.a = torch.compile(model.a)  # type: ignore[assignment]
    return model


def compiled_in_place() -> nn.Module:
    model = Net()
    model.compile()
    return model


# ---- wrappers --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("wrapped", "noted"),
    [
        (lambda: torch.compile(Net()), "Net inside OptimizedModule"),
        (lambda: nn.DataParallel(Net()), "Net inside DataParallel"),
        (lambda: torch.compile(nn.DataParallel(compiled())), "Net inside OptimizedModule"),
        (compiled_part, ""),
        (compiled_in_place, ""),
    ],
    ids=["compiled", "parallel", "several", "a part", "in place"],
)
def test_wrappers_are_left_out(wrapped: object, noted: str) -> None:
    model, x = wrapped(), torch.randn(3, 4)  # type: ignore[operator]
    names = list(model.state_dict())
    blueprint = comb(model, x)
    assert [dim.name for dim in blueprint.dims] == ["a.bias:0"], "the names are those without the wrapper"
    assert "tied.bias" in blueprint.parameters
    assert noted in " ".join(blueprint.trace.notes)
    assert bool(blueprint.trace.notes) == bool(noted)
    torch._dynamo.reset()
    plain = Net()
    plain.load_state_dict(dict(zip(plain.state_dict(), model.state_dict().values(), strict=True)))
    check_equal(plain, blueprint.trace, x)
    assert list(model.state_dict()) == names
    assert training_only(model, x) == ()


# ---- lazy modules ----------------------------------------------------------------------------------------------------


def test_lazy_modules_are_initialised_on_the_example_and_that_is_said() -> None:
    model, x = Lazy(), torch.randn(1, 3, 8, 8)
    state = torch.random.get_rng_state()
    found, again = trace(model, x), trace(model, x)
    assert found.notes[0].startswith("The lazy modules a, norm, b were initialised by a run on the example")
    assert nn.parameter.is_lazy(model.a.weight), "the user's network is not changed"
    for name, value in found.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], value), "the weights repeat themselves"
    assert torch.equal(torch.random.get_rng_state(), state)
    assert {dim.name for dim in comb(model, x).dims} == {"a.weight:0"}
    training_only(model, x)


def test_the_remedy_for_lazy_modules_keeps_trained_weights() -> None:
    model, x = Lazy(), torch.randn(1, 3, 8, 8)
    trained = Lazy().eval()
    trained(x)
    model.load_state_dict(trained.state_dict())
    found = trace(model, x)
    assert found.notes == ()
    check_equal(trained, found, x)


def test_a_lazy_module_that_never_runs_is_named() -> None:
    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.LazyLinear(3), nn.LazyLinear(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.used(x)
            return out

    with pytest.raises(ModelError, match=r"Partly runs without unused: remove them, or give them their sizes"):
        trace(Partly(), torch.randn(1, 4))


# ---- what cannot be traced -------------------------------------------------------------------------------------------


def scripted(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: nn.Module = torch.jit.script(model)
    return found


def test_a_scripted_network_is_refused_and_the_remedy_works() -> None:
    original, x = Net().eval(), torch.randn(2, 4)
    with pytest.raises(ModelError, match=r"compiled by torch\.jit\.script .*: all of them\. Return the network as it"):
        trace(scripted(original), x)
    part = Net()
    part.a = scripted(part.a)  # type: ignore[assignment]
    with pytest.raises(ModelError, match=r"which leaves none: a\. "):
        trace(part, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        torch.jit.save(torch.jit.trace(original, x), file)  # type: ignore[no-untyped-call]
        file.seek(0)
        state = torch.jit.load(file).state_dict()  # type: ignore[no-untyped-call]
    again = Net()
    again.load_state_dict(state)
    check_equal(original, trace(again, x), x)


def test_a_quantised_network_is_refused_and_the_remedy_works() -> None:
    model, x = Net().eval(), torch.randn(2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantise: Any = torch.ao.quantization.quantize_dynamic
        quantised = quantise(copy.deepcopy(model), {nn.Linear})
        with pytest.raises(ModelError, match=r"these parts of Net are quantised already: a, .*quantise the network"):
            trace(quantised, x)
    assert comb(model, x).dims


def test_a_network_without_numbers_is_refused_and_both_remedies_work() -> None:
    model, x = Net().to("meta"), torch.randn(2, 4)
    with pytest.raises(ModelError, match=r"on the device 'meta': a\.weight, a\.bias, .* and 5 more"):
        trace(model, x)
    full = Net()
    model.load_state_dict(full.state_dict(), assign=True)
    check_equal(full, trace(model, x), x)


# ---- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_another_type_than_the_examples_is_named_and_both_remedies_work(dtype: torch.dtype) -> None:
    name, x = str(dtype).removeprefix("torch."), torch.randn(2, 4)
    with pytest.raises(ModelError, match=rf"computes in {name} and the example is float32: return .* in float32, or"):
        trace(Net().to(dtype), x)
    found = trace(Net().to(dtype), x.to(dtype))
    assert name in found.notes[0]
    assert trace(Net().to(dtype).float(), x).notes == ()
