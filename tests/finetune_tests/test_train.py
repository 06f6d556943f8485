from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwprofiles import UnfitFileError
from search.config import FinetuneSettings
from search.errors import DataError, RunFolderError, TrainingError
from search.finetune import Duration, FitStep, evaluate_module, fit
from search.finetune.checkpoint import read_checkpoint
from search.graph import comb, uniform
from search.importance import select
from search.surgery import cut, from_bytes, to_bytes
from tests.limits import within

from .tiny import SETTINGS, Batches, die_after, tiny_net, tiny_task, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        FinetuneSettings(lr=0.05, optimizer="sgd", ema=0.0),
        FinetuneSettings(lr=0.01, clip=0.0, weight_decay=0.0, warmup=0.0),
        FinetuneSettings(lr=0.01, channels_last=True),
        FinetuneSettings(lr=0.01, autocast=True),
    ],
)
def test_a_baseline_learns(settings: FinetuneSettings) -> None:
    model, task = tiny_net(), tiny_task()
    result = fit(model, task, Duration(epochs=6), settings=settings)
    assert evaluate_module(model, task) > 0.8
    assert result.history[-1].loss < result.history[0].loss
    assert (result.steps, len(result.history), result.resumed) == (30, 6, 0)
    assert not any(module.training for module in model.modules())
    assert all(parameter.is_contiguous() for parameter in model.parameters())


def test_a_student_comes_closer_to_its_teacher() -> None:
    task, teacher, student = tiny_task(), tiny_net(9), tiny_net()
    fit(teacher, task, Duration(epochs=4), settings=SETTINGS)
    inputs = task.calibration()

    def distance() -> float:
        with torch.no_grad():
            return task.divergence(student.eval()(inputs), teacher.eval()(inputs))

    before = distance()
    fit(student, task, Duration(epochs=4), teacher=teacher, settings=FinetuneSettings(lr=0.01, distillation=1.0))
    assert distance() < 0.5 * before


def test_the_teacher_stays_as_it_is() -> None:
    teacher = tiny_net(9)
    teacher.get_parameter("0.weight").requires_grad_(False)
    teacher.train()
    before = state(teacher)
    fit(tiny_net(), tiny_task(), Duration(epochs=1), teacher=teacher, settings=SETTINGS)
    assert same(before, state(teacher))
    assert all(module.training for module in teacher.modules())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_teacher_that_would_change_with_the_student_is_misuse() -> None:
    student = tiny_net()
    shared = nn.Sequential(*student.children())
    with pytest.raises(ValueError, match=r"share .* tensors, such as '0\.weight': cut or copy"):
        fit(student, tiny_task(), Duration(epochs=1), teacher=shared)


def test_the_networks_own_tensors_are_trained_and_the_callers_random_state_is_kept() -> None:
    model = tiny_net()
    weight, random = model.get_parameter("0.weight"), torch.get_rng_state()
    before = weight.detach().clone()
    fit(model, tiny_task(), Duration(epochs=1), settings=SETTINGS)
    assert model.get_parameter("0.weight") is weight
    assert not torch.equal(weight, before)
    assert torch.equal(torch.get_rng_state(), random)


def test_equal_seeds_give_equal_networks_and_others_do_not() -> None:
    first, again, other = (state(train(None, seed=seed)[0]) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("step", [3, 5, 8, 14])
def test_interrupted_and_resumed_is_undisturbed_to_the_bit(tmp_path: Path, step: int) -> None:
    undisturbed, whole = train(None)

    def interrupt(done: FitStep) -> None:
        if done.step == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run/fit.pt", interrupt)
    model, resumed = train(tmp_path / "run/fit.pt")
    assert same(state(undisturbed), state(model))
    assert resumed.history == whole.history
    # After epoch k the checkpoint is written before the next step, so no finished epoch is repeated.
    assert resumed.resumed == (step - 1) // 5


def test_killed_and_resumed_is_undisturbed_to_the_bit(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fit.pt"
    program = [sys.executable, "-m", "tests.finetune_tests.tiny", str(checkpoint), "8"]
    assert subprocess.run(program, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    model, resumed = train(checkpoint)
    assert resumed.resumed == 1
    assert same(state(train(None)[0]), state(model))


def test_a_kill_while_the_checkpoint_is_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: object) -> None:
        raise KeyboardInterrupt

    train(tmp_path / "fit.pt", epochs=3)
    model, again = train(tmp_path / "fit.pt")
    assert again.resumed == 3
    monkeypatch.setattr("os.replace", torn)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "other.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pt"]
    assert same(state(model), state(train(None)[0]))


@pytest.mark.parametrize("odd", ["link", "pipe", "huge", "packed"])
def test_a_checkpoint_that_a_stranger_made_is_refused(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "fit.pt"
    if odd == "link":
        path.symlink_to("/dev/zero")
    elif odd == "pipe":
        os.mkfifo(path)
    elif odd == "huge":
        with path.open("wb") as file:
            file.truncate(2**40)
    else:
        # A few bytes that become a great many as they are read.
        train(path)
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "new", "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        path.write_bytes((tmp_path / "new").read_bytes())
    with within(20), pytest.raises((UnfitFileError, RunFolderError), match="is damaged" if odd == "packed" else "but "):
        read_checkpoint(path, {})


def test_a_finished_checkpoint_returns_at_once(tmp_path: Path) -> None:
    first, result = train(tmp_path / "fit.pt")
    model, again = train(tmp_path / "fit.pt", die_after(1))
    assert same(state(first), state(model))
    assert again.history == result.history


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 6}, "seed: 5, now 6"),
        ({"epochs": 4}, "length"),
        ({"teacher": None}, "teacher"),
        ({"teacher": tiny_net(8)}, "teacher"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    train(tmp_path / "fit.pt", epochs=3)
    with pytest.raises(RunFolderError, match="belongs to another training") as caught:
        train(tmp_path / "fit.pt", **changes)
    assert said in str(caught.value)
    assert "delete it to start over" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    fit(tiny_net(1), tiny_task(), Duration(epochs=1), checkpoint=tmp_path / "fit.pt")
    with pytest.raises(RunFolderError, match="start: "):
        fit(tiny_net(2), tiny_task(), Duration(epochs=1), checkpoint=tmp_path / "fit.pt")


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "fit.pt"
    train(path, epochs=1)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(RunFolderError, match=r"fit\.pt is damaged .*delete it"):
        train(path, epochs=1)


def test_a_checkpoint_of_another_format_is_named(tmp_path: Path) -> None:
    torch.save({"format": 99, "plan": {}}, tmp_path / "fit.pt")
    with pytest.raises(RunFolderError, match=r"reads checkpoints of format 1, but .* has 99"):
        read_checkpoint(tmp_path / "fit.pt", {})


def poisoned(good: int) -> tuple[nn.Module, Batches]:
    """Return a network and a task whose batch number `good` holds NaN."""
    torch.manual_seed(0)
    inputs = torch.randn(4, 3)
    batches = [(inputs, inputs[:, :1])] * good + [(inputs * torch.nan, inputs[:, :1])]
    return nn.Linear(3, 1), Batches(*batches)


def test_a_loss_that_is_no_number_stops_at_the_start() -> None:
    model, task = poisoned(2)
    before = state(model)
    with pytest.raises(
        TrainingError, match=r"in epoch 0, step 2, the loss is nan .*back at the start.*Lower `lr`"
    ) as caught:
        fit(model, task, Duration(epochs=2))
    assert caught.value.exit_code == 3
    assert same(before, state(model))
    assert same(before, dict(caught.value.state))


def test_a_loss_that_is_no_number_goes_back_to_the_last_good_epoch(tmp_path: Path) -> None:
    class Later(Batches):
        def train_batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
            batches = super().train_batches(epoch, seed)
            return ((inputs * (torch.inf if epoch == 2 else 1), targets) for inputs, targets in batches)

    inputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    task = Later((inputs, inputs[:, :1]), (inputs, inputs[:, 1:2]))
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    start = state(model)
    with pytest.raises(TrainingError, match=r"epoch 2, step 4.*back at the end of epoch 1") as caught:
        fit(model, task, Duration(epochs=4), checkpoint=tmp_path / "fit.pt")
    assert same(state(model), dict(caught.value.state))
    assert not same(state(model), start)
    assert all(value.isfinite().all() for value in state(model).values())
    result = caught.value.result
    assert [record.epoch for record in getattr(result, "history", ())] == [0, 1]
    stored = torch.load(tmp_path / "fit.pt", weights_only=True)
    assert stored["step"] == 4
    assert same(stored["average"], state(model))


def test_a_gradient_that_is_no_number_stops_before_it_reaches_the_weights() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

        def forward(self, inputs: Tensor) -> Tensor:
            return (inputs * self.weight).abs().sqrt()

    model = Root()
    with pytest.raises(TrainingError, match=r"gradient's norm (nan|inf)"):
        fit(model, Batches((torch.ones(4, 3), torch.ones(4, 3))), Duration(epochs=1))
    assert model.weight.tolist() == [0, 0, 0]


def test_length_in_minutes_follows_the_clock() -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 3.0
        return now

    seen: list[FitStep] = []
    result = fit(tiny_net(), tiny_task(), Duration(minutes=0.5, clock=clock), settings=SETTINGS, progress=seen.append)
    assert result.seconds >= 30
    assert result.steps == len(seen) < 11
    fractions = [step.fraction for step in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_part_of_an_epoch_is_a_length() -> None:
    result = fit(tiny_net(), tiny_task(), Duration(epochs=1.4), settings=SETTINGS)
    assert [record.steps for record in result.history] == [5, 2]
    assert fit(tiny_net(), tiny_task(), Duration(epochs=0.01), settings=SETTINGS).steps == 1


def test_progress_tells_each_step() -> None:
    seen: list[FitStep] = []
    fit(tiny_net(), tiny_task(), Duration(epochs=2), settings=SETTINGS, progress=seen.append)
    assert [step.step for step in seen] == list(range(1, 11))
    assert [step.epoch for step in seen] == [0] * 5 + [1] * 5
    assert seen[-1].fraction == 1
    assert seen[-1].lr < seen[4].lr
    assert all(math.isfinite(step.loss) for step in seen)


def test_lengths_and_networks_that_cannot_be_trained_are_misuse() -> None:
    for lengths in ({}, {"epochs": 1.0, "minutes": 1.0}):
        with pytest.raises(ValueError, match="exactly one"):
            fit(tiny_net(), tiny_task(), Duration(**lengths))  # type: ignore[arg-type]
    for epochs in (0, -1, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            fit(tiny_net(), tiny_task(), Duration(epochs=epochs))
    with pytest.raises(ValueError, match="requires a gradient"):
        fit(nn.Flatten(), tiny_task(), Duration(epochs=1))


def test_training_data_without_a_batch_end() -> None:
    with pytest.raises(DataError, match="epoch 0 of the training data gave none"):
        fit(tiny_net(), Batches(), Duration(epochs=1))


@pytest.mark.parametrize(
    "change",
    [
        {"model": {}},
        {"model": 3},
        {"optimizer": {"state": {}, "param_groups": []}},
        {"step": "a", "history": [{"epoch": "a"}]},
        {"history": 3},
        {"average": {}},
    ],
)
def test_a_checkpoint_whose_parts_do_not_fit_is_damaged(tmp_path: Path, change: dict[str, object]) -> None:
    train(tmp_path / "fit.pt", epochs=2)
    content = torch.load(tmp_path / "fit.pt", weights_only=True)
    torch.save(content | change, tmp_path / "fit.pt")
    with pytest.raises(RunFolderError, match=r"fit\.pt is damaged .*delete it"):
        train(tmp_path / "fit.pt", epochs=2)


class Detector(nn.Module):
    """A network that keeps the statistics of its normalisation, and does not train its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tiny_net()
        for parameter in self.body.get_submodule("0").parameters():
            parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> Detector:
        super().train(mode)
        self.body.get_submodule("1").eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_what_a_cut_network_does_not_train_stays_as_it_was(ema: float) -> None:
    blueprint = comb(Detector(), torch.zeros(1, 3, 8, 8))
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    subnet = from_bytes(*to_bytes(subnet).values())
    before = state(subnet)
    fit(subnet, tiny_task(), Duration(epochs=2), settings=FinetuneSettings(lr=0.05, ema=ema))
    moved = {name for name, value in state(subnet).items() if not torch.equal(value, before[name])}
    assert moved == {f"body.{name}" for name in ("1.weight", "1.bias", "5.weight", "5.bias")}
