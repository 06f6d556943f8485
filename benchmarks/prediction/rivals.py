"""What others predict with: FLOPs fitted linearly, and the sum of isolated layer timings, uncalibrated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from hwprofiles import Runtime, Target, TimingProtocol, compare_on
from latency_tables import NetworkRow, PieceKey
from search.bench.bench import Bench
from search.bench.slicing.extracting import extracted
from search.graph import Candidate
from search.graph.pieces import piece_specs, pieces

# One layer alone, as the builders of lookup tables time it: warmed up, a few dozen runs.
LAYER = TimingProtocol(
    lead_runs=0, runs_per_turn=1, turn_s=0.0002, turns_per_window=4, min_windows=8, max_windows=8,
    relative_half_width=1.0, time_limit_s=1.0, warmup_s=0.003, watch_s=0.0,
)  # fmt: skip


def work(keys: Sequence[PieceKey]) -> float:
    """Return the multiplications of a network's weighted pieces, from their families: widths x positions x taps."""
    return float(sum(_piece_work(key) for key in keys))


def _piece_work(key: PieceKey) -> float:
    family, (width_in, width_out) = key.family, key.widths
    _, made = family.positions
    inside = 1 if family.grouping == "depthwise" else family.inside or width_in
    return float(made * family.taps * inside * width_out)


def flops_fit(rows: Sequence[NetworkRow], networks: Sequence[Sequence[PieceKey]]) -> np.ndarray:
    """Fit seconds = a + b x work to the table's own networks, in relative terms, and predict."""
    x = np.array([work([piece.key for piece in row.pieces]) for row in rows])
    y = np.array([row.seconds.median for row in rows])
    features = np.stack([np.ones_like(x), x], axis=1)
    found, *_ = np.linalg.lstsq(features / y[:, None], np.ones_like(y), rcond=None)
    return np.array([found[0] + found[1] * work(keys) for keys in networks])


def isolated_sums(
    runtime: Runtime, target: Target, bench: Bench, candidates: Sequence[Candidate], folder: Path
) -> tuple[np.ndarray, float]:
    """Time each piece of the candidates alone, as a network of its own, and add up.

    Returns:
        Seconds of shape (len(candidates),), and the share of pieces that could be timed; the rest counts as the mean of
        the others.
    """
    journal = folder / "isolated.jsonl"
    known = {}
    if journal.exists():
        known = {tuple(row["key"]): row["seconds"] for row in map(json.loads, journal.read_text().splitlines())}
    names = {spec.node: spec.name for spec in piece_specs(bench.blueprint)}
    sums, missing, every = [], 0, 0
    for candidate in candidates:
        keys = pieces(bench.blueprint, candidate)
        lacking = {name: key for name, key in keys.items() if (key.family, *key.widths) not in known}
        if lacking:
            model = onnx.load_from_string(bench.slicer.slice(candidate))
            values = {names[node]: made for node, made in bench.slicer.nodes(candidate).items()}
            for name, key in lacking.items():
                if (key.family, *key.widths) not in known:
                    seconds = _alone(runtime, target, model, frozenset(values.get(name, ())))
                    known[key.family, *key.widths] = seconds
                    with journal.open("a") as file:
                        file.write(json.dumps({"key": [key.family, *key.widths], "seconds": seconds}) + "\n")
        found = [known[key.family, *key.widths] for key in keys.values()]
        timed = [seconds for seconds in found if seconds is not None]
        every, missing = every + len(found), missing + len(found) - len(timed)
        sums.append(sum(timed) * len(found) / max(1, len(timed)))
    return np.array(sums), 1 - missing / every


def _alone(runtime: Runtime, target: Target, model: onnx.ModelProto, values: frozenset[str]) -> float | None:
    content = extracted(model, values)
    if content is None:
        return None
    with runtime.load(content, target, np.random.default_rng(0)) as session:
        measured = compare_on(runtime, {"layer": session}, "layer", LAYER, rng=np.random.default_rng(0))
    return float(np.median(measured.windows["layer"]))
