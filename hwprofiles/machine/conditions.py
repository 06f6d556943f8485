"""What else went on in the machine while something was timed: steal, pressure, switches, load, throttling."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# A tick is about 10 ms; a fraction of fewer than these would be mostly rounding.
MIN_WANTED_TICKS = 50

_PRESSURE_TOTAL = re.compile(r"^some .*total=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The kernel's counters at one moment; what cannot be read is None.

    Attributes:
        at_s: Moment on a steady clock.
        wanted_ticks: Time that the CPUs worked or wanted to, all CPUs together, stolen time included.
        stolen_ticks: Part of it that the hypervisor gave to others.
        pressure_s: Time in which some task waited for a CPU.
        involuntary_switches: How often this process was taken off a CPU while it wanted to go on.
        load_1min: Load average.
        throttles: How often any core was slowed because of heat, since boot; virtual machines rarely show it.
        frequency_hz: Highest clock of any core now.
        waited_s: How long this thread was ready to run and another had its core.
    """

    at_s: float | None = None
    wanted_ticks: int | None = None
    stolen_ticks: int | None = None
    pressure_s: float | None = None
    involuntary_switches: int | None = None
    load_1min: float | None = None
    throttles: int | None = None
    frequency_hz: float | None = None
    waited_s: float | None = None


def read_counters(
    proc: Path = Path("/proc"),
    clock: Callable[[], float] = time.monotonic,
    cpus: Path = Path("/sys/devices/system/cpu"),
) -> Counters:
    """Read the counters of this moment.

    Args:
        proc: Where the kernel's process file system is mounted.
        clock: Steady clock in seconds.
        cpus: Where the kernel shows the cores.
    """
    wanted, stolen = _ticks(_text(proc / "stat"))
    pressure = _PRESSURE_TOTAL.search(_text(proc / "pressure" / "cpu"))
    load = _text(proc / "loadavg").split()
    return Counters(
        at_s=clock(),
        wanted_ticks=wanted,
        stolen_ticks=stolen,
        pressure_s=int(pressure[1]) / 1e6 if pressure else None,
        involuntary_switches=_involuntary_switches(),
        load_1min=float(load[0]) if load else None,
        throttles=_sum(_numbers(cpus, "thermal_throttle/core_throttle_count")),
        frequency_hz=max((1e3 * kilohertz for kilohertz in _numbers(cpus, "cpufreq/scaling_cur_freq")), default=None),
        waited_s=_waited_s(_text(proc / "thread-self" / "schedstat")),
    )


def conditions_between(before: Counters, after: Counters) -> dict[str, float | None]:
    """Return the conditions between two moments; None where a counter could not be read.

    Returns:
        ``wall_s`` seconds between the moments; ``steal``, fraction of the wanted CPU time that was stolen
        (None also for fewer than `MIN_WANTED_TICKS`); ``pressure``, fraction of the time in which some task waited
        for a CPU; ``involuntary_switches``, a count; ``load_1min`` at the end; ``throttles``, a count;
        ``frequency_change`` of the fastest core, as a fraction; ``waited``, fraction of the time in which the calling
        thread waited for its core.
    """
    wall_s = _difference(before.at_s, after.at_s)
    wanted = _difference(before.wanted_ticks, after.wanted_ticks)
    stolen = _difference(before.stolen_ticks, after.stolen_ticks)
    return {
        "wall_s": wall_s,
        "steal": None if wanted is None or wanted < MIN_WANTED_TICKS else _fraction(stolen, wanted),
        "pressure": _fraction(_difference(before.pressure_s, after.pressure_s), wall_s),
        "involuntary_switches": _difference(before.involuntary_switches, after.involuntary_switches),
        "load_1min": after.load_1min,
        "throttles": _difference(before.throttles, after.throttles),
        "frequency_change": _change(before.frequency_hz, after.frequency_hz),
        "waited": _fraction(_difference(before.waited_s, after.waited_s), wall_s),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _numbers(cpus: Path, name: str) -> list[int]:
    texts = (_text(path).strip() for path in sorted(cpus.glob(f"cpu[0-9]*/{name}")))
    return [int(text) for text in texts if text.isdecimal()]


def _waited_s(schedstat: str) -> float | None:
    """Read the second of three numbers: nanoseconds that the thread waited."""
    words = schedstat.split()
    return int(words[1]) / 1e9 if len(words) == 3 and words[1].isdecimal() else None


def _sum(numbers: list[int]) -> int | None:
    return sum(numbers) if numbers else None


def _change(before: float | None, after: float | None) -> float | None:
    return None if not before or after is None else after / before - 1


def _ticks(stat: str) -> tuple[int | None, int | None]:
    words = stat.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None, None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in words[1:9])
    return user + nice + system + irq + softirq + steal, steal


def _involuntary_switches() -> int | None:
    try:
        import resource
    except ImportError:  # not on every operating system
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _difference(before: float | None, after: float | None) -> float | None:
    # Counters that ran backwards (a container moved) say nothing.
    return None if before is None or after is None or after < before else after - before


def _fraction(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else min(1.0, part / whole)
