"""Candidates that are really cut and exported, and their times."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import search
from hwprofiles import Measurement, Runtime, Target, TimingProtocol, compare_files
from latency_tables import Predictor
from search.deploy import draw
from search.engine.bench import Bench
from search.graph import Candidate, full
from search.graph.keys import units

COUNT, DRAWN = 40, 3000

# Half of an interval of 95 % is some 2.3 standard errors: 1.6 % leaves 0.7 %.
PROTOCOL = TimingProtocol(
    runs_per_turn=1, turn_s=0.003, turns_per_window=3, min_windows=16, max_windows=80, relative_half_width=0.016,
    time_limit_s=16.0, warmup_s=0.05, reload=True, windows_per_load=2, watch_s=0.2,
)  # fmt: skip
MOST_ERROR = 0.007


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


def export(bench: Bench, candidates: Sequence[Candidate], folder: Path) -> None:
    """Cut and export each candidate for real, and the unpruned network; files that are there stay."""
    blueprint = bench.blueprint
    for candidate in (full(blueprint), *candidates):
        path = folder / f"{candidate.digest}.onnx"
        if not path.exists():
            selection = search.select(blueprint, candidate, importance="magnitude")
            part = path.with_suffix(".part")
            search.export(search.cut(blueprint, selection), part)
            part.replace(path)


def standard_error(measured: Measurement, name: str) -> float:
    """Return the relative standard error of the median ratio, from the spread of its windows."""
    ratios = np.array(measured.ratios(name))
    # That of a median of normal values; a robust spread, since single windows are disturbed.
    spread = 1.4826 * float(np.median(np.abs(ratios - np.median(ratios))))
    return math.sqrt(math.pi / 2 / len(ratios)) * spread / float(np.median(ratios))


def time_all(
    runtime: Runtime, target: Target, bench: Bench, candidates: Sequence[Candidate], folder: Path, time: int
) -> list[dict[str, Any]]:
    """Time every candidate's file against the unpruned one's for the first or another time; what is there stays."""
    journal = folder / f"truth-{time}.jsonl"
    done = {}
    if journal.exists():
        done = {row["digest"]: row for row in map(json.loads, journal.read_text().splitlines())}
    order = np.random.default_rng(time).permutation(len(candidates))
    base = folder / f"{full(bench.blueprint).digest}.onnx"
    for index in map(int, order):
        candidate = candidates[index]
        if candidate.digest in done:
            continue
        files = {"subnet": folder / f"{candidate.digest}.onnx", "baseline": base}
        measured = compare_files(runtime, files, target, "baseline", PROTOCOL, rng=np.random.default_rng([time, index]))
        ratio = measured.ratio("subnet")
        assert ratio is not None
        row = {
            "digest": candidate.digest,
            "ratio": ratio.to_json(),
            "standard_error": standard_error(measured, "subnet"),
            "windows": measured.n_windows,
            "doubts": list(measured.judgement),
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
