"""Time training steps of cut networks against natively smaller ones with the same weights and data.

    python benchmarks/train_step.py [--quick] [--only NAME ...]

Half of every width is cut (the size of heads is kept); the twin is the same class built that small. A step is forward,
backward and an update by SGD, in train mode, on one thread. Steps of both alternate, the order drawn anew each round;
the ratio is the median over rounds of the paired ratios, with a distribution-free 95 % interval. Asked for: each at
most 1.15, their geometric mean at most 1.05. Writes train_step.json and .png to benchmarks/results; `--quick` takes
small batches and few rounds, and writes to runs.
"""

import argparse
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import search
from hwprofiles import Interval, Measurement, Session, Surroundings, TimingProtocol, compare, probe
from tests.twins import FULL, Cut, Family, Network, native_twin, randomise, with_whole_heads

RESULTS = Path(__file__).parent / "results"
MOST_EACH, MOST_MEAN = 1.15, 1.05

# A window is one round of one step each: what is paired are neighbours in time.
LONG = TimingProtocol(
    lead_runs=0, runs_per_turn=1, turn_s=1e-4, turns_per_window=1, min_windows=40, max_windows=200,
    relative_half_width=0.003, time_limit_s=120.0, warmup_s=2.0,
)  # fmt: skip
QUICK = TimingProtocol(
    lead_runs=0, runs_per_turn=1, turn_s=1e-4, turns_per_window=1, min_windows=9, max_windows=25,
    relative_half_width=0.01, time_limit_s=8.0, warmup_s=0.2,
)  # fmt: skip
BATCH, QUICK_BATCH = 8, 2


class Step(Session):
    """A training step on fixed data; only `run` is of use here."""

    input_specs = ()

    def __init__(self, network: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor) -> None:
        self.network, self.x, self.labels = network.train(), x, labels
        # Steps this small leave the weights, and so the work, what they are.
        self.optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)

    def run(self) -> None:
        self.optimiser.zero_grad()
        F.cross_entropy(self.network(self.x), self.labels).backward()
        self.optimiser.step()

    def outputs(self, feeds: object) -> dict:
        raise NotImplementedError

    def profile(self, runs: int) -> tuple:
        raise NotImplementedError

    def close(self) -> None:
        pass


def pair(family: Family) -> tuple[search.Subnet, Network, dict[str, int]]:
    """Return the cut network, its twin, and how many parameters there were and are."""
    torch.manual_seed(0)
    whole = family.make()
    randomise(whole).eval()
    blueprint = search.comb(whole, torch.zeros(1, 3, family.image, family.image))
    candidate = with_whole_heads(blueprint, search.uniform(blueprint, 0.5))
    subnet = search.cut(blueprint, search.select(blueprint, candidate))
    twin = native_twin(whole, Cut(subnet.state_dict(), candidate.dims))
    count = {n: sum(p.numel() for p in m.parameters()) for n, m in (("unpruned", whole), ("cut", subnet))}
    return subnet, twin, count


def difference(subnet: torch.nn.Module, twin: torch.nn.Module, x: torch.Tensor) -> float:
    """Return the largest difference of the outputs in eval mode, relative to the largest output."""
    with torch.no_grad():
        expected = twin(x)
        return float((subnet(x) - expected).abs().max() / expected.abs().max())


def one(family: Family, batch: int, protocol: TimingProtocol, seed: int = 0) -> dict:
    subnet, twin, count = pair(family)
    x = torch.randn(batch, 3, family.image, family.image)
    apart = difference(subnet, twin, x)
    if not apart < 1e-4:
        raise SystemExit(f"The cut network and its twin are two: their outputs differ by {apart:.2g}.")
    shape = twin(x).shape
    labels = torch.randint(shape[1], (batch, *shape[2:]))
    steps = {"twin": Step(twin, x, labels), "cut": Step(subnet, x, labels)}
    measured = compare(steps, "twin", protocol, Surroundings(time.perf_counter), rng=np.random.default_rng(seed))
    return {"batch": batch, "image": family.image, "parameters": count, "difference": apart, **summary(measured)}


def summary(measured: Measurement) -> dict:
    intervals = {"ratio": measured.ratio("cut"), **{f"{n}_s": measured.seconds(n) for n in measured.names}}
    return {
        **{name: None if interval is None else interval.to_json() for name, interval in intervals.items()},
        "rounds": measured.n_windows,
        "doubts": list(measured.judgement),
        "conditions": dict(measured.conditions),
    }


def draw(networks: dict[str, dict], mean: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.4), layout="constrained")
    found = [Interval.from_json(entry["ratio"]) for entry in networks.values()]
    errors = [[f.median - f.low for f in found], [f.high - f.median for f in found]]
    axes.bar(list(networks), [f.median - 1 for f in found], 0.6, bottom=1, yerr=errors, capsize=3, color="tab:blue")
    axes.bar("geometric\nmean", mean - 1, 0.6, bottom=1, color="0.5")
    for limit, label in ((MOST_EACH, "each at most"), (MOST_MEAN, "geometric mean at most"), (1, "")):
        axes.axhline(limit, color="0.4", ls="--" if label else "-", lw=1)
        axes.text(-0.4, limit, label, va="bottom", color="0.4", fontsize="small")
    axes.set(ylabel="training step, cut / natively smaller")
    axes.tick_params(axis="x", labelsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small batches, few rounds, results in runs")
    parser.add_argument("--only", nargs="+", choices=list(FULL), default=list(FULL), metavar="NAME")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    batch, protocol = (QUICK_BATCH, QUICK) if arguments.quick else (BATCH, LONG)
    networks = {}
    for name in arguments.only:
        networks[name] = one(FULL[name], batch, protocol)
        ratio = networks[name]["ratio"]
        print(
            f"{name}: ratio {ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}] in "
            f"{networks[name]['rounds']} rounds, twin {1e3 * networks[name]['twin_s']['median']:.1f} ms",
            *networks[name]["doubts"],
            flush=True,
        )
    medians = [entry["ratio"]["median"] for entry in networks.values()]
    mean = math.exp(sum(math.log(median) for median in medians) / len(medians))
    met = mean <= MOST_MEAN and max(medians) <= MOST_EACH
    print(f"geometric mean {mean:.3f}, largest {max(medians):.3f}: {'met' if met else 'missed'}")
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": probe().to_json(),
        "versions": {"torch": torch.__version__},
        "threads": torch.get_num_threads(),
        "protocol": protocol.to_json(),
        "asked": {"each": MOST_EACH, "geometric_mean": MOST_MEAN},
        "geometric_mean": mean,
        "met": met,
        "networks": networks,
    }
    folder = Path("runs") if arguments.quick else RESULTS
    folder.mkdir(exist_ok=True)
    (folder / "train_step.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(networks, mean, folder / "train_step.png")


if __name__ == "__main__":
    main()
