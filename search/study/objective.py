"""What a trial is scored by: how far the really cut network's outputs are from the unpruned network's.

A candidate is cut, its batch normalisations are recalibrated, and the task's divergence to the unpruned network is
taken on calibration inputs. Scores are kept in a file, so that no candidate is ever scored twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwprofiles import MOST_JOURNAL_BYTES, open_journal, read_whole, write_whole

from ..errors import RunFolderError
from ..graph import Blueprint, Candidate, full
from ..importance import Scores, select
from ..space import SearchSpace
from ..surgery import Subnet, cut, recalibrate

Divergence = Callable[[Any, Any], float]

SENSITIVITY_LEVELS = 3
"""Widths below the full one at which each dim's own loss is measured; between them it is interpolated."""


class Objective:
    """Scores candidates; a pure function of (blueprint, importance, inputs) with a memory on disk."""

    def __init__(
        self, blueprint: Blueprint, scores: Scores, inputs: torch.Tensor, divergence: Divergence, memory: Path
    ) -> None:
        """Compute the unpruned network's outputs, and read what was scored before.

        Args:
            blueprint: The combed network.
            scores: Importance of each unit.
            inputs: Calibration inputs of shape (n, ...), n at least 2.
            divergence: (outputs, the unpruned network's outputs) -> 0 or more, lower is better.
            memory: File of scores, one JSON line each; a torn last line is dropped.
        """
        self._blueprint, self._scores, self._inputs = blueprint, scores, inputs
        self._divergence, self._memory = divergence, memory
        self._known = _read(memory)
        with torch.no_grad():
            self._expected = cut(blueprint, select(blueprint, full(blueprint), scores))(inputs)

    def __call__(self, candidate: Candidate) -> float:
        """Return the divergence of a candidate's network."""
        if candidate.digest not in self._known:
            with torch.no_grad():
                value = float(self._divergence(self.network(candidate)(self._inputs), self._expected))
            with os.fdopen(open_journal(self._memory), "ab") as file:
                file.write(json.dumps({"candidate": candidate.digest, "objective": value}).encode() + b"\n")
            self._known[candidate.digest] = value
        return self._known[candidate.digest]

    def network(self, candidate: Candidate) -> Subnet:
        """Return a candidate's network, recalibrated."""
        subnet = cut(self._blueprint, select(self._blueprint, candidate, self._scores))
        recalibrate(subnet, self._inputs)
        return subnet


def _read(memory: Path) -> dict[str, float]:
    if not memory.exists():
        return {}
    whole, newline, torn = read_whole(memory, MOST_JOURNAL_BYTES).rpartition(b"\n")
    if torn:
        # What a kill left of a line would spoil the next one.
        write_whole(memory, whole + newline)
    found = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            row = json.loads(line)
            # A divergence may be no number, and is then written as NaN; so a shape is not enough.
            found[str(row["candidate"])] = float(row["objective"])
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as exc:
            raise RunFolderError(
                f"Each line of {memory} must hold a candidate and its objective, but line {number} does not "
                f"({type(exc).__name__}): delete the file, and its candidates are scored again."
            ) from exc
    return found


def sensitivities(
    space: SearchSpace, objective: Callable[[Candidate], float], progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]:
    """Measure what each choice costs alone: the additive surrogate that the exact solution minimises.

    Returns:
        Dim name -> loss at each level (0 at full width), and block name -> loss of its removal.
    """
    whole = {dim: count - 1 for dim, count in zip(space.dims, space.n_levels, strict=True)}
    picks = {knob.dim: _picked(len(knob.levels)) for knob in space.widths}
    total, done = sum(map(len, picks.values())) + len(space.blocks), 0
    losses: dict[str, npt.NDArray[np.float64]] = {}
    for knob in space.widths:
        points = {len(knob.levels) - 1: 0.0}
        for level in picks[knob.dim]:
            points[level] = _loss(objective(space.candidate({**whole, knob.dim: level})))
            done = _told(progress, done, total)
        known = sorted(points)
        at = [knob.levels[i] for i in known]
        losses[knob.dim] = np.interp(knob.levels, at, [points[i] for i in known])
    blocks = {}
    for block in space.block_names:
        blocks[block] = _loss(objective(space.candidate(whole, [block])))
        done = _told(progress, done, total)
    return losses, blocks


def magnitudes(space: SearchSpace, scores: Scores) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]:
    """Return the same two tables by lost importance: a dim's loss is the share of its summed scores that goes.

    A removed block loses as much as all of its own dims, and one more for its outputs.
    """
    losses = {knob.dim: np.array([_lost(scores[knob.dim], level) for level in knob.levels]) for knob in space.widths}
    return losses, {knob.block: 1.0 + len(knob.hides) for knob in space.blocks}


def _lost(scores: npt.NDArray[np.float64], width: int) -> float:
    ranked = np.sort(scores, axis=-1)[:, ::-1]
    return float(ranked[:, width:].sum() / max(ranked.sum(), 1e-30))


def _picked(count: int) -> list[int]:
    """Return the indices of the levels to measure: the least one, and evenly spread ones up to the full."""
    steps = min(SENSITIVITY_LEVELS, count - 1)
    return sorted({i * (count - 1) // steps for i in range(steps)}) if steps else []


def _loss(value: float) -> float:
    # An undefined divergence is the worst there is: the exact solution then avoids that choice.
    return max(0.0, value) if np.isfinite(value) else 1e9


def _told(progress: Callable[[int, int], None] | None, done: int, total: int) -> int:
    if progress is not None:
        progress(done + 1, total)
    return done + 1
