from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn import functional

from search.errors import ConfigError, DataError, ModelError
from search.tasks import OwnTask, Score, Task, load_task, seeded, soft_divergence, soft_loss, total

from .conftest import SHAPE, encoded, run_config, write_parquet


@pytest.fixture
def task(tmp_path: Path, parquet: Callable[..., Path]) -> Task:
    parquet("train")
    parquet("val", 6)
    return load_task(run_config(tmp_path, train="train.parquet", val="val.parquet"))


def test_classification_from_parquet(task: Task) -> None:
    assert task.metric_name == "accuracy"
    assert task.steps_per_epoch == 2 == len(list(task.train_batches(0, 0)))
    assert sum(len(labels) for _, labels in task.val_batches()) == 6
    assert task.calibration().shape == (5, *SHAPE)
    assert torch.equal(task.calibration(), task.calibration())


def test_the_metric_counts_right_answers_from_tensors_and_arrays(task: Task) -> None:
    outputs = torch.tensor([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.0, 0.1, 0.9], [0.0, torch.nan, 0.1]])
    targets = torch.tensor([1, 1, 2, 1])
    assert task.metric(outputs, targets) == (2, 4)
    assert task.metric(outputs.numpy(), targets) == (2, 4)
    assert task.metric(outputs.bfloat16(), targets) == (2, 4)


def test_the_loss_is_the_cross_entropy(task: Task) -> None:
    outputs, targets = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(task.loss(outputs, targets), functional.cross_entropy(outputs, targets))


def test_labels_beyond_the_networks_outputs_are_named(task: Task) -> None:
    with pytest.raises(DataError, match=r"train\.parquet, row 2, has 2"):
        task.loss(torch.zeros(2, 2), torch.tensor([0, 1]))
    with pytest.raises(DataError, match="from 0 to 7"):
        task.loss(torch.zeros(2, 3), torch.tensor([0, 7]))
    with pytest.raises(DataError, match="float32"):
        task.loss(torch.zeros(2, 3), torch.tensor([0.0, 1.0]))


def test_labels_beyond_the_given_classes_are_named_at_once(tmp_path: Path, parquet: Callable[..., Path]) -> None:
    parquet("train")
    write_parquet(tmp_path / "val.parquet", [encoded(1)] * 2, pa.array([0, 5]))
    with pytest.raises(DataError, match=r"between 0 and 4 for 5 classes, but .*val\.parquet, row 1, has 5"):
        load_task(run_config(tmp_path, train="train.parquet", val="val.parquet", classes=5))


def test_outputs_that_are_no_class_scores(task: Task) -> None:
    for outputs, found in (((torch.zeros(2, 3),), "tuple"), (torch.zeros(2, 3, 4, 4), r"\[2, 3, 4, 4\]")):
        with pytest.raises(ModelError, match=f"one tensor .*returned {found}"):
            task.loss(outputs, torch.tensor([0, 1]))


def test_distillation_is_the_scaled_divergence(task: Task) -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(5, 7, generator=generator), torch.randn(5, 7, generator=generator)
    p, q = (teacher.double() / 3).softmax(1), (student.double() / 3).softmax(1)
    want = 9 * (p * (p / q).log()).sum(1).mean()
    assert float(task.distillation(student, teacher, 3.0)) == pytest.approx(float(want), rel=1e-5)
    assert soft_divergence(teacher, teacher) == 0
    assert soft_divergence(student, teacher) == pytest.approx(float(soft_loss(student, teacher, 1.0)), rel=1e-5)
    with pytest.raises(ModelError, match="one shape"):
        soft_loss(student, teacher[:, :5], 1.0)
    with pytest.raises(ModelError, match="write an own task"):
        soft_loss({"logits": student}, teacher, 1.0)


def test_the_gradients_size_does_not_depend_on_the_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(8, 5, generator=generator, requires_grad=True)
    teacher = torch.randn(8, 5, generator=generator)
    norms = [float(torch.autograd.grad(soft_loss(student, teacher, t), student)[0].norm()) for t in (20.0, 40.0)]
    assert norms[1] == pytest.approx(norms[0], rel=0.1)


def test_scores_add_up_by_entry() -> None:
    def scores(*parts: Score) -> Iterator[Score]:
        yield from parts

    assert total(scores((1, 2), (2, 4))) == 0.5
    # Mean over classes, a class without a trial left out: not the mean over batches.
    classes = total(scores((np.array([1, 0, 0]), np.array([1, 1, 0])), (np.array([0, 1, 0]), np.array([3, 1, 0]))))
    assert classes == pytest.approx((1 / 4 + 1 / 2) / 2)
    with pytest.raises(ValueError, match="at least one example"):
        total(scores())


def test_classes_come_from_the_training_folders(tmp_path: Path) -> None:
    for side, names in {"train": "abc", "val": "ac"}.items():
        for name in names:
            (tmp_path / side / name).mkdir(parents=True)
            (tmp_path / side / name / "1.png").write_bytes(encoded(1))
    task = load_task(run_config(tmp_path, train="train", val="val"))
    assert [labels.tolist() for _, labels in task.val_batches()] == [[0, 2]]


def write_labels(path: Path, labels: list[object]) -> None:
    write_parquet(path, [encoded(1)] * len(labels), pa.array(labels))


def test_the_column_of_the_labels_is_told(tmp_path: Path) -> None:
    for side in ("train", "val"):
        write_labels(tmp_path / f"{side}.parquet", ["b", "a", "b", "a"])
    told: list[str] = []
    task = load_task(run_config(tmp_path, train="train.parquet", val="val.parquet"), told.append)
    assert [labels.tolist() for _, labels in task.val_batches()] == [[1, 0, 1, 0]]
    assert ["column 'label' holds the classes (a, b)" in text for text in told] == [True, True], told


def test_names_on_one_side_and_numbers_on_the_other_are_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / "names.parquet", ["a", "b", "a", "b"])
    write_labels(tmp_path / "numbers.parquet", [0, 1, 0, 1])
    for train, val in (("names", "numbers"), ("numbers", "names")):
        with pytest.raises(DataError, match=r"named on both sides .*names\.parquet have names \(a, b\)"):
            load_task(run_config(tmp_path, train=f"{train}.parquet", val=f"{val}.parquet"))


def test_digits_need_their_input(tmp_path: Path) -> None:
    task = load_task(run_config(tmp_path, (1, 32, 32), kind="digits", val_limit=20))
    assert sum(len(labels) for _, labels in task.val_batches()) == 20
    with pytest.raises(ConfigError, match=r"\[1, 32, 32\], but \[model\] input is \[3, 8, 8\]"):
        load_task(run_config(tmp_path, kind="digits"))
    with pytest.raises(ValueError, match="`train` is not read with `kind` = 'digits'"):
        run_config(tmp_path, kind="digits", train="train.parquet")


def test_inputs_that_are_no_images(tmp_path: Path, parquet: Callable[..., Path]) -> None:
    parquet("train")
    with pytest.raises(ConfigError, match=r"data\.py:make_loader"):
        load_task(run_config(tmp_path, (5, 8, 8), train="train.parquet", val="train.parquet"))


LOADERS = """
import numpy, torch
from torch.utils.data import DataLoader, TensorDataset

DATA = TensorDataset(torch.arange(10.0).reshape(10, 1).expand(10, 2), torch.arange(10) % 3)

def shuffled():
    return DataLoader(DATA, batch_size=4, shuffle=True)

def spent():
    for start in (0, 4):
        yield numpy.ones((2, 2), numpy.float32) * start, numpy.array([0, 1])

def alone():
    return [torch.zeros(2, 2)] * 3

def other():
    return [(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))]

def texts():
    return [("ab", [1, 2])]

def empty():
    return []

def number():
    return 3

def failing():
    yield torch.zeros(2, 2), torch.zeros(2, dtype=torch.long)
    raise OSError("disk gone")
"""


def loader_task(folder: Path, train: str, val: str = "shuffled") -> Task:
    (folder / "data.py").write_text(LOADERS)
    return load_task(run_config(folder, (2,), train=f"data.py:{train}", val=f"data.py:{val}", mean=None, std=None))


def test_loaders_of_the_users(tmp_path: Path) -> None:
    task = loader_task(tmp_path, "shuffled")
    assert task.steps_per_epoch == 3
    assert torch.equal(task.calibration(), task.calibration())
    assert task.calibration().shape == (5, 2)
    passes = []
    for seed in (1, 1, 2):
        with seeded(seed):
            passes.append(torch.cat([inputs for inputs, _ in task.train_batches(0, 0)])[:, 0].tolist())
    assert passes[0] == passes[1] != passes[2]


def test_a_one_way_iterator_is_made_anew_for_each_pass(tmp_path: Path) -> None:
    task = loader_task(tmp_path, "spent")
    assert task.steps_per_epoch == 2
    for _ in range(2):
        batches = list(task.train_batches(0, 0))
        assert [inputs[0, 0].item() for inputs, _ in batches] == [0, 4]
        assert all(isinstance(part, torch.Tensor) for batch in batches for part in batch)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("alone", ["a pair (inputs, targets)", "batch 0, gave a Tensor"]),
        ("other", ["(n, 2) of [model] input", "inputs [2, 3]"]),
        ("texts", ["tensors or arrays", "str and list"]),
        ("empty", ["at least one batch", "gave none"]),
        ("number", ["iterable of (inputs, targets)", "returned a int"]),
        ("failing", ["OSError: disk gone", "data.py, line", "raise OSError"]),
        ("missing", ["holds no function 'missing'", "It defines"]),
    ],
)
def test_loaders_that_do_not_fit(tmp_path: Path, name: str, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        list(loader_task(tmp_path, name).train_batches(0, 0))
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in str(caught.value)


OWN = """
import torch

class Squares:
    metric_name = "closeness"
    def train_batches(self, epoch, seed):
        yield torch.ones(2, 3), torch.ones(2)
    val_batches = lambda self: self.train_batches(0, 0)
    def calibration(self):
        return torch.ones(2, 3)
    def loss(self, outputs, targets):
        return (outputs - targets).square().mean()
    def metric(self, outputs, targets):
        return 1, 2

class Lacking(Squares):
    def __getattribute__(self, name):
        if name in ("loss", "metric_name"):
            raise AttributeError(name)
        return super().__getattribute__(name)

class Odd(Squares):
    metric = "accuracy"

def nothing():
    return None
"""


def test_own_tasks_bring_loaders_loss_and_metric(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(OWN)
    task = load_task(run_config(tmp_path, kind="task.py:Squares"))
    assert isinstance(task, OwnTask)
    assert task.metric_name == "closeness"
    assert task.steps_per_epoch == 1
    assert float(task.loss(torch.zeros(2), torch.ones(2))) == 1
    assert task.metric(None, None) == (1, 2)
    assert task.divergence(torch.ones(2, 3), torch.ones(2, 3)) == 0
    assert float(task.distillation(torch.ones(2, 3), torch.ones(2, 3), 2.0)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Lacking", ["Lacking that it returned lacks `loss`(outputs, targets) returns the mean loss", "`metric_name`"]),
        ("Odd", ["something else than a method for `metric`"]),
        ("nothing", ["NoneType that it returned lacks `train_batches`", "search.tasks.Task"]),
    ],
)
def test_own_tasks_that_lack_something_are_told_all_of_it(tmp_path: Path, name: str, parts: list[str]) -> None:
    (tmp_path / "task.py").write_text(OWN)
    with pytest.raises(DataError) as caught:
        load_task(run_config(tmp_path, kind=f"task.py:{name}"))
    for part in parts:
        assert part in str(caught.value)


def test_seeding_leaves_no_trace() -> None:
    import random

    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    with seeded(1, 2):
        drawn = [float(torch.rand(())), float(np.random.rand()), random.random()]
    with seeded(1, 2):
        assert drawn == [float(torch.rand(())), float(np.random.rand()), random.random()]
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # type: ignore[index]
    assert before[2] == random.getstate()
