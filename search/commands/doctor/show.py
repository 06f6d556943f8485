"""The doctor's dictionary on a terminal: a summary, then one table for each question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwprofiles import format_percent, format_seconds

from ...graph import pattern

_NAMED = 3
"""Names that a line lists; the rest are counted."""

_LINES = 2
"""Source lines shown for each reason; the rest are counted."""

_CODE = 72
"""Characters of a source line that are shown."""

_NUMBER = re.compile(r"(?<![^.])\d+(?=[.:]|$)")

Content = Mapping[str, Any]


def show(console: Console, content: Content, *, every: bool = False) -> None:
    """Print what `examine` returned.

    Args:
        console: Where to.
        content: The dictionary, with `model` and `inputs` where the command added them.
        every: List every dim and block instead of scopes and kinds of blocks.
    """
    _summary(console, content)
    if content["dims"]:
        _print(console, "What can be cut", _dims(content) if every else _scopes(content))
    if content["blocks"]:
        _print(console, "Blocks that can be removed", _blocks(content, every))
    if content["not_removable"]:
        _print(console, "Additions that are no such blocks", _not_removable(content))
    if content["frozen"]:
        _print(console, "What keeps its size", _frozen(content))
    if content["unknown"]:
        _print(console, "Operators without a rule: what they touch keeps its size", _unknown(content))
    lost = content.get("training_only")
    if lost:
        _print(console, "What only training does, and an export in eval mode loses", _listed(lost))
    for sentence in _sentences(content):
        console.print()
        console.print(Text(sentence))


def _print(console: Console, title: str, table: Table) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    console.print(table, highlight=False)


def _summary(console: Console, content: Content) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if "model" in content:
        shapes = content["inputs"].items()
        table.add_row("network", Text(content["model"]))
        table.add_row("input", Text(", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes)))
    shares = content["shares"]
    table.add_row("parameters", f"{content['parameters']:,}")
    table.add_row("can be cut", f"{_share(shares['on_dims'])} of the parameters lie on a dim")
    table.add_row("can be removed", f"{_share(shares['in_blocks'])} go with a block")
    table.add_row("frozen", f"{_share(shares['frozen'])} lie on no dim")
    kind = ", put together by stage" if any(scope["by_stage"] for scope in content["scopes"]) else ""
    table.add_row("dims", f"{len(content['dims'])} in {len(content['scopes'])} scopes{kind}")
    table.add_row("blocks", f"{len(content['blocks'])} removable")
    if "latency" in content:
        table.add_row("time", Text(_time(content["latency"])))
    console.print(table, highlight=False)


def _time(latency: Mapping[str, Any]) -> str:
    known, error = format_seconds(latency["known_s"]), format_percent(latency["mape"])
    text = f"{known} on {latency['target']} by its table, whose mean error is {error}"
    if not latency["unknown"]:
        return text
    count, units = len(latency["unknown"]), latency["units"]
    return f"{text}; without {count} of {units} pieces, which it does not know; shares are of what it knows"


def _scopes(content: Content) -> Table:
    table = _table(content, "scope", "dims", "size", "sets")
    carriers = {dim["name"]: dim["carriers"] for dim in content["dims"]}
    for scope in content["scopes"]:
        names = [f"{c['name']}:{c['axis']}" for dim in scope["dims"] for c in carriers[dim]]
        cells = (str(len(scope["dims"])), _range(scope["sizes"]), _range(scope["outer"]))
        table.add_row(_cell(scope["name"], f"on {_few(names)}"), *cells, *_costs(scope))
    return table


def _dims(content: Content) -> Table:
    table = _table(content, "dim", "size", "sets")
    for dim in content["dims"]:
        names = [f"{c['name']}:{c['axis']}" for c in dim["carriers"]]
        cells = (str(dim["size"]), str(dim["outer"]))
        table.add_row(_cell(dim["name"], f"on {_few(names)}"), *cells, *_costs(dim))
    return table


def _blocks(content: Content, every: bool) -> Table:
    table = _table(content, "block", "blocks", "dims of each", costs="each")
    groups = _merged([block["name"] for block in content["blocks"]])
    blocks = {block["name"]: block for block in content["blocks"]}
    for names in [[name] for name in blocks] if every else groups:
        group = [blocks[name] for name in names]
        lines = [line for block in group if (line := block["line"])]
        cells = (str(len(group)), _range(sorted({len(block["dims"]) for block in group})))
        table.add_row(_cell(pattern(names), *_some(lines)), *cells, *_cost_ranges(group))
    return table


def _not_removable(content: Content) -> Table:
    table = _plain("reason", "additions")
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in content["not_removable"]:
        groups.setdefault(item["reason"], []).append(item)
    for reason, items in groups.items():
        lines = [line for item in items if (line := item["line"])]
        names = _few([item["name"] for item in items])
        table.add_row(_cell(reason, names, *_some(lines)), str(len(items)))
    return table


def _frozen(content: Content) -> Table:
    table = _plain("reason", "axes", "parameters")
    for cause in sorted(content["frozen"], key=lambda cause: -cause["parameters"]):
        where = [*_some(cause["lines"]), f"in {_few(cause['modules'])}"] if cause["modules"] else []
        cell = _cell(cause["reason"], *where, f"on {_few(cause['axes'])}")
        table.add_row(cell, str(len(cause["axes"])), _share(cause["share"]))
    return table


def _unknown(content: Content) -> Table:
    table = _plain("operator", "calls")
    for item in content["unknown"]:
        where = (*_some(item["lines"]), f"in {_few(item['modules'])}")
        table.add_row(_cell(item["operator"], *where), str(item["calls"]))
    return table


def _listed(sentences: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for sentence in sentences:
        table.add_row(Text(sentence))
    return table


def _sentences(content: Content) -> Iterable[str]:
    latency = content.get("latency", {})
    families = {item["family"] for item in latency.get("unknown", ())}
    for family in sorted(families):
        yield f"note: The table does not know pieces {family!r}."
    for note in (*content["notes"], *latency.get("notes", ())):
        yield f"note: {note}"


def _table(content: Content, *columns: str, costs: str = "") -> Table:
    """Return a table that ends with the share of parameters, and of time where that is known."""
    table = _plain(*columns)
    for name in ("parameters", "time") if "latency" in content else ("parameters",):
        table.add_column(f"{name} of {costs}" if costs else name, justify="right", max_width=13)
    return table


def _plain(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold", ratio=1)
    for name in others:
        table.add_column(name, justify="right", max_width=11)
    return table


def _costs(entry: Mapping[str, Any]) -> list[str]:
    return [_share(entry["share"])] + ([_share(entry["latency_share"])] if "latency_share" in entry else [])


def _cost_ranges(group: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = [[_costs(entry)[i] for entry in group] for i in range(len(_costs(group[0])))]
    keys = ("share", "latency_share")
    return [_ends(group, key, column) for key, column in zip(keys, columns, strict=False)]


def _ends(group: Sequence[Mapping[str, Any]], key: str, texts: Sequence[str]) -> str:
    if len(set(texts)) == 1:
        return texts[0]
    known = sorted(entry[key] for entry in group if entry[key] is not None)
    unknown = ", some unknown" if len(known) < len(group) else ""
    low, high = _share(known[0]), _share(known[-1])
    return f"{low.removesuffix(' %')} to {high}{unknown}"


def _share(share: float | None) -> str:
    if share is None:
        return "unknown"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= share < 1 else format_percent(share)


def _range(sizes: Sequence[int]) -> str:
    if len(sizes) < 3:
        return ", ".join(map(str, sizes))
    return f"{sizes[0]} to {sizes[-1]}"


def _cell(first: str, *others: str) -> Group:
    """Return a cell of one line, and further ones below it that stay indented where they wrap."""
    return Group(Text(first), *(Padding(Text(other, style="dim"), (0, 0, 0, 2)) for other in others))


def _some(lines: Sequence[str]) -> list[str]:
    distinct = [line if len(line) <= _CODE else f"{line[:_CODE].rstrip()} ..." for line in dict.fromkeys(lines)]
    rest = len(distinct) - _LINES
    return [*distinct[:_LINES], *([f"and {rest} more lines"] if rest > 0 else [])]


def _few(names: Sequence[str]) -> str:
    groups = [pattern(group) for group in _merged(names)]
    rest = len(groups) - _NAMED
    return ", ".join(groups[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _merged(names: Iterable[str]) -> list[list[str]]:
    """Group names that differ only by numbers."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_NUMBER.sub("*", name), []).append(name)
    return list(groups.values())
