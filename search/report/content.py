"""Put the parts of a report into the order in which they are read."""

from collections.abc import Callable

from ..bundle import Report
from ..pages import Section
from .evidence import (
    agreement_section,
    conditions_section,
    proofs_section,
    repeat_section,
    search_section,
    table_section,
    tuning_section,
)
from .outcome import infeasible_section, latency_section, quality_section
from .shape import blocks_section, widths_section

SECTIONS: list[Callable[[Report], Section | None]] = [
    infeasible_section,
    latency_section,
    quality_section,
    widths_section,
    blocks_section,
    agreement_section,
    search_section,
    tuning_section,
    table_section,
    proofs_section,
    conditions_section,
    repeat_section,
]
"""What a report may have to say, in the order in which it is read; None where one has nothing."""


def sections(report: Report) -> tuple[Section, ...]:
    """Return the sections that the report has something to say in."""
    parts = (section(report) for section in SECTIONS)
    return tuple(section for section in parts if section is not None)
