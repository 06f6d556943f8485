"""Tell the answer: latency, accuracy and size before and after, or why there is none."""

from collections.abc import Mapping
from typing import Any

from ..pages import (
    Section,
    Table,
    budget_text,
    change,
    count,
    entries,
    number,
    part,
    percent,
    ratio_interval,
    seconds,
    seconds_interval,
)
from .charts import floor_chart, latency_chart, windows_chart

NETWORKS = (("unpruned", "baseline"), ("subnet", "subnet"))


def headline(report: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Return the few figures of the first screen: name, value, and what it was before; without a subnet, what is."""
    latency, accuracy, parameters = (part(report, key) for key in ("latency_s", "accuracy", "parameters"))
    budget = ("of the unpruned latency", percent(part(report, "ratio").get("median")), f"budget: {budget_text(report)}")
    figures = (
        ("latency", {key: seconds(part(latency, key).get("median")) for _, key in NETWORKS}),
        (metric_name(report), {key: percent(accuracy.get(key), 2) for _, key in NETWORKS}),
        ("parameters", {key: count(parameters.get(key)) for _, key in NETWORKS}),
    )
    if not part(latency, "subnet") and number(parameters.get("subnet")) is None:
        return tuple((name, values["baseline"], "unpruned") for name, values in figures)
    first, *others = ((name, values["subnet"], f"before: {values['baseline']}") for name, values in figures)
    return (first, budget, *others)


def metric_name(report: Mapping[str, Any]) -> str:
    """Return the name of what was scored, `accuracy` where the report does not say."""
    return str(part(report, "accuracy").get("name") or "accuracy")


def judgement(report: Mapping[str, Any]) -> str:
    """Say how the verdict follows from what was measured; empty where nothing was."""
    kind, verdict = part(report, "budget").get("kind"), report.get("verdict")
    if verdict in ("infeasible", "unneeded"):
        return ""
    if verdict == "unstable":
        return f"The measurement doubts itself: {reasons}." if (reasons := _doubts(report)) else ""
    if kind == "time":
        entry, limit, words = part(report, "latency_s", "subnet"), report.get("budget_s"), "The subnet took"
        measured, allowed = seconds_interval(entry), seconds(limit)
    else:
        entry, limit = part(report, "ratio"), part(report, "budget").get("value")
        words = "Timed in turn with the unpruned network, the subnet took"
        measured, allowed = f"{ratio_interval(entry)} of its time", percent(limit)
    high, most = number(entry.get("high")), number(limit)
    if high is None or most is None:
        return ""
    side = "inside" if high <= most else "over"
    return f"{words} {measured}; the upper end of the interval is {side} the budget of {allowed}."


def latency_section(report: Mapping[str, Any]) -> Section:
    """Show both latencies, the prediction, and the windows that they come from."""
    latency, budget_s = part(report, "latency_s"), number(report.get("budget_s"))
    rows = [(name, seconds_interval(part(latency, key))) for name, key in NETWORKS]
    rows += [
        ("ratio, subnet to unpruned", ratio_interval(part(report, "ratio"))),
        ("predicted for the subnet", seconds_interval(part(report, "predicted_s"), "estimate")),
        ("budget", _budget_words(report)),
    ]
    known = [
        (name, part(latency, key)) for name, key in NETWORKS if number(part(latency, key).get("median")) is not None
    ]
    charts = [latency_chart(known, budget_s)] if known else []
    tables = [Table("Time of one run: median, with its interval in brackets", ("", "time"), tuple(rows))]
    windows = [window for window in entries(report, "measurements", "verify", "windows") if isinstance(window, Mapping)]
    if windows:
        charts.append(windows_chart(windows))
        tables.append(_windows_table(windows))
    lead = []
    if len(known) == len(NETWORKS):
        lead.append("Both networks are timed in turn, in short windows, so that what slows the machine slows both.")
    if reasons := _doubts(report):
        lead.append(f"The measurement doubts itself: {reasons}.")
    return Section("latency", "Latency", tuple(lead), tuple(charts), tuple(tables))


def quality_section(report: Mapping[str, Any]) -> Section:
    """Show accuracy, parameters and file size before and after."""
    accuracy, name = part(report, "accuracy"), metric_name(report)
    rows = [
        (
            name,
            percent(accuracy.get("baseline"), 2),
            percent(accuracy.get("subnet"), 2),
            _points(accuracy.get("baseline"), accuracy.get("subnet")),
        )
    ]
    for words, key in (("parameters", "parameters"), ("exported file, bytes", "file_bytes")):
        pair = part(report, key)
        rows.append((words, count(pair.get("baseline")), count(pair.get("subnet")), _relative(pair)))
    tested = number(accuracy.get("n"))
    scored = f" on {count(tested)} held-out samples" if tested is not None else ""
    lead = f"The {name} is that of the exported files, run by the target's runtime{scored}."
    table = Table("Before and after", ("", "unpruned", "subnet", "change"), tuple(rows))
    return Section("quality", f"{name[:1].upper()}{name[1:]} and size", (lead,), (), (table,))


def infeasible_section(report: Mapping[str, Any]) -> Section | None:
    """Say what is reachable and what holds it up; None where the budget is not out of reach."""
    reach = part(report, "infeasible")
    if not reach:
        return None
    nearest = reach.get("nearest_budget")
    if number(nearest) is not None:
        nearest = percent(nearest) if part(report, "budget").get("kind") == "fraction" else seconds(nearest)
    least = seconds(reach.get("least_latency_s"))
    lead = [f"The least latency in reach is {least}: the fastest network on offer, timed on the target."]
    if nearest:
        lead.append(f"The nearest budget that can be met is {nearest}.")
    parts = [(str(item.get("what")), number(item.get("seconds"))) for item in entries(report, "infeasible", "holds_up")]
    known = [(what, value) for what, value in parts if value is not None]
    charts = (floor_chart(known),) if known else ()
    rows = tuple((what, seconds(value)) for what, value in parts)
    tables = (Table("What holds the least latency up", ("", "time"), rows),) if rows else ()
    return Section("reach", "What is in reach", tuple(lead), charts, tables)


def _windows_table(windows: list[Mapping[str, Any]]) -> Table:
    rows = []
    for place, window in enumerate(windows, start=1):
        before, after = number(window.get("baseline")), number(window.get("subnet"))
        ratio = after / before if before and after is not None else None
        rows.append((str(place), seconds(before), seconds(after), percent(ratio)))
    return Table(
        "Each window of the verification", ("window", "unpruned", "subnet", "ratio"), tuple(rows), foldable=True
    )


def _doubts(report: Mapping[str, Any]) -> str:
    reasons = entries(report, "measurements", "verify", "judgement")
    return "; ".join(str(reason).rstrip(".") for reason in reasons)


def _budget_words(report: Mapping[str, Any]) -> str:
    if part(report, "budget").get("kind") == "time":
        return budget_text(report)
    return f"{budget_text(report)} of the unpruned network, that is {seconds(report.get('budget_s'))}"


def _points(before: object, after: object) -> str:
    old, new = number(before), number(after)
    return change(None) if old is None or new is None else change(new - old, 2).replace("%", "points")


def _relative(pair: Mapping[str, Any]) -> str:
    before, after = number(pair.get("baseline")), number(pair.get("subnet"))
    return change(after / before - 1 if before and after is not None else None)
