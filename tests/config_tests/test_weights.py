"""What a weights file may be: it loads and what was done is told, or it is refused and nothing is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from search.config.weights import load_weights
from search.errors import ModelError

State = dict[str, Any]


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def state(seed: int = 1) -> State:
    return dict(network(seed).state_dict())


def load(folder: Path, value: object, name: str = "w.pt") -> tuple[nn.Module, list[str]]:
    torch.save(value, folder / name)
    model, told = network(), list[str]()
    load_weights(model, folder / name, told.append)
    return model, told


def refused(folder: Path, value: object = None, name: str = "w.pt") -> str:
    """Return the message; the network must be as it was."""
    if value is not None:
        torch.save(value, folder / name)
    model = network()
    with pytest.raises(ModelError) as caught:
        load_weights(model, folder / name, lambda text: pytest.fail(text))
    assert same(model, state(0)), "what is refused must not be half loaded"
    assert len(str(caught.value)) < 2000
    return str(caught.value)


def same(model: nn.Module, expected: State) -> bool:
    found = model.state_dict()
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def prefixed(prefix: str, tensors: State) -> State:
    return {prefix + name: value for name, value in tensors.items()}


def averaged(tensors: State) -> State:
    return {"n_averaged": torch.tensor(7)} | prefixed("module.", tensors)


def compiled_inside(tensors: State) -> State:
    return {name.replace(".", "._orig_mod.", 1): value for name, value in tensors.items()}


CHECKPOINTS: dict[str, tuple[Callable[[State], object], str]] = {
    "state_dict": (lambda s: {"state_dict": s, "epoch": 3}, "['state_dict']"),
    "model": (lambda s: {"model": s, "optimizer": {"state": {}, "param_groups": [{"lr": 1.0}]}}, "['model']"),
    "ema": (lambda s: {"ema": s, "step": torch.tensor(3)}, "['ema']"),
    "model_ema": (lambda s: {"model_ema": averaged(s)}, "['model_ema']"),
    "module": (lambda s: {"module": s}, "['module']"),
    "model_state_dict": (lambda s: {"model_state_dict": s, "loss": 0.1}, "['model_state_dict']"),
    "nested": (lambda s: {"state_dict": {"model": {"module": s, "name": "a"}}}, "['state_dict']['model']['module']"),
    "Lightning": (
        lambda s: {
            "state_dict": prefixed("model.", s),
            "hyper_parameters": {"lr": 0.1, "name": "net"},
            "pytorch-lightning_version": "2.5.0",
            "callbacks": {},
        },
        "without 'model.'",
    ),
    "module.": (lambda s: prefixed("module.", s), "without 'module.'"),
    "_orig_mod.": (lambda s: prefixed("_orig_mod.", s), "without '_orig_mod.'"),
    "both": (lambda s: prefixed("module._orig_mod.", s), "without '_orig_mod.' and 'module.'"),
    "a compiled part": (compiled_inside, "without '_orig_mod.'"),
    "averaged": (averaged, "without 'module.', and without 'n_averaged'"),
    "equal twice": (lambda s: {"model": s, "ema": {name: value.clone() for name, value in s.items()}}, "['model']"),
    "empty average": (lambda s: {"model": s, "ema": {}}, "['model']"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_are_unwrapped_and_it_is_told(tmp_path: Path, name: str) -> None:
    wrap, words = CHECKPOINTS[name]
    model, told = load(tmp_path, wrap(state()))
    assert same(model, state())
    assert words in " ".join(told)
    assert "w.pt" in told[0]


def test_a_plain_state_dict_needs_no_words(tmp_path: Path) -> None:
    model, told = load(tmp_path, state())
    assert same(model, state())
    assert told == []


@pytest.mark.parametrize("keys", [("model", "ema"), ("state_dict", "model_ema"), ("state_dict", "state_dict_ema")])
def test_two_networks_in_a_file_are_not_guessed_among(tmp_path: Path, keys: tuple[str, str]) -> None:
    message = refused(tmp_path, {key: state(seed) for seed, key in enumerate(keys)})
    assert f"several that differ, under ['{keys[0]}'] and ['{keys[1]}']" in message
    assert f"torch.save(torch.load(\"w.pt\", weights_only=True)['{keys[0]}'], ...)" in message


def test_a_prefix_that_is_the_networks_own_stays(tmp_path: Path) -> None:
    torch.manual_seed(1)
    inner = nn.ModuleDict({"module": nn.Linear(2, 2)})
    torch.save(inner.state_dict(), tmp_path / "w.pt")
    other, told = nn.ModuleDict({"module": nn.Linear(2, 2)}), list[str]()
    load_weights(other, tmp_path / "w.pt", told.append)
    assert same(other, dict(inner.state_dict()))
    assert told == []


def changed(name: str, value: object) -> State:
    return state() | {name: value}


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a number": (lambda: 3, "holds a int"),
    "a list": (lambda: [state()], "holds a list"),
    "a tensor": (lambda: torch.zeros(3), "holds a Tensor"),
    "integer keys": (lambda: dict(enumerate(state().values())), "names that are no texts (0, 1, 2"),
    "an optimizer": (lambda: {"state": {0: {"step": torch.zeros(1)}}, "param_groups": []}, "the keys state"),
    "nested dicts": (lambda: {"0": {"weight": torch.zeros(1)}}, "what is no tensor under 0"),
    "a number inside": (lambda: changed("0.bias", 3), "what is no tensor under 0.bias"),
    "an odd key": (lambda: {"\x1b[31m": 3}, "'\\x1b[31m'"),
    "too deep": (lambda: {"model": {"model": {"model": {"model": {"model": state()}}}}}, "the keys model"),
    "ints for floats": (lambda: changed("0.bias", torch.ones(4, dtype=torch.int64)), "file int64, network float32"),
    "bools for floats": (lambda: changed("0.bias", torch.ones(4, dtype=torch.bool)), "file bool, network float32"),
    "complex for floats": (lambda: changed("0.bias", torch.ones(4, dtype=torch.complex64)), "file complex64"),
    "floats for ints": (lambda: changed("1.num_batches_tracked", torch.tensor(3.0)), "file float32, network int64"),
    "narrower ints": (lambda: changed("1.num_batches_tracked", torch.tensor(3, dtype=torch.int32)), "file int32"),
    "sparse": (lambda: changed("0.bias", torch.ones(4).to_sparse()), "no plain arrays: 0.bias (sparse_coo)"),
    "compressed": (lambda: changed("2.weight", torch.ones(2, 4).to_sparse_csr()), "(sparse_csr)"),
    "meta": (lambda: changed("0.bias", torch.ones(4, device="meta")), "0.bias (meta, without values)"),
    "nan": (lambda: changed("0.bias", torch.tensor([1.0, torch.nan, 0, 0])), "not a number (NaN): 0.bias"),
    "half nan": (lambda: changed("0.bias", torch.full((4,), torch.nan).half()), "not a number (NaN): 0.bias"),
    "a view of everything": (lambda: changed("0.bias", torch.ones(1).expand(2**40)), "of another shape: 0.bias"),
    "another shape": (lambda: changed("0.bias", torch.ones(5)), "0.bias (file [5], network [4])"),
    "a scalar": (lambda: changed("0.bias", torch.tensor(1.0)), "0.bias (file [], network [4])"),
    "a missing tensor": (
        lambda: {k: v for k, v in state().items() if k != "0.bias"},
        "1 missing from the file: 0.bias",
    ),
    "one more": (lambda: changed("3.bias", torch.ones(1)), "1 not in the network: 3.bias"),
    "two wrappers and a stranger": (lambda: prefixed("model.", state()) | {"loss.w": torch.ones(1)}, "under 'model.'"),
    "code": (lambda: {"model": state(), "args": argparse.Namespace(lr=1)}, "without running code"),
    "a whole network": (network, "without running code"),
    "an empty dict": (dict, "9 missing from the file: 0.weight"),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # Torch 2.11.
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")  # Torch 2.15.
@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    make, words = WRONG[name]
    message = refused(tmp_path, make())
    assert words in message
    assert message.isprintable()


FILES = {
    "text": (b"hello\n", "it is a text, which begins 'hello'"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "begins 'version https://git-lfs",
    ),
    "empty": (b"", "EOFError"),
    "zeros": (bytes(4096), "without running code"),
    "zip": (b"PK\x03\x04" + bytes(100), "without running code"),
    "pickle": (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "without running code"),
    "long length": (b"\xff" * 8 + b"{}", "without running code"),
}


@pytest.mark.parametrize("ending", ["pt", "pth", "safetensors"])
@pytest.mark.parametrize("name", FILES)
def test_files_of_something_else(tmp_path: Path, name: str, ending: str) -> None:
    content, words = FILES[name]
    (tmp_path / f"w.{ending}").write_bytes(content)
    message = refused(tmp_path, name=f"w.{ending}")
    assert "without running code" in message
    assert words in message or ending == "safetensors"


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    for name in ("w.pt", "w.safetensors"):
        if name == "w.pt":
            torch.save(state(), tmp_path / name)
        else:
            safetensors.torch.save_file(state(), tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: int(share * len(content))])
        assert "without running code" in refused(tmp_path, name=name)


def test_a_folder_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "w.pt").mkdir()
    assert "is a folder" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path, name="other.pt")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_another_width_are_taken_and_told(tmp_path: Path, dtype: torch.dtype) -> None:
    stored = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state().items()}
    model, told = load(tmp_path, stored)
    assert all(torch.equal(value, stored[name].to(value.dtype)) for name, value in model.state_dict().items())
    name = str(dtype).removeprefix("torch.")
    assert told == [f"w.pt: 8 tensors are stored as {name}, and become the network's float32."]


def test_a_buffer_of_ints_stays_one(tmp_path: Path) -> None:
    model, _ = load(tmp_path, changed("1.num_batches_tracked", torch.tensor(41)))
    buffer = model.state_dict()["1.num_batches_tracked"]
    assert isinstance(buffer, Tensor)
    assert (int(buffer), buffer.dtype) == (41, torch.int64)


def test_a_network_that_does_not_take_what_fits(tmp_path: Path) -> None:
    class Picky(nn.Linear):
        def load_state_dict(self, *_: Any, **__: Any) -> Any:
            raise KeyError("mine")

    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"does not take them .KeyError: 'mine'"):
        load_weights(Picky(2, 2), tmp_path / "w.pt", lambda _: None)
