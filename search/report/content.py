"""Put the parts of a report into the order in which they are read."""

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


def sections(report: Report) -> tuple[Section, ...]:
    """Return the sections that the report has something to say in."""
    parts = (
        infeasible_section(report),
        latency_section(report),
        quality_section(report),
        widths_section(report),
        blocks_section(report),
        agreement_section(report),
        search_section(report),
        tuning_section(report),
        table_section(report),
        proofs_section(report),
        conditions_section(report),
        repeat_section(report),
    )
    return tuple(section for section in parts if section is not None)
