"""How many cores others keep busy, from made-up counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwprofiles import LoadMeter
from hwprofiles.machine import load

TICK_S = 0.01


class Machine:
    """Two cores whose counters are set by hand, a clock, and the processor time of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at_s = self.own_s = 0.0
        self.busy = [0, 0, 0]
        self.write()

    def write(self) -> None:
        rows = [f"cpu{core} {ticks} 0 0 9999 50 0 0 7 3 3" for core, ticks in enumerate(self.busy)]
        (self.folder / "stat").write_text("\n".join([f"cpu  {sum(self.busy)} 0 0 0 0 0 0 0", *rows, "intr 5"]) + "\n")

    def go_on(self, seconds: float, *cores: float, own: float = 0.0) -> None:
        self.at_s += seconds
        self.own_s += own * seconds
        self.busy = [ticks + round(share * seconds / TICK_S) for ticks, share in zip(self.busy, cores, strict=True)]
        self.write()

    def meter(self) -> LoadMeter:
        return LoadMeter(self.folder, lambda: self.at_s, lambda: self.own_s, TICK_S)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(load, "allowed_cores", lambda: frozenset({0, 1}))
    return Machine(tmp_path)


def test_what_this_process_uses_is_not_others(machine: Machine) -> None:
    meter = machine.meter()
    machine.go_on(10.0, 1.0, 0.9, 0.0, own=1.9)
    assert meter.look() == pytest.approx(0.0, abs=0.01)
    machine.go_on(10.0, 1.0, 1.0, 0.0, own=1.0)
    assert meter.look() == pytest.approx(1.0)


def test_only_cores_that_this_process_may_use_count(machine: Machine) -> None:
    meter = machine.meter()
    machine.go_on(10.0, 0.0, 0.5, 1.0)
    assert meter.look() == pytest.approx(0.5)


def test_each_look_speaks_of_the_time_since_the_last(machine: Machine) -> None:
    meter = machine.meter()
    machine.go_on(10.0, 1.0, 1.0, 0.0)
    assert meter.age_s == 10.0
    assert meter.look() == pytest.approx(2.0)
    machine.go_on(10.0, 0.0, 0.0, 0.0)
    assert meter.look() == 0.0
    assert meter.look() is None, "no time has passed"


def test_a_system_that_does_not_say(machine: Machine) -> None:
    (machine.folder / "stat").unlink()
    meter = machine.meter()
    machine.at_s += 1.0
    assert meter.look() is None


def test_stolen_time_is_others(machine: Machine) -> None:
    meter = machine.meter()
    text = (machine.folder / "stat").read_text()
    machine.at_s += 1.0
    (machine.folder / "stat").write_text(text.replace(" 0 0 7 3 3", " 0 0 57 3 3", 1))
    assert meter.look() == pytest.approx(0.5)


def test_this_machine() -> None:
    meter = LoadMeter()
    assert meter.age_s >= 0
