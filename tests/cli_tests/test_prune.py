"""`lathe prune`: a bundle with everything in it, or a reason and nothing at all."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from search import Candidate, Selection, load_subnet
from search.surgery import Proof
from tests.config_tests.conftest import NET as _PLAIN

from .conftest import Answer, Lathe

FILES = {"structure.json", "graph.json", "model.safetensors", "model.onnx", "baseline.onnx", "report.json"}
PROOFS = ["original", "permutation", "silenced", "trains", "export", "reload"]

PAIR = """
import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
        self.tokens = nn.Embedding(9, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, image, tokens, *, scale=None):
        features = self.image(image).mean((2, 3)) + torch.relu(self.tokens(tokens)).mean(1)
        scores = self.head(features if scale is None else features * scale)
        return {"scores": scores, "parts": (scores.softmax(-1), None), "classes": 5}


def make():
    return Pair()


def make_stiff():
    return nn.Sequential(nn.Linear(6, 4))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, to be in, with a network."""
    (tmp_path / "net.py").write_text(PAIR)
    (tmp_path / "plain.py").write_text(_PLAIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prune(lathe: Lathe, *more: object, source: str = "net.py:make", ratio: object = 0.5) -> Answer:
    inputs = ["--input", "3,8,8", "--input", "tokens=4:int64"] if source == "net.py:make" else ["--input", "3,8,8"]
    if "--input" in more:
        inputs = []
    return lathe("prune", source, "--ratio", ratio, *inputs, "--out", "cut", *more)


def left(place: Path) -> set[str]:
    return {entry.name for entry in place.iterdir()} - {"net.py", "plain.py", "__pycache__"}


HEADS = """
import torch
from torch import nn
from torch.nn import functional


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(16, 3 * 32), nn.Linear(32, 16), nn.Linear(16, 4)

    def forward(self, x):
        q, k, v = self.qkv(x).reshape(x.shape[0], -1, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(self.out(y).mean(1))


def make():
    torch.manual_seed(0)
    return Heads()
"""


def test_dims_that_keep_their_size_are_told_with_the_reason(lathe: Lathe, place: Path) -> None:
    """Heads were cut, so their inside was not: that is all that one ratio can cut, and not half of it."""
    (place / "heads.py").write_text(HEADS)
    answer = lathe("prune", "heads.py:make", "--ratio", 0.5, "--input", "5,16", "--out", "cut")
    assert answer.status == 0, answer.err
    assert "1 more keeps its size: the other factor of the same size is cut" in " ".join(answer.out.split())
    assert " of " not in answer.out.partition("\n")[0].replace("fell by", ""), "no share of what cannot be cut at once"
    report = json.loads((place / "cut/report.json").read_text())
    kept = {dim["name"] for dim in report["dims"] if dim["subnet"] == dim["baseline"]}
    assert {item["dim"] for item in report["whole"]} == kept


def object_of(answer: Answer) -> dict[str, Any]:
    assert answer.out.count("\n") == 1
    found: dict[str, Any] = json.loads(answer.out)
    return found


def test_a_cut_of_several_inputs_and_outputs_is_proven_and_bundled(lathe: Lathe, place: Path) -> None:
    answer = prune(lathe, "--dynamic-batch", "--pt2", "--json")
    assert answer.status == 0, answer.err
    found = object_of(answer)
    assert found["parameters"]["subnet"] < found["parameters"]["baseline"]
    assert all(found[key] > 0 for key in ("export_s", "analysis_s", "cut_s"))
    assert list(found["proofs"]) == PROOFS
    for proof in found["proofs"].values():
        assert proof.keys() >= {"max_abs_diff", "tolerance", "passed", "exact"}
        assert proof["passed"]
    assert {item["dim"] for item in found["frozen"]} >= {"head.weight:0", "image.0.weight:1"}
    assert found["bundle"] == "cut"
    assert {path.name for path in (place / "cut").iterdir()} == {*FILES, "model.pt2"}
    assert left(place) == {"cut"}
    structure = json.loads((place / "cut/structure.json").read_text())
    assert Selection.from_json(structure["selection"]).candidate == Candidate.from_json(structure["candidate"])
    subnet = load_subnet(place / "cut")
    assert sum(p.numel() for p in subnet.parameters()) == found["parameters"]["subnet"]
    assert subnet(torch.randn(3, 3, 8, 8), torch.zeros(3, 4, dtype=torch.int64))["classes"] == 5


def test_a_file_of_any_batch_takes_any(lathe: Lathe, place: Path) -> None:
    assert prune(lathe, "--dynamic-batch").status == 0
    for name in ("model", "baseline"):
        session = onnxruntime.InferenceSession(place / f"cut/{name}.onnx", providers=["CPUExecutionProvider"])
        assert [(i.name, i.shape) for i in session.get_inputs()] == [("input", ["batch", 3, 8, 8]),
                                                                     ("tokens", ["batch", 4])]  # fmt: skip
        assert [o.shape for o in session.get_outputs()] == [["batch", 5]] * 2
        for batch in (1, 5):
            feeds = {"input": np.zeros((batch, 3, 8, 8), np.float32), "tokens": np.zeros((batch, 4), np.int64)}
            assert session.run(None, feeds)[0].shape == (batch, 5)


def test_a_file_of_one_batch_takes_one(lathe: Lathe, place: Path) -> None:
    assert prune(lathe, source="plain.py:make_net").status == 0
    (value,) = onnx.load(place / "cut/model.onnx").graph.input
    assert [size.dim_value for size in value.type.tensor_type.shape.dim] == [1, 3, 8, 8]


def test_no_file_tells_of_the_machine_or_of_the_example(lathe: Lathe, place: Path) -> None:
    assert prune(lathe, "--pt2").status == 0
    with zipfile.ZipFile(place / "cut/model.pt2") as pt2:
        contents = [pt2.read(name) for name in pt2.namelist()]
        examples = [pt2.read(name) for name in pt2.namelist() if "sample_inputs" in name]
    assert examples == [b""]
    contents += [path.read_bytes() for path in (place / "cut").iterdir() if path.suffix != ".pt2"]
    for trace in (str(place), "site-packages", str(Path(torch.__file__).parent), "Traceback", 'File "'):
        assert not any(trace.encode() in content for content in contents), trace


def test_text_answer(lathe: Lathe, place: Path) -> None:
    answer = prune(lathe, "--keep", "image", source="net.py:make")
    assert answer.status == 1, "the trunk is shared with what is kept"
    assert "nothing was cut" in answer.out
    assert "kept by the user (image)" in answer.out
    assert left(place) == set()
    answer = prune(lathe)
    assert answer.status == 0
    for word in ("cut", "parameters", "ONNX bytes", "proof reload: passed", "kept:", "bundle: cut"):
        assert word in answer.out
    assert "Prove" in answer.err


def test_where_nothing_is_free_the_answer_is_no(lathe: Lathe, place: Path) -> None:
    answer = prune(lathe, "--input", "6", "--json", source="net.py:make_stiff")
    found = object_of(answer)
    assert answer.status == 1
    assert found["bundle"] is None
    assert found["parameters"] == {"baseline": 28, "subnet": 28}
    assert {item["reason"] for item in found["frozen"]} == {"an axis of an input", "an axis of an output"}
    assert left(place) == set()


def test_a_ratio_that_rounds_to_nothing_is_said_loudly(lathe: Lathe, place: Path) -> None:
    answer = prune(lathe, source="plain.py:make_net", ratio=0.01)
    assert answer.status == 1
    assert "the ratio rounds to none of their units: try a larger `--ratio`" in answer.out
    assert left(place) == set()


@pytest.mark.parametrize(
    ("more", "widths"),
    [
        (["--least", "0=12"], [12, 5]),
        (["--only", "2", "--only", "4"], [40, 5]),
        (["--keep", "4"], [10, 20]),
    ],
)
def test_limits(lathe: Lathe, place: Path, more: list[str], widths: list[int]) -> None:
    (place / "net.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 20), "
        "nn.ReLU(), nn.Linear(20, 4))\n"
    )
    answer = prune(lathe, "--input", "6", *more, ratio=0.75)
    assert answer.status == 0, answer.err
    state = load_subnet(place / "cut").state_dict()
    assert [state["0.weight"].shape[0], state["2.weight"].shape[0]] == widths


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--ratio", "1"], "above 0 and below 1, but got 1"),
        (["--ratio", "0"], "above 0 and below 1, but got 0"),
        (["--ratio", "50 %"], "Invalid value for '--ratio'"),
        (["--importance", "magnitud"], "Did you mean 'magnitude'?"),
        (["--least", "image"], "but got 'image'"),
        (["--least", "image=0"], "but got 'image=0'"),
        (["--keep", "imag"], "Did you mean 'image"),
        (["--input", "3,8,8,"], "--input"),
        (["--weights", "none.pt"], "does not exist"),
        (["--out", "net.py"], "is a file or a link"),
        (["--out", "net.py/cut"], "must be writable"),
    ],
)
def test_mistakes_are_told_with_the_remedy_and_leave_nothing(
    lathe: Lathe, place: Path, more: list[str], words: str
) -> None:
    answer = prune(lathe, *more)
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words
    assert left(place) == set()


def test_a_folder_with_anything_in_it_is_left_alone(lathe: Lathe, place: Path) -> None:
    assert prune(lathe, source="plain.py:make_net").status == 0
    before = (place / "cut/model.onnx").stat()
    again = prune(lathe, source="plain.py:make_net")
    assert again.status == 2
    assert "or replace that bundle with `--force`" in again.words
    assert (place / "cut/model.onnx").stat().st_ino == before.st_ino
    assert prune(lathe, "--force", source="plain.py:make_net").status == 0
    assert (place / "cut/model.onnx").stat().st_ino != before.st_ino
    (place / "cut/diary.txt").write_text("mine")
    refused = prune(lathe, "--force", source="plain.py:make_net")
    assert refused.status == 2
    assert "holds diary.txt besides" in refused.words
    assert (place / "cut/diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", PROOFS)
def test_a_failed_proof_leaves_no_bundle(lathe: Lathe, place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    maker = {"export": "exported", "reload": "reloaded"}.get(name, name)
    monkeypatch.setattr(f"search.deploy.proving.{maker}", lambda *_, **__: Proof(name, 0.25, 2.0, 1e-3))
    answer = prune(lathe, "--json", source="plain.py:make_net")
    assert (answer.status, answer.out) == (3, "")
    assert f"The proof `{name}` failed: outputs differ by 0.25, where at most 0.002 passes" in answer.words
    assert "This means that" in answer.words
    assert left(place) == set()


def test_a_bundle_of_a_cut_says_that_it_was_never_timed(lathe: Lathe, place: Path) -> None:
    assert prune(lathe, source="plain.py:make_net").status == 0
    for command in ("report", "verify"):
        answer = lathe(command, place / "cut")
        assert answer.status == 2
        assert "was cut and proven but never timed" in answer.words


def test_what_onnx_cannot_express_is_cut_and_said(lathe: Lathe, place: Path) -> None:
    (place / "net.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b = nn.Linear(6, 20), nn.Linear(20, 9)\n"
        "    def forward(self, x):\n"
        "        return torch.linalg.eigvalsh(self.b(torch.relu(self.a(x))).unflatten(1, (3, 3)))\n"
        "def make():\n    return Net()\n"
    )
    answer = prune(lathe, "--input", "6", "--json")
    assert answer.status == 0, answer.err
    found = object_of(answer)
    assert found["proofs"]["export"]["passed"] is None
    assert "must export to ONNX" in found["proofs"]["export"]["note"]
    assert any("`export` says nothing here" in warning for warning in found["warnings"])
    assert {path.name for path in (place / "cut").iterdir()} == FILES - {"model.onnx", "baseline.onnx"}


def test_a_network_of_one_batch_size_is_not_called_dynamic(lathe: Lathe, place: Path) -> None:
    (place / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b = nn.Linear(6, 20), nn.Linear(20, 4)\n"
        "    def forward(self, x):\n        return self.b(self.a(x).relu()).reshape(2, 4)\n"
        "def make():\n    return Net()\n"
    )
    answer = prune(lathe, "--input", "6", "--dynamic-batch")
    assert answer.status == 2
    assert "Leave out `--dynamic-batch`" in answer.words
    assert prune(lathe, "--input", "6").status == 0
    (value,) = onnx.load(place / "cut/model.onnx").graph.input
    assert value.type.tensor_type.shape.dim[0].dim_value == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(lathe: Lathe, place: Path) -> None:
    place.chmod(0o500)
    try:
        answer = prune(lathe, source="plain.py:make_net")
    finally:
        place.chmod(0o700)
    assert answer.status == 2
    assert "must be writable" in answer.words
