"""Show that each runtime has widths of its own that it likes: one network cut four ways, and stairs, on each.

    python benchmarks/runtimes.py [--targets SLUG ...] [--folder runs/runtimes]

MobileNetV2 at 160 pixels with all widths x 0.7, rounded to multiples of 1, 4, 8 and 16, each timed in turn with the
unpruned network; and the stairs of three classes of its operators, of one where each width is a long compilation. Give
it the machine alone; it takes some minutes, and a quarter of an hour more with AOTInductor. Stopped and started again,
it goes on where it was. Writes benchmarks/results/runtimes.json and .png.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import search
from benchmarks.prediction.networks import CASES
from hwprofiles import PROTOCOLS, Target, compare_files, get_runtime, probe, unavailable
from latency_tables import Rig, Store, sweep
from search.bench import SLICERS, sweeps
from search.deploy import write_pt2
from search.graph import Blueprint, Candidate, full

RESULTS = Path(__file__).parent / "results"
TARGETS = (
    "cpu-onnxruntime-fp32-b1-t1", "cpu-openvino-fp32-b1-t1", "cpu-openvino-bf16-b1-t1", "cpu-torch-fp32-b1-t1",
    "cpu-aotinductor-fp32-b1-t1",
)  # fmt: skip
ROUNDINGS = (1, 4, 8, 16)
SHARE = 0.7
PROTOCOL = replace(PROTOCOLS["finalist"], time_limit_s=30.0, min_windows=20)
STAIRS = 3
DRAWN = "depthwise"  # what the class of operators whose stairs are in the picture has in its name
SHOWN = 100  # width up to which stairs are drawn: further up a step is a small share of the whole
COLOURS = ("#1f6f9c", "#c77d0a", "#d1495b", "#3a8f5c", "#7a5aa6")


def rounded(blueprint: Blueprint, step: int) -> Candidate:
    """Return the candidate with all widths x 0.7, rounded to multiples of a step."""

    def width(size: int, least: int) -> int:
        return min(size, max(least, step * max(1, math.floor(SHARE * size / step + 0.5))))

    return Candidate({d.name: width(d.size, d.least) for d in blueprint.dims}, dict(full(blueprint).blocks))


def files(blueprint: Blueprint, kind: str, folder: Path) -> dict[str, Path]:
    """Cut and export the unpruned network and the four others for real; files that are there stay."""
    wanted = {"baseline": full(blueprint)} | {f"multiples of {n}": rounded(blueprint, n) for n in ROUNDINGS}
    found = {}
    for name, candidate in wanted.items():
        path = found[name] = folder / f"{candidate.digest}.{'onnx' if kind == 'onnx' else 'pt2'}"
        if not path.exists():
            subnet = search.cut(blueprint, search.select(blueprint, candidate, importance="magnitude"))
            if kind == "onnx":
                search.export(subnet, path)
            else:
                write_pt2(subnet, path, subnet.example(1))
    return found


def measured(slug: str, folder: Path) -> dict[str, Any]:
    kept = folder / f"{slug}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    target = Target.parse(slug)
    reason = unavailable(target)
    if reason is not None:
        return {"unavailable": reason}
    runtime = get_runtime(target.runtime)
    blueprint = search.comb(*CASES["MobileNetV2"].build())
    paths = files(blueprint, runtime.artefact_kind, folder)
    made = compare_files(runtime, paths, target, "baseline", PROTOCOL, rng=np.random.default_rng(0))
    slicer = SLICERS[runtime.table_kind(target)](blueprint, 1)
    chosen = sorted(sweeps(blueprint, slicer), key=lambda item: -item.size)[:STAIRS]
    if runtime.most_files is not None:
        chosen = [item for item in chosen if DRAWN in item.kind][:1]
    table = sweep(Rig(runtime, target, Store(folder / f"{slug}.jsonl")), chosen, rng=np.random.default_rng(0))
    ratios = {name: made.ratio(name) for name in paths if name != "baseline"}
    seconds = {name: made.seconds(name) for name in paths}
    found = {
        "versions": runtime.versions(),
        "ratios": {name: None if r is None else r.to_json() for name, r in ratios.items()},
        "seconds": {name: None if s is None else s.to_json() for name, s in seconds.items()},
        "judgement": list(made.judgement),
        "stairs": [table.stairs[item.kind].to_json() | {"quantum": table.stairs[item.kind].quantum} for item in chosen],
    }
    kept.write_text(json.dumps(found))
    return found


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {slug: found for slug, found in results.items() if "ratios" in found}
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=(3, 4))
    bar = 0.8 / len(shown)
    for place, (slug, found) in enumerate(shown.items()):
        colour, label = COLOURS[place % len(COLOURS)], " ".join(slug.split("-")[1:3])
        ratios = [found["ratios"][f"multiples of {n}"] for n in ROUNDINGS]
        spots = np.arange(len(ROUNDINGS)) + bar * (place - (len(shown) - 1) / 2)
        middle = np.array([r["median"] for r in ratios])
        ends = [middle - [r["low"] for r in ratios], np.array([r["high"] for r in ratios]) - middle]
        panels[0].bar(spots, middle, bar * 0.92, yerr=ends, color=colour, label=label, error_kw={"lw": 0.8})
        stairs = next(one for one in found["stairs"] if DRAWN in one["kind"])
        points = np.array([[width, ratio["median"]] for width, ratio in stairs["ratios"] if width <= SHOWN])
        panels[1].plot(points[:, 0], points[:, 1] / points[-1, 1], "o-", ms=3, lw=1, color=colour, label=label)
    panels[0].axhline(1.0, color="0.4", lw=0.8, ls="--")
    panels[0].set(
        ylabel="time, of the unpruned network's", xlabel="all widths x 0.7, rounded to multiples of",
        xticks=range(len(ROUNDINGS)), xticklabels=ROUNDINGS,
    )  # fmt: skip
    panels[0].legend(frameon=False, fontsize=8)
    panels[1].set(
        xlabel=f"width of one dim (full size {stairs['size']})", ylabel=f"time, of width {points[-1, 0]:.0f}'s"
    )
    panels[1].set_title(stairs["kind"], fontsize=8)
    figure.savefig(path, dpi=140)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--folder", type=Path, default=Path("runs/runtimes"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    results: dict[str, dict[str, Any]] = {}
    for slug in arguments.targets:
        found = results[slug] = measured(slug, arguments.folder)
        ratios = found.get("ratios", {})
        print(
            slug,
            found.get("unavailable") or {name: round(r["median"], 3) for name, r in ratios.items() if r},
            flush=True,
        )
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**probe().to_json(), "kernel": None, "fingerprint": probe().fingerprint},
        "protocol": PROTOCOL.to_json(),
        "targets": results,
    }
    (RESULTS / "runtimes.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(results, RESULTS / "runtimes.png")


if __name__ == "__main__":
    main()
