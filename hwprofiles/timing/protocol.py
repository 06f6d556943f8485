"""How long, how often and how evenly to time: `TimingProtocol` and the table of those that Lathe uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .stats import MIN_SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingProtocol:
    """A recipe for one comparison.

    A *turn* is a few runs of one contestant back to back. A *round* is one turn of each contestant and the canary, in
    fresh random order. A *window* is several rounds; its value, for each contestant, is a quantile (the median, unless
    asked otherwise) of its turns' mean seconds per run. Statistics are over windows. Two reasons compete for the
    length of a turn: short ones see the same machine as their neighbours, long ones make clock resolution and cold
    caches matter less.

    Executions of a contestant after warm-up and calibration:
    ``(lead_runs + max(runs_per_turn, turn_s / seconds per run)) * turns_per_window * windows``.

    Attributes:
        lead_runs: Untimed runs at the start of each turn. The contestant before has left its own weights and buffers
            in the caches: the first run after it is slower by a quarter or more, and the third still by some per
            cent. How many of the timed runs that concerns depends on how many run in a turn and on how many
            contestants there are, so that without a lead a small network's ratio to a large one came out 8 % lower
            beside three others than in a pair. Networks of more than some 30 ms have fewer.
        runs_per_turn: Least runs in a turn.
        turn_s: Least length of a turn in seconds; more runs are put into one until it lasts this long.
        turns_per_window: Rounds in a window. Slow networks get fewer, so that `min_windows` fit the time limit.
        min_windows: Windows that are always taken, time limit or not: an interval needs them.
        max_windows: Windows after which timing stops in any case.
        relative_half_width: Timing stops once every contestant's interval of the ratio is this narrow, as a fraction.
        time_limit_s: No window beyond `min_windows` starts after this.
        min_spread_s: Least time between the starts of the first and the last of `min_windows`.
        warmup_s: Least untimed running of each contestant before the first window.
        confidence: Of the intervals.
        turn_quantile: Quantile of the turns that is a window's value, inside [0, 1]. One below the median sees less
            of other processes on the same core, and less of what latency really is there.
        reload: Whether files are loaded anew between windows (`compare_files` only), so that where they lie in memory
            is drawn again, too.
        windows_per_load: Windows from one loading to the next, where `reload` holds.
        keep_runs: Whether the seconds of single runs are kept, for percentiles.
        watch_s: Time for which the cores are watched before the quietest is chosen to run on.
    """

    lead_runs: int = 3
    runs_per_turn: int = 3
    turn_s: float = 0.003
    turns_per_window: int = 5
    min_windows: int = MIN_SAMPLES
    max_windows: int = 40
    relative_half_width: float = 0.02
    time_limit_s: float = 3.0
    min_spread_s: float = 0.0
    warmup_s: float = 0.05
    confidence: float = 0.95
    turn_quantile: float = 0.5
    reload: bool = False
    windows_per_load: int = 1
    keep_runs: bool = False
    watch_s: float = 0.05

    def __post_init__(self) -> None:
        for field in ("runs_per_turn", "turns_per_window", "min_windows", "windows_per_load"):
            if getattr(self, field) < 1:
                raise ValueError(f"`{field}` must be at least 1, but got {getattr(self, field)!r}.")
        for field in ("turn_s", "relative_half_width", "time_limit_s"):
            if not getattr(self, field) > 0:
                raise ValueError(f"`{field}` must be above 0, but got {getattr(self, field)!r}.")
        for field in ("lead_runs", "min_spread_s", "warmup_s", "watch_s"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"`{field}` must not be negative, but got {getattr(self, field)!r}.")
        if not self.min_windows <= self.max_windows:
            raise ValueError(f"`min_windows <= max_windows` must hold, but got {self.min_windows}, {self.max_windows}.")
        if not self.min_spread_s < self.time_limit_s:
            raise ValueError(
                f"`min_spread_s < time_limit_s` must hold, but got {self.min_spread_s}, {self.time_limit_s}; "
                "raise the time limit."
            )
        if not 0 < self.confidence < 1:
            raise ValueError(f"`confidence` must be inside (0, 1), but got {self.confidence!r}.")
        if not 0 <= self.turn_quantile <= 1:
            raise ValueError(f"`turn_quantile` must be inside [0, 1], but got {self.turn_quantile!r}.")

    def to_json(self) -> dict[str, Any]:
        """Return the protocol as the JSON object that files hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TimingProtocol:
        """Read what `to_json` wrote.

        Raises:
            ValueError: A field is unknown to this version, or a value is not legal.
        """
        odd = sorted(set(data) - {field.name for field in fields(cls)})
        if odd:
            raise ValueError(f"A timing protocol has no field named {', '.join(odd)}.")
        # A protocol that was written before there were leads had none.
        return cls(**{"lead_runs": 0, **data})


# Name -> protocol.
# "table": a relative standard error of the ratio of some 1.5 %: with 8 windows, the interval's half-width is about
# three of them. Sharper timings cost more than they bring: in the same four minutes, twice as many networks at 1.5 %
# each say more about the cells than half as many at 1 %. On a noisy machine more windows are taken, and none thrown
# away.
# "compiled": the same where each network is a long compilation, so that few must say much; as long as one such takes.
# "difference": whether two files differ (`Measurement.difference`). A turn is a single run where that is long enough:
# the median over turns then sheds most disturbed runs. There is no lead: networks that differ by per cents follow each
# other equally cold. Its half-width is at 95 %; the interval that decides is at 99 %, a third wider, and has to fit
# between 1 % and 3 %.
# "verify" is for budgets in percent; "verify_seconds" for budgets in seconds, whose windows are spread so that one
# good or bad phase of the machine does not decide.
PROTOCOLS: dict[str, TimingProtocol] = {
    "table": TimingProtocol(
        turns_per_window=1,
        max_windows=60,
        relative_half_width=0.04,
        time_limit_s=8.0,
        warmup_s=0.01,
        reload=True,
        windows_per_load=4,
    ),
    "compiled": TimingProtocol(
        turns_per_window=1,
        min_windows=16,
        max_windows=120,
        relative_half_width=0.012,
        time_limit_s=40.0,
        warmup_s=0.05,
        reload=True,
        windows_per_load=4,
    ),
    "difference": TimingProtocol(
        lead_runs=0,
        runs_per_turn=1,
        turns_per_window=21,
        min_windows=16,
        max_windows=80,
        relative_half_width=0.007,
        time_limit_s=15.0,
        reload=True,
        keep_runs=True,
        watch_s=0.3,
    ),
    "finalist": TimingProtocol(
        turns_per_window=5,
        min_windows=15,
        max_windows=80,
        relative_half_width=0.005,
        time_limit_s=8.0,
        warmup_s=0.2,
        reload=True,
    ),
    "verify": TimingProtocol(
        runs_per_turn=5,
        min_windows=20,
        max_windows=150,
        relative_half_width=0.003,
        time_limit_s=15.0,
        warmup_s=0.5,
        reload=True,
        windows_per_load=2,
        keep_runs=True,
        watch_s=0.3,
    ),
    "verify_seconds": TimingProtocol(
        runs_per_turn=5,
        min_windows=20,
        max_windows=150,
        relative_half_width=0.003,
        time_limit_s=40.0,
        min_spread_s=31.0,
        warmup_s=0.5,
        reload=True,
        windows_per_load=2,
        keep_runs=True,
        watch_s=0.3,
    ),
}


def table_protocol(compiled: bool) -> TimingProtocol:
    """Return the protocol that times networks of a table.

    Args:
        compiled: Whether each is a long compilation, so that there are few.
    """
    return PROTOCOLS["compiled" if compiled else "table"]


def verify_protocol(seconds: bool) -> TimingProtocol:
    """Return the protocol that proves a budget.

    Args:
        seconds: Whether the budget is in seconds, not in percent of the baseline.
    """
    return PROTOCOLS["verify_seconds" if seconds else "verify"]
