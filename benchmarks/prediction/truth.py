"""Candidates that are really cut and exported, and their times."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import search
from hwprofiles import Runtime, Target, TimingProtocol, compare_files, median_interval, variance_inflation
from latency_tables import Predictor
from search.deploy import draw, write_pt2
from search.engine.bench import Bench
from search.graph import Candidate, full
from search.graph.keys import units

from .figures import MOST_ERROR

COUNT, DRAWN = 40, 3000

# Some windows at a time, until the error is small enough.
PROTOCOL = TimingProtocol(
    turns_per_window=1, min_windows=16, max_windows=16, relative_half_width=1e-6, time_limit_s=16.0, warmup_s=0.02,
    reload=True, windows_per_load=2, watch_s=0.1,
)  # fmt: skip

# Comparisons whose windows are pooled, at most: of the first timing, which is the truth, and of the second one, which
# says how well timings repeat.
MOST_COMPARISONS = (12, 2)


def choose(bench: Bench, predictor: Predictor, known: set[str], rng: np.random.Generator) -> list[Candidate]:
    """Return random candidates, any width on offer, spread evenly over the latency range and not in the table."""
    offers = {knob.dim: knob.levels for knob in bench.widths}
    drawn = list(dict.fromkeys(draw(bench.blueprint, offers, rng) for _ in range(DRAWN)))
    drawn = [candidate for candidate in drawn if candidate.digest not in known and candidate != full(bench.blueprint)]
    predicted = predictor.predict_units([list(units(bench.blueprint, one).values()) for one in drawn])
    chosen: dict[int, None] = {}
    for wanted in np.linspace(predicted.min(), predicted.max(), COUNT):
        nearest = np.argsort(np.abs(predicted - wanted), kind="stable")
        chosen[next(int(i) for i in nearest if int(i) not in chosen)] = None
    return [drawn[i] for i in chosen]


def path_of(bench: Bench, candidate: Candidate, folder: Path) -> Path:
    """Return where the file of a candidate's network lies."""
    return folder / f"{candidate.digest}.{'onnx' if bench.runtime.artefact_kind == 'onnx' else 'pt2'}"


def export(bench: Bench, candidates: Sequence[Candidate], folder: Path) -> None:
    """Cut and export each candidate for real, and the unpruned network; files that are there stay."""
    blueprint = bench.blueprint
    for candidate in (full(blueprint), *candidates):
        path = path_of(bench, candidate, folder)
        if not path.exists():
            subnet = search.cut(blueprint, search.select(blueprint, candidate, importance="magnitude"))
            part = path.with_suffix(".part")
            if path.suffix == ".onnx":
                search.export(subnet, part)
            else:
                write_pt2(subnet, part, subnet.example(bench.target.batch))
            part.replace(path)


def standard_error(ratios: Sequence[float]) -> float:
    """Return the relative standard error of the median ratio, from the spread of its windows."""
    values = np.array(ratios)
    # That of a median of normal values; a robust spread, since single windows are disturbed.
    spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return math.sqrt(math.pi / 2 / len(values)) * spread / float(np.median(values))


def timed(
    runtime: Runtime, target: Target, files: Mapping[str, Path], most: int, rng: np.random.Generator
) -> tuple[list[float], list[str]]:
    """Compare "subnet" with "baseline" until the error is small enough; return window ratios and doubts."""
    ratios: list[float] = []
    doubts: list[str] = []
    for _ in range(most):
        measured = compare_files(runtime, files, target, "baseline", PROTOCOL, rng=rng)
        ratios += measured.ratios("subnet")
        doubts += measured.judgement
        if standard_error(ratios) <= MOST_ERROR:
            break
    return ratios, doubts


def time_all(
    runtime: Runtime, target: Target, bench: Bench, candidates: Sequence[Candidate], folder: Path, time: int
) -> list[dict[str, Any]]:
    """Time every candidate's file against the unpruned one's for the first or another time; what is there stays."""
    journal = folder / f"truth-{time}.jsonl"
    done = {}
    if journal.exists():
        done = {row["digest"]: row for row in map(json.loads, journal.read_text().splitlines())}
    order = np.random.default_rng(time).permutation(len(candidates))
    base = path_of(bench, full(bench.blueprint), folder)
    for index in map(int, order):
        candidate = candidates[index]
        if candidate.digest in done:
            continue
        files = {"subnet": path_of(bench, candidate, folder), "baseline": base}
        ratios, doubts = timed(runtime, target, files, MOST_COMPARISONS[time], np.random.default_rng([time, index]))
        ratio = median_interval(ratios, inflation=variance_inflation(ratios))
        assert ratio is not None
        row = {
            "digest": candidate.digest,
            "ratio": ratio.to_json(),
            "standard_error": standard_error(ratios),
            "windows": len(ratios),
            "doubts": doubts,
        }
        with journal.open("a") as file:
            file.write(json.dumps(row) + "\n")
        done[candidate.digest] = row
    return [done[candidate.digest] for candidate in candidates]


def kernels(runtime: Runtime, target: Target, file: Path) -> list[str]:
    """Return the operators of the runtime's own graph of a file."""
    with runtime.load(file, target, np.random.default_rng(0)) as session:
        return [node.operator for node in session.profile(1)]


def quiet_torch() -> None:
    """Leave the machine to what is timed: PyTorch's threads spin while they wait."""
    torch.set_num_threads(1)
