"""Render a report as one page that needs nothing but itself: no server, no network, no second file."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from .content import sections
from .outcome import headline, judgement
from .section import Chart
from .wording import entries, verdict_words

# plotly offers to upload a chart to a public service unless it is told not to.
_CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True, "displayModeBar": False}

_MARGIN = {"l": 8, "r": 12, "t": 12, "b": 8}


def render_page(report: Mapping[str, Any]) -> str:
    """Return `report.html` for the object of `report.json`.

    Raises:
        ValueError: The report has another format version or a verdict that is not known.
    """
    word, sentence = verdict_words(report)
    shown = sections(report)
    charted = any(section.charts for section in shown)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files(__package__) / "page.html").read_text(encoding="utf-8"))
    return template.render(
        verdict=report["verdict"],
        word=word,
        sentence=sentence,
        judgement=judgement(report),
        headline=headline(report),
        target=report.get("target") or "",
        date=report.get("date") or "",
        warnings=[str(warning) for warning in entries(report, "warnings")],
        sections=shown,
        figures={chart.name: figure(chart) for section in shown for chart in section.charts},
        script=Markup(get_plotlyjs()) if charted else "",
    )


def figure(chart: Chart) -> Markup:
    """Render one chart without plotly's own script, which the page holds once."""
    margin = {**_MARGIN, **chart.layout.get("margin", {})}
    common = {
        "height": chart.height,
        "autosize": True,
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        # A finger that scrolls the page must not zoom the chart.
        "dragmode": False,
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "hoverlabel": {"bgcolor": "#1d2433", "font": {"color": "#ffffff"}},
    }
    drawn = Figure(data=list(chart.data), layout={**common, **chart.layout, "margin": margin})
    html = to_html(
        drawn,
        config=_CONFIG,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"chart-{chart.name}",
        default_height=chart.height,
    )
    return Markup(html)
