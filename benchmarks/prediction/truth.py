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
from hwprofiles import (
    Measurement,
    Runtime,
    Target,
    TimingProtocol,
    compare_files,
    group_inflation,
    median_interval,
    variance_inflation,
)
from latency_tables import Predictor
from search.bench import draw
from search.bench.bench import Bench
from search.deploy import write_pt2
from search.graph import Candidate, full
from search.graph.pieces import pieces

from .figures import MOST_ERROR

COUNT, DRAWN = 40, 3000

# All networks in turn get a few windows, a few networks at a time, and again, until the error is small enough: a shared
# machine is in one state for seconds or minutes, and small networks suffer from some states less than the unpruned one
# that they are compared with. Windows of one visit agree to 0.2 % and are off by 14 % together at times.
PROTOCOL = TimingProtocol(
    turns_per_window=1, min_windows=4, max_windows=4, relative_half_width=1e-6, time_limit_s=8.0, warmup_s=0.02,
    reload=True, windows_per_load=2, watch_s=0.1,
)  # fmt: skip
AT_A_TIME = 4

# Visits to each network, at least and at most: for the first timing, which is the truth, and for the second one, which
# says how well timings repeat.
VISITS = ((6, 40), (6, 6))


def choose(bench: Bench, predictor: Predictor, known: set[str], rng: np.random.Generator) -> list[Candidate]:
    """Return random candidates, any width on offer, spread evenly over the latency range and not in the table."""
    offers = {knob.dim: knob.levels for knob in bench.widths}
    drawn = list(dict.fromkeys(draw(bench.blueprint, offers, rng) for _ in range(DRAWN)))
    drawn = [candidate for candidate in drawn if candidate.digest not in known and candidate != full(bench.blueprint)]
    predicted = predictor.predict_pieces([list(pieces(bench.blueprint, one).values()) for one in drawn])
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


def standard_error(visits: Sequence[Sequence[float]]) -> float:
    """Return the relative standard error of the median ratio, from the spread of its windows over and in visits."""
    values = np.concatenate(visits)
    # That of a median of normal values; a robust spread, since single windows are disturbed.
    spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    alike = group_inflation(visits, 0.5)
    return math.sqrt(alike * math.pi / 2 / len(values)) * spread / float(np.median(values))


def groups(digests: Sequence[str], rng: np.random.Generator) -> list[list[str]]:
    """Return the networks in random order, a few at a time."""
    order = [digests[i] for i in rng.permutation(len(digests))]
    return [order[first : first + AT_A_TIME] for first in range(0, len(order), AT_A_TIME)]


def visit(
    runtime: Runtime, target: Target, files: Mapping[str, Path], base: Path, rng: np.random.Generator
) -> Measurement:
    """Take a few windows of some networks against the unpruned one, which is called "baseline"."""
    return compare_files(runtime, {**files, "baseline": base}, target, "baseline", PROTOCOL, rng=rng)


class Visits:
    """Windows of each network, a line a visit in a file; what is there stays, but for a line that is cut off.

    A line holds the seconds of the network and of the unpruned one in each window: the state of the host shows in them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, list[list[float]]] = {}
        self._unpruned: dict[str, list[float]] = {}
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        path.write_text("".join(f"{line}\n" for line in lines))
        for row in map(json.loads, lines):
            self._keep(row)

    def of(self, digest: str) -> list[list[float]]:
        """Return the ratios of a network in each visit's windows."""
        return self._found.get(digest, [])

    def add(self, digest: str, measured: Measurement) -> None:
        windows = {key: list(measured.windows[name]) for key, name in (("own", digest), ("unpruned", "baseline"))}
        row = {"digest": digest, **windows, "doubts": list(measured.judgement)}
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._keep(row)

    def _keep(self, row: Mapping[str, Any]) -> None:
        ratios = [own / unpruned for own, unpruned in zip(row["own"], row["unpruned"], strict=True)]
        self._found.setdefault(row["digest"], []).append(ratios)
        self._unpruned.setdefault(row["digest"], []).append(float(np.median(row["unpruned"])))

    def row(self, digest: str) -> dict[str, Any]:
        visits = self._found[digest]
        ratios = [ratio for visit in visits for ratio in visit]
        interval = median_interval(ratios, inflation=variance_inflation(ratios))
        assert interval is not None
        return {
            "ratio": interval.to_json(),
            "standard_error": standard_error(visits),
            "windows": len(ratios),
            "unpruned_s": float(np.median(self._unpruned[digest])),
        }


def time_all(
    bench: Bench, candidates: Sequence[Candidate], folder: Path, time: int, visits_at_most: int
) -> list[dict[str, Any]]:
    """Time every candidate's file against the unpruned one's for the first or another time; what is there stays."""
    visits, (least, most) = Visits(folder / f"visits-{time}.jsonl"), VISITS[time]
    base = path_of(bench, full(bench.blueprint), folder)

    paths = {candidate.digest: path_of(bench, candidate, folder) for candidate in candidates}

    def is_open(digest: str, number: int) -> bool:
        before = visits.of(digest)
        return len(before) <= number and (len(before) < least or standard_error(before) > MOST_ERROR)

    for number in range(min(most, visits_at_most)):
        rng = np.random.default_rng([time, number])
        for group in groups([digest for digest in paths if is_open(digest, number)], rng):
            measured = visit(bench.runtime, bench.target, {digest: paths[digest] for digest in group}, base, rng)
            for digest in group:
                visits.add(digest, measured)
    return [visits.row(candidate.digest) for candidate in candidates]


def kernels(runtime: Runtime, target: Target, file: Path) -> list[str]:
    """Return the operators of the runtime's own graph of a file."""
    with runtime.load(file, target, np.random.default_rng(0)) as session:
        return [node.operator for node in session.profile(1)]


def quiet_torch() -> None:
    """Leave the machine to what is timed: PyTorch's threads spin while they wait."""
    torch.set_num_threads(1)
