"""Tell what the answer rests on: predictions, the search, fine-tuning, the table and the conditions."""

from collections.abc import Sequence

from ..bundle import Compared, HeldOutErrors, ProofFacts, Report, SearchFacts, Spread, Trial
from ..pages import Section, Table, change, count, fact, percent, plain, seconds, seconds_within
from .charts import agreement_chart, front, front_chart, history_chart, origin_of, tuning_chart


def agreement_section(report: Report) -> Section | None:
    """Hold what was predicted against what was measured; None where nothing was."""
    pairs = report.predicted_vs_measured
    if not pairs:
        return None
    rows = tuple(
        (
            pair.what,
            seconds(pair.predicted_s),
            seconds_within(pair.measured_s, pair.low, pair.high),
            change(_error(pair)),
        )
        for pair in pairs
    )
    points = [
        (pair.what, pair.predicted_s, Spread(pair.measured_s, pair.low, pair.high))
        for pair in pairs
        if pair.predicted_s is not None and pair.measured_s is not None
    ]
    charts = (agreement_chart(points),) if points else ()
    columns = ("network", "predicted", "measured", "measured over predicted")
    lead = "A point above the line took longer than the latency table had predicted."
    return Section("agreement", "Predicted against measured", (lead,), charts, (Table("Networks", columns, rows),))


def search_section(report: Report) -> Section | None:
    """Show each trial's objective and the front; None where nothing was searched."""
    search = report.search or SearchFacts()
    trials, exact = search.trials, search.exact
    if not trials and exact is None:
        return None
    rated = [trial for trial in trials if trial.objective is not None]
    placed = [trial for trial in rated if trial.predicted_s is not None]
    charts = [history_chart(rated, search.best)] if rated else []
    if placed:
        charts.append(front_chart(placed, search.best, report.first.budget_s))
    lead = ["Every candidate is inside the budget by prediction; what is compared is how far its outputs stray."]
    if rated:
        words = "" if search.best is None else f"; trial {search.best} was chosen"
        lead.append(f"{count(len(rated))} of {count(len(trials))} trials have an objective{words}.")
    if exact is not None:
        lead.append(
            f"The exact start, which sees only what adds up, loses {plain(exact.loss)} at a predicted "
            f"{seconds(exact.latency_s)}; by that count none loses less than {plain(exact.bound)}."
        )
    tables = (_trials_table(trials, placed, search.best),) if trials else ()
    return Section("search", "Search", tuple(lead), tuple(charts), tables)


def tuning_section(report: Report) -> Section | None:
    """Show loss and accuracy of each epoch of fine-tuning; None where there was none."""
    epochs = () if report.finetune is None else report.finetune.history
    if not epochs:
        return None
    scored = any(epoch.accuracy is not None for epoch in epochs)
    columns = ("epoch", "loss", "accuracy")[: 2 + scored]
    rows = tuple((str(epoch.epoch), plain(epoch.loss, 4), percent(epoch.accuracy, 2))[: 2 + scored] for epoch in epochs)
    table = Table("Epochs", columns, rows, foldable=True)
    lead = "One row for each pass over the training data."
    return Section("tuning", "Fine-tuning", (lead,), (tuning_chart(epochs),), (table,))


def table_section(report: Report) -> Section | None:
    """Show the latency table's error on networks it was not built from; None where there is no table."""
    table = report.table
    if table is None:
        return None
    held_out = table.held_out or HeldOutErrors()
    rows = (
        ("rows in the table", count(table.rows)),
        ("networks timed", count(table.networks)),
        ("predictions held out", count(held_out.n)),
        ("mean absolute error", percent(held_out.mape)),
        ("mean signed error", change(held_out.bias)),
        ("within 5 %", percent(held_out.within_5, 0)),
        ("within 10 %", percent(held_out.within_10, 0)),
        ("rank correlation (Kendall's tau)", plain(held_out.kendall_tau)),
        ("highest tau that the timings' own noise allows", plain(held_out.kendall_tau_ceiling)),
        ("safety margin taken from these errors", percent(held_out.margin)),
    )
    lead = "Each network is predicted from a table that has not seen it."
    return Section("table", "The latency table's own error", (lead,), (), (Table("Held-out error", ("", ""), rows),))


def proofs_section(report: Report) -> Section | None:
    """List what was proven of the cut; None where the report holds no proof."""
    if not report.proofs:
        return None
    rows = tuple(_proof_row(name, proof) for name, proof in report.proofs.items())
    columns = ("proof", "outcome", "largest difference", "passes up to", "what it leaves out")
    lead = "Each proof compares outputs that have to be the same if the cut is right."
    return Section("proofs", "Proofs of the cut", (lead,), (), (Table("Proofs", columns, rows),))


def conditions_section(report: Report) -> Section:
    """Show where, when and with what everything was measured."""
    rows = [("target", fact(report.first.target)), ("date", fact(report.date))]
    rows.append(("whole run", seconds(report.wall_s)))
    rows.append(("protocol", fact(None if report.timing is None else report.timing.protocol)))
    hashes = report.hashes or {}
    rows += [
        (f"SHA-256 of what was timed, {words}", fact(hashes.get(key)))
        for words, key in (("unpruned", "baseline"), ("subnet", "subnet"))
    ]
    tables = [Table("This run", ("", ""), tuple(rows))]
    for caption, facts in (("Hardware", report.hardware), ("Versions", report.versions)):
        if facts:
            inner = tuple((str(name).replace("_", " "), fact(value)) for name, value in facts.items())
            tables.append(Table(caption, ("", ""), inner))
    return Section("conditions", "Conditions", (), (), tuple(tables))


def repeat_section(report: Report) -> Section | None:
    """Show the commands that do it again; None where the report names none."""
    return Section("repeat", "How to repeat it", lines=report.repeat) if report.repeat else None


def _error(pair: Compared) -> float | None:
    told, found = pair.predicted_s, pair.measured_s
    return found / told - 1 if told and found is not None else None


def _trials_table(trials: Sequence[Trial], placed: Sequence[Trial], chosen: int | None) -> Table:
    edge = {trial.number for trial in front(placed)}
    rows = []
    for trial in trials:
        marks = ["chosen"] if trial.number == chosen else []
        marks += ["on the front"] if trial.number in edge else []
        figures = seconds(trial.predicted_s), plain(trial.objective, 4)
        rows.append((str(trial.number), origin_of(trial), *figures, ", ".join(marks)))
    return Table("Trials", ("trial", "origin", "predicted", "objective", ""), tuple(rows), foldable=True)


def _proof_row(name: str, proof: ProofFacts) -> tuple[str, ...]:
    if proof.passed is None:
        return name, "not applicable", "", "", proof.note or ""
    outcome = "passed" if proof.passed else "failed"
    return name, outcome, plain(proof.max_abs_diff, 2), plain(proof.tolerance, 2), proof.note or ""
