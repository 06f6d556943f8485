from __future__ import annotations

from pathlib import Path

import pytest

from hwprofiles import Counters, conditions_between, read_counters


def test_read_counters(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "stat").write_text("cpu  100 1 20 1000 50 2 3 40 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    (tmp_path / "pressure" / "cpu").write_text(
        "some avg10=0.04 avg60=0.27 avg300=0.11 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    )
    (tmp_path / "thread-self").mkdir()
    (tmp_path / "thread-self" / "schedstat").write_text("900 1500000000 7\n")
    (tmp_path / "loadavg").write_text("1.25 0.5 0.1 1/100 1234\n")
    counters = read_counters(tmp_path, clock=lambda: 12.0)
    assert counters.at_s == 12.0
    assert (counters.wanted_ticks, counters.stolen_ticks) == (166, 40)
    assert counters.pressure_s == 2.5
    assert counters.load_1min == 1.25
    assert counters.waited_s == 1.5


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    counters = read_counters(tmp_path)
    assert (counters.wanted_ticks, counters.stolen_ticks, counters.pressure_s, counters.load_1min) == (None,) * 4
    (tmp_path / "stat").write_text("cpu 1 2\n")
    assert read_counters(tmp_path).stolen_ticks is None


def test_conditions_between() -> None:
    before = Counters(
        at_s=10, wanted_ticks=100, stolen_ticks=10, pressure_s=1, involuntary_switches=5, load_1min=0.5, waited_s=1.0
    )
    after = Counters(
        at_s=14, wanted_ticks=300, stolen_ticks=60, pressure_s=2, involuntary_switches=25, load_1min=1.5, waited_s=1.5
    )
    assert conditions_between(before, after) == {
        "wall_s": 4,
        "steal": pytest.approx(0.25),
        "pressure": pytest.approx(0.25),
        "involuntary_switches": 20,
        "load_1min": 1.5,
        "throttles": None,
        "frequency_change": None,
        "waited": pytest.approx(0.125),
    }


def test_unknown_conditions_are_none() -> None:
    assert set(conditions_between(Counters(), Counters()).values()) == {None}
    backwards = conditions_between(Counters(pressure_s=2, at_s=1), Counters(pressure_s=1, at_s=2))
    assert backwards["pressure"] is None


def test_steal_of_too_few_ticks_is_unknown() -> None:
    few = conditions_between(Counters(wanted_ticks=0, stolen_ticks=0), Counters(wanted_ticks=10, stolen_ticks=5))
    assert few["steal"] is None


def fake_cpus(folder: Path, throttles: tuple[str, ...], kilohertz: tuple[str, ...]) -> Path:
    for core, (count, clock) in enumerate(zip(throttles, kilohertz, strict=True)):
        for name, text in (("thermal_throttle/core_throttle_count", count), ("cpufreq/scaling_cur_freq", clock)):
            path = folder / f"cpu{core}" / name
            path.parent.mkdir(parents=True)
            path.write_text(f"{text}\n")
    return folder


def test_throttling_is_read_where_the_system_shows_it(tmp_path: Path) -> None:
    before = read_counters(tmp_path, cpus=fake_cpus(tmp_path / "a", ("1", "2"), ("1000000", "3000000")))
    after = read_counters(tmp_path, cpus=fake_cpus(tmp_path / "b", ("4", "2"), ("1500000", "900000")))
    assert (before.throttles, before.frequency_hz) == (3, 3e9)
    between = conditions_between(before, after)
    assert between["throttles"] == 3
    assert between["frequency_change"] == pytest.approx(-0.5)


def test_unreadable_throttling_is_unknown(tmp_path: Path) -> None:
    counters = read_counters(tmp_path, cpus=fake_cpus(tmp_path, ("<unknown>",), ("",)))
    assert (counters.throttles, counters.frequency_hz) == (None, None)
