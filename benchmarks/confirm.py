"""Confirm a bundle's ratio with nothing of Lathe's: time two ONNX files in turn with ONNX Runtime alone.

    python benchmarks/confirm.py BUNDLE [--seconds 10]

Short turns of both files alternate, the order drawn anew each time. Printed as JSON: the median of the turns' paired
ratios with a distribution-free 95 % interval, and each file's median.
"""

import argparse
import json
import math
import random
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime

TURN_S = 0.02


def session(path: Path, threads: int) -> tuple[onnxruntime.InferenceSession, dict[str, np.ndarray]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    loaded = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {i.name: rng.standard_normal(i.shape).astype(np.float32) for i in loaded.get_inputs()}
    return loaded, feeds


def turn(loaded: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray], runs: int) -> float:
    began = time.perf_counter()
    for _ in range(runs):
        loaded.run(None, feeds)
    return (time.perf_counter() - began) / runs


def interval(values: list[float]) -> tuple[float, float, float]:
    """Median and the order statistics that hold it with 95 % confidence (normal approximation to the binomial)."""
    ordered, n = sorted(values), len(values)
    reach = 1.96 * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    return statistics.median(ordered), ordered[low], ordered[high]


def confirm(baseline: Path, subnet: Path, seconds: float, threads: int = 1, seed: int = 0) -> dict[str, object]:
    files = {"baseline": session(baseline, threads), "subnet": session(subnet, threads)}
    runs = {}
    for name, (loaded, feeds) in files.items():
        turn(loaded, feeds, 20)
        runs[name] = max(1, math.ceil(TURN_S / turn(loaded, feeds, 20)))
    order, times = random.Random(seed), {"baseline": [], "subnet": []}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        names = list(files)
        order.shuffle(names)
        for name in names:
            times[name].append(turn(*files[name], runs[name]))
    ratios = [own / base for own, base in zip(times["subnet"], times["baseline"], strict=True)]
    median, low, high = interval(ratios)
    return {
        "ratio": {"median": median, "low": low, "high": high},
        "median_s": {name: statistics.median(values) for name, values in times.items()},
        "pairs": len(ratios),
        "onnxruntime": onnxruntime.__version__,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    print(json.dumps(confirm(arguments.bundle / "baseline.onnx", arguments.bundle / "model.onnx", arguments.seconds)))
