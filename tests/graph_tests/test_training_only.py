"""What an export in eval mode loses."""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from search.graph.tracing.training_only import training_only

from .tracing import Forward


class StochasticDepth(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * x.new_empty(x.shape[0], 1).bernoulli_(0.9).div_(0.9)


def test_a_network_that_trains_as_it_evaluates_loses_nothing() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(0.1), nn.LayerNorm(8), nn.Linear(8, 2))
    assert training_only(model, torch.randn(1, 4)) == ()


def test_what_is_random_in_training_alone_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), StochasticDepth(), nn.Dropout(0.2), StochasticDepth())
    (sentence,) = training_only(model, torch.randn(1, 4))
    assert sentence.startswith("Each of 2 modules (1, 3) (StochasticDepth) draws random numbers in training alone")


def test_dropout_that_eval_mode_never_calls_is_random_in_training_alone() -> None:
    model = Forward(lambda self, x: F.dropout(x, 0.5) if self.training else x)
    (sentence,) = training_only(model, torch.randn(1, 4))
    assert "draws random numbers in training alone" in sentence


def test_auxiliary_outputs_are_named() -> None:
    def forward(self: Any, x: torch.Tensor) -> Any:
        y = self.a(x)
        return (y, self.b(y)) if self.training else (y, None)

    model = Forward(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 2))
    sentences = training_only(model, torch.randn(1, 4))
    assert [s for s in sentences if "outputs differ in training" in s]
    assert [s for s in sentences if s.startswith("b computes otherwise in training")]


def test_statistics_that_export_stops_are_named() -> None:
    class Frozen(nn.BatchNorm1d):
        def train(self, mode: bool = True) -> "Frozen":
            super().train(False)
            return self

    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, momentum=None), Frozen(4), nn.RReLU())
    sentences = training_only(model, torch.randn(1, 4))
    assert [s for s in sentences if s.startswith("1 averages its statistics over all batches")]
    assert [s for s in sentences if "each of 2 modules (1, 2) has seen (num_batches_tracked)" in s]
    assert len(sentences) == 2, "statistics that stay and rrelu follow the mode, once exported"


def test_what_cannot_be_found_out_is_a_sentence() -> None:
    branching = Forward(lambda self, x: x + 1 if self.training and x.sum() > 0 else x)
    (sentence,) = training_only(branching, torch.randn(1, 4))
    assert "does not export in training mode" in sentence
    assert "x.sum()" in sentence
    (sentence,) = training_only(Forward(lambda _, x: x.nothing), torch.randn(1, 4))
    assert "is not known" in sentence
    (sentence,) = training_only(None, torch.randn(1, 4))  # type: ignore[arg-type]
    assert "is not known" in sentence


def test_the_model_and_the_random_generator_are_untouched() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).eval()
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    training_only(model, torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
