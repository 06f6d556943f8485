"""Build tables from scratch, cut and export networks that they have not seen, time them, and compare.

    python -m benchmarks.prediction [--only NAME ...] [--target SLUG] [--folder runs/prediction] [--seed 0]

Give it the machine alone; a network takes a quarter to half of an hour. Stopped and started again, it goes on where it
was. Writes benchmarks/results/prediction.json and .png; those of another runtime than ONNX Runtime bear its name.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import search
from hwprofiles import Target, get_runtime, probe, table_protocol
from latency_tables import Estimate, KernelPredictor, Predictor, Store, hit_rate
from search.bench.bench import Bench
from search.commands.profile import measure
from search.graph import Candidate
from search.graph.neighbours import neighbours
from search.graph.pieces import pieces
from search.progress import Silent

from .figures import MOST_ERROR, claims, errors
from .networks import CASES
from .picture import draw
from .rivals import flops_fit, isolated_sums
from .truth import AT_A_TIME, PROTOCOL, VISITS, choose, export, kernels, path_of, quiet_torch, time_all

RESULTS = Path(__file__).parent.parent / "results"
DEFAULT = Target("onnxruntime")
# Four minutes are asked for; the last comparison and the fit may end some seconds after a limit.
LIMIT_S, COMPILED_LIMIT_S = 236.0, 3600.0


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def built(name: str, target: Target, folder: Path, seed: int) -> tuple[Bench, Predictor, Any, float]:
    """Return the bench, the predictor, the table, and how long building has taken in all."""
    kept = folder / "build.json"
    before = json.loads(kept.read_text())["seconds"] if kept.exists() else 0.0
    network, example = CASES[name].build()
    blueprint = search.comb(network, example)
    began = time.perf_counter()
    bench = Bench.open(blueprint, target, Store(folder / "table.jsonl"), seed)
    opened_s = time.perf_counter() - began
    if before:
        return bench, *_again(bench), before
    limit_s = LIMIT_S if bench.runtime.most_files is None else COMPILED_LIMIT_S
    found = measure(bench, time_limit_s=limit_s, began=bench.runtime.clock() - opened_s, progress=Silent())
    seconds = time.perf_counter() - began
    kept.write_text(json.dumps({"seconds": seconds, "opened_s": opened_s, "timed": found.timed}))
    say(f"{name}: built in {seconds:.0f} s ({opened_s:.0f} s to export and sweep), {found.timed} networks")
    return bench, found.predictor, found.table, seconds


def _again(bench: Bench) -> tuple[Predictor, Any]:
    table = bench.fill([])
    return Predictor.fit(table, quantum=bench.quantum, rng=np.random.default_rng(bench.seed)), table


def candidates_of(bench: Bench, predictor: Predictor, table: Any, folder: Path) -> list[Candidate]:
    kept = folder / "candidates.json"
    if not kept.exists():
        known = {row.job.rpartition("-")[2] for row in table.rows}
        chosen = choose(bench, predictor, known, np.random.default_rng(1234))
        kept.write_text(json.dumps([candidate.to_json() for candidate in chosen]))
    return [Candidate.from_json(item) for item in json.loads(kept.read_text())]


def speed(bench: Bench, predictor: Predictor) -> float:
    """Return how many candidates a second are predicted in a batch."""
    space = bench.space(predictor)
    rng = np.random.default_rng(0)
    n = 100_000
    levels = np.stack([rng.integers(0, count, n) for count in space.n_levels], axis=1).astype(np.intp)
    removed = rng.random((n, len(space.blocks))) < 0.2
    space.latencies(levels, removed)
    began = time.perf_counter()
    space.latencies(levels, removed)
    return n / (time.perf_counter() - began)


def kernel_rate(bench: Bench, table: Any, chosen: list[Candidate], folder: Path) -> float:
    """Return how many of the kernels that the runtime makes of the candidates were predicted, in the mean."""
    learnt = KernelPredictor.fit(table.rows, neighbours(bench.blueprint))
    rates = []
    for candidate in chosen:
        made = kernels(bench.runtime, bench.target, path_of(bench, candidate, folder))
        rates.append(hit_rate(learnt.network(pieces(bench.blueprint, candidate)) or [], made))
    return float(np.mean(rates))


def run(name: str, target: Target, folder: Path, seed: int, visits: int) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    runtime = get_runtime(target.runtime)
    bench, predictor, table, build_s = built(name, target, folder, seed)
    assert table.reference is not None
    chosen = candidates_of(bench, predictor, table, folder)
    keys = [list(pieces(bench.blueprint, candidate).values()) for candidate in chosen]
    say(f"{name}: cut and export {len(chosen)} networks")
    export(bench, chosen, folder)
    say(f"{name}: time them twice")
    truth, again = (time_all(bench, chosen, folder, i, visits) for i in (0, 1))
    measured = np.array([row["ratio"]["median"] for row in truth])
    repeated = [row["ratio"]["median"] for row in again]
    isolated, timed_alone = None, None
    # Cutting some thousand layers out of exported programs would take an hour.
    if runtime.artefact_kind == "onnx":
        say(f"{name}: time layers alone")
        isolated, timed_alone = isolated_sums(runtime, target, bench, chosen, folder)
    reference = table.reference.median
    # What the table says for the pace that the machine had when the true times were taken.
    slowdowns = np.log([row["unpruned_s"] / reference for row in truth])
    estimates = [predictor.estimate(own, now) for own, now in zip(keys, slowdowns.tolist(), strict=True)]
    unmoved = predictor.predict_pieces(keys) / reference
    predicted = {
        "table": np.array([estimate.seconds for estimate in estimates]) / reference,
        "flops": flops_fit(table.rows, keys) / reference,
    }
    if isolated is not None:
        predicted["isolated"] = isolated / reference
    rate = kernel_rate(bench, table, chosen, folder) if runtime.profiles(target) else None
    origins = [estimate.origin for estimate in estimates]
    return {
        "build_s": build_s,
        "networks_timed": len(table.networks),
        "reference_s": table.reference.to_json(),
        "held_out": predictor.held_out.to_json(),
        "stairs": {kind: {"quantum": s.quantum, "edges": list(s.edges)} for kind, s in table.stairs.items()},
        "predictors": {key: errors(list(values), list(measured)) for key, values in predicted.items()},
        "pace": {
            **paces(predictor, table, slowdowns.tolist()),
            "predictions at the pace of the reference": errors(list(unmoved), list(measured)),
        },
        "isolated_units_timed": timed_alone,
        "tau_ceiling": errors(repeated, list(measured))["kendall_tau"],
        "repeat": errors(repeated, list(measured)),
        "standard_error": {
            "worst": max(row["standard_error"] for row in truth),
            "over_limit": sum(row["standard_error"] > MOST_ERROR for row in truth),
        },
        "kernel_hit_rate": rate,
        "candidates_per_s": speed(bench, predictor),
        "origins": {origin: origins.count(origin) for origin in sorted(set(origins))},
        "networks": [
            {**of_network(estimate, reference, value, other), "digest": candidate.digest}
            | {key: float(values[i]) for key, values in predicted.items()}
            for i, (candidate, value, other, estimate) in enumerate(
                zip(chosen, measured, repeated, estimates, strict=True)
            )
        ],
    }


def of_network(estimate: Estimate, reference: float, value: float, other: float) -> dict[str, Any]:
    """Return both measured ratios of a network, and whether the predicted interval holds the first."""
    low, high = estimate.low / reference, estimate.high / reference
    return {
        "measured": float(value),
        "repeated": float(other),
        "low": low,
        "high": high,
        "inside": bool(low <= value <= high),
    }


def paces(predictor: Predictor, table: Any, slowdowns: list[float]) -> dict[str, Any]:
    """Return what the table says of the machine's pace, and how slow it was while the table and the truth were made."""
    slowdown = {"table": quantiles([row.slowdown for row in table.networks]), "truth": quantiles(slowdowns)}
    return {"dependence": predictor.pace.dependence, "slowdown": slowdown}


def quantiles(slowdowns: list[float]) -> dict[str, float]:
    """Return how many times as long the unpruned network took as for the reference, over networks."""
    return {f"{level:.0%}": float(np.exp(np.quantile(slowdowns, level))) for level in (0.1, 0.5, 0.9)}


def conditions(target: Target, visits: int) -> dict[str, Any]:
    runtime = get_runtime(target.runtime)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        # The kernel's release names who built it.
        "machine": replace(probe(), kernel=None).to_json(),
        "versions": runtime.versions(),
        "protocol": table_protocol(runtime.most_files is not None).to_json(),
        "truth": {"protocol": PROTOCOL.to_json(), "at_a_time": AT_A_TIME, "visits_at_most": visits},
    }


def stored(path: Path, target: Target, new: dict[str, Any]) -> dict[str, Any]:
    """Write results beside those of other networks that are there, and return all; each has its conditions."""
    before = json.loads(path.read_text())["networks"] if path.exists() else {}
    results = {name: (before | new)[name] for name in CASES if name in before | new}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"target": target.slug, "networks": results}, indent=1) + "\n")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--target", type=Target.parse, default=DEFAULT)
    parser.add_argument("--folder", type=Path, help="by default runs/prediction, or with the runtime's name")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--visits", type=int, default=VISITS[0][1], help="to each network, at most, for its true time")
    arguments = parser.parse_args()
    quiet_torch()
    target = arguments.target
    stem = "prediction" if target == DEFAULT else f"prediction-{target.runtime}"
    folder = arguments.folder or Path("runs") / stem
    path = arguments.results / f"{stem}.json"
    for name in arguments.only:
        found = run(name, target, folder / name, arguments.seed, arguments.visits)
        for _, asked, told, met in claims({name: found}, target.runtime):
            say(f"{name}: {'yes' if met else 'NO':4}{asked:45}{told}")
        results = stored(path, target, {name: found | {"conditions": conditions(target, arguments.visits)}})
        draw(results, path.with_suffix(".png"))
    for network, asked, found, met in claims(results, target.runtime):
        print(f"{'yes' if met else 'NO':4} {network:12} {asked:45} {found}")
    for network, found in results.items():
        for key, figures in found["predictors"].items():
            print(f"     {network:12} {key:10}", {name: round(value, 4) for name, value in figures.items()})


if __name__ == "__main__":
    main()
