"""Time the networks of `benchmarks.prediction` again, and tell windows apart by how fast the host was in them.

    python -m benchmarks.host_states NAME [--folder runs/prediction] [--visits 8]

It needs the files and the result of `benchmarks.prediction` for that network with ONNX Runtime. A host is fast in a
window where the unpruned network takes at most `FAST` of its fast level, and slow where it takes at least `SLOW` of it;
the fast level is the 5 % quantile of all windows. Stopped and started again, it goes on. Writes
benchmarks/results/host_states.json and .png.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwprofiles import Target, get_runtime

from .prediction.__main__ import RESULTS, conditions
from .prediction.figures import errors
from .prediction.truth import groups, quiet_torch, visit

FAST, SLOW = 1.12, 1.35
LEAST = 4
"""Windows in a state from which a network's ratio in it is told."""

Rows = list[dict[str, Any]]


def visited(journal: Path, known: list[str], folder: Path, visits: int) -> Rows:
    """Visit each network so often; return the seconds of its windows and of the unpruned network's in them."""
    (base,) = (path for path in folder.glob("*.onnx") if path.stem not in known)
    runtime, target = get_runtime("onnxruntime"), Target("onnxruntime")
    rows: Rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    for number in range(len(rows) // len(known), visits):
        rng = np.random.default_rng([77, number])
        for group in groups(known, rng):
            made = visit(runtime, target, {digest: folder / f"{digest}.onnx" for digest in group}, base, rng)
            canary = list(made.windows["baseline"])
            rows += [{"digest": digest, "net": list(made.windows[digest]), "base": canary} for digest in group]
        journal.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return rows


def by_state(rows: Rows, predicted: dict[str, float]) -> dict[str, Any]:
    """Return for each state the networks' ratios in it, and how far the predictions are from them."""
    every = np.array([second for row in rows for second in row["base"]])
    fast_s = float(np.quantile(every, 0.05))
    found: dict[str, Any] = {"fast_s": fast_s}
    for state in ("fast", "slow", "any"):
        ratios: dict[str, float] = {}
        for digest in predicted:
            net, base = (_joined(rows, digest, key) for key in ("net", "base"))
            inside = _inside(state, base, fast_s)
            if inside.sum() >= LEAST:
                ratios[digest] = float(np.median((net / base)[inside]))
        share = np.mean(_inside(state, every, fast_s))
        said = errors([predicted[digest] for digest in ratios], list(ratios.values())) if len(ratios) > 1 else None
        found[state] = {"share_of_windows": float(share), "networks": len(ratios), "table": said, "ratios": ratios}
    return found


def _joined(rows: Rows, digest: str, key: str) -> NDArray[np.float64]:
    return np.array([second for row in rows if row["digest"] == digest for second in row[key]])


def _inside(state: str, base: NDArray[np.float64], fast_s: float) -> NDArray[np.bool_]:
    return {"fast": base <= FAST * fast_s, "slow": base >= SLOW * fast_s, "any": base > 0}[state]


def draw(found: dict[str, Any], predicted: dict[str, float], name: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(6.5, 3.4), layout="constrained")
    for state, colour in (("fast", "#1f6f9c"), ("slow", "#d1495b")):
        ratios = found[state]["ratios"]
        x = [predicted[digest] for digest in ratios]
        y = [100 * (ratio / predicted[digest] - 1) for digest, ratio in ratios.items()]
        share = f"{found[state]['share_of_windows']:.0%} of windows"
        panel.plot(x, y, "o", ms=4, color=colour, label=f"host {state} ({share})")
    for level in (-5, 5):
        panel.axhline(level, color="0.6", ls="--", lw=0.8)
    panel.axhline(0, color="0.6", lw=0.8)
    panel.set(title=name, xlabel="predicted / unpruned", ylabel="measured over predicted, %")
    panel.legend(frameon=False)
    figure.savefig(path, dpi=140)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, default=Path("runs/prediction"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--visits", type=int, default=8)
    arguments = parser.parse_args()
    quiet_torch()
    networks = json.loads((arguments.results / "prediction.json").read_text())["networks"][arguments.name]["networks"]
    predicted = {row["digest"]: row["table"] for row in networks}
    folder = arguments.folder / arguments.name
    rows = visited(folder / "states.jsonl", list(predicted), folder, arguments.visits)
    found = by_state(rows, predicted)
    document = {
        "network": arguments.name,
        "conditions": conditions(Target("onnxruntime"), arguments.visits),
        "states": found,
    }
    path = arguments.results / "host_states.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    draw(found, predicted, arguments.name, path.with_suffix(".png"))
    for state in ("fast", "slow", "any"):
        print(state, {key: value for key, value in found[state].items() if key != "ratios"})


if __name__ == "__main__":
    main()
