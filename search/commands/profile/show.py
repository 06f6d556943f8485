"""A profile on a terminal: what was timed, how well it predicts, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwprofiles import format_interval, format_percent, format_seconds

_SHOWN = 8
"""Pieces that the terminal lists, the slowest first; the page lists all."""

Content = Mapping[str, Any]


def show(console: Console, content: Content) -> None:
    """Print what `describe` returned."""
    console.print(_summary(content), highlight=False)
    console.print()
    console.print(Text("Where the unpruned network's time goes", style="bold"))
    console.print(_layers(content), highlight=False)
    for sentence in content["warnings"]:
        console.print()
        console.print(Text(f"warning: {sentence}"))
    for sentence in content["notes"]:
        console.print()
        console.print(Text(f"note: {sentence}"))
    console.print()
    for name in ("table", "page"):
        console.print(f"{name}: {content[name]}", highlight=False, markup=False, soft_wrap=True)


def _summary(content: Content) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    networks, held_out, then = content["networks"], content["held_out"], content["reference"]["then"]
    cells = content["uncovered"]["cells"]
    within = ", ".join(f"{format_percent(held_out[f'within_{n}'], 0)} within {n} %" for n in (5, 10))
    error = f"{format_percent(held_out['mape'])} on average over {held_out['n']} networks it had not seen; {within}"
    taus = [_tau(held_out[key]) for key in ("kendall_tau", "kendall_tau_ceiling")]
    ranks = f"Kendall's tau {taus[0]}, at most {taus[1]} with this noise"
    rows = [
        ("network", content["model"]),
        ("target", content["target"]),
        ("machine", content["fingerprint"]),
        ("unpruned", format_interval(then["median"], then["low"], then["high"])),
        ("networks", f"{networks['timed']} of {networks['planned']} timed"),
        ("time taken", f"{format_seconds(content['seconds'])} of {format_seconds(content['time_limit_s'])}"),
        ("error", error),
        ("bias", f"{100 * held_out['bias']:+.1f} %"),
        ("order", ranks),
        ("kernels", _kernels(content["kernels"]["hit_rate"])),
        (
            "not covered",
            f"{cells['count']} of {cells['of']} cells ({format_percent(cells['share'], 0)}), which are interpolated",
        ),
        ("stairs", f"{len(content['stairs'])} operator classes" if content["stairs"] else "not swept"),
    ]
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def _kernels(rate: float | None) -> str:
    return "unknown" if rate is None else f"{format_percent(rate)} predicted of networks that were left out"


def _tau(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _layers(content: Content) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("piece", "width", "time", "share", "origin"):
        table.add_column(name, justify="right" if name in ("time", "share") else "left", overflow="fold")
    known = sorted(content["layers"], key=lambda row: -(row["seconds"] or 0.0))
    for row in known[:_SHOWN]:
        time = "unknown" if row["seconds"] is None else format_seconds(row["seconds"])
        share = "unknown" if row["share"] is None else format_percent(row["share"])
        table.add_row(Text(row["unit"]), f"{row['width_in']} to {row['width_out']}", time, share, row["origin"])
    if len(known) > _SHOWN:
        table.add_row(Text(f"and {len(known) - _SHOWN} more on the page", style="dim"))
    return table
