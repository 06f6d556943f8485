"""A training whose loss is no number ends with status 3; the last good network is kept and can be loaded."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from search import load_subnet

from .conftest import Lathe
from .project import TASK, write_config
from .test_data import OWN

FAILING = TASK.replace(
    "    def loss(self, outputs, targets):\n",
    "    def loss(self, outputs, targets):\n"
    "        if outputs.requires_grad:\n"
    "            Colours.calls += 1\n"
    "            if Colours.calls > GOOD:\n"
    "                return outputs.sum() * float('nan')\n",
)


@pytest.mark.parametrize(("good", "words"), [(1, "back at the start"), (5, "back at the end of epoch 0")])
# One call is the rehearsal's.
def test_loss_of_an_own_task_is_not_a_number(lathe: Lathe, project: Path, good: int, words: str) -> None:
    (project / "task.py").write_text(FAILING.replace("GOOD", str(good)))
    answer = lathe("run", write_config(project, *OWN), "--json")
    assert (answer.status, answer.out) == (3, "")
    assert "Traceback" not in answer.err
    for word in ("the loss is nan", words, "Lower `lr`", "look for values that are not numbers", "load_subnet"):
        assert word in answer.words
    found = re.search(r"The last good network is kept in (\S+);", answer.words)
    assert found is not None
    kept = Path(found[1])
    assert kept.is_relative_to(project / "run")
    outputs = load_subnet(kept)(torch.ones(2, 3, 8, 8))
    assert outputs.shape == (2, 4)
    assert bool(outputs.isfinite().all())
    if good > 1:
        # The last good state is that of the epoch's end, as the checkpoint has it, and not where it started.
        stored = torch.load(kept.parent / "finetune.ckpt", weights_only=True)["average"]
        for name, value in load_file(kept / "model.safetensors").items():
            assert torch.equal(value, stored[name])


def test_learning_rate_is_too_high(lathe: Lathe, project: Path) -> None:
    config = write_config(project, ("epochs = 2", 'epochs = 8\nlr = 1e6\noptimizer = "sgd"\nclip = 0\nwarmup = 0'))
    answer = lathe("run", config)
    assert (answer.status, answer.out) == (3, "")
    assert "Lower `lr` (now 1e+06" in answer.words
    (kept,) = (project / "run/candidates").glob("*/last-good")
    assert all(bool(parameter.isfinite().all()) for parameter in load_subnet(kept).parameters())
