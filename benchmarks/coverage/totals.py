"""What all rows say together, beside what was asked for."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from . import ours, rival
from .record import OK

Row = dict[str, Any]

RIVAL_DONE = ("dependencies", "prune", "smaller", "forward_1", "forward_3", "onnx")
OURS_DONE = (
    "export",
    "analysis",
    "select",
    "cut",
    "smaller",
    "permutation",
    "proofs",
    "forward_1",
    "forward_3",
    "backward",
    "onnx",
    "unchanged",
)
WAIT = {"ours": ("export", "analysis", "select", "cut"), "rival": ("dependencies", "prune")}

LEFT, LEFT_MODELS = 0.45, 44
ANALYSIS_MEDIAN_S, ANALYSIS_WORST_S, WAIT_MEDIAN_S = 0.1, 1.5, 5.0


def passed(entry: Row | None, steps: Iterable[str]) -> bool:
    return entry is not None and all(entry["steps"][name]["outcome"] == OK for name in steps)


def seconds(entry: Row | None, steps: Iterable[str]) -> float | None:
    """Return how long these steps took together; None where one did not end well."""
    if entry is None or not passed(entry, steps):
        return None
    return float(sum(entry["steps"][name]["seconds"] for name in steps))


def wait(entry: Row | None, side: str) -> float | None:
    """Return the time from a model to its cut twin."""
    return seconds(entry, WAIT[side])


def left(entry: Row | None) -> float | None:
    counts = (entry or {}).get("parameters")
    return counts["after"] / counts["before"] if counts else None


def rival_of(row: Row) -> Row | None:
    """Return the rival's better variant: one that is done, the smaller if both are; else the recipe."""
    found = [row[name] for name in ("recipe", "plain") if name in row]
    done = [entry for entry in found if passed(entry, RIVAL_DONE)]
    return min(done, key=lambda entry: left(entry) or 1.0) if done else (found[0] if found else None)


def reason(entry: Row, steps: Iterable[str]) -> str:
    """Return the first step that did not end well, and how it ended."""
    for name in steps:
        if entry["steps"][name]["outcome"] != OK:
            return f"{name}: {entry['steps'][name]['outcome']}"
    return OK


def spread(values: Iterable[float | None]) -> dict[str, float] | None:
    found = [value for value in values if value is not None]
    if not found:
        return None
    return {"n": len(found), "least": min(found), "median": statistics.median(found), "worst": max(found)}


def totals(rows: list[Row]) -> dict[str, Any]:
    mine = [row["ours"] for row in rows if "ours" in row]
    others = [entry for row in rows if (entry := rival_of(row)) is not None]
    return {
        "models": len(rows),
        "ours": {
            "models": len(mine),
            "done": sum(passed(entry, OURS_DONE) for entry in mine),
            "steps": _steps(mine, ours.STEPS),
            "proofs": dict(Counter(name for entry in mine for name, p in _proofs(entry).items() if p["passed"])),
            f"left_at_most_{LEFT}": sum((left(entry) or 1.0) <= LEFT for entry in mine),
            "left": spread(map(left, mine)),
            "export_s": spread(seconds(entry, ("export",)) for entry in mine),
            "analysis_s": spread(seconds(entry, ("analysis",)) for entry in mine),
            "select_s": spread(seconds(entry, ("select",)) for entry in mine),
            "cut_s": spread(seconds(entry, ("cut",)) for entry in mine),
            "wait_s": spread(wait(entry, "ours") for entry in mine),
            "memory_share": spread(_memory_share(entry) for entry in mine),
        },
        "rival": {
            "models": len(others),
            "done": sum(passed(entry, RIVAL_DONE) for entry in others),
            "steps": _steps(others, rival.STEPS),
            **{f"done_{v}": sum(passed(row.get(v), RIVAL_DONE) for row in rows) for v in ("recipe", "plain")},
            f"done_and_left_at_most_{LEFT}": sum(
                passed(entry, RIVAL_DONE) and (left(entry) or 1.0) <= LEFT for entry in others
            ),
            "left_where_done": spread(left(entry) for entry in others if passed(entry, RIVAL_DONE)),
            "dependencies_s": spread(seconds(entry, ("dependencies",)) for entry in others),
            "wait_s": spread(wait(entry, "rival") for entry in others),
        },
        "wait_ours_over_rival": spread(_over(row, wait) for row in rows),
        "analysis_ours_over_dependencies_rival": spread(_over(row, _first_look) for row in rows),
    }


def _steps(entries: list[Row], names: Iterable[str]) -> dict[str, int]:
    return {name: sum(passed(entry, (name,)) for entry in entries) for name in names}


def _proofs(entry: Row) -> dict[str, Any]:
    first = {"permutation": entry["permutation"]} if "permutation" in entry else {}
    return {**first, **entry.get("proofs", {})}


def _memory_share(entry: Row) -> float | None:
    found = entry.get("memory")
    return found["peak_bytes"] / found["allowed_bytes"] if found else None


def _first_look(entry: Row | None, side: str) -> float | None:
    """Return how long it took to find out what belongs together, with the trace or export that it rests on."""
    if side == "rival":
        return seconds(entry, ("dependencies",))
    return seconds(entry, ("export", "analysis"))


def _over(row: Row, measure: Callable[[Row | None, str], float | None]) -> float | None:
    mine, other = measure(row.get("ours"), "ours"), measure(rival_of(row), "rival")
    return mine / other if mine is not None and other is not None else None


# ---- for readers -----------------------------------------------------------------------------------------------------


def show(rows: list[Row]) -> None:
    """Print a line for each model, then the totals beside what was asked for."""
    print(f"{'model':26} {'ours':>6} {'left':>6} {'wait':>8}   {'rival':>6} {'left':>6} {'wait':>8}   not done because")
    for row in rows:
        mine, other = row.get("ours"), rival_of(row)
        why = [f"ours {reason(mine, OURS_DONE)}"] if mine and not passed(mine, OURS_DONE) else []
        why += [f"rival {reason(other, RIVAL_DONE)}"] if other and not passed(other, RIVAL_DONE) else []
        cells = f"{_cells(mine, 'ours', OURS_DONE)}   {_cells(other, 'rival', RIVAL_DONE)}"
        print(f"{row['model']:26} {cells}   {' | '.join(line[:70] for line in why)}".rstrip())
    print()
    for asked, measured, met in claims(rows):
        print(f"{'yes' if met else 'NO':4} {asked:60} {measured}")
    print()
    for what, found in figures(rows):
        print(f"     {what:60} {found}")


def claims(rows: list[Row]) -> list[tuple[str, str, bool]]:
    """Return what was asked for, what was measured, and whether the one meets the other."""
    every = totals(rows)
    mine, n = every["ours"], every["models"]
    wide, kept = mine[f"left_at_most_{LEFT}"], mine["steps"]["memory"]
    analysis, whole, share = mine["analysis_s"], mine["wait_s"], mine["memory_share"]
    within = kept == n
    return [
        (
            f"all {n}: analysed, proven, cut smaller, forward, backward, ONNX",
            f"{mine['done']} of {n}",
            mine["done"] == n,
        ),
        (f"at most {LEFT:.0%} of parameters left in {LEFT_MODELS} or more", f"{wide} of {n}", wide >= LEFT_MODELS),
        _at_most("analysis, median", analysis, "median", ANALYSIS_MEDIAN_S),
        _at_most("analysis, worst", analysis, "worst", ANALYSIS_WORST_S),
        _at_most("export + analysis + select + cut, median", whole, "median", WAIT_MEDIAN_S),
        ("memory within 3 x parameters + 100 MiB", f"{kept} of {n}{_figure(', worst share', share, 'worst')}", within),
    ]


def figures(rows: list[Row]) -> list[tuple[str, str]]:
    """Return what was measured without a figure that it should meet."""
    every = totals(rows)
    mine, other = every["ours"], every["rival"]
    return [
        ("proofs passed", ", ".join(f"{name} {count}" for name, count in mine["proofs"].items()) or "none"),
        *((f"ours, {name}", _spread(mine[name])) for name in ("left", "export_s", "analysis_s", "cut_s", "wait_s")),
        ("rival done", f"{other['done']} (recipe {other['done_recipe']}, plain {other['done_plain']})"),
        *((f"rival, {name}", _spread(other[name])) for name in ("left_where_done", "dependencies_s", "wait_s")),
        ("wait, ours over rival's", _spread(every["wait_ours_over_rival"])),
        ("export + analysis over rival's graph", _spread(every["analysis_ours_over_dependencies_rival"])),
    ]


def _spread(found: dict[str, float] | None) -> str:
    if found is None:
        return "nothing measured"
    return f"median {found['median']:.3g}, {found['least']:.3g} to {found['worst']:.3g} ({found['n']} models)"


def _at_most(what: str, found: dict[str, float] | None, which: str, most: float) -> tuple[str, str, bool]:
    measured = f"{found[which]:.3g} (of {found['n']} models)" if found else "nothing measured"
    return f"{what}, at most {most:g}", measured, found is not None and found[which] <= most


def _figure(what: str, found: dict[str, float] | None, which: str) -> str:
    return f"{what} {found[which]:.2f}" if found else ""


def _cells(entry: Row | None, side: str, steps: tuple[str, ...]) -> str:
    share, waited = left(entry), wait(entry, side)
    done = "" if entry is None else ("done" if passed(entry, steps) else "no")
    shown = "" if share is None else f"{share:.1%}"
    return f"{done:>6} {shown:>6} {'' if waited is None else f'{waited:.2f} s':>8}"
