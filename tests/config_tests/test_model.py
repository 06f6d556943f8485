from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch

import search
from search.config import ModelConfig, load_model
from search.engine import load_config
from search.errors import ModelError, UserExitError

from .conftest import NET, Write


def config(folder: Path, source: str = "net.py:make_net", weights: str | None = None) -> ModelConfig:
    return ModelConfig(source, (("input", (3, 8, 8)),), weights, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def fails(model: ModelConfig) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(model)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_builds_from_a_file_and_leaves_path_and_random_state_alone(folder: Path, write: Write) -> None:
    path, state = list(sys.path), torch.get_rng_state()
    first, again, other = (load_model(config(folder), seed=seed) for seed in (1, 1, 2))
    assert sys.path == path
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.get_parameter("fc.weight"), again.get_parameter("fc.weight"))
    assert not torch.equal(first.get_parameter("fc.weight"), other.get_parameter("fc.weight"))
    run = load_config(write())
    assert torch.equal(
        load_model(run).get_parameter("fc.weight"), load_model(run.model, seed=0).get_parameter("fc.weight")
    )


def test_files_beside_it_are_found_and_namesakes_of_ours_shadow_nothing(tmp_path: Path) -> None:
    models = []
    for width in (3, 5):
        folder = tmp_path / str(width)
        folder.mkdir()
        (folder / "parts.py").write_text(f"WIDTH = {width}\n")
        (folder / "latency_tables.py").write_text("raise RuntimeError('shadowed')\n")
        # Their own file may be called like one of our packages.
        (folder / "search.py").write_text(
            "import latency_tables\n"
            + NET.replace("Net()", "Net(WIDTH)").replace("import torch", "import torch\nfrom parts import WIDTH")
        )
        models.append(load_model(config(folder, "search.py:make_net")))
    assert [model.get_parameter("fc.weight").shape[1] for model in models] == [3, 5]
    assert sys.modules["search"] is search


def test_builds_from_a_package(tmp_path: Path) -> None:
    (tmp_path / "my_nets").mkdir()
    (tmp_path / "my_nets/__init__.py").touch()
    (tmp_path / "my_nets/small.py").write_text(NET)
    assert isinstance(load_model(config(tmp_path, "my_nets.small:make_net")), torch.nn.Module)
    assert "no module 'my_nets.large'" in fails(config(tmp_path, "my_nets.large:make_net"))
    assert "no module 'my_net'" in fails(config(tmp_path, "my_net:make_net"))


def test_a_source_that_is_not_there(folder: Path) -> None:
    assert "does not exist. Did you mean 'net.py'?" in fails(config(folder, "nets.py:make_net"))
    message = fails(config(folder, "net.py:make_nett"))
    assert "holds no function 'make_nett'. Did you mean 'make_net'?" in message
    assert "It defines: Net, make_net." in message
    assert "'file.py:function'" in fails(config(folder, "net.py"))
    assert "'file.py:function'" in fails(config(folder, "net.py:"))


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (
            "def make_net():\n    width = 0\n    return 1 / width\n",
            ["ZeroDivisionError", "net.py, line 3, in make_net: return 1 / width"],
        ),
        ("import torch\ndef make_net():\n    return torch.nn.Linear(-1, 2)(3)\n", ["net.py, line 3"]),
        ("def make_net(:\n", ["SyntaxError", "net.py, line 1"]),
        ("import does_not_exist\n", ["does_not_exist", "net.py, line 1"]),
        ("def make_net():\n    pass\n", ["must return a torch.nn.Module", "returned None", "`return`"]),
        ("def make_net():\n    return {}\n", ["must return a torch.nn.Module", "a dict"]),
        ("def make_net(width):\n    pass\n", ["TypeError", "width"]),
        ("make_net = 3\n", ["must be a function without arguments", "a int"]),
        ("import torch\nmake_net = torch.nn.Identity()\n", ["must be a function", "a Identity", "write a function"]),
    ],
)
def test_a_factory_that_fails_is_told_with_the_users_line(tmp_path: Path, body: str, parts: list[str]) -> None:
    (tmp_path / "net.py").write_text(body)
    message = fails(config(tmp_path))
    for part in parts:
        assert part in message


def test_a_factory_that_ends_the_program_ends_as_an_error(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def make_net():\n    exit(0)\n")
    with pytest.raises(UserExitError, match=r"ended the program \(SystemExit: 0\) .*net\.py, line 2") as caught:
        load_model(config(tmp_path))
    assert caught.value.exit_code == 3


def test_timm_is_used_where_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, pretrained: bool) -> torch.nn.Module:
        if name != "tiny.v1_in1k":
            raise RuntimeError("Unknown model")
        return torch.nn.Linear(2, 2)

    timm = ModuleType("timm")
    timm.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    assert isinstance(load_model(config(tmp_path, "timm:tiny.v1_in1k")), torch.nn.Linear)
    assert "timm cannot make 'huge'" in fails(config(tmp_path, "timm:huge"))
    monkeypatch.setitem(sys.modules, "timm", None)
    message = fails(config(tmp_path, "timm:tiny.v1_in1k"))
    assert "`pip install timm`" in message
    assert "net.py:make_net" in message


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth"])
def test_weights_are_loaded(folder: Path, name: str) -> None:
    model = load_model(config(folder), seed=5)
    state = model.state_dict()
    if name.endswith(".safetensors"):
        safetensors.torch.save_file(state, folder / name)
    else:
        torch.save(state, folder / name)
    loaded = load_model(config(folder, weights=name), seed=6)
    assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())


def save(folder: Path, value: object, name: str = "w.pt") -> ModelConfig:
    torch.save(value, folder / name)
    return config(folder, weights=name)


def test_weights_that_do_not_fit_are_listed(folder: Path) -> None:
    state = dict(load_model(config(folder)).state_dict())
    extra = {f"old.{i}": torch.zeros(1) for i in range(12)}
    bad = {**state, "fc.weight": torch.zeros(7, 4), **extra}
    del bad["conv.bias"]
    message = fails(save(folder, bad))
    assert "1 missing from the file: conv.bias" in message
    assert "12 not in the network: old.0, old.1" in message
    assert "old.9 and 2 more" in message
    assert "old.10" not in message
    assert "fc.weight (file [7, 4], network [10, 4])" in message


def test_weights_with_an_unknown_prefix_or_nan(folder: Path) -> None:
    state = load_model(config(folder)).state_dict()
    message = fails(save(folder, {f"student.{key}": value for key, value in state.items()}))
    assert "take the tensors under 'student.' and strip that" in message
    state["fc.bias"][3] = torch.nan
    assert "1 not a number (NaN): fc.bias" in fails(save(folder, state))


def test_files_that_hold_no_state_dict(folder: Path) -> None:
    model = load_model(config(folder))
    assert re.search(
        r"holds the keys epoch, model, and what is no tensor under epoch, model: save the state dict alone",
        fails(save(folder, {"epoch": 3, "model": {}})),
    )
    assert "holds a Tensor" in fails(save(folder, torch.zeros(3)))
    assert "without running code" in fails(save(folder, model))
    for name in ("w.pt", "w.safetensors"):
        (folder / name).write_bytes(b"nonsense")
        assert "holds no plain state dict" in fails(config(folder, weights=name))
        (folder / name).write_bytes(b"")
        assert "holds no plain state dict" in fails(config(folder, weights=name))
    assert "does not exist" in fails(config(folder, weights="none.pt"))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("with_prefix", [False, True])
def test_weights_load_into_a_compiled_network_with_and_without_its_prefix(folder: Path, with_prefix: bool) -> None:
    (folder / "compiled.py").write_text(
        "import torch\nfrom net import make_net\n\ndef make():\n    return torch.compile(make_net())\n"
    )
    prefix = "_orig_mod." if with_prefix else ""
    state = {f"{prefix}{name}": torch.ones_like(v) for name, v in load_model(config(folder)).state_dict().items()}
    safetensors.torch.save_file(state, folder / "weights.safetensors")
    model = load_model(config(folder, "compiled.py:make", "weights.safetensors"))
    assert all(bool((value == 1).all()) for value in model.state_dict().values())


def test_weights_give_lazy_modules_their_shapes_and_meta_tensors_their_numbers(folder: Path) -> None:
    (folder / "bare.py").write_text(
        "import torch\nfrom torch import nn\n\n"
        "def lazy():\n    return nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(2))\n\n"
        "def meta():\n    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).to('meta')\n"
    )
    full = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    safetensors.torch.save_file(full.state_dict(), folder / "weights.safetensors")
    for factory in ("lazy", "meta"):
        model = load_model(config(folder, f"bare.py:{factory}", "weights.safetensors"))
        for name, value in full.state_dict().items():
            assert torch.equal(model.state_dict()[name], value)
