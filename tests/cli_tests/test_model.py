"""A network that cannot be used ends with status 2, and the message names the line, operator or tensor at fault."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from .conftest import Lathe
from .project import NET, write_config

FORWARD = "return self.head(self.blocks(self.stem(x)).mean((2, 3)))"

BRANCHES = "y = self.stem(x)\n        if y.sum() > 0:\n            y = y + 1\n        return self.head(y.mean((2, 3)))"


def _edit(project: Path, old: str, new: str) -> None:
    assert old in NET
    (project / "net.py").write_text(NET.replace(old, new))


def _refused(lathe: Lathe, project: Path, *words: str) -> None:
    """Check that a run and a dry run both end with status 2 and these words."""
    for option in ("--json", "--dry-run"):
        answer = lathe("run", project / "net.toml", option)
        assert (answer.status, answer.out) == (2, "")
        assert "Traceback" not in answer.err
        assert [word for word in words if word not in answer.words] == []


def test_factory_not_found(lathe: Lathe, project: Path) -> None:
    write_config(project, ("net.py:make_net", "net.py:make_nett"))
    _refused(lathe, project, "no function 'make_nett'", "Did you mean 'make_net'?", "It defines:")


def test_module_not_found(lathe: Lathe, project: Path) -> None:
    write_config(project, ("net.py:make_net", "no_such_package.nets:make_net"))
    _refused(lathe, project, "no module 'no_such_package'", "'file.py:function'")


def test_factory_raises(lathe: Lathe, project: Path) -> None:
    _edit(project, "return Net()", "return {}['width']")
    _refused(lathe, project, "raised KeyError: 'width'", "net.py, line", "in make_net: return {}['width']")


def test_file_does_not_parse(lathe: Lathe, project: Path) -> None:
    _edit(project, "return Net()", "return Net(")
    _refused(lathe, project, "raised SyntaxError", "net.py, line", "return Net(")


def test_factory_returns_something_else(lathe: Lathe, project: Path) -> None:
    _edit(project, "return Net()", "return None")
    _refused(lathe, project, "must return a torch.nn.Module", "returned None")


def test_forward_raises(lathe: Lathe, project: Path) -> None:
    _edit(project, FORWARD, "return self.tail(x)")
    _refused(lathe, project, "The model must run on its example input", "net.py", "return self.tail(x)")


def test_does_not_export(lathe: Lathe, project: Path) -> None:
    _edit(project, FORWARD, BRANCHES)
    _refused(lathe, project, "must export with torch.export", "net.py", "if y.sum() > 0:", "tensor operations")


def test_operator_that_onnx_lacks(lathe: Lathe, project: Path) -> None:
    _edit(project, FORWARD, FORWARD + " + torch.linalg.eigvals(x[:, 0, :4, :4]).real")
    answer = lathe("run", project / "net.toml", "--json")
    assert (answer.status, answer.out) == (3, "")
    assert "must export to ONNX" in answer.words
    assert "eig" in answer.words


@pytest.mark.parametrize("shape", ["[1, 8, 8]", "[3, 8]", "[3, 9, 9]"])
def test_wrong_input_shape(lathe: Lathe, project: Path, shape: str) -> None:
    write_config(project, ("[3, 8, 8]", shape))
    _refused(lathe, project, "[model]", "input")


def test_input_that_the_network_does_not_take(lathe: Lathe, project: Path) -> None:
    _edit(project, "nn.Conv2d(3, 64", "nn.Conv2d(1, 64")
    write_config(project, ('weights = "net.safetensors"', ""))
    _refused(lathe, project, "inputs of shape [[3, 8, 8]]", "Check `input` in [model]", "net.py")


def test_weights_that_do_not_fit(lathe: Lathe, project: Path) -> None:
    state = load_file(project / "net.safetensors")
    state["head.weight"] = torch.zeros(7, 64)
    del state["stem.0.weight"]
    state["tail.weight"] = torch.zeros(1)
    save_file(state, project / "net.safetensors")
    _refused(
        lathe,
        project,
        "1 missing from the file: stem.0.weight",
        "1 not in the network: tail.weight",
        "1 of another shape: head.weight (file [7, 64], network [4, 64])",
    )


def test_weights_that_are_no_numbers(lathe: Lathe, project: Path) -> None:
    state = load_file(project / "net.safetensors")
    state["head.bias"][0] = torch.nan
    save_file(state, project / "net.safetensors")
    _refused(lathe, project, "not a number (NaN): head.bias")
    state["head.bias"][0] = torch.inf
    save_file(state, project / "net.safetensors")
    _refused(lathe, project, "The unpruned network's loss must be a number", "look for values")


def test_weights_that_are_no_state_dict(lathe: Lathe, project: Path) -> None:
    (project / "net.safetensors").write_bytes(b"{}")
    _refused(lathe, project, "net.safetensors holds no plain state dict", "torch.save(model.state_dict(), ...)")
