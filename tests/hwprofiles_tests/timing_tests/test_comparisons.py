"""How often comparisons are right: many on the null runtime, whose truth is known, with noise and drift."""

from __future__ import annotations

import collections
from dataclasses import replace

import numpy as np
import pytest

from hwprofiles import (
    PROTOCOLS,
    FakeClock,
    Measurement,
    NullRuntime,
    StaircaseLaw,
    Target,
    TimingProtocol,
    compare_files,
    compare_on,
)

from ..onnx_files import conv_file
from ..sessions import FakeSession, compare_fakes
from ..simulated import Machine

TARGET = Target("null")
REPEATS = 120

# About 2 ms a run, so that turns are few runs as on a real machine.
LAW = StaircaseLaw(quantum=8, node_s=6e-4)


def compared(seed: int, noise: float, drift: float, slower: float = 1.0, protocol: str = "table") -> Measurement:
    runtime = NullRuntime(LAW, noise=noise, drift=drift, seed=seed)
    rng = np.random.default_rng(seed)
    canary = runtime.load(FILE, TARGET, rng)
    runtime.law = StaircaseLaw(quantum=8, node_s=LAW.node_s * slower, block_s=LAW.block_s * slower)
    subnet = runtime.load(FILE, TARGET, rng)
    return compare_on(runtime, {"baseline": canary, "subnet": subnet}, "baseline", PROTOCOLS[protocol], rng=rng)


FILE = conv_file(8)

MACHINES = pytest.mark.parametrize(("noise", "drift"), [(0.03, 0.2), (0.09, 0.09), (0.01, 0.3)])


@MACHINES
def test_equal_networks_show_no_difference(noise: float, drift: float) -> None:
    made = [compared(seed, noise, drift) for seed in range(REPEATS)]
    found = collections.Counter(one.difference("subnet") for one in made)
    assert found["faster"] + found["slower"] <= 0.01 * REPEATS
    # The table's protocol is short: it cannot exclude 3 %, but it need not doubt its ratios.
    assert sum(one.stable for one in made) >= 0.98 * REPEATS
    precise = [compared(seed, noise, drift, protocol="finalist").difference("subnet") for seed in range(20)]
    assert precise.count("no difference") >= 19


@MACHINES
def test_slower_network_is_found(noise: float, drift: float) -> None:
    found = collections.Counter(
        compared(seed, noise, drift, slower=1.1).difference("subnet") for seed in range(REPEATS)
    )
    assert found["slower"] >= 0.95 * REPEATS
    assert found["faster"] == found["no difference"] == 0


@MACHINES
def test_interval_holds_the_true_ratio(noise: float, drift: float) -> None:
    hits = 0
    for seed in range(REPEATS):
        ratio = compared(seed, noise, drift, slower=1.05).ratio("subnet")
        # Only the convolutions and the product get slower: the sessions themselves know the truth.
        hits += ratio is not None and true_ratio(1.05) in ratio
    assert hits >= 0.9 * REPEATS


def true_ratio(slower: float) -> float:
    slow = StaircaseLaw(quantum=8, node_s=LAW.node_s * slower, block_s=LAW.block_s * slower)
    return sum(slow.seconds(FILE).values()) / sum(LAW.seconds(FILE).values())


def test_looking_often_does_not_make_finalists_overconfident() -> None:
    same = [compared(seed, 0.03, 0.2, protocol="finalist").difference("subnet") for seed in range(60)]
    assert same.count("no difference") >= 0.88 * len(same)


def test_pairing_is_what_removes_drift() -> None:
    paired, alone = [], []
    for seed in range(20):
        made = compared(seed, 0.01, 0.3)
        ratio, seconds = made.ratio("subnet"), made.seconds("subnet")
        assert ratio is not None
        assert seconds is not None
        paired.append(abs(ratio.median - 1))
        alone.append(abs(seconds.median / sum(LAW.seconds(FILE).values()) - 1))
    assert np.median(paired) < 0.005
    assert np.median(alone) > 10 * np.median(paired)


def test_protocol_in_seconds_spreads_on_the_fake_clock() -> None:
    made = compared(0, 0.02, 0.05, protocol="verify_seconds")
    assert made.n_windows >= 10
    assert made.starts_s[-1] - made.starts_s[0] >= 30
    assert made.judge_seconds("subnet") == ()


def test_lower_quantile_of_turns_withstands_other_processes() -> None:
    """A process on the same core takes away every second turn or so."""

    def spread(quantile: float) -> float:
        clock = FakeClock()
        rng = np.random.default_rng(0)
        crowded = {
            name: FakeSession(clock, lambda _: 3e-3 + 4e-3 * float(rng.uniform() < 0.5))
            for name in ("baseline", "subnet")
        }
        protocol = TimingProtocol(runs_per_turn=1, turn_quantile=quantile, relative_half_width=1e-9, time_limit_s=2.0)
        return float(np.std(compare_fakes(clock, crowded, protocol).ratios("subnet")))

    assert spread(0.0) < spread(0.5) / 2


def differences(slower: float, repeats: int, **machine: float) -> collections.Counter[str]:
    """Compare two files on the simulated machine by the protocol that is made for it."""
    found: collections.Counter[str] = collections.Counter()
    files = {"a": b"0.005", "b": f"{0.005 * slower}".encode()}
    for seed in range(repeats):
        simulated = Machine(seed, **machine)
        made = compare_files(simulated, files, TARGET, "a", PROTOCOLS["difference"], rng=np.random.default_rng(seed))
        assert simulated.machine.now < 20
        found[made.difference("b")] += 1
    return found


# CV of the seconds, of a network's own slowness and its memory, of placement, of single runs; spikes a second. The
# first is as steady as a real machine at rest, the second as its bad phases, the third shares cores with others.
QUIET = {"drift": 0.03, "own": 0.006, "placement": 0.006, "noise": 0.02, "spikes_per_s": 0.2}
ROUGH = {"drift": 0.09, "own": 0.015, "placement": 0.01, "noise": 0.03, "spikes_per_s": 2.0}
CROWDED = {"drift": 0.15, "own": 0.02, "own_memory_s": 1.0, "placement": 0.01, "noise": 0.05, "spikes_per_s": 20.0}


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "least"), [(QUIET, 40), (ROUGH, 34), (CROWDED, 20)])
def test_a_slowdown_of_3_percent_is_told_from_none(machine: dict[str, float], least: int) -> None:
    same, slower = differences(1.0, 40, **machine), differences(1.03, 40, **machine)
    assert same["faster"] + same["slower"] == 0
    assert slower["no difference"] + slower["faster"] == 0
    assert same["no difference"] >= least
    assert slower["slower"] >= least


def test_reloading_draws_placement_again() -> None:
    """Two copies of one file, 3 % apart while they stay where they are."""
    unlucky = {**QUIET, "placement": 0.02}
    called = collections.Counter[str]()
    for reload in (False, True):
        protocol = replace(PROTOCOLS["difference"], reload=reload, time_limit_s=8.0)
        for seed in range(12):
            simulated = Machine(seed, **unlucky)
            files = {"a": b"0.005", "b": b"0.005"}
            made = compare_files(simulated, files, TARGET, "a", protocol, rng=np.random.default_rng(seed))
            called[f"{reload}"] += made.difference("b") in ("faster", "slower")
    assert called["False"] >= 4
    assert called["True"] == 0
