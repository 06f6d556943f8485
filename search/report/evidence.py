"""Tell what the answer rests on: predictions, the search, fine-tuning, the table and the conditions."""

from collections.abc import Mapping
from typing import Any

from ..pages import (
    Section,
    Table,
    change,
    count,
    entries,
    fact,
    number,
    part,
    percent,
    plain,
    seconds,
    seconds_interval,
)
from .charts import agreement_chart, front, front_chart, history_chart, tuning_chart


def agreement_section(report: Mapping[str, Any]) -> Section | None:
    """Hold what was predicted against what was measured; None where nothing was."""
    pairs = entries(report, "predicted_vs_measured")
    if not pairs:
        return None
    rows = []
    for pair in pairs:
        told, found = number(pair.get("predicted_s")), number(pair.get("measured_s"))
        error = found / told - 1 if told and found is not None else None
        rows.append((str(pair.get("what")), seconds(told), seconds_interval(pair, "measured_s"), change(error)))
    known = [pair for pair in pairs if None not in (number(pair.get("predicted_s")), number(pair.get("measured_s")))]
    points = [{key: value for key, value in pair.items() if number(value) is not None} for pair in known]
    charts = (agreement_chart([str(pair.get("what")) for pair in known], points),) if known else ()
    columns = ("network", "predicted", "measured", "measured over predicted")
    lead = "A point above the line took longer than the latency table had predicted."
    return Section(
        "agreement", "Predicted against measured", (lead,), charts, (Table("Networks", columns, tuple(rows)),)
    )


def search_section(report: Mapping[str, Any]) -> Section | None:
    """Show each trial's objective and the front; None where nothing was searched."""
    trials, best = entries(report, "search", "trials"), number(part(report, "search").get("best"))
    exact = part(report, "search", "exact")
    if not trials and not exact:
        return None
    chosen = None if best is None else int(best)
    rated = [trial for trial in trials if number(trial.get("objective")) is not None]
    placed = [trial for trial in rated if number(trial.get("predicted_s")) is not None]
    charts = [history_chart(rated, chosen)] if rated else []
    if placed:
        charts.append(front_chart(placed, chosen, number(report.get("budget_s"))))
    lead = ["Every candidate is inside the budget by prediction; what is compared is how far its outputs stray."]
    if rated:
        words = "" if chosen is None else f"; trial {chosen} was chosen"
        lead.append(f"{count(len(rated))} of {count(len(trials))} trials have an objective{words}.")
    if exact:
        lead.append(
            f"The exact start, which sees only what adds up, loses {plain(exact.get('loss'))} at a predicted "
            f"{seconds(exact.get('latency_s'))}; by that count none loses less than {plain(exact.get('bound'))}."
        )
    tables = (_trials_table(trials, placed, chosen),) if trials else ()
    return Section("search", "Search", tuple(lead), tuple(charts), tables)


def tuning_section(report: Mapping[str, Any]) -> Section | None:
    """Show loss and accuracy of each epoch of fine-tuning; None where there was none."""
    epochs = entries(report, "finetune", "history")
    if not epochs:
        return None
    scored = any(epoch.get("accuracy") is not None for epoch in epochs)
    columns = ("epoch", "loss", "accuracy")[: 2 + scored]
    rows = tuple(
        (str(epoch.get("epoch")), plain(epoch.get("loss"), 4), percent(epoch.get("accuracy"), 2))[: 2 + scored]
        for epoch in epochs
    )
    table = Table("Epochs", columns, rows, foldable=True)
    lead = "One row for each pass over the training data."
    return Section("tuning", "Fine-tuning", (lead,), (tuning_chart(epochs),), (table,))


def table_section(report: Mapping[str, Any]) -> Section | None:
    """Show the latency table's error on networks it was not built from; None where there is no table."""
    table, held_out = part(report, "table"), part(report, "table", "held_out")
    if not table:
        return None
    rows = (
        ("rows in the table", count(table.get("rows"))),
        ("networks timed", count(table.get("networks"))),
        ("predictions held out", count(held_out.get("n"))),
        ("mean absolute error", percent(held_out.get("mape"))),
        ("mean signed error", change(held_out.get("bias"))),
        ("within 5 %", percent(held_out.get("within_5"), 0)),
        ("within 10 %", percent(held_out.get("within_10"), 0)),
        ("rank correlation (Kendall's tau)", plain(held_out.get("kendall_tau"))),
        ("highest tau that the timings' own noise allows", plain(held_out.get("kendall_tau_ceiling"))),
        ("safety margin taken from these errors", percent(held_out.get("margin"))),
    )
    lead = "Each network is predicted from a table that has not seen it."
    return Section("table", "The latency table's own error", (lead,), (), (Table("Held-out error", ("", ""), rows),))


def proofs_section(report: Mapping[str, Any]) -> Section | None:
    """List what was proven of the cut; None where the report holds no proof."""
    proofs = part(report, "proofs")
    if not proofs:
        return None
    rows = tuple(_proof_row(name, part(proofs, name)) for name in proofs)
    columns = ("proof", "outcome", "largest difference", "passes up to", "what it leaves out")
    lead = "Each proof compares outputs that have to be the same if the cut is right."
    return Section("proofs", "Proofs of the cut", (lead,), (), (Table("Proofs", columns, rows),))


def conditions_section(report: Mapping[str, Any]) -> Section:
    """Show where, when and with what everything was measured."""
    rows = [("target", fact(report.get("target"))), ("date", fact(report.get("date")))]
    rows.append(("whole run", seconds(report.get("wall_s"))))
    rows.append(("protocol", fact(report.get("protocol") or part(report, "measurements", "verify").get("protocol"))))
    hashes = part(report, "hashes")
    rows += [
        (f"SHA-256 of what was timed, {words}", fact(hashes.get(key)))
        for words, key in (("unpruned", "baseline"), ("subnet", "subnet"))
    ]
    tables = [Table("This run", ("", ""), tuple(rows))]
    for caption, key in (("Hardware", "hardware"), ("Versions", "versions")):
        facts = part(report, key)
        if facts:
            inner = tuple((str(name).replace("_", " "), fact(value)) for name, value in facts.items())
            tables.append(Table(caption, ("", ""), inner))
    return Section("conditions", "Conditions", (), (), tuple(tables))


def repeat_section(report: Mapping[str, Any]) -> Section | None:
    """Show the commands that do it again; None where the report names none."""
    lines = tuple(str(line) for line in entries(report, "repeat"))
    return Section("repeat", "How to repeat it", lines=lines) if lines else None


def _trials_table(trials: list[Any], placed: list[Any], chosen: int | None) -> Table:
    edge = {trial["number"] for trial in front(placed)}
    rows = []
    for trial in trials:
        marks = ["chosen"] if trial.get("number") == chosen else []
        marks += ["on the front"] if trial.get("number") in edge else []
        rows.append(
            (
                str(trial.get("number")),
                str(trial.get("origin") or "search"),
                seconds(trial.get("predicted_s")),
                plain(trial.get("objective"), 4),
                ", ".join(marks),
            )
        )
    return Table("Trials", ("trial", "origin", "predicted", "objective", ""), tuple(rows), foldable=True)


def _proof_row(name: str, proof: Mapping[str, Any]) -> tuple[str, ...]:
    if proof.get("passed") is None:
        return name, "not applicable", "", "", str(proof.get("note") or "")
    outcome = "passed" if proof["passed"] else "failed"
    figures = (plain(proof.get(key), 2) for key in ("max_abs_diff", "tolerance"))
    return name, outcome, *figures, str(proof.get("note") or "")
