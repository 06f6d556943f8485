"""What has to hold of the combing of a case; shared by the tests and by the run over broken rules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils import _pytree as pytree

from search.graph import (
    Blueprint,
    Candidate,
    Selection,
    Size,
    Trace,
    analyse,
    assemble,
    operator_name,
    sample,
    trace,
    uniform,
)
from search.surgery import cut, permutation, silenced

from ._base import Case, Network

_TRACES: dict[str, Trace] = {}


def traced(case: Case) -> Trace:
    """Return the trace of a case's network; each is traced once."""
    if case.name not in _TRACES:
        torch.manual_seed(0)
        inputs = tuple(torch.rand(shape) for shape in case.inputs)
        _TRACES[case.name] = trace(Network(case), inputs)
    return _TRACES[case.name]


def operators(case: Case) -> set[str]:
    """Return the names of the operators in a case's graph."""
    return {operator_name(node) for node in traced(case).module.graph.nodes if node.op == "call_function"}


def check(case: Case) -> None:
    """Check a case in all ways, the cheap ones first."""
    blueprint = analyse(traced(case))
    check_dims(case, blueprint)
    check_permutation(blueprint)
    check_cut(case, blueprint, least(blueprint))
    for selection in selections(blueprint):
        check_cut(case, blueprint, selection)
        check_silenced(case, blueprint, selection)


def check_dims(case: Case, blueprint: Blueprint) -> None:
    """Check what is free, what is not and why."""
    expected = {name: width if isinstance(width, tuple) else (width, 1) for name, width in case.dims.items()}
    found = {dim.name: (dim.size, dim.outer) for dim in blueprint.dims}
    assert found == expected, f"dims {found} instead of {expected}"
    counting = sorted(dim.name for dim in blueprint.dims if dim.counts_groups)
    assert counting == sorted(case.groups), f"groups are counted by {counting}, not by {case.groups}"
    reasons = {frozen.dim: frozen.reason for frozen in blueprint.frozen}
    for name, part in case.frozen.items():
        assert part in reasons.get(name, ""), f"{name} is frozen for {reasons.get(name)!r}, not for {part!r}"
    assert set(blueprint.unknown) == set(case.unknown), f"unknown: {set(blueprint.unknown)}"
    assert (blueprint.trace.static_batch is not None) == case.static, blueprint.trace.static_batch


def check_permutation(blueprint: Blueprint) -> None:
    """Check that the order of units means nothing."""
    proof = permutation(blueprint, np.random.default_rng(0))
    assert proof.passed, proof
    assert proof.scale > 0, "the output is zero whatever the network is"


def least(blueprint: Blueprint) -> Selection:
    """Return the selection of the last unit of each dim: no literal is still right by chance."""
    widths = {dim.name: 1 for dim in blueprint.dims}
    return Selection(assemble(blueprint, widths), {d.name: [[d.size - 1]] * d.outer for d in blueprint.dims})


def selections(blueprint: Blueprint) -> Iterator[Selection]:
    """Yield random units of half of each dim, and of two random candidates."""
    rng = np.random.default_rng(1)
    for candidate in (uniform(blueprint, 0.5), sample(blueprint, rng), sample(blueprint, rng)):
        yield _some_units(blueprint, candidate, rng)


def _some_units(blueprint: Blueprint, candidate: Candidate, rng: np.random.Generator) -> Selection:
    return Selection(candidate, {
        dim.name: [np.sort(rng.permutation(dim.size)[: candidate.dims[dim.name]]) for _ in range(dim.outer)]
        for dim in blueprint.dims
        if dim.name in candidate.dims
    })  # fmt: skip


def check_silenced(case: Case, blueprint: Blueprint, selection: Selection) -> None:
    """Check that the cut network is the whole one with silent units, but for the dims that the case names."""
    proof = silenced(blueprint, selection, np.random.default_rng(2))
    sizes = {dim.name: dim.size for dim in blueprint.dims}
    is_cut = {name for name, width in selection.candidate.dims.items() if width < sizes[name]}
    left_out = sorted(is_cut.intersection(case.blended))
    assert not proof.failed, proof
    assert proof.exact == (not left_out), f"left out: {proof.note!r} instead of {left_out}"
    assert ", ".join(left_out) in proof.note, f"left out: {proof.note!r} instead of {left_out}"
    assert (proof.max_abs_diff is None) == (is_cut <= set(left_out) and not selection.candidate.removed), proof


def check_cut(case: Case, blueprint: Blueprint, selection: Selection) -> None:
    """Check the shapes of the cut network's parameters, and that it runs with other batches."""
    network = cut(blueprint, selection)
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        expected = blueprint.shape(blueprint.parameters[name], selection.candidate)
        assert tuple(map(Size, value.shape)) == expected, f"{name} is {tuple(value.shape)} instead of {expected}"
    for batch in (1, 3) if not case.static else ():
        torch.manual_seed(batch)
        inputs = tuple(torch.rand(batch, *shape[1:]) for shape in case.inputs)
        with torch.no_grad():
            expected_shapes, shapes = (_shapes(n(*inputs)) for n in (Network(case), network))
        assert shapes == expected_shapes, f"outputs of {shapes} instead of {expected_shapes}"


def _shapes(value: object) -> list[torch.Size]:
    return [leaf.shape for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]
