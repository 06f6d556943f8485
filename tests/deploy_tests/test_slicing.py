"""A sliced file is the file of the really cut network, but for its weights."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from hwprofiles import NullRuntime
from search.bench import OnnxSlicer, job, structure_digest
from search.deploy.export import to_onnx
from search.graph import Blueprint, Candidate, assemble, full, sample
from search.graph.pieces import piece_specs, pieces
from search.importance import select
from search.surgery import cut
from tests.twins import SMALL

from .networks import blueprint_of, twin_of
from .optimised import optimised

NAMES = ("residual", "grouped", "tower")
MORE = ("joined", "deit", "unet", "convnext")
SLOW = ("swin", "mobilenet-v2", "resnet-bottleneck", "unet-resized")


@cache
def prepared(name: str) -> tuple[Blueprint, OnnxSlicer]:
    blueprint = twin_of(name) if name in SMALL else blueprint_of(name)
    return blueprint, OnnxSlicer(blueprint, 1)


def sliced(name: str, candidate: Candidate) -> onnx.ModelProto:
    return onnx.load_from_string(prepared(name)[1].slice(candidate))


def facts(model: onnx.ModelProto) -> tuple[Counter[object], Counter[object]]:
    """Return the multisets of operators (with their groups) and of constants' shapes."""
    groups = [(n.op_type, next((a.i for a in n.attribute if a.name == "group"), 1)) for n in model.graph.node]
    # Whether small shape constants stand in nodes or beside them is the exporter's business.
    shapes = [tuple(t.dims) for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    return Counter(item for item in groups if item[0] != "Constant"), Counter(shapes)


def output(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)
    (found,) = session.run(None, {"input": feed})
    return np.asarray(found)


def candidates(name: str, count: int) -> list[Candidate]:
    """Return the unpruned network, the one without any block, and random ones."""
    blueprint = prepared(name)[0]
    whole = full(blueprint)
    bare = assemble(blueprint, dict(whole.dims), [block.name for block in blueprint.blocks])
    return [whole, bare, *(sample(blueprint, np.random.default_rng(s), removal=0.5) for s in range(count))]


def test_the_networks_hold_what_they_are_for() -> None:
    assert len(prepared("tower")[0].blocks) == 4
    assert any(len(candidate.removed) in (2, 3) for candidate in candidates("tower", 1))
    assert {str(spec.family).split()[3] for spec in piece_specs(prepared("grouped")[0])[:3]} == {
        "dense", "grouped2", "depthwise",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_sliced_file_has_the_operators_and_shapes_of_the_cut_network(name: str) -> None:
    blueprint = prepared(name)[0]
    for candidate in candidates(name, 1)[1:]:
        really_cut = cut(blueprint, select(blueprint, candidate))
        assert facts(sliced(name, candidate)) == facts(to_onnx(really_cut, really_cut.example(1)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_sliced_files_have_the_operators_and_shapes_of_the_cut_networks(name: str) -> None:
    blueprint = prepared(name)[0]
    for candidate in [candidates(name, 0)[0], *candidates(name, 12)[3:]]:
        really_cut = cut(blueprint, select(blueprint, candidate))
        assert facts(sliced(name, candidate)) == facts(to_onnx(really_cut, really_cut.example(1)))


def compare_optimised(name: str, candidate: Candidate) -> None:
    blueprint = prepared(name)[0]
    really_cut = cut(blueprint, select(blueprint, candidate))
    expected = optimised(to_onnx(really_cut, really_cut.example(1)))
    assert optimised(sliced(name, candidate)) == expected


@pytest.mark.parametrize("name", ["joined", "deit"])
def test_the_runtime_makes_of_it_what_it_makes_of_the_cut_network(name: str) -> None:
    compare_optimised(name, candidates(name, 1)[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES + MORE + SLOW)
def test_the_runtime_makes_of_many_what_it_makes_of_the_cut_networks(name: str) -> None:
    for candidate in candidates(name, 6):
        compare_optimised(name, candidate)


@pytest.mark.parametrize("name", MORE)
def test_every_value_belongs_to_one_unit(name: str) -> None:
    blueprint, slicer = prepared(name)
    for candidate in candidates(name, 4):
        made = [value for node in sliced(name, candidate).graph.node for value in node.output]
        named = slicer.nodes(candidate)
        assert sorted(value for values in named.values() for value in values) == sorted(made)
        owners = {spec.node: spec.name for spec in piece_specs(blueprint)}
        assert {owners[node] for node in named} == set(pieces(blueprint, candidate))


def test_the_products_of_attention_belong_to_its_unit() -> None:
    blueprint, slicer = prepared("deit")
    candidate = full(blueprint)
    model, work = sliced("deit", candidate), job(blueprint, slicer, candidate)
    maker = {node.output[0]: node for node in model.graph.node}
    constants = {tensor.name for tensor in model.graph.initializer}
    _, values = work.pieces["blocks.0.attn.attention"]
    kinds = Counter(maker[value].op_type for value in values)
    assert kinds["MatMul"] == 2
    assert kinds["Softmax"] == 1
    assert not any(set(maker[v].input) & constants for v in values if maker[v].op_type == "MatMul")


def test_scales_of_attention_stay_as_they_were() -> None:
    blueprint = prepared("deit")[0]
    scales = []
    for candidate in (full(blueprint), candidates("deit", 1)[-1]):
        model = sliced("deit", candidate)
        scales.append(
            {float(numpy_helper.to_array(t)) for t in model.graph.initializer if not t.dims and t.data_type == 1}
        )
    assert scales[1] <= scales[0]


@pytest.mark.parametrize("name", NAMES)
def test_sliced_files_are_sound_and_run(name: str) -> None:
    for candidate in candidates(name, 12):
        model = sliced(name, candidate)
        onnx.checker.check_model(model, full_check=True)
        found = output(model)
        assert found.shape == (1, 5)
        assert np.isfinite(found).all()
        assert np.abs(found).max() > 0, "random weights must not die out: zeros may be faster than numbers"


@pytest.mark.parametrize("name", NAMES)
def test_the_null_runtime_takes_as_long_for_it_as_for_the_cut_network(name: str) -> None:
    blueprint = prepared(name)[0]
    law = NullRuntime().law
    candidate = candidates(name, 1)[-1]
    really_cut = cut(blueprint, select(blueprint, candidate))
    expected = sum(law.seconds(to_onnx(really_cut, really_cut.example(1))).values())
    assert sum(law.seconds(sliced(name, candidate)).values()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_belongs_to_one_unit(name: str) -> None:
    blueprint, slicer = prepared(name)
    for candidate in candidates(name, 12):
        model = sliced(name, candidate)
        made = [value for node in model.graph.node for value in node.output]
        named = [value for values in slicer.nodes(candidate).values() for value in values]
        assert sorted(named) == sorted(made)
        owners = {spec.node: spec.name for spec in piece_specs(blueprint)}
        assert {owners[node] for node in slicer.nodes(candidate)} == set(pieces(blueprint, candidate))


@pytest.mark.parametrize("name", NAMES)
def test_the_weighted_node_of_a_unit_has_the_widths_of_its_key(name: str) -> None:
    blueprint, slicer = prepared(name)
    for candidate in candidates(name, 4):
        work = job(blueprint, slicer, candidate)
        model = onnx.load_from_string(work.artefact())
        shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        maker = {node.output[0]: node for node in model.graph.node}
        for unit, (key, values) in work.pieces.items():
            weighted = [maker[v] for v in values if maker[v].op_type in ("Conv", "Gemm", "MatMul")]
            assert len(weighted) == 1, unit
            shape = shapes[weighted[0].input[1]]
            transposed = any(a.name == "transB" and a.i for a in weighted[0].attribute)
            groups = next((a.i for a in weighted[0].attribute if a.name == "group"), 1)
            rows, columns = shape[:2] if weighted[0].op_type == "Conv" or transposed else shape[1::-1]
            assert key.widths == (columns * groups, rows), unit


def test_a_job_is_known_by_its_structure_alone() -> None:
    blueprint, slicer = prepared("tower")
    other = blueprint_of("tower")
    assert structure_digest(blueprint) == structure_digest(other) != structure_digest(prepared("grouped")[0])
    first, second = candidates("tower", 2)[2:]
    keys = {job(blueprint, slicer, c).key for c in (first, second, first)}
    assert len(keys) == 2
    assert job(blueprint, slicer, first, "finalist").key in keys


def test_slicing_leaves_the_slicer_as_it_was() -> None:
    blueprint, slicer = prepared("tower")
    whole = slicer.slice(full(blueprint))
    for candidate in candidates("tower", 3)[1:]:
        slicer.slice(candidate)
    assert slicer.slice(full(blueprint)) == whole


def test_a_candidate_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="in one only"):
        prepared("tower")[1].slice(full(prepared("grouped")[0]))
