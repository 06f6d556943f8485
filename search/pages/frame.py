"""Render sections as one page that needs nothing but itself: no server, no network, no second file."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from .section import Chart, Section

# plotly offers to upload a chart to a public service unless it is told not to.
_CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True, "displayModeBar": False}

_MARGIN = {"l": 8, "r": 12, "t": 12, "b": 8}


def render(template: str, shown: Sequence[Section], **values: Any) -> str:
    """Return a page of sections.

    Args:
        template: Jinja text that extends "frame.html" and fills its blocks `title` and `header`.
        shown: The sections, in order.
        values: What the frame needs (`target`, `date`, `warnings`, `warnings_title`, `data_file`) and the template's
            own.
    """
    frame = (files(__package__) / "frame.html").read_text(encoding="utf-8")
    charts = [chart for section in shown for chart in section.charts]
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({"frame.html": frame}),
    )
    return environment.from_string(template).render(
        **values,
        sections=shown,
        figures={chart.name: figure(chart) for chart in charts},
        script=Markup(get_plotlyjs()) if charts else "",
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
