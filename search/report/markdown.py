"""Render a report as a short text for terminals, change requests and mails."""

from hwprofiles import plain

from ..bundle import Report
from ..pages import Section, Table
from .evidence import conditions_section, proofs_section, repeat_section
from .outcome import infeasible_section, judgement, latency_section, quality_section
from .words import verdict_words

_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|#"})


def render_markdown(report: Report) -> str:
    """Return `report.md`: the answer and what it rests on, without charts."""
    word, sentence = verdict_words(report)
    lines = [f"# {word}", "", _plain(sentence)]
    if words := judgement(report):
        lines.append(_plain(words))
    if report.warnings:
        lines += ["", "## Warnings", "", *(f"- {_plain(warning)}" for warning in report.warnings)]
    parts = (
        infeasible_section(report),
        latency_section(report),
        quality_section(report),
        proofs_section(report),
        conditions_section(report),
        repeat_section(report),
    )
    for section in parts:
        if section is not None:
            lines += _section(section)
    return "\n".join(lines) + "\n"


def _section(section: Section) -> list[str]:
    lines = ["", f"## {_plain(section.title)}"]
    if section.lead:
        lines += ["", _plain(" ".join(section.lead))]
    for table in section.tables:
        if not table.foldable:
            lines += ["", *_table(table)]
    if section.lines:
        lines += ["", *(f"    {plain(' '.join(line.split()))}" for line in section.lines)]
    return lines


def _table(table: Table) -> list[str]:
    head = [f"**{_plain(table.caption)}**", "", _row(table.columns), _row(["---"] * len(table.columns))]
    return head + [_row([_plain(word) for word in row]) for row in table.rows]


def _row(words: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(words)} |"


def _plain(text: object) -> str:
    """Keep a name from being read as markup, and on one line."""
    return plain(" ".join(str(text).split())).translate(_ESCAPED)
