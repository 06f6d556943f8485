from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from search.config import FinetuneSettings
from search.finetune import evaluate, evaluate_module, training_loss
from search.finetune.average import WeightAverage
from search.finetune.checkpoint import digest
from search.finetune.schedule import Length, learning_rate

from .tiny import tiny_net, tiny_task


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 0.5))
def test_the_rate_lies_between_zero_and_its_peak(progress: float, warmup: float) -> None:
    assert 0 <= learning_rate(2.0, progress, warmup) <= 2.0


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    assert learning_rate(1.0, 0.0, 0.1) == pytest.approx(0.1)
    assert learning_rate(1.0, 0.05, 0.1) == pytest.approx(0.55)
    assert learning_rate(1.0, 0.1, 0.1) == pytest.approx(1.0)
    assert learning_rate(1.0, 0.55, 0.1) == pytest.approx(0.5)
    assert learning_rate(1.0, 1.0, 0.1) == pytest.approx(0.0)
    assert learning_rate(1.0, 0.0, 0.0) == 1.0


def test_lengths() -> None:
    assert Length.of(2.5, None, 10) == Length(steps=25)
    assert Length.of(None, 0.5, 10) == Length(seconds=30.0)
    assert Length(steps=4).progress(1, 99.0) == 0.25
    assert Length(seconds=10.0).progress(99, 4.0) == 0.4


def test_the_loss_weighs_teacher_and_labels() -> None:
    task, generator = tiny_task(), torch.Generator().manual_seed(0)
    outputs, teacher = (torch.randn(4, 3, generator=generator) for _ in range(2))
    targets = torch.tensor([0, 1, 2, 0])
    hard, soft = float(task.loss(outputs, targets)), float(task.distillation(outputs, teacher, 2.0))
    for alpha in (0.0, 0.3, 1.0):
        settings = FinetuneSettings(distillation=alpha, temperature=2.0)
        got = float(training_loss(task, outputs, targets, teacher, settings))
        assert got == pytest.approx(alpha * soft + (1 - alpha) * hard)
        assert float(training_loss(task, outputs, targets, None, settings)) == pytest.approx(hard)


def test_the_average_follows_the_weights() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_var.fill_(5.0)  # type: ignore[union-attr]
        model.num_batches_tracked.fill_(7)  # type: ignore[union-attr]
    average.update(model, step=0)
    # At the first step the decay is 1 / 10: the start does not linger.
    assert average.state()["weight"].tolist() == pytest.approx([2.8, 2.8])
    average.update(model, step=1000)
    assert average.state()["weight"].tolist() == pytest.approx([2.9, 2.9])
    assert average.state()["running_var"].tolist() == pytest.approx([4.8, 4.8])
    assert average.state()["num_batches_tracked"].item() == 7
    assert model.weight.tolist() == [3.0, 3.0]


def test_the_digest_sees_names_types_shapes_and_values() -> None:
    states = [
        {"a": torch.zeros(4)},
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.tensor([0.0, 0.0, 0.0, 1.0])},
        {"a": torch.zeros(4, dtype=torch.bfloat16), "n": torch.tensor(3), "e": torch.zeros(0)},
    ]
    assert len({digest(state) for state in states}) == len(states)
    assert digest({"a": torch.zeros(4)}) == digest(states[0])
    # A layout is not a value.
    image = torch.rand(1, 3, 4, 4)
    assert digest({"a": image}) == digest({"a": image.to(memory_format=torch.channels_last)})


@pytest.mark.parametrize("batch", [None, 1, 3, 8, 100])
@pytest.mark.parametrize("arrays", [False, True])
def test_the_score_does_not_depend_on_batch_or_runtime(batch: int | None, arrays: bool) -> None:
    task, model = tiny_task(), tiny_net().eval()
    sizes: list[int] = []

    def run(inputs: Tensor) -> Tensor | np.ndarray:
        sizes.append(len(inputs))
        with torch.no_grad():
            outputs: Tensor = model(inputs)
        return outputs.numpy() if arrays else outputs

    assert evaluate(run, task, batch=batch) == evaluate_module(model, task)
    assert 0 < evaluate_module(model, task) < 1
    if batch is not None:
        assert set(sizes) == {batch}


def test_scoring_a_module_leaves_it_as_it_was() -> None:
    model = tiny_net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, again = (evaluate_module(model, tiny_task()) for _ in range(2))
    assert first == again
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_batch_below_one_is_misuse() -> None:
    with pytest.raises(ValueError, match="`batch` must be at least 1, but got 0"):
        evaluate(lambda inputs: inputs, tiny_task(), batch=0)


def test_the_rate_is_the_cosine() -> None:
    assert learning_rate(1.0, 0.25, 0.0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
