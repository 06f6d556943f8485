"""Tell the answer: latency, accuracy and size before and after, or why there is none."""

from collections.abc import Sequence

from ..bundle import Accuracy, Latency, Report, Sizes, Spread, Window
from ..pages import Section, Table, change, count, percent, seconds, seconds_within
from .charts import floor_chart, latency_chart, windows_chart
from .words import budget_text, median_of, ratio_words, time_words


def headline(report: Report) -> tuple[tuple[str, str, str], ...]:
    """Return the few figures of the first screen: name, value, and what it was before; without a subnet, what is."""
    latency, accuracy, sizes = report.first.latency_s, report.accuracy or Accuracy(), report.parameters
    figures = (
        ("latency", seconds(median_of(latency.baseline)), seconds(median_of(latency.subnet))),
        (metric_name(report), percent(accuracy.baseline, 2), percent(accuracy.subnet, 2)),
        ("parameters", count(sizes.baseline), count(sizes.subnet)),
    )
    if latency.subnet is None and sizes.subnet is None:
        return tuple((name, before, "unpruned") for name, before, _ in figures)
    ratio = percent(median_of(report.first.ratio))
    first, *others = ((name, after, f"before: {before}") for name, before, after in figures)
    return (first, ("of the unpruned latency", ratio, f"budget: {budget_text(report)}"), *others)


def metric_name(report: Report) -> str:
    """Return the name of what was scored, `accuracy` where the report does not say."""
    return (report.accuracy.name if report.accuracy is not None else None) or "accuracy"


def judgement(report: Report) -> str:
    """Say how the verdict follows from what was measured; empty where nothing was."""
    first, budget = report.first, report.budget
    if report.verdict in ("infeasible", "unneeded"):
        return ""
    if report.verdict == "unstable":
        return f"The measurement doubts itself: {reasons}." if (reasons := _doubts(report)) else ""
    if budget is not None and budget.kind == "time":
        spread, most, words = first.latency_s.subnet, first.budget_s, "The subnet took"
        measured, allowed = time_words(spread), seconds(most)
    else:
        spread, most = first.ratio, None if budget is None else budget.value
        words = "Timed in turn with the unpruned network, the subnet took"
        measured, allowed = f"{ratio_words(spread)} of its time", percent(most)
    if spread is None or spread.high is None or most is None:
        return ""
    side = "inside" if spread.high <= most else "over"
    return f"{words} {measured}; the upper end of the interval is {side} the budget of {allowed}."


def latency_section(report: Report) -> Section:
    """Show both latencies, the prediction, and the windows that they come from."""
    first, windows = report.first, report.timing.windows if report.timing is not None else ()
    lead = []
    if first.latency_s.baseline is not None and first.latency_s.subnet is not None:
        lead.append("Both networks are timed in turn, in short windows, so that what slows the machine slows both.")
    if reasons := _doubts(report):
        lead.append(f"The measurement doubts itself: {reasons}.")
    known = [(name, spread) for name, spread in _networks(first.latency_s) if spread is not None]
    charts = [latency_chart(known, first.budget_s)] if known else []
    tables = [Table("Time of one run: median, with its interval in brackets", ("", "time"), _latency_rows(report))]
    if windows:
        charts.append(windows_chart(windows))
        tables.append(_windows_table(windows))
    return Section("latency", "Latency", tuple(lead), tuple(charts), tuple(tables))


def quality_section(report: Report) -> Section:
    """Show accuracy, parameters and file size before and after."""
    accuracy, name = report.accuracy or Accuracy(), metric_name(report)
    before, after = accuracy.baseline, accuracy.subnet
    rows = [(name, percent(before, 2), percent(after, 2), _points(before, after))]
    for words, pair in (
        ("parameters", report.parameters),
        ("exported file, bytes", report.file_bytes or Sizes()),
    ):
        rows.append((words, count(pair.baseline), count(pair.subnet), _relative(pair)))
    scored = "" if accuracy.n is None else f" on {count(accuracy.n)} held-out samples"
    lead = f"The {name} is that of the exported files, run by the target's runtime{scored}."
    table = Table("Before and after", ("", "unpruned", "subnet", "change"), tuple(rows))
    return Section("quality", f"{name[:1].upper()}{name[1:]} and size", (lead,), (), (table,))


def infeasible_section(report: Report) -> Section | None:
    """Say what is reachable and what holds it up; None where the budget is not out of reach."""
    reach = report.infeasible
    if reach is None:
        return None
    least = seconds(reach.least_latency_s)
    lead = [f"The least latency in reach is {least}: the fastest network on offer, timed on the target."]
    if reach.nearest_budget:
        lead.append(f"The nearest budget that can be met is {reach.nearest_budget}.")
    known = [(part.what, part.seconds) for part in reach.holds_up if part.seconds is not None]
    charts = (floor_chart(known),) if known else ()
    rows = tuple((part.what, seconds(part.seconds)) for part in reach.holds_up)
    tables = (Table("What holds the least latency up", ("", "time"), rows),) if rows else ()
    return Section("reach", "What is in reach", tuple(lead), charts, tables)


def _networks(latency: Latency) -> tuple[tuple[str, Spread | None], ...]:
    return ("unpruned", latency.baseline), ("subnet", latency.subnet)


def _latency_rows(report: Report) -> tuple[tuple[str, str], ...]:
    first, told = report.first, report.first.predicted_s
    return (
        *((name, time_words(spread)) for name, spread in _networks(first.latency_s)),
        ("ratio, subnet to unpruned", ratio_words(first.ratio)),
        (
            "predicted for the subnet",
            seconds(None) if told is None else seconds_within(told.estimate, told.low, told.high),
        ),
        ("budget", _budget_words(report)),
    )


def _windows_table(windows: Sequence[Window]) -> Table:
    rows = []
    for place, window in enumerate(windows, start=1):
        before, after = window.baseline, window.subnet
        ratio = after / before if before and after is not None else None
        rows.append((str(place), seconds(before), seconds(after), percent(ratio)))
    return Table(
        "Each window of the verification", ("window", "unpruned", "subnet", "ratio"), tuple(rows), foldable=True
    )


def _doubts(report: Report) -> str:
    return "; ".join(reason.rstrip(".") for reason in report.doubts)


def _budget_words(report: Report) -> str:
    if report.budget is not None and report.budget.kind == "time":
        return budget_text(report)
    return f"{budget_text(report)} of the unpruned network, that is {seconds(report.first.budget_s)}"


def _points(before: float | None, after: float | None) -> str:
    return change(None) if before is None or after is None else change(after - before, 2).replace("%", "points")


def _relative(pair: Sizes) -> str:
    before, after = pair.baseline, pair.subnet
    return change(after / before - 1 if before and after is not None else None)
