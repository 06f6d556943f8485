"""The values that a report page is made of: sections with a sentence, charts and tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# From this many rows on, a table that need not be seen at once is folded away.
FOLD_FROM = 9


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under a caption.

    Attributes:
        caption: What the table shows.
        columns: Heads; the first column names the row.
        rows: As many words in each as there are heads.
        foldable: Whether a long one may be folded away: a chart shows the same, or it is a detail.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foldable: bool = False

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"Each row must have {len(self.columns)} words, but got {wrong[0]!r}.")

    @property
    def folded(self) -> bool:
        """Whether the page shows only the caption until the reader asks for more."""
        return self.foldable and len(self.rows) >= FOLD_FROM


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure in plotly's own terms.

    Attributes:
        name: Unique on the page; letters and hyphens.
        says: What the chart shows, for a reader who cannot see it.
        data: Plotly traces.
        layout: Plotly layout, without colours of text and grid: the page sets those.
        height: Pixels.
        title: Words above the chart, where its section has several; none by default.
    """

    name: str
    says: str
    data: tuple[Mapping[str, Any], ...]
    layout: Mapping[str, Any]
    height: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page, left out where it has nothing to say.

    Attributes:
        anchor: Its name in links.
        title: Its heading.
        lead: Sentences before the charts.
        charts: May be empty.
        tables: May be empty.
        lines: Commands to show as they are.
    """

    anchor: str
    title: str
    lead: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    lines: tuple[str, ...] = ()
