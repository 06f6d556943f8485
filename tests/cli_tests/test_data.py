"""Data that cannot be used end with status 2, and the message names the column, row or line at fault."""

from pathlib import Path

import pytest

from .conftest import Lathe
from .project import TASK, write_config, write_images

OWN = [
    ('kind = "classification"', 'kind = "task.py:make_task"'),
    ('train = "train.parquet"\nval = "val.parquet"\nmean = [0.5]\nstd = [0.25]\n', ""),
]

LOADER = """
import torch


def make_loader():
    return [(torch.randn(8, 3, 8, 8), torch.full((8,), LABEL)) for _ in range(2)]
"""


def _refused(lathe: Lathe, project: Path, *words: str) -> None:
    for option in ("--json", "--dry-run"):
        answer = lathe("run", project / "net.toml", option)
        assert (answer.status, answer.out) == (2, "")
        assert "Traceback" not in answer.err
        assert [word for word in words if word not in answer.words] == []


def test_column_missing(lathe: Lathe, project: Path) -> None:
    write_config(project, ("mean =", 'image_column = "picture"\nlabel_column = "lable"\nmean ='))
    _refused(lathe, project, "image_column", "no column 'picture'", "It has: image (binary), label (int64)")
    write_config(project, ("mean =", 'label_column = "lable"\nmean ='))
    _refused(lathe, project, "label_column", "no column 'lable'", "Did you mean 'label'?")


def test_no_column_of_images(lathe: Lathe, project: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"label": [1, 2]}), project / "val.parquet")
    _refused(lathe, project, "val.parquet has no column of encoded images", "It has: label (int64)")


def test_image_that_does_not_decode(lathe: Lathe, project: Path) -> None:
    write_images(project / "train.parquet", 48, seed=1, damaged=17)
    _refused(lathe, project, "train.parquet, row 17: the image does not decode", "replace or drop it")


def test_image_of_another_size(lathe: Lathe, project: Path) -> None:
    write_config(project, ("[3, 8, 8]", "[3, 16, 16]"))
    _refused(lathe, project, "row 0", "16x16", "has 8x8", "resize = true")


@pytest.mark.parametrize(("label", "words"), [(4, "between 0 and 3"), (-1, "labels count from 0")])
def test_label_out_of_range(lathe: Lathe, project: Path, label: int, words: str) -> None:
    write_images(project / "val.parquet", 24, seed=2, label=label)
    _refused(lathe, project, words, "val.parquet, row 23", str(label), "correct")


def test_file_that_is_no_parquet(lathe: Lathe, project: Path) -> None:
    (project / "train.parquet").write_text("image,label\n")
    _refused(lathe, project, "train.parquet does not read as a Parquet file")


def test_label_of_a_loader_out_of_range(lathe: Lathe, project: Path) -> None:
    (project / "data.py").write_text(LOADER.replace("LABEL", "4"))
    write_config(project, ('"val.parquet"', '"data.py:make_loader"'))
    _refused(lathe, project, "between 0 and 3", "from 4 to 4", "correct the labels")


def test_loader_raises(lathe: Lathe, project: Path) -> None:
    (project / "data.py").write_text(LOADER.replace("LABEL", "missing"))
    write_config(project, ('"val.parquet"', '"data.py:make_loader"'))
    _refused(lathe, project, "raised NameError", "data.py, line", "in <listcomp>")


def test_task_lacks_something(lathe: Lathe, project: Path) -> None:
    (project / "task.py").write_text(TASK.replace("def metric(", "def score("))
    write_config(project, *OWN)
    _refused(lathe, project, "lacks `metric`(outputs, targets) returns (hits, trials)", "search.tasks.Task")


def test_task_raises(lathe: Lathe, project: Path) -> None:
    (project / "task.py").write_text(TASK.replace("cross_entropy(outputs", "cross_entropy(outputs[0]"))
    write_config(project, *OWN)
    _refused(lathe, project, "task.py, line", "in loss: return functional.cross_entropy(outputs[0], targets)")


def test_task_without_held_out_batches(lathe: Lathe, project: Path) -> None:
    (project / "task.py").write_text(TASK.replace("self._batches(1, 2)", "self._batches(1, 0)"))
    write_config(project, *OWN)
    _refused(lathe, project, "at least one held-out batch, but there was none")
    (project / "task.py").write_text(TASK.replace("], labels\n", "], labels, 0\n"))
    _refused(lathe, project, "A batch is a pair (inputs, targets)", "3 parts")


def test_own_task_runs_to_the_end(lathe: Lathe, project: Path) -> None:
    (project / "task.py").write_text(TASK)
    answer = lathe("run", write_config(project, *OWN))
    assert answer.status == 0, answer.err


ENDINGS = {
    "forward": ("net.py", "    def forward(self, x):\n        return self.head"),
    "make_net": ("net.py", "def make_net():\n"),
    "loss": ("task.py", "    def loss(self, outputs, targets):\n"),
    "metric": ("task.py", "    def metric(self, outputs, targets):\n"),
    "calibration": ("task.py", "    def calibration(self):\n"),
    "batches": ("task.py", "    def _batches(self, seed, count):\n"),
    "make_task": ("task.py", "def make_task():\n"),
}
"""What is ended -> the file, and the text whose first line the end comes after."""


@pytest.mark.parametrize("place", ENDINGS)
@pytest.mark.parametrize("ending", ["sys.exit(0)", "sys.exit()", "exit(0)", "raise SystemExit"])
def test_own_code_that_ends_the_program(lathe: Lathe, project: Path, place: str, ending: str) -> None:
    (project / "task.py").write_text(TASK)
    file, before = ENDINGS[place]
    text = (project / file).read_text()
    assert before in text
    line = f"        import sys; {ending}\n" if before.startswith("    ") else f"    import sys; {ending}\n"
    head, newline, rest = before.partition("\n")
    (project / file).write_text(text.replace(before, f"{head}{newline}{line}{rest}"))
    answer = lathe("run", write_config(project, *OWN), "--json")
    assert (answer.status, answer.out) == (3, "")
    assert "ended the program (SystemExit" in answer.words
    assert f"{file}, line" in answer.words or f"{file}:" in answer.words
    assert not (project / "run/table.jsonl").exists(), "nothing was timed"


def test_loader_that_ends_the_program(lathe: Lathe, project: Path) -> None:
    (project / "data.py").write_text(
        LOADER.replace("return [", "import sys; sys.exit(0); return [").replace("LABEL", "1")
    )
    answer = lathe("run", write_config(project, ('"val.parquet"', '"data.py:make_loader"')), "--json")
    assert (answer.status, answer.out) == (3, "")
    assert "'data.py:make_loader' ended the program" in answer.words


def test_several_inputs_are_refused_at_once(lathe: Lathe, project: Path) -> None:
    write_config(project, ("input = [3, 8, 8]", "input = { image = [3, 8, 8], meta = [7] }"), *OWN)
    (project / "task.py").write_text("raise RuntimeError('the task is not looked at')")
    _refused(lathe, project, "one input so far", "names 2 (image, meta)", "lathe prune")


def test_other_outputs_are_refused_at_once(lathe: Lathe, project: Path) -> None:
    text = (project / "net.py").read_text().replace("return self.head(", "return dict(logits=self.head(")
    (project / "net.py").write_text(text.replace("mean((2, 3)))", "mean((2, 3))))"))
    _refused(lathe, project, "one output tensor so far", "a dict with logits")


def test_a_regression_without_a_divergence_of_its_own(lathe: Lathe, project: Path) -> None:
    text = TASK.replace("labels[:, None, None, None], labels", "labels[:, None, None, None], labels.float()")
    text = text.replace("cross_entropy(outputs, targets)", "mse_loss(outputs[:, 0], targets)")
    (project / "task.py").write_text(text)
    write_config(project, *OWN)
    _refused(lathe, project, "brings `divergence` of its own", "torch.float32 [8], for outputs [8, 4]")
    assert not (project / "run/table.jsonl").exists()


def test_the_label_column_is_told(lathe: Lathe, project: Path) -> None:
    answer = lathe("run", project / "net.toml", "--dry-run")
    assert answer.status == 0
    assert answer.words.count("column 'label' holds the classes") == 2
