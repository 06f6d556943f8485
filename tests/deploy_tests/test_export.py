"""An exported file computes what its network computes, and tells nothing of the machine that wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from hwprofiles import NullRuntime, Session, Target
from search import export
from search.deploy import check_export
from search.errors import ExportError
from search.graph import sample
from search.importance import select
from search.surgery import Subnet, cut

from .networks import blueprint_of

ROOT = Path(__file__).parents[2]


def subnet_of(name: str, seed: int = 0) -> Subnet:
    blueprint = blueprint_of(name)
    return cut(blueprint, select(blueprint, sample(blueprint, np.random.default_rng(seed))))


def loaded(path: Path, batch: int = 1) -> Session:
    return NullRuntime().load(path, Target("null", batch=batch), np.random.default_rng(0))


@pytest.mark.parametrize(("name", "batch"), [("residual", 1), ("grouped", 3), ("tower", 2)])
def test_a_file_computes_what_torch_computes(tmp_path: Path, name: str, batch: int) -> None:
    subnet, path = subnet_of(name), tmp_path / "net.onnx"
    export(subnet, path, batch=batch)
    onnx.checker.check_model(str(path), full_check=True)
    inputs = torch.randn(5, 3, 16, 16)
    with loaded(path, batch) as session:
        assert [(spec.name, spec.shape) for spec in session.input_specs] == [("input", (batch, 3, 16, 16))]
        (got,) = session.outputs({"input": inputs[:batch].numpy()}).values()
        difference = check_export(subnet, session, inputs)
    with torch.no_grad():
        expected = subnet(inputs[:batch]).numpy()
    assert np.allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert difference == pytest.approx(np.abs(got - expected).max() / np.abs(expected).max(), rel=1e-3, abs=1e-9)
    assert not list(tmp_path.glob("*.part"))


def test_another_networks_file_is_caught(tmp_path: Path) -> None:
    subnet, path = subnet_of("tower"), tmp_path / "net.onnx"
    with torch.no_grad():
        next(p for n, p in subnet.named_parameters() if n == "head.bias").add_(0.01)
    export(subnet, path)
    with torch.no_grad():
        next(p for n, p in subnet.named_parameters() if n == "head.bias").sub_(0.01)
    inputs = torch.randn(2, 3, 16, 16)
    with loaded(path) as session:
        with pytest.raises(ExportError, match=r"within 0\.0001 of the largest output.* differ by"):
            check_export(subnet, session, inputs)
        assert 1e-4 < check_export(subnet, session, inputs, "bf16") < 0.1, "as much as rounding to bf16 explains"


def test_outputs_that_are_no_numbers_are_caught(tmp_path: Path) -> None:
    subnet, path = subnet_of("tower"), tmp_path / "net.onnx"
    with torch.no_grad():
        next(p for n, p in subnet.named_parameters() if n == "head.bias").fill_(torch.nan)
    export(subnet, path)
    with loaded(path) as session, pytest.raises(ExportError, match="nan"):
        check_export(subnet, session, torch.randn(2, 3, 16, 16))


def test_metadata_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export(subnet_of("tower"), path, metadata={"lathe.mean": "[0.5]", "lathe.std": "[0.25]"})
    props = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    assert props == {"lathe.mean": "[0.5]", "lathe.std": "[0.25]"}


@pytest.mark.parametrize("network", ["subnet", "module"])
def test_a_file_names_no_place_on_the_machine(tmp_path: Path, network: str) -> None:
    path = tmp_path / "net.onnx"
    if network == "subnet":
        export(subnet_of("residual"), path)
    else:
        export(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), path, torch.zeros(1, 3, 8, 8))
    data = path.read_bytes()
    for trace in (str(ROOT), str(Path(torch.__file__).parents[1]), str(tmp_path), "site-packages", ".py"):
        assert trace.encode() not in data, trace


def test_the_network_stays_in_the_mode_that_it_was_in(tmp_path: Path) -> None:
    subnet = subnet_of("residual").train()
    before = {name: value.clone() for name, value in subnet.state_dict().items()}
    export(subnet, tmp_path / "net.onnx")
    assert subnet.training
    assert all(torch.equal(value, before[name]) for name, value in subnet.state_dict().items())
    assert any(node.args[5] is True for node in subnet.graph.nodes if "batch_norm" in str(node.target))


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        export(subnet_of("tower"), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_module_without_an_example_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="example inputs"):
        export(nn.Linear(2, 2), tmp_path / "net.onnx")


class Unwritable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.linalg.eigvals(x).abs()
        return out


def test_what_onnx_cannot_express_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"must export to ONNX, but Unwritable does not: \S"):
        export(Unwritable(), tmp_path / "net.onnx", torch.zeros(1, 3, 3))
    assert list(tmp_path.iterdir()) == []
