"""Run the demo with ten seeds, confirm each answer with ONNX Runtime alone, and keep the figures.

    python benchmarks/demo_runs.py [--seeds 10] [--folder runs/demo_runs]

Writes benchmarks/results/demo_runs.json and .png. Stopped and started again, it goes on where it was.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def one(seed: int, folder: Path) -> dict[str, object]:
    kept = folder / f"{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    began = time.monotonic()
    command = [sys.executable, "-m", "search", "demo", "--json", "--seed", str(seed), "--out", str(folder / str(seed))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    if done.returncode == 2 or not done.stdout:
        raise SystemExit(f"seed {seed}: exit status {done.returncode}\n{done.stderr}")
    answer = json.loads(done.stdout)
    bundle = Path(answer.pop("bundle"))
    confirmed = subprocess.run(
        [sys.executable, str(HERE / "confirm.py"), str(bundle)], capture_output=True, text=True, check=True
    )
    report = json.loads((bundle / "report.json").read_text())
    result = {
        "seed": seed,
        "command_s": time.monotonic() - began,
        "exit_status": done.returncode,
        **answer,
        "confirmed": json.loads(confirmed.stdout),
        "held_out": report["table"]["held_out"],
        "rounds": len(report["predicted_vs_measured"]),
        "versions": report["versions"],
        "cpu": report["hardware"]["cpu_model"],
    }
    kept.write_text(json.dumps(result))
    return result


def draw(results: list[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    for shift, key, label in ((-0.12, "ratio", "lathe's verification"), (0.12, "confirmed", "ONNX Runtime alone")):
        found = [r[key]["ratio"] if key == "confirmed" else r[key] for r in results]
        middle = [100 * f["median"] for f in found]
        errors = [[100 * (f["median"] - f["low"]) for f in found], [100 * (f["high"] - f["median"]) for f in found]]
        axes.errorbar([r["seed"] + shift for r in results], middle, errors, fmt="o", ms=4, capsize=3, label=label)
    axes.axhline(50, color="0.4", ls="--", lw=1)
    axes.text(results[-1]["seed"] + 0.3, 50, "budget", va="bottom", ha="right", color="0.4")
    axes.set(xlabel="seed", ylabel="latency, % of the unpruned network", xticks=[r["seed"] for r in results])
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=Path("runs/demo_runs"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results = []
    for seed in range(arguments.seeds):
        results.append(one(seed, arguments.folder.resolve()))
        last = results[-1]
        print(
            f"seed {seed}: {last['verdict']}, ratio {last['ratio']['median']:.4f} (high {last['ratio']['high']:.4f}), "
            f"confirmed {last['confirmed']['ratio']['median']:.4f}, accuracy {last['accuracy']['baseline']:.4f} -> "
            f"{last['accuracy']['subnet']:.4f}, {last['wall_s']:.0f} s",
            flush=True,
        )
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": platform.machine(), "python": platform.python_version(), "runs": results}
    (RESULTS / "demo_runs.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(results, RESULTS / "demo_runs.png")


if __name__ == "__main__":
    main()
