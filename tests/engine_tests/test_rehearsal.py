"""What does not fit is found before anything is timed: each way in which a network and a task can fail to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hwprofiles import LatheError, Quantity, Target
from search.config import BudgetConfig, FinetuneConfig, FinetuneSettings, ModelConfig, RunConfig, TaskConfig
from search.engine.rehearsal import check_inputs, rehearse
from search.errors import ConfigError, DataError, ModelError, UserExitError
from search.tasks import OwnTask, soft_divergence, soft_loss

SHAPE = (6,)


def config(distillation: float = 0.5, **inputs: tuple[int, ...]) -> RunConfig:
    return RunConfig(
        model=ModelConfig("net.py:make_net", tuple((inputs or {"input": SHAPE}).items())),
        task=TaskConfig("task.py:make_task"),
        targets=(Target("null"),),
        budget=BudgetConfig(Quantity(0.5, "fraction")),
        finetune=FinetuneConfig(settings=FinetuneSettings(distillation=distillation)),
    )


class Classes:
    """A task with class indices; each test spoils one thing."""

    metric_name = "accuracy"
    steps_per_epoch = 1
    inputs = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    targets: Any = torch.tensor([0, 1, 2, 1])

    def train_batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Any]]:
        yield self.inputs, self.targets

    def val_batches(self) -> Iterator[tuple[Tensor, Any]]:
        yield self.inputs, self.targets

    def calibration(self) -> Any:
        return self.inputs

    def loss(self, outputs: Any, targets: Any) -> Any:
        return functional.cross_entropy(outputs, targets)

    def metric(self, outputs: Any, targets: Any) -> Any:
        return int((np.asarray(outputs).argmax(1) == np.asarray(targets)).sum()), len(targets)


class Numbers(Classes):
    """A regression."""

    metric_name = "closeness"
    targets = torch.tensor([0.5, 1.0, -1.0, 0.0])

    def loss(self, outputs: Any, targets: Any) -> Any:
        return functional.mse_loss(outputs[:, 0], targets)

    def metric(self, outputs: Any, targets: Any) -> Any:
        return float((np.abs(np.asarray(outputs)[:, 0] - np.asarray(targets)) < 1).sum()), len(targets)


def mean_square(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    return functional.mse_loss(student, teacher)


def spoilt(base: type[Classes] = Classes, **members: Any) -> OwnTask:
    return OwnTask(type(base.__name__, (base,), members)(), "task.py:make_task")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(6, 3)


def said(task: OwnTask, model: nn.Module | None = None, told: RunConfig | None = None) -> str:
    with pytest.raises(LatheError) as caught:
        rehearse(told or config(), model or network(), task)
    assert isinstance(caught.value, DataError | ModelError | UserExitError)
    return str(caught.value)


def test_what_fits_is_let_through_and_the_mode_is_put_back() -> None:
    model = network().train()
    rehearse(config(), model, spoilt())
    assert model.training
    rehearse(
        config(), model, spoilt(Numbers, distillation=staticmethod(mean_square), divergence=staticmethod(mean_square))
    )


def quit_(*_: Any) -> None:
    raise SystemExit(0)


NOT_A_NUMBER = float("nan")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"val_batches": lambda self: iter(())}, ["at least one held-out batch"]),
        ({"train_batches": lambda self, e, s: iter(())}, ["at least one training batch"]),
        ({"inputs": torch.zeros(4, 5)}, ["[model] input, [6]", "first held-out batch has [5]"]),
        ({"inputs": torch.zeros(4, 6, dtype=torch.int64)}, ["float32", "torch.int64 [4, 6]"]),
        ({"calibration": lambda self: self.inputs[:1]}, ["2 examples or more, but the task has 1"]),
        ({"calibration": lambda self: [1]}, ["float32 tensors", "the calibration has list"]),
        ({"metric_name": " "}, ["`metric_name` is empty"]),
        ({"metric": lambda self, o, t: (NOT_A_NUMBER, 1)}, ["A metric is a number", "nan"]),
        ({"metric": lambda self, o, t: 3}, ["must take the network's outputs", "TypeError"]),
        ({"metric": lambda self, o, t: (1 + isinstance(o, Tensor), 2)}, ["the same of tensors and of arrays"]),
        ({"metric": lambda self, o, t: (int((o.argmax(dim=1) == t).sum()), 4)}, ["TypeError", "dim"]),
        ({"metric": quit_}, ["SystemExit"]),
        ({"loss": quit_}, ["SystemExit"]),
        ({"loss": lambda self, o, t: functional.cross_entropy(o, t, reduction="none")}, ["one number", "shape [4]"]),
        ({"loss": lambda self, o, t: 0.5}, ["one number", "a float"]),
        ({"loss": lambda self, o, t: functional.cross_entropy(o, t).detach()}, ["differentiable", "no_grad"]),
        ({"loss": lambda self, o, t: o.sum() * NOT_A_NUMBER}, ["loss must be a number", "nan"]),
        ({"divergence": lambda self, s, t: 1.0}, ["0 where outputs are equal", "is 1"]),
        ({"divergence": lambda self, s, t: 0.0}, ["larger the farther", "could not tell networks apart"]),
        ({"divergence": lambda self, s, t: NOT_A_NUMBER}, ["0 where outputs are equal", "nan"]),
        ({"distillation": lambda self, s, t, temperature: None}, ["distillation is a tensor", "NoneType"]),
        ({"steps_per_epoch": 0}, ["`steps_per_epoch` is 0"]),
    ],
)  # fmt: skip
def test_a_task_that_breaks_a_rule(members: dict[str, Any], words: list[str]) -> None:
    message = said(spoilt(**members))
    assert [word for word in words if word not in message] == [], message


class Returns(nn.Module):
    """Gives what the test says for the outputs of a linear layer."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.layer, self.wrap = nn.Linear(6, 3), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.layer(x))


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda y: {"logits": y, "aux": y}, ["one output tensor", "a dict with logits, aux", "lathe prune"]),
        (lambda y: (y, y), ["one output tensor", "a tuple of 2"]),
        (lambda y: None, ["one output tensor", "NoneType"]),
        (lambda y: y[:2], ["one row for each input", "[2, 3]"]),
        (lambda y: y.sum(), ["one row for each input", "[]"]),
        (quit_, ["SystemExit"]),
    ],
)
def test_a_network_that_a_run_cannot_take_yet(wrap: Any, words: list[str]) -> None:
    message = said(spoilt(), Returns(wrap))
    assert [word for word in words if word not in message] == [], message


def test_several_inputs_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigError, match=r"one input so far, but \[model\] input names 2 \(image, meta\)"):
        check_inputs(config(image=(3, 8, 8), meta=(7,)))
    check_inputs(config())


@pytest.mark.parametrize("missing", ["distillation", "divergence"])
def test_defaults_for_class_scores_are_never_used_of_other_numbers(missing: str) -> None:
    own: dict[str, Any] = {"distillation": staticmethod(mean_square), "divergence": staticmethod(mean_square)}
    message = said(spoilt(Numbers, **{name: value for name, value in own.items() if name != missing}))
    assert f"brings `{missing}` of its own" in message
    assert "torch.float32 [4], for outputs [4, 3]" in message
    assert "mean squared difference" in message


def test_what_is_not_used_need_not_be_there() -> None:
    rehearse(config(distillation=0.0), network(), spoilt(Numbers, divergence=staticmethod(mean_square)))
    assert "`divergence`" in said(spoilt(Numbers), told=config(distillation=0.0))


def test_the_remedy_that_is_named_works() -> None:
    """Class scores whose targets are no indices: probabilities, say."""
    soft: dict[str, Any] = {"targets": torch.full((4, 3), 1 / 3), "metric": lambda self, o, t: (1, 2)}
    assert "`distillation` and `divergence`" in said(spoilt(**soft))
    defaults: dict[str, Any] = {"distillation": staticmethod(soft_loss), "divergence": staticmethod(soft_divergence)}
    rehearse(config(), network(), spoilt(**soft, **defaults))


@pytest.mark.parametrize("ignored", [-100, -1])
def test_labels_that_do_not_count_are_class_indices_all_the_same(ignored: int) -> None:
    targets = torch.tensor([0, 1, 2, ignored])
    loss: dict[str, Any] = {"loss": lambda self, o, t: functional.cross_entropy(o, t, ignore_index=ignored)}
    rehearse(config(), network(), spoilt(targets=targets, **loss))


def test_a_task_made_from_the_base_class_is_the_users_code_too(tmp_path: Path) -> None:
    from search.tasks import load_task

    (tmp_path / "task.py").write_text(
        "import sys, torch\n"
        "from search.tasks import Task\n"
        "class Mine(Task):\n"
        "    metric_name, steps_per_epoch = 'x', 1\n"
        "    def train_batches(self, epoch, seed): sys.exit(0)\n"
        "    def val_batches(self): sys.exit(0)\n"
        "    def calibration(self): sys.exit(0)\n"
        "    def loss(self, outputs, targets): sys.exit(0)\n"
        "    def distillation(self, student, teacher, temperature): sys.exit(0)\n"
        "    def divergence(self, student, teacher): sys.exit(0)\n"
        "    def metric(self, outputs, targets): sys.exit(0)\n"
    )
    told = replace(config(), task=TaskConfig("task.py:Mine", folder=tmp_path))
    task = load_task(told)
    for call in (
        lambda: list(task.val_batches()),
        lambda: list(task.train_batches(0, 0)),
        task.calibration,
        lambda: task.loss(None, None),
        lambda: task.distillation(None, None, 1.0),
        lambda: task.divergence(None, None),
        lambda: task.metric(None, None),
    ):
        with pytest.raises(UserExitError, match=r"'task\.py:Mine' ended the program .*\(task\.py, line"):
            call()
