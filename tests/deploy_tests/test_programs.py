"""Programs and graphs of candidates: what they compute, whose calls they hold, and which part of them is swept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import fx

from hwprofiles import RUNTIMES, Target, get_runtime
from search.bench import SLICERS, ProgramSlicer, Slicer, sweeps
from search.bench.slicing import GraphSlicer
from search.errors import ExportError
from search.graph import Blueprint, Candidate, full, sample
from search.graph.pieces import piece_specs

from .networks import blueprint_of, twin_of

TARGET = Target("torch")
NAMES = ("tower", "residual", "joined")
SLICED = pytest.mark.parametrize("make", [ProgramSlicer, GraphSlicer])


def candidates(blueprint: Blueprint) -> list[Candidate]:
    rng = np.random.default_rng(3)
    return [full(blueprint), *(sample(blueprint, rng, removal=removal) for removal in (0.0, 0.6))]


@SLICED
@pytest.mark.parametrize("name", NAMES)
def test_a_program_computes_what_its_network_does(name: str, make: type[ProgramSlicer]) -> None:
    blueprint = blueprint_of(name)
    slicer = make(blueprint, 2)
    for candidate in candidates(blueprint):
        network = slicer._weights.network(candidate)
        inputs = [torch.randn_like(x) for x in network.example(2)]
        with (
            get_runtime("torch").load(
                slicer.slice(candidate), Target("torch", batch=2), np.random.default_rng(0)
            ) as own,
            torch.no_grad(),
        ):
            feeds = {spec.name: x.numpy() for spec, x in zip(own.input_specs, inputs, strict=True)}
            found = own.outputs(feeds)["output"]
            torch.testing.assert_close(torch.from_numpy(found), network(*inputs), rtol=1e-4, atol=1e-5)


@SLICED
@pytest.mark.parametrize("name", NAMES)
def test_every_call_that_takes_time_belongs_to_a_unit(name: str, make: type[ProgramSlicer]) -> None:
    blueprint = blueprint_of(name)
    slicer = make(blueprint, 1)
    beginning = {spec.node for spec in piece_specs(blueprint)}
    for candidate in candidates(blueprint):
        owned = slicer.nodes(candidate)
        assert set(owned) <= beginning
        assert all(unit in calls for unit, calls in owned.items())
        with get_runtime("torch").load(slicer.slice(candidate), TARGET, np.random.default_rng(0)) as session:
            profiled = {node.name for node in session.profile(1)}
        assert profiled <= {call for calls in owned.values() for call in calls}
        assert profiled >= set(owned)


@SLICED
def test_a_part_holds_the_calls_of_its_dim_alone(make: type[ProgramSlicer]) -> None:
    blueprint = blueprint_of("tower")
    item = next(s for s in sweeps(blueprint, make(blueprint, 1)) if "k1x1" in s.kind and s.size == 32)
    for width in (32, 17, 1):
        with get_runtime("torch").load(item.artefact(width), TARGET, np.random.default_rng(0)) as session:
            assert session.input_specs[0].shape == (1, 16, 8, 8)
            assert [node.operator for node in session.profile(1)].count("conv2d") == 2


@SLICED
def test_what_cannot_be_cut_out_is_the_whole_network(make: type[ProgramSlicer]) -> None:
    blueprint = blueprint_of("tower")
    slicer = make(blueprint, 1)
    with get_runtime("torch").load(slicer.part(full(blueprint), frozenset()), TARGET, np.random.default_rng(0)) as part:
        assert part.input_specs[0].shape == (1, *blueprint_input(blueprint))


def blueprint_input(blueprint: Blueprint) -> tuple[int, ...]:
    return tuple(ProgramSlicer(blueprint, 1)._weights.network(full(blueprint)).example(1)[0].shape[1:])


@pytest.mark.parametrize("name", [*NAMES, "deit", "swin", "unet-resized"])
def test_a_graph_makes_the_calls_of_the_program(name: str) -> None:
    """What is timed for a table is what is delivered, without being exported."""
    blueprint = blueprint_of(name) if name in NAMES else twin_of(name)
    program, graph = ProgramSlicer(blueprint, 1), GraphSlicer(blueprint, 1)
    for candidate in candidates(blueprint):
        made = []
        for slicer in (program, graph):
            content = slicer.slice(candidate)
            with get_runtime("torch").load(content, TARGET, np.random.default_rng(0)) as session:
                made.append(session._module)  # type: ignore[attr-defined]
        assert described(made[0]) == described(made[1])


def described(module: fx.GraphModule) -> list[tuple[object, ...]]:
    """Return the nodes of a graph by their places, with the shapes of the tensors that it holds."""
    place = {node: i for i, node in enumerate(module.graph.nodes)}
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return [
        (
            node.op,
            node.target if node.op == "call_function" else None,
            held[str(node.target)].shape if node.op == "get_attr" else None,
            fx.map_arg((node.args, node.kwargs), place.__getitem__),
        )
        for node in module.graph.nodes
    ]


def test_a_candidate_of_another_network_is_refused() -> None:
    slicer = ProgramSlicer(blueprint_of("tower"), 1)
    with pytest.raises(ValueError, match="block"):
        slicer.slice(full(blueprint_of("residual")))


def test_each_kind_of_file_has_a_slicer() -> None:
    blueprint = blueprint_of("tower")
    for make in SLICERS.values():
        slicer: Slicer = make(blueprint, 1)
        assert slicer.slice(full(blueprint))
        assert set(slicer.nodes(full(blueprint))) == {spec.node for spec in piece_specs(blueprint)}


def test_a_network_whose_calls_are_changed_by_the_exporter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.deploy.program_file._calls", lambda graph: [(str(id(graph)), id(graph))])
    for make in (ProgramSlicer, GraphSlicer):
        with pytest.raises(ExportError, match="changed the calls"):
            make(blueprint_of("tower"), 1)


def test_each_runtime_has_a_slicer_for_its_tables() -> None:
    for name in RUNTIMES:
        assert get_runtime(name).table_kind(Target(name)) in SLICERS
