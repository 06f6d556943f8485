"""Tell what became of the network: widths, blocks, and what could not be cut."""

from ..bundle import Report
from ..pages import Section, Table, change, count
from .charts import widths_chart

_CHOICES = {"keep": "kept", "remove": "removed"}


def widths_section(report: Report) -> Section | None:
    """Show the width of each dim before and after; None where the report holds none."""
    dims = report.dims
    if not dims:
        return None
    names = [dim.layer or dim.name for dim in dims]
    before, after = [dim.baseline for dim in dims], [dim.subnet for dim in dims]
    rows = tuple(
        (name, dim.name, count(old), "removed" if new is None else count(new), _cut(old, new))
        for name, dim, old, new in zip(names, dims, before, after, strict=True)
    )
    table = Table("Units of each dim", ("layer", "dim", "unpruned", "subnet", "change"), rows, foldable=True)
    lead = "A dim is what has to be cut together; it bears the name of the first parameter that carries it."
    return Section("widths", "Widths", (lead,), (widths_chart(names, before, after),), (table,))


def blocks_section(report: Report) -> Section | None:
    """Show which removable blocks stayed, and which dims were frozen; None where the report holds neither."""
    blocks, frozen = report.blocks, report.frozen
    if not blocks and not frozen:
        return None
    tables, lead = [], []
    if blocks:
        rows = tuple((block.name, _choice(block.choice)) for block in blocks)
        removed = sum(block.choice == "remove" for block in blocks)
        lead.append(f"{removed} of {len(blocks)} removable blocks were removed.")
        tables.append(Table("Removable blocks", ("block", "choice"), rows))
    if frozen:
        rows = tuple((item.dim, item.reason) for item in frozen)
        tables.append(Table("What was left as it is, and why", ("dim", "reason"), rows, foldable=True))
    return Section("blocks", "Blocks and frozen dims", tuple(lead), (), tuple(tables))


def _choice(choice: str) -> str:
    return _CHOICES.get(choice, choice)


def _cut(before: float | None, after: float | None) -> str:
    if before and after is not None:
        return change(after / before - 1, 0)
    return change(-1.0, 0) if before else change(None)
