"""Whose fault a wrong file is, and pads that no runtime makes part of a pooling."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

from hwprofiles import Session, Target, get_runtime
from search.deploy import computed, export, exported, require
from search.errors import ProofError
from search.graph import Blueprint, comb, full
from search.importance import select
from search.surgery import Subnet, cut

X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self, pool: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.o, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1), pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Below zero, so that it matters what a border is filled with.
        return self.o(self.pool(F.silu(self.a(x)) - 2.0))  # type: ignore[no-any-return]


POOLS: dict[str, Any] = {
    "one side": lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2),
    "all sides": lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2),
    "twice": lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2, padding=1),
    "rounded up": lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2, ceil_mode=True),
    "by a layer": nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), nn.MaxPool2d(2, 2)),
    "of one axis": lambda x: F.max_pool1d(F.pad(x.flatten(2), (0, 2)), 3, 3).unsqueeze(-1),
    "of a mean": lambda x: F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2),
    "of another number": lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-1.0), 3, 2),
}


def networks(pool: Any) -> tuple[Blueprint, Subnet]:
    blueprint = comb(Net(pool), X)
    return blueprint, cut(blueprint, select(blueprint, full(blueprint)))


def proof_of(pool: Any, file: Path) -> Any:
    blueprint, subnet = networks(pool)
    export(subnet, file)
    return exported(subnet, file, blueprint.trace, np.random.default_rng(0))


@pytest.mark.parametrize("name", POOLS)
def test_a_pad_before_a_pooling_is_computed_as_it_is_written(name: str, tmp_path: Path) -> None:
    proof = proof_of(POOLS[name], tmp_path / "net.onnx")
    assert proof.passed, proof


def fused(proto: onnx.ModelProto) -> None:
    """Let each pad before a max pooling fill with the least number, as a pooling's own pads do."""
    pooled = {node.input[0] for node in proto.graph.node if node.op_type == "MaxPool"}
    pooled -= {value.name for value in proto.graph.output}
    proto.graph.initializer.append(numpy_helper.from_array(np.array(-3e38, np.float32), "least"))
    for node in proto.graph.node:
        if node.op_type == "Pad" and node.output[0] in pooled:
            node.input[2:] = ["least"]


@pytest.fixture
def fusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runtime make one node of a zero pad and a pooling, wrongly: ONNX Runtime 1.31 does, and 1.32 does not.

    Pads are written as the exporter does.
    """
    monkeypatch.setattr(importlib.import_module("search.deploy.export"), "keep_pads", lambda _: None)
    kind = type(get_runtime("onnxruntime"))
    load = kind.load

    def load_fused(runtime: Any, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        proto = onnx.load_from_string(artefact if isinstance(artefact, bytes) else artefact.read_bytes())
        fused(proto)
        return load(runtime, proto.SerializeToString(), target, rng)

    monkeypatch.setattr(kind, "load", load_fused)


@pytest.mark.usefixtures("fusing")
def test_a_fault_of_the_runtime_is_told_from_one_of_the_export(tmp_path: Path) -> None:
    proof = proof_of(POOLS["one side"], tmp_path / "net.onnx")
    assert proof.failed
    assert "the file is right" in proof.note
    assert "the fault is in onnxruntime" in proof.note
    assert "first goes wrong at the operator MaxPool after Pad" in proof.note
    with pytest.raises(ProofError, match=r"onnxruntime.*MaxPool after Pad.*other operators"):
        require({"export": proof})


@pytest.mark.usefixtures("fusing")
def test_a_target_that_gets_an_operator_wrong_is_named_with_it(tmp_path: Path) -> None:
    _, subnet = networks(POOLS["all sides"])
    export(subnet, tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    proof = computed(subnet, content, get_runtime("onnxruntime"), Target("onnxruntime"), np.random.default_rng(0))
    assert proof.name == "runtime"
    assert proof.failed
    assert "MaxPool after Pad" in proof.note


def test_a_fault_of_the_file_is_the_exporters(tmp_path: Path) -> None:
    blueprint, subnet = networks(POOLS["one side"])
    export(subnet, tmp_path / "net.onnx")
    proto = onnx.load(tmp_path / "net.onnx")
    weight = next(tensor for tensor in proto.graph.initializer if tensor.name == "o.bias")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + 1, weight.name))
    onnx.save(proto, tmp_path / "wrong.onnx")
    proof = exported(subnet, tmp_path / "wrong.onnx", blueprint.trace, np.random.default_rng(0))
    assert proof.failed
    assert "so the exporter wrote something else than the network" in proof.note
    assert "fault is in" not in proof.note


def test_a_pad_names_its_axes_only_before_a_max_pooling(tmp_path: Path) -> None:
    for name, inputs in (("one side", 4), ("of a mean", 3)):
        proof_of(POOLS[name], tmp_path / "net.onnx")
        (pad,) = (node for node in onnx.load(tmp_path / "net.onnx").graph.node if node.op_type == "Pad")
        assert len(pad.input) <= inputs
        assert (len(pad.input) == 4) == (name == "one side")
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"), full_check=True)


def test_without_optimisations_a_file_computes_the_same(tmp_path: Path) -> None:
    _, subnet = networks(POOLS["of a mean"])
    export(subnet, tmp_path / "net.onnx")
    runtime, target, rng = get_runtime("onnxruntime"), Target("onnxruntime"), np.random.default_rng(0)
    content, feeds = (tmp_path / "net.onnx").read_bytes(), {"input": X.numpy()}
    plain = runtime.plain(content, target, rng)
    assert plain is not None
    with plain, runtime.load(content, target, rng) as fast:
        (expected,), (got,) = plain.outputs(feeds).values(), fast.outputs(feeds).values()
    assert np.allclose(expected, got, atol=1e-5)
    assert get_runtime("null").plain(content, Target("null"), rng) is None


@pytest.mark.parametrize("norm", [F.batch_norm, F.instance_norm])
def test_a_normalisation_by_the_batch_in_evaluation_is_exported_as_that(norm: Any, tmp_path: Path) -> None:
    def statistics(x: torch.Tensor) -> torch.Tensor:
        mean, var = torch.full((8,), 0.5), torch.full((8,), 2.0)
        flag = {"training": True} if norm is F.batch_norm else {"use_input_stats": True}
        return norm(x, mean, var, **flag)  # type: ignore[no-any-return]

    proof = proof_of(statistics, tmp_path / "net.onnx")
    assert proof.passed, proof
