"""Tables of timings on a terminal: a summary, then one table for each question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwprofiles import format_interval, format_percent, format_seconds
from latency_tables import Merged

from .opening import versions_text

_SHOWN = 12
"""Lines of a table that a terminal shows; the rest are counted."""

_STYLES = {"agrees": "green", "differs": "red", "cannot tell": "yellow"}

Content = Mapping[str, Any]


def show_table(console: Console, content: Content) -> None:
    """Print what `describe` returned."""
    _print(console, "", _summary(content))
    if content["families"]:
        _print(console, "Where the unpruned network's time goes", _families(content["families"]))
    if content["networks"]:
        _print(console, "Networks, the fastest first", _networks(content["networks"]))
    if content["stairs"]:
        _print(console, "Stairs: the widths that cost no more than narrower ones", _stairs(content["stairs"]))
    if content["failed"]:
        rows = [(item["job"], item["reason"]) for item in content["failed"]]
        _print(console, "Networks that the runtime could not run", _plain(("network", "reason"), rows))
    _sentences(console, content["notes"])


def show_difference(console: Console, content: Content) -> None:
    """Print what `contrast` returned."""
    word, counts = content["agreement"], content["counts"]
    told = ", ".join(f"{counts[name]} {name}" for name in ("differs", "agrees", "cannot tell"))
    console.print(Text.assemble((word, f"bold {_STYLES[word]}"), f"  {_meaning(content)}"), highlight=False)
    console.print()
    rows = [("first", content["tables"][0]), ("second", content["tables"][1])]
    rows.append(("networks in both", str(len(content["networks"]))))
    rows.append(("only in one", f"{content['only'][0]} in the first, {content['only'][1]} in the second"))
    rows.append(("numbers compared", told))
    rows += [(f"{name} differs", f"{one} / {other}") for name, (one, other) in content["facts"].items()]
    console.print(_facts(rows), highlight=False)
    if content["networks"]:
        _print(console, "Second over first", _differences(content["networks"]))
    _sentences(console, content["notes"])


def show_merged(console: Console, merged: Merged) -> None:
    """Print what a merge did."""
    first, second = merged.lines
    told = f"{first} + {second} lines, {merged.twice} networks in both (the later timing counts)"
    console.print(f"wrote {merged.path}: {told}", highlight=False, markup=False, soft_wrap=True)
    _sentences(console, merged.notes)


def _summary(content: Content) -> Table:
    reference = content["reference_s"]
    origins = ", ".join(f"{count} {name}" for name, count in content["origins"].items())
    stale = content["stale"]
    rows = [
        ("target", content["target"]),
        ("machine", content["fingerprint"]),
        ("versions", versions_text(content["versions"])),
        ("begun", content["created"]),
        ("last row", content["last"] or "none"),
        ("unpruned", "not measured" if reference is None else _interval(reference)),
        ("rows", f"{content['rows']} ({origins})" if origins else "0"),
        ("failed", str(len(content["failed"]))),
        ("stale", _stale(stale)),
        ("foreign", f"{content['foreign']} rows of another machine" if content["foreign"] else "0"),
        ("kernels", _hit_rate(content["kernels"]["hit_rate"])),
        ("stairs", f"{len(content['stairs'])} operator classes" if content["stairs"] else "not swept"),
        ("held-out error", _error(content)),
    ]
    return _facts(rows)


def _stale(stale: Mapping[str, Any]) -> str:
    if not stale["records"]:
        return "0"
    return f"{stale['records']} records of {'; '.join(stale['versions'])}, not used"


def _hit_rate(rate: float | None) -> str:
    return (
        "unknown"
        if rate is None
        else f"{format_percent(rate)} predicted of networks that were left out, each piece by itself"
    )


def _error(content: Content) -> str:
    found = content["held_out"]
    if found is None:
        return f"unknown: {content['held_out_missing']}"
    within = ", ".join(f"{format_percent(found[f'within_{n}'], 0)} within {n} %" for n in (5, 10))
    return f"{format_percent(found['mape'])} on average over {found['n']} networks, {within}"


def _families(families: Sequence[Content]) -> Table:
    table = _plain(("family", "pieces", "share", "time"), right=("pieces", "share", "time"))
    for row in families[:_SHOWN]:
        share, seconds = row["share"], row["seconds"]
        table.add_row(
            Text(row["family"]),
            str(row["units"] or ""),
            "unknown" if share is None else format_percent(share),
            "unknown" if seconds is None else format_seconds(seconds),
        )
    return _counted(table, len(families))


def _networks(networks: Sequence[Content]) -> Table:
    table = _plain(("network", "origin", "ratio", "time", ""), right=("ratio", "time"))
    ordered = sorted(networks, key=lambda row: row["ratio"]["median"])
    for row in ordered[:_SHOWN]:
        ratio = row["ratio"]
        low, high = (format_percent(ratio[end]).removesuffix(" %") for end in ("low", "high"))
        marks = ["foreign"] if row["foreign"] else []
        marks += ["unstable"] if row["unstable"] else []
        told = f"{format_percent(ratio['median'])} [{low}, {high}]"
        table.add_row(_short(row["job"]), row["origin"], told, _interval(row["latency_s"]), ", ".join(marks))
    return _counted(table, len(networks))


def _stairs(stairs: Sequence[Content]) -> Table:
    table = _plain(("class", "size", "block", "edges"))
    for row in stairs:
        edges = ", ".join(map(str, row["edges"])) or "none"
        table.add_row(Text(row["kind"]), Text(str(row["size"])), str(row["quantum"] or "unknown"), edges)
    return table


def _differences(networks: Sequence[Content]) -> Table:
    table = _plain(("network", "origin", "ratio", "", "seconds", ""), right=("ratio", "seconds"))
    for row in sorted(networks, key=_interest)[:_SHOWN]:
        cells = [cell for name in ("ratio", "seconds") for cell in _change(row[name], row["unstable"])]
        table.add_row(_short(row["job"]), row["origin"], *cells)
    return _counted(table, len(networks))


def _interest(row: Content) -> tuple[int, float]:
    changes = [change for change in (row["ratio"], row["seconds"]) if change is not None]
    differs = any(change["agreement"] == "differs" for change in changes)
    return (0 if differs else 1, -max(abs(change["relative"]) for change in changes))


def _change(change: Content | None, unstable: bool) -> tuple[str, Text]:
    if change is None:
        return "1 by definition", Text("")
    low, high = (_signed(change[end]).removesuffix(" %") for end in ("low", "high"))
    word = change["agreement"]
    return f"{_signed(change['relative'])} [{low}, {high}]", Text(word + ", unstable" * unstable, style=_STYLES[word])


def _meaning(content: Content) -> str:
    tolerance = format_percent(content["tolerance"])
    if not content["networks"]:
        return "The tables have no network in common."
    if content["agreement"] == "differs":
        return f"At least one number differs by more than {tolerance}, and its interval says so."
    if content["agreement"] == "agrees":
        return f"No number differs by more than {tolerance} for certain."
    return f"No interval is narrow enough to say on which side of {tolerance} it lies."


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + format_percent(value)


def _interval(value: Mapping[str, float]) -> str:
    return format_interval(value["median"], value["low"], value["high"])


def _short(job: str) -> str:
    """Shorten a key: its first half is the unpruned network, the same in all rows."""
    return job.rpartition("-")[2][:12]


def _facts(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def _plain(columns: Sequence[str], rows: Iterable[Sequence[str]] = (), *, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _counted(table: Table, total: int) -> Table:
    if total > _SHOWN:
        table.add_row(Text(f"and {total - _SHOWN} more; `--json` lists all", style="dim"))
    return table


def _print(console: Console, title: str, table: Table) -> None:
    if title:
        console.print()
        console.print(Text(title, style="bold"))
    console.print(table, highlight=False)


def _sentences(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print()
        console.print(Text(f"note: {note}"))
