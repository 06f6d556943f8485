from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from hwprofiles import Counters, FakeClock, Measurement, Surroundings, TimingProtocol, compare

from ..sessions import FakeSession, compare_fakes


def test_exact_machine_gives_exact_numbers() -> None:
    clock = FakeClock()
    sessions = {"baseline": FakeSession(clock, 2e-3), "subnet": FakeSession(clock, 1e-3)}
    made = compare_fakes(clock, sessions, TimingProtocol())
    ratio, seconds = made.ratio("subnet"), made.seconds("subnet")
    assert ratio is not None
    assert seconds is not None
    assert (ratio.low, ratio.high) == pytest.approx((0.5, 0.5))
    assert (seconds.low, seconds.high) == pytest.approx((1e-3, 1e-3))
    assert made.n_windows == TimingProtocol().min_windows
    assert made.stable
    assert made.difference("subnet") == "faster"
    assert made.notes == ()


def test_wrong_use() -> None:
    clock = FakeClock()
    for sessions in ({}, {"subnet": FakeSession(clock, 1e-3)}):
        with pytest.raises(ValueError, match="canary must be one of the sessions"):
            compare_fakes(clock, sessions, TimingProtocol())


def test_clock_that_stands_still_is_refused() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="must advance"):
        compare_fakes(clock, {"baseline": FakeSession(clock, 0.0)}, TimingProtocol(warmup_s=0))


@pytest.mark.parametrize("run_s", [2e-7, 5e-5, 9e-4])
def test_inner_loop_outlasts_a_coarse_clock(run_s: float) -> None:
    clock = FakeClock()
    session = FakeSession(clock, run_s)
    resolution = 1e-5
    protocol = TimingProtocol(turn_s=0.003, warmup_s=0)
    made = compare(
        {"baseline": session},
        "baseline",
        protocol,
        Surroundings(lambda: clock.now // resolution * resolution, sleep=clock.advance, conditions=Counters),
        rng=np.random.default_rng(0),
    )
    assert made.runs_per_turn["baseline"] * run_s >= 0.99 * protocol.turn_s
    seconds = made.seconds("baseline")
    assert seconds is not None
    assert seconds.median == pytest.approx(run_s, rel=resolution / protocol.turn_s)


def test_slow_network_has_the_least_runs_in_a_turn() -> None:
    clock = FakeClock()
    made = compare_fakes(clock, {"baseline": FakeSession(clock, 2e-3)}, TimingProtocol(runs_per_turn=4))
    assert made.runs_per_turn["baseline"] == 4


@pytest.mark.parametrize(
    ("run_s", "runs", "rounds"), [(0.006, 3, 5), (0.01, 3, 3), (0.02, 1, 2), (0.08, 1, 1), (1.0, 1, 1)]
)
def test_slow_networks_get_shorter_windows(run_s: float, runs: int, rounds: int) -> None:
    clock = FakeClock()
    sessions = {"baseline": FakeSession(clock, run_s), "subnet": FakeSession(clock, run_s)}
    protocol = TimingProtocol(time_limit_s=3.0, turns_per_window=5, runs_per_turn=3)
    made = compare_fakes(clock, sessions, protocol)
    assert (made.runs_per_turn["subnet"], made.turns_per_window) == (runs, rounds)
    assert made.n_windows == 8
    assert made.stable
    assert len(made.notes) == int(rounds < 5)


class Cooling(FakeSession):
    """Takes longer in the first runs after another session of the same machine ran."""

    def __init__(self, clock: FakeClock, seconds: float, machine: list[FakeSession]) -> None:
        super().__init__(clock, seconds)
        self.machine, self.full_s, self.since = machine, seconds, 0

    def run(self) -> None:
        if self.machine[-1] is not self:
            self.machine.append(self)
            self.since = 0
        self.seconds = self.full_s * (1 + (0.6, 0.2, 0.1)[self.since] if self.since < 3 else 1)
        self.since += 1
        super().run()


@pytest.mark.parametrize("company", [0, 3])
@pytest.mark.parametrize(("lead", "exact"), [(3, True), (0, False)])
def test_runs_that_follow_another_network_are_not_timed(company: int, lead: int, exact: bool) -> None:
    clock = FakeClock()
    machine: list[FakeSession] = [FakeSession(clock, 1.0)]
    seconds = {"baseline": 4e-3, "small": 4e-4} | {f"other{i}": 2e-3 for i in range(company)}
    sessions = {name: Cooling(clock, s, machine) for name, s in seconds.items()}
    protocol = TimingProtocol(lead_runs=lead, runs_per_turn=1, turns_per_window=3, min_windows=16)
    ratio = compare_fakes(clock, sessions, protocol).ratio("small")
    assert ratio is not None
    if exact:
        assert ratio.median == pytest.approx(0.1)
    else:
        # A large network's turn is one run, of which all is cold; a small one's is many.
        assert ratio.median < 0.095


@pytest.mark.parametrize(("run_s", "lead"), [(1e-3, 3), (0.05, 2), (0.09, 1), (0.3, 0)])
def test_slow_networks_are_led_in_for_a_tenth_of_a_second_at_most(run_s: float, lead: int) -> None:
    def runs(lead_runs: int) -> int:
        clock = FakeClock()
        session = FakeSession(clock, run_s)
        protocol = TimingProtocol(lead_runs=lead_runs, warmup_s=0.0, turns_per_window=1)
        assert compare_fakes(clock, {"baseline": session}, protocol).n_windows == 8
        return session.runs

    assert runs(3) - runs(0) == 8 * lead


def test_time_limit_ends_what_does_not_get_narrow() -> None:
    clock = FakeClock()
    rng = np.random.default_rng(0)
    noisy = FakeSession(clock, lambda _: 1e-3 * float(rng.lognormal(0, 0.5)))
    protocol = TimingProtocol(relative_half_width=1e-6, time_limit_s=2.0, max_windows=1000)
    made = compare_fakes(clock, {"baseline": noisy, "subnet": noisy}, protocol)
    assert 8 < made.n_windows < 1000
    assert 2.0 <= clock.now <= 2.5


def test_most_windows_end_what_does_not_get_narrow() -> None:
    clock = FakeClock()
    rng = np.random.default_rng(0)
    noisy = FakeSession(clock, lambda _: 1e-3 * float(rng.lognormal(0, 0.5)))
    protocol = TimingProtocol(relative_half_width=1e-6, time_limit_s=100.0, max_windows=11)
    assert compare_fakes(clock, {"baseline": noisy, "subnet": noisy}, protocol).n_windows == 11


def test_timing_goes_on_until_every_ratio_is_narrow() -> None:
    clock = FakeClock()
    rng = np.random.default_rng(0)
    sessions = {
        "baseline": FakeSession(clock, 1e-3),
        "steady": FakeSession(clock, 1e-3),
        "noisy": FakeSession(clock, lambda _: 1e-3 * float(rng.lognormal(0, 0.1))),
    }
    protocol = TimingProtocol(relative_half_width=0.02, time_limit_s=30.0, max_windows=200)
    made = compare_fakes(clock, sessions, protocol)
    assert 8 < made.n_windows < 200
    for name in ("steady", "noisy"):
        ratio = made.ratio(name)
        assert ratio is not None
        assert ratio.relative_half_width <= 0.02


def test_windows_are_spread() -> None:
    clock = FakeClock()
    protocol = TimingProtocol(min_windows=10, min_spread_s=30.0, time_limit_s=40.0)
    made = compare_fakes(clock, {"baseline": FakeSession(clock, 1e-3), "subnet": FakeSession(clock, 1e-3)}, protocol)
    gaps = np.diff(made.starts_s)
    assert made.n_windows == 10
    assert made.starts_s[-1] - made.starts_s[0] >= 29.99
    assert gaps.min() > 3.0
    assert clock.now < 40.0


def test_windows_that_take_longer_than_their_slot_are_not_delayed() -> None:
    clock = FakeClock()
    protocol = TimingProtocol(lead_runs=0, min_spread_s=0.1, time_limit_s=3.0)
    compare_fakes(clock, {"baseline": FakeSession(clock, 0.01)}, protocol)
    assert clock.now < 2.0


def test_window_in_which_the_clock_jumps_back_is_discarded_and_noted() -> None:
    clock = FakeClock()

    def seconds(run: int) -> float:
        return -5.0 if run in (150, 400) else 1e-3

    sessions = {"baseline": FakeSession(clock, 1e-3), "subnet": FakeSession(clock, seconds)}
    protocol = TimingProtocol(min_windows=30, time_limit_s=30.0)
    made = compare_fakes(clock, sessions, protocol)
    assert made.notes == ("The clock ran backwards or stood still: 2 windows were discarded.",)
    assert made.n_windows == 30
    assert made.difference("subnet") == "no difference"
    assert made.stable


def test_clock_that_jumps_between_turns_spoils_the_window_too() -> None:
    clock = FakeClock()
    made = compare(
        {"baseline": FakeSession(clock, 2e-3)},
        "baseline",
        TimingProtocol(min_windows=30, warmup_s=0, time_limit_s=30.0),
        Surroundings(jumping(clock, {200: -1.0}), sleep=clock.advance, conditions=Counters),
        rng=np.random.default_rng(0),
    )
    assert all(value == pytest.approx(2e-3) for value in made.windows["baseline"])
    assert len(made.notes) == 1


def test_clock_that_always_jumps_back_ends_unstable() -> None:
    clock = FakeClock()
    broken = FakeSession(clock, lambda run: 1e-3 if run < 100 else -1e-3)
    made = compare_fakes(clock, {"baseline": broken}, TimingProtocol(warmup_s=0.0))
    assert made.n_windows < 8
    assert not made.stable
    assert "clock ran backwards" in made.notes[0]


def test_order_of_turns_is_random_and_fair() -> None:
    clock = FakeClock()
    order: list[str] = []

    def noting(name: str) -> FakeSession:
        def seconds(_: int) -> float:
            order.append(name)
            return 4e-3

        return FakeSession(clock, seconds)

    names = ("baseline", "a", "b")
    protocol = TimingProtocol(lead_runs=0, runs_per_turn=1, warmup_s=0, min_windows=20, turns_per_window=3)
    compare_fakes(clock, {name: noting(name) for name in names}, protocol)
    rounds = list(zip(*[iter(order[15:])] * 3, strict=True))
    assert len(rounds) == 60
    assert all(set(one) == set(names) for one in rounds)
    assert len(set(rounds)) == 6
    assert all(10 <= sum(one[0] == name for one in rounds) <= 30 for name in names)


def test_equal_seeds_give_equal_measurements() -> None:
    def once(seed: int) -> object:
        clock = FakeClock()
        rng = np.random.default_rng(5)
        noisy = FakeSession(clock, lambda _: 1e-3 * float(rng.lognormal(0, 0.02)))
        return compare_fakes(clock, {"baseline": noisy, "subnet": noisy}, TimingProtocol(), seed=seed)

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_progress_is_told() -> None:
    clock = FakeClock()
    told: list[tuple[int, int]] = []
    compare_fakes(
        clock,
        {"baseline": FakeSession(clock, 1e-3)},
        TimingProtocol(),
        on_window=lambda n, least: told.append((n, least)),
    )
    assert told == [(n, 8) for n in range(1, 9)]


def test_conditions_cover_the_windows() -> None:
    clock = FakeClock()

    def counters() -> Counters:
        return Counters(at_s=clock.now, wanted_ticks=int(clock.now * 1e4), stolen_ticks=int(clock.now * 5e3))

    made = compare_fakes(clock, {"baseline": FakeSession(clock, 1e-3)}, TimingProtocol(), conditions=counters)
    assert made.conditions["steal"] == pytest.approx(0.5, rel=0.01)
    assert made.conditions["pressure"] is None
    assert any("steal" in sentence for sentence in made.judgement)


def test_a_lone_slow_turn_does_not_reach_the_window() -> None:
    clock = FakeClock()
    spiky = FakeSession(clock, lambda run: 0.1 if run % 15 == 7 else 1e-3)
    made = compare_fakes(clock, {"baseline": spiky}, TimingProtocol(runs_per_turn=3, turns_per_window=5, warmup_s=0))
    assert all(value == pytest.approx(1e-3) for value in made.windows["baseline"])


def test_date_is_now_where_left_out() -> None:
    clock = FakeClock()
    made = compare(
        {"baseline": FakeSession(clock, 1e-3)},
        "baseline",
        TimingProtocol(),
        Surroundings(clock, sleep=clock.advance),
        rng=np.random.default_rng(0),
    )
    assert made.date is not None
    assert made.date.endswith("+00:00")


def jumping(clock: FakeClock, jumps: Mapping[int, float]) -> Callable[[], float]:
    """A clock that makes these jumps, in seconds, at these readings."""
    reads = itertools.count()

    def read() -> float:
        clock.advance(jumps.get(next(reads), 0.0))
        return clock.now

    return read


def compare_jumping(jumps: Mapping[int, float], protocol: TimingProtocol, run_s: float = 2e-3) -> Measurement:
    clock = FakeClock()
    return compare(
        {"baseline": FakeSession(clock, run_s), "subnet": FakeSession(clock, run_s)},
        "baseline",
        protocol,
        Surroundings(jumping(clock, jumps), sleep=clock.advance, conditions=Counters),
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("seconds", [-100.0, -0.5, 0.5, 100.0])
@pytest.mark.parametrize("read", range(14))
def test_clock_that_jumps_before_the_first_window_changes_no_number(read: int, seconds: float) -> None:
    """Readings 0 to 13 are those of the start, of both warm-ups and of the calibration."""
    made = compare_jumping({read: seconds}, TimingProtocol(warmup_s=0.01, time_limit_s=30.0))
    assert made.n_windows >= 8
    assert made.runs_per_turn == {"baseline": 3, "subnet": 3}
    assert made.difference("subnet") == "no difference"
    assert all(value == pytest.approx(2e-3) for value in made.windows["subnet"])


def test_time_limit_holds_when_the_clock_jumps_back() -> None:
    clock = FakeClock()
    rng = np.random.default_rng(0)
    noisy = FakeSession(clock, lambda _: 1e-3 * float(rng.lognormal(0, 0.5)))
    protocol = TimingProtocol(relative_half_width=1e-6, time_limit_s=2.0, max_windows=1000)
    compare(
        {"baseline": noisy, "subnet": noisy},
        "baseline",
        protocol,
        Surroundings(jumping(clock, {500: -1000.0}), sleep=clock.advance, conditions=Counters),
        rng=np.random.default_rng(0),
    )
    assert 1.5 <= clock.now + 1000 <= 2.5


def test_windows_are_spread_though_the_clock_jumps_back() -> None:
    protocol = TimingProtocol(min_windows=10, min_spread_s=30.0, time_limit_s=40.0)
    made = compare_jumping({100: -500.0}, protocol)
    assert made.n_windows == 10
    assert made.starts_s[-1] - made.starts_s[0] >= 29.0
    assert made.starts_s[-1] <= 40.0


def test_clock_that_stands_still_for_a_while_loses_those_windows_only() -> None:
    clock = FakeClock()
    frozen = range(300, 420)
    session = FakeSession(clock, lambda run: 0.0 if run in frozen else 2e-3)
    made = compare_fakes(clock, {"baseline": session}, TimingProtocol(min_windows=30, warmup_s=0, time_limit_s=30.0))
    assert made.n_windows == 30
    assert "stood still" in made.notes[0]
    assert all(value == pytest.approx(2e-3) for value in made.windows["baseline"][1:-1])


def test_single_runs_are_kept_where_asked_for() -> None:
    clock = FakeClock()
    session = FakeSession(clock, lambda run: 2e-3 if run % 10 else 4e-3)
    protocol = TimingProtocol(lead_runs=0, keep_runs=True, warmup_s=0, min_windows=40, time_limit_s=30.0)
    made = compare_fakes(clock, {"baseline": session}, protocol)
    assert len(made.runs_s["baseline"]) == 40 * 5 * 3
    assert sum(made.runs_s["baseline"]) / 600 == pytest.approx(2.2e-3, rel=0.01)
    assert made.upper_seconds("baseline", 0.9) == pytest.approx(4e-3)
    assert made.upper_seconds("baseline", 0.5) == pytest.approx(2e-3)


def test_runs_too_short_to_be_timed_alone_are_not_kept() -> None:
    clock = FakeClock()
    made = compare_fakes(clock, {"baseline": FakeSession(clock, 1e-6)}, TimingProtocol(keep_runs=True))
    assert made.runs_s == {}
    assert made.upper_seconds("baseline", 0.9) is None
    assert made.missing_runs("baseline", 0.9) == 46
