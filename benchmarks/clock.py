"""Ask the clock questions whose answers are known: is there a difference where there is none, and where there is one?

    python -m benchmarks.clock [--part truth aa ab loaded twice machine] [--target SLUG] [--count N]

Give it the machine alone; all parts take about half an hour. Stopped and started again, it goes on with the next case.
Writes benchmarks/results/clock.json and .png (those of another runtime than ONNX Runtime bear its name); the part
`machine` also writes this machine's profile into --profiles.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from hwprofiles import (
    PROTOCOLS,
    Interval,
    Measurement,
    ShippedProfile,
    Steadiness,
    Target,
    TimingProtocol,
    compare_files,
    get_runtime,
    probe,
)

from .residual_cnn import NETWORK, WIDE, network, twenty

RESULTS = Path(__file__).parent / "results"
PROFILES = Path(__file__).parent.parent / "hwprofiles" / "profiles"
DEFAULT = Target("onnxruntime")
PARTS = {"truth": 1, "aa": 40, "ab": 40, "loaded": 40, "twice": 20, "machine": 1}
APART_S = 300.0

# Long enough for a standard error of about 0.1 %.
LONG = replace(PROTOCOLS["difference"], min_windows=200, max_windows=400, relative_half_width=0.0005, time_limit_s=90.0)

# A loader of one core: works and sleeps for random times, as long in the mean. It runs where the system puts it.
LOADER = """
import random, time
while True:
    until = time.perf_counter() + random.uniform(0.02, 0.18)
    while time.perf_counter() < until: pass
    time.sleep(random.uniform(0.02, 0.18))
"""

Case = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two networks to compare, each by the inner width of its extra work."""

    subnet: int
    baseline: int = 0


def compared(target: Target, subnet: bytes, baseline: bytes, seed: int, protocol: TimingProtocol) -> Measurement:
    files = {"baseline": baseline, "subnet": subnet}
    runtime = get_runtime(target.runtime)
    return compare_files(runtime, files, target, "baseline", protocol, rng=np.random.default_rng(seed))


def told(made: Measurement, wall_s: float) -> Case:
    def plain(interval: Interval | None) -> dict[str, float] | None:
        return None if interval is None else interval.to_json()

    return {
        "answer": made.difference("subnet"),
        "compared": plain(made.compared("subnet")),
        "seconds": {name: plain(made.seconds(name)) for name in made.names},
        "p90_s": made.upper_seconds("baseline", 0.9),
        "windows": made.n_windows,
        "ratio_sd": statistics.stdev(made.ratios("subnet")),
        "seconds_cv": statistics.stdev(made.windows["baseline"]) / statistics.mean(made.windows["baseline"]),
        "judgement": list(made.judgement),
        "conditions": dict(made.conditions),
        "wall_s": wall_s,
        "date": made.date,
    }


def timed(target: Target, pair: Pair, seed: int, protocol: TimingProtocol = PROTOCOLS["difference"]) -> Case:
    subnet, baseline = (network(target.runtime, extra) for extra in (pair.subnet, pair.baseline))
    return timed_file(target, subnet, baseline, seed, protocol)


def timed_file(target: Target, subnet: bytes, baseline: bytes, seed: int, protocol: TimingProtocol) -> Case:
    began = time.monotonic()
    made = compared(target, subnet, baseline, seed, protocol)
    return told(made, time.monotonic() - began)


def slower_or_faster(target: Target, index: int) -> Case:
    """The network with extra work: every second time as the one that the other is compared with."""
    if index % 2:
        return {"expected": "faster", **timed(target, Pair(0, WIDE), 2000 + index)}
    return {"expected": "slower", **timed(target, Pair(WIDE), 2000 + index)}


@contextmanager
def load() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", LOADER])
    try:
        time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def loaded(target: Target, index: int) -> Case:
    with load():
        if index % 4 < 2:
            return {"expected": "no difference", **timed(target, Pair(0), 3000 + index)}
        return slower_or_faster(target, index)


def machine(target: Target, _: int) -> Case:
    protocol = replace(LONG, max_windows=200, time_limit_s=60.0, relative_half_width=1e-6)
    file = network(target.runtime)
    made = compared(target, file, file, 0, protocol)
    case = told(made, 0.0)
    seconds = made.seconds("baseline")
    assert seconds is not None
    steadiness = Steadiness(
        target=target.slug,
        date=made.date or "",
        versions=dict(made.versions),
        network=NETWORK,
        run_s=seconds.median,
        windows=made.n_windows,
        window_s=float(np.median(np.diff(made.starts_s))),
        seconds_cv=case["seconds_cv"],
        ratio_cv=case["ratio_sd"],
    )
    # The kernel's release names who built it, and the fingerprint does without.
    profile = ShippedProfile(hardware=replace(probe(), kernel=None), steadiness=(steadiness,))
    return {**case, "profile": profile.to_json(), "fingerprint": profile.hardware.fingerprint}


class Cases:
    """What was measured, a line a case in a scratch file; a line that a kill cut off is measured again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cases: dict[tuple[str, int], Case] = {}
        lines = path.read_text().split("\n") if path.exists() else []
        whole = lines[:-1]
        path.write_text("".join(f"{line}\n" for line in whole))
        for line in whole:
            case = json.loads(line)
            self.cases[case["part"], case["index"]] = case

    def get(self, part: str, index: int, make: Callable[[int], Case]) -> Case:
        if (part, index) not in self.cases:
            case = {"part": part, "index": index, "at_s": time.time(), **make(index)}
            with self.path.open("a") as file:
                file.write(json.dumps(case) + "\n")
            self.cases[part, index] = case
            ratio = case["compared"]["median"] if case["compared"] else float("nan")
            print(f"{part} {index}: {case['answer']}, {ratio:.4f}, {case['wall_s']:.1f} s", flush=True)
        return self.cases[part, index]

    def of(self, part: str) -> list[Case]:
        return [case for (name, _), case in sorted(self.cases.items()) if name == part]


def twice(target: Target, cases: Cases, count: int) -> None:
    """Measure the files in rotation, the second time at least `APART_S` after the first."""
    files, baseline = twenty(target.runtime)[:count], network(target.runtime)
    for rotation in range(2):
        for index, file in enumerate(files):
            if rotation:
                wait = cases.cases["twice", index]["at_s"] + APART_S - time.time()
                time.sleep(max(0.0, wait) if ("twice", 100 + index) not in cases.cases else 0.0)

            def make(seed: int, file: bytes = file) -> Case:
                return timed_file(target, file, baseline, 4000 + seed, PROTOCOLS["difference"])

            cases.get("twice", 100 * rotation + index, make)


def measure(target: Target, parts: list[str], counts: dict[str, int], cases: Cases) -> None:
    makers: dict[str, Callable[[int], Case]] = {
        "truth": lambda _: timed(target, Pair(WIDE), 0, LONG),
        "aa": lambda index: timed(target, Pair(0), 1000 + index),
        "ab": partial(slower_or_faster, target),
        "loaded": partial(loaded, target),
        "machine": partial(machine, target),
    }
    for part in parts:
        if part == "twice":
            twice(target, cases, counts[part])
            continue
        for index in range(counts[part]):
            cases.get(part, index, makers[part])


def pairs(cases: Cases) -> list[tuple[Case, Case]]:
    return [
        (case, cases.cases["twice", 100 + case["index"]])
        for case in cases.of("twice")
        if ("twice", 100 + case["index"]) in cases.cases
    ]


def moved(first: Case, second: Case) -> float:
    """By how much two measurements of a file differ, as a fraction; infinite where one has no interval."""
    if not first["compared"] or not second["compared"]:
        return float("inf")
    return second["compared"]["median"] / first["compared"]["median"] - 1


def rows(cases: Cases) -> list[dict[str, Any]]:
    """What was asked, what was measured, and whether it is met; counts scale with the cases there are."""
    found = []

    def row(asked: str, measured: int | float, of: int, limit: float, at_least: bool = False) -> None:
        if of:
            met = measured >= limit if at_least else measured <= limit
            found.append({"asked": asked, "measured": measured, "of": of, "met": met})

    aa, ab, busy, again = cases.of("aa"), cases.of("ab"), cases.of("loaded"), pairs(cases)
    false = sum(case["answer"] in ("faster", "slower") for case in aa)
    row("A/A: at most 3 of 40 report a difference", false, len(aa), 3 * len(aa) / 40)
    right = sum(case["answer"] == case["expected"] for case in ab)
    row("A/B of 3 %: at least 38 of 40 find it", right, len(ab), 38 * len(ab) / 40, at_least=True)
    for name, some in (("A/A", aa), ("A/B", ab)):
        unstable = sum(case["answer"] == "unstable" for case in some)
        row(f"{name}, idle: unstable in at most 4 of 40", unstable, len(some), 4 * len(some) / 40)
    wrong = sum(case["answer"] not in (case["expected"], "unstable") for case in busy)
    row("one core half loaded: no false verdict in 40", wrong, len(busy), 0)
    unstable = sum(case["answer"] == "unstable" for case in busy)
    row("one core half loaded: unstable in at most 20 of 40", unstable, len(busy), 20 * len(busy) / 40)
    agree = sum(abs(moved(*pair)) <= 0.02 for pair in again)
    row("twice, 5 min apart: 19 of 20 agree within 2 %", agree, len(again), 19 * len(again) / 20, at_least=True)
    walls = [case["wall_s"] for case in (*aa, *ab, *busy)]
    row("longest comparison: within 20 s", round(max(walls, default=0), 1), len(walls), 20)
    return found


def draw(cases: Cases, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    colours = {"no difference": "#1f6f9c", "slower": "#c77d0a", "faster": "#3a8f5c", "unstable": "#999999"}
    titles = {"aa": "A/A", "ab": "A/B, 3 % of extra work", "loaded": "one core half loaded"}
    figure, panels = pyplot.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
    for panel, (part, title) in zip(panels, titles.items(), strict=False):
        for case in cases.of(part):
            if case["compared"]:
                low, middle, high = (100 * (case["compared"][key] - 1) for key in ("low", "median", "high"))
                colour = colours[case["answer"]]
                panel.plot([case["index"]] * 2, [low, high], color=colour, lw=1)
                panel.plot([case["index"]], [middle], "o", color=colour, ms=3)
        for level in (-1, 1):
            panel.axhline(level, color="0.6", ls="--", lw=0.8)
        panel.set(title=title, xlabel="comparison", ylim=(-6, 6))
    panels[0].set_ylabel("99 % interval of the ratio less 1, %")
    for answer, colour in colours.items():
        panels[1].plot([], [], "o", color=colour, ms=4, label=answer)
    panels[1].legend(frameon=False, fontsize=7, ncols=2, loc="lower center")
    values = [100 * moved(*pair) for pair in pairs(cases)]
    panels[3].plot(range(len(values)), values, "o", color="#1f6f9c", ms=4)
    for level in (-2, 2):
        panels[3].axhline(level, color="0.6", ls="--", lw=0.8)
    panels[3].set(title="20 files again after 5 min", xlabel="file", ylabel="change of the ratio, %", ylim=(-4, 4))
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--count", type=int, help="cases of each part, to try it in small; nothing is stored then")
    parser.add_argument("--target", type=Target.parse, default=DEFAULT)
    parser.add_argument("--folder", type=Path, help="by default runs/clock, or with the runtime's name")
    parser.add_argument("--profiles", type=Path, default=PROFILES)
    arguments = parser.parse_args()
    arguments.profiles.mkdir(parents=True, exist_ok=True)
    target = arguments.target
    stem = "clock" if target == DEFAULT else f"clock-{target.runtime}"
    folder = arguments.folder or Path("runs") / stem
    folder.mkdir(parents=True, exist_ok=True)
    # PyTorch's threads spin while they wait, also those of the process that times.
    torch.set_num_threads(1)
    cases = Cases(folder / "cases.jsonl")
    counts = {part: min(count, arguments.count or count) for part, count in PARTS.items()}
    measure(target, arguments.part, counts, cases)
    table = rows(cases)
    for row in table:
        print(f"{row['asked']:<55} {row['measured']:>6} of {row['of']:<4} {'met' if row['met'] else 'NOT MET'}")
    truth = cases.of("truth")
    if truth:
        print("true ratio of the network with extra work:", truth[0]["compared"])
    if arguments.count:
        return
    RESULTS.mkdir(exist_ok=True)
    document = {
        "machine": {**probe().to_json(), "kernel": None, "fingerprint": probe().fingerprint},
        "target": target.slug,
        "versions": {**get_runtime(target.runtime).versions(), "numpy": np.__version__, "onnx": onnx.__version__},
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "protocol": PROTOCOLS["difference"].to_json(),
        "network": NETWORK,
        "true_slowdown": truth[0]["compared"] if truth else None,
        "figures": table,
        "cases": [case for _, case in sorted(cases.cases.items())],
    }
    (RESULTS / f"{stem}.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(cases, RESULTS / f"{stem}.png")
    # The profile that Lathe comes with tells how steady the machine is, not the runtime.
    for case in cases.of("machine") if target == DEFAULT else ():
        if case["judgement"]:
            print("The machine was too unsteady for a profile:", *case["judgement"])
            continue
        path = arguments.profiles / f"{case['fingerprint']}.json"
        path.write_text(json.dumps(case["profile"], indent=1) + "\n")


if __name__ == "__main__":
    main()
