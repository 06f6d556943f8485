"""What is swept: each class once, and a dim inside its own operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprofiles import NullRuntime, Target
from latency_tables import Rig, Store, sweep
from search.bench import OnnxSlicer, stairs_of_dims, sweep_classes, sweeps
from search.bench.slicing.extracting import extracted
from search.graph import Blueprint
from search.space import offered
from tests.stairs import staircase

from .networks import blueprint_of


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    return blueprint_of("tower")


@pytest.fixture(scope="module")
def slicer(blueprint: Blueprint) -> OnnxSlicer:
    return OnnxSlicer(blueprint, 1)


def test_each_dim_on_offer_is_in_one_class(blueprint: Blueprint) -> None:
    classes = sweep_classes(blueprint)
    names = [name for item in classes for name in item.dims]
    assert sorted(names) == sorted(offered(blueprint))
    assert len({item.kind for item in classes}) == len(classes)


def test_the_inside_of_equal_blocks_is_one_class(blueprint: Blueprint) -> None:
    inside = next(item for item in sweep_classes(blueprint) if len(item.dims) == 4)
    assert inside.kind == "conv2d k1x1 s1x1 dense reads, conv2d k3x3 s1x1 dense makes"
    assert inside.size == 32


def test_a_class_names_the_widest_first_and_ignores_how_often() -> None:
    for item in sweep_classes(blueprint_of("residual")):
        assert not any(word[:2] == "in" and word[2:3].isdigit() for word in item.kind.split())
        assert item.size > 0


def test_a_file_holds_the_operators_of_its_dim_alone(blueprint: Blueprint, slicer: OnnxSlicer) -> None:
    item = next(s for s in sweeps(blueprint, slicer) if "k1x1" in s.kind and s.size == 32)
    for width in (32, 17, 1):
        model = onnx.load_from_string(item.artefact(width))
        onnx.checker.check_model(model, full_check=True)
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        assert [shapes[node.input[1]][:2] for node in convolutions] == [(width, 16), (16, width)]
        session = NullRuntime().load(item.artefact(width), Target("null"), np.random.default_rng(0))
        assert session.input_specs[0].shape == (1, 16, 8, 8)


def test_what_cannot_be_cut_out_is_left_to_the_whole(slicer: OnnxSlicer, blueprint: Blueprint) -> None:
    content = sweeps(blueprint, slicer)[0].artefact(1)
    model = onnx.load_from_string(content)
    everything = frozenset(name for node in model.graph.node for name in node.output)
    assert extracted(model, everything) is None
    assert extracted(model, frozenset()) is None
    assert extracted(model, frozenset({"no such value"})) is None


@pytest.mark.parametrize("name", ["residual", "grouped", "tower"])
def test_every_class_can_be_swept(name: str, tmp_path: Path) -> None:
    network = blueprint_of(name)
    slicer = OnnxSlicer(network, 1)
    table = sweep(
        Rig(NullRuntime(), Target("null"), Store(tmp_path / "table.jsonl"), "test"),
        sweeps(network, slicer),
        rng=np.random.default_rng(0),
    )
    found = stairs_of_dims(network, table.stairs)
    assert set(found) == {dim for dim in offered(network) if network.dim(dim).size > 1}
    assert not any(stairs.failed for stairs in found.values())


def test_dims_have_the_stairs_of_their_class(blueprint: Blueprint) -> None:
    kind = next(item for item in sweep_classes(blueprint) if len(item.dims) == 4)
    found = stairs_of_dims(blueprint, {kind.kind: staircase(32, 8), "another": staircase(8, 2)})
    assert set(found) == set(kind.dims)
