"""Scores are kept, the unpruned network scores nothing, and recalibration computes what its words say."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from search.graph import Blueprint, Candidate, comb, full, sample, uniform
from search.importance import Scores, score, select
from search.space import SearchSpace, knobs_of
from search.study.objective import Objective, magnitudes, sensitivities
from search.surgery import Subnet, cut, recalibrate
from tests.networks import EXAMPLE, residual
from tests.stairs import staircases

INPUTS = torch.randn(24, 3, 16, 16, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    return comb(residual(), EXAMPLE)


@pytest.fixture(scope="module")
def scores(blueprint: Blueprint) -> Scores:
    return score(blueprint)


class Counted:
    """A divergence that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, outputs: torch.Tensor, expected: torch.Tensor) -> float:
        self.calls += 1
        return float((outputs - expected).abs().mean())


def objective_of(blueprint: Blueprint, scores: Scores, memory: Path) -> tuple[Objective, Counted]:
    divergence = Counted()
    return Objective(blueprint, scores, INPUTS, divergence, memory), divergence


def test_no_candidate_is_scored_twice(blueprint: Blueprint, scores: Scores, tmp_path: Path) -> None:
    memory = tmp_path / "memory.jsonl"
    objective, divergence = objective_of(blueprint, scores, memory)
    candidates = [sample(blueprint, np.random.default_rng(seed)) for seed in range(3)]
    values = [objective(candidate) for candidate in candidates + candidates]
    assert values[:3] == values[3:]
    assert len(set(values)) == divergence.calls == 3
    again, unused = objective_of(blueprint, scores, memory)
    assert [again(candidate) for candidate in candidates] == values[:3]
    assert unused.calls == 0


@pytest.mark.parametrize("kept", [0, 1, 10, -1])
def test_a_torn_last_line_is_scored_again(blueprint: Blueprint, scores: Scores, tmp_path: Path, kept: int) -> None:
    memory = tmp_path / "memory.jsonl"
    first, second = uniform(blueprint, 0.25), uniform(blueprint, 0.5)
    objective, _ = objective_of(blueprint, scores, memory)
    values = objective(first), objective(second)
    whole = memory.read_bytes()
    lines = whole.splitlines(keepends=True)
    memory.write_bytes(lines[0] + lines[1][:kept])
    again, divergence = objective_of(blueprint, scores, memory)
    assert (again(first), again(second)) == values
    assert divergence.calls == 1
    assert memory.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["memory.jsonl"]


def test_a_memory_with_nothing_but_a_torn_line_is_empty(blueprint: Blueprint, scores: Scores, tmp_path: Path) -> None:
    memory = tmp_path / "memory.jsonl"
    memory.write_bytes(b'{"candidate": "12')
    objective, divergence = objective_of(blueprint, scores, memory)
    objective(uniform(blueprint, 0.5))
    assert divergence.calls == 1
    assert len([json.loads(line) for line in memory.read_text().splitlines()]) == 1


def test_the_unpruned_network_scores_nothing_but_its_recalibration(
    blueprint: Blueprint, scores: Scores, tmp_path: Path
) -> None:
    whole = cut(blueprint, select(blueprint, full(blueprint), scores))
    recalibrate(whole, INPUTS)
    settled = comb(whole, EXAMPLE)
    objective, _ = objective_of(settled, score(settled), tmp_path / "memory.jsonl")
    assert objective(full(settled)) == pytest.approx(0, abs=1e-6)
    assert objective(uniform(settled, 0.5)) > 1e-3


def test_scoring_changes_neither_the_blueprint_nor_the_mode(
    blueprint: Blueprint, scores: Scores, tmp_path: Path
) -> None:
    before = copy.deepcopy(dict(blueprint.trace.module.state_dict()))
    objective, _ = objective_of(blueprint, scores, tmp_path / "memory.jsonl")
    subnet = objective.network(uniform(blueprint, 0.5))
    assert not subnet.training
    assert all(torch.equal(value, before[n]) for n, value in blueprint.trace.module.state_dict().items())


# ---- recalibration ---------------------------------------------------------------------------------------------------


def halved(blueprint: Blueprint, scores: Scores) -> Subnet:
    return cut(blueprint, select(blueprint, uniform(blueprint, 0.5), scores))


def test_recalibration_changes_running_statistics_only(blueprint: Blueprint, scores: Scores) -> None:
    subnet = halved(blueprint, scores)
    before = {name: value.clone() for name, value in subnet.state_dict().items()}
    code = subnet.code
    recalibrate(subnet, INPUTS)
    changed = {name for name, value in subnet.state_dict().items() if not torch.equal(value, before[name])}
    running = {name for name in before if name.endswith(("running_mean", "running_var"))}
    assert changed == running
    assert subnet.code == code
    assert not subnet.training


@pytest.mark.parametrize("batch", [256, 24, 12, 7])
def test_recalibrated_statistics_are_those_of_the_inputs(blueprint: Blueprint, scores: Scores, batch: int) -> None:
    """The first norm sees the stem's outputs: their mean and unbiased variance, averaged over equal batches."""
    subnet = halved(blueprint, scores)
    recalibrate(subnet, INPUTS, batch=batch)
    state = subnet.state_dict()
    with torch.no_grad():
        parts = [
            torch.nn.functional.conv2d(part, state["stem.0.weight"], padding=1)
            for part in INPUTS.chunk(-(-len(INPUTS) // batch))
        ]
    mean = torch.stack([part.mean((0, 2, 3)) for part in parts]).mean(0)
    var = torch.stack([part.var((0, 2, 3)) for part in parts]).mean(0)
    assert torch.allclose(state["stem.1.running_mean"], mean, rtol=1e-4, atol=1e-6)
    assert torch.allclose(state["stem.1.running_var"], var, rtol=1e-4, atol=1e-6)


def test_recalibrating_twice_is_recalibrating_once(blueprint: Blueprint, scores: Scores) -> None:
    subnet = halved(blueprint, scores)
    recalibrate(subnet, INPUTS)
    once = {name: value.clone() for name, value in subnet.state_dict().items()}
    recalibrate(subnet, INPUTS)
    assert all(torch.equal(value, once[name]) for name, value in subnet.state_dict().items())


def test_a_network_without_norms_is_left_alone() -> None:
    torch.manual_seed(0)
    plain = comb(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)), torch.zeros(2, 4))
    subnet = cut(plain, select(plain, full(plain)))
    before = {name: value.clone() for name, value in subnet.state_dict().items()}
    recalibrate(subnet, torch.randn(8, 4))
    assert all(torch.equal(value, before[name]) for name, value in subnet.state_dict().items())


# ---- what each choice costs alone ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(blueprint: Blueprint) -> SearchSpace:
    widths, blocks = knobs_of(blueprint, staircases(blueprint, 2))
    return SearchSpace(widths, blocks, ())


def test_sensitivities_are_measured_at_a_few_levels_and_interpolated(space: SearchSpace) -> None:
    asked: list[Candidate] = []
    told: list[tuple[int, int]] = []
    full_widths = {knob.dim: knob.full for knob in space.widths}

    def objective(candidate: Candidate) -> float:
        asked.append(candidate)
        narrow = {dim: width for dim, width in candidate.dims.items() if width < full_widths[dim]}
        assert len(narrow) + len(candidate.removed) == 1, "one choice at a time"
        return sum((full_widths[dim] - width) ** 2 for dim, width in narrow.items()) + 100.0 * len(candidate.removed)

    losses, blocks = sensitivities(space, objective, lambda done, total: told.append((done, total)))
    assert told == [(i + 1, len(asked)) for i in range(len(asked))]
    assert blocks == dict.fromkeys(space.block_names, 100.0)
    for knob in space.widths:
        line = losses[knob.dim]
        assert line.shape == (len(knob.levels),)
        assert line[-1] == 0.0
        assert (np.diff(line) <= 0).all(), "a loss that grows with what is cut stays so between the points"
        measured = sorted(c.dims[knob.dim] for c in asked if c.dims.get(knob.dim, knob.full) < knob.full)
        assert measured[0] == knob.levels[0]
        assert len(measured) == min(3, len(knob.levels) - 1)
        for width, loss in zip(knob.levels, line, strict=True):
            exact = (knob.full - width) ** 2
            assert loss == pytest.approx(exact) if width in measured else loss >= exact


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_undefined_loss_is_avoided_and_a_negative_one_is_none(space: SearchSpace, bad: float) -> None:
    losses, blocks = sensitivities(space, lambda c: bad if c.removed else -1.0)
    assert all((line == 0).all() for line in losses.values())
    assert set(blocks.values()) == {1e9}


def test_magnitudes_are_shares_of_what_goes(space: SearchSpace, scores: Scores) -> None:
    losses, blocks = magnitudes(space, scores)
    assert set(losses) == set(space.dims)
    for knob in space.widths:
        line = losses[knob.dim]
        assert line[-1] == 0.0
        assert (np.diff(line) < 0).all()
        assert (line < 1).all()
        worst = np.sort(scores[knob.dim][0])[: knob.full - knob.levels[0]]
        assert line[0] == pytest.approx(worst.sum() / scores[knob.dim].sum())
    assert blocks == {knob.block: 1.0 + len(knob.hides) for knob in space.blocks}
