"""Compare two tables network by network: do their ratios and seconds differ, agree, or can nobody tell?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hwprofiles import Interval

from .journal import BASELINE
from .table import LatencyTable, NetworkRow

Agreement = Literal["differs", "agrees", "cannot tell"]

TOLERANCE = 0.03
"""Relative difference up to which two timings agree: rows of a table have intervals of about half of it each side."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a number of the second table is relative to that of the first.

    Attributes:
        relative: Second over first, minus 1.
        low: Lower end of its interval.
        high: Upper end.
        agreement: "agrees" where the whole interval is within the tolerance, "differs" where all of it is outside,
            else "cannot tell".
    """

    relative: float
    low: float
    high: float
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class NetworkDifference:
    """Compare one network that both tables have.

    Attributes:
        job: Content hash of its structure.
        origin: Why the first table has it.
        ratios: Its latency relative to the unpruned network in each table.
        seconds: Its seconds at each table's reference speed.
        ratio: How its ratio changed; None for the unpruned network, whose ratio is 1 by definition.
        time: How its seconds changed.
        unstable: Whether one of the timings calls itself unstable, so that nothing is concluded.
    """

    job: str
    origin: str
    ratios: tuple[Interval, Interval]
    seconds: tuple[Interval, Interval]
    ratio: Change | None
    time: Change
    unstable: bool


@dataclass(frozen=True, slots=True)
class TableDifference:
    """Compare two tables.

    Attributes:
        networks: Those that both have, the unpruned one first.
        only: Number of networks that only the first and only the second has.
        facts: What the tables belong to and where they differ in it: name -> the two values.
        tolerance: Relative difference up to which numbers agree.
    """

    networks: tuple[NetworkDifference, ...]
    only: tuple[int, int]
    facts: dict[str, tuple[str, str]]
    tolerance: float

    @property
    def agreement(self) -> Agreement:
        """What holds of the tables: "differs" where one number does, else "agrees" where one does."""
        found = {change.agreement for row in self.networks for change in (row.ratio, row.time) if change is not None}
        return "differs" if "differs" in found else "agrees" if "agrees" in found else "cannot tell"


def compare_tables(first: LatencyTable, second: LatencyTable, tolerance: float = TOLERANCE) -> TableDifference:
    """Compare the networks that two tables share.

    The interval of a quotient is made of the distances of both medians to the ends of their own intervals, in
    logarithms and added as squares (the two were measured apart; Zou and Donner 2008).

    Raises:
        ValueError: The tolerance is not inside (0, 1).
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"A tolerance is a fraction inside (0, 1), but got {tolerance!r}.")
    others = {row.job: row for row in second.rows}
    shared = [(row, others[row.job]) for row in first.rows if row.job in others]
    references = (first.reference, second.reference)
    networks = tuple(_network(a, b, references, tolerance) for a, b in shared)
    only = (len(first.rows) - len(shared), len(second.rows) - len(shared))
    return TableDifference(networks, only, _facts(first, second), tolerance)


def _network(
    a: NetworkRow, b: NetworkRow, references: tuple[Interval | None, Interval | None], tolerance: float
) -> NetworkDifference:
    unstable = bool(a.judgement or b.judgement)
    is_baseline = BASELINE in (a.origin, b.origin)
    ratio = [(a.ratio, b.ratio)]
    known = [(one, other) for one, other in [references] if one is not None and other is not None]
    # Seconds are the ratio at the reference speed, and that has an interval of its own.
    time = known if is_baseline else ratio + known
    return NetworkDifference(
        a.job,
        a.origin,
        (a.ratio, b.ratio),
        (a.seconds, b.seconds),
        None if is_baseline else _change(ratio, tolerance, unstable),
        _change(time, tolerance, unstable),
        unstable,
    )


def _change(pairs: list[tuple[Interval, Interval]], tolerance: float, unstable: bool) -> Change:
    middle = sum(math.log(b.median / a.median) for a, b in pairs)
    below = math.hypot(*(math.log(end) for a, b in pairs for end in (b.median / b.low, a.high / a.median)))
    above = math.hypot(*(math.log(end) for a, b in pairs for end in (b.high / b.median, a.median / a.low)))
    low, high = math.expm1(middle - below), math.expm1(middle + above)
    return Change(math.expm1(middle), low, high, "cannot tell" if unstable else _agreement(low, high, tolerance))


def _agreement(low: float, high: float, tolerance: float) -> Agreement:
    least, most = 1 / (1 + tolerance) - 1, tolerance
    if least <= low and high <= most:
        return "agrees"
    return "differs" if high < least or low > most else "cannot tell"


def _facts(first: LatencyTable, second: LatencyTable) -> dict[str, tuple[str, str]]:
    """Return what the tables belong to, where that differs."""
    pairs = {
        "target": (first.header.target.slug, second.header.target.slug),
        "machine": (first.header.fingerprint, second.header.fingerprint),
    }
    mine, other = first.header.versions, second.header.versions
    for name in sorted({*mine, *other}):
        pairs[f"version of {name}"] = (mine.get(name, "none"), other.get(name, "none"))
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
