"""Divide a profile into the sections of its page; each chart's numbers are in a table too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...pages import (
    Section,
    Table,
    change,
    count,
    fact,
    part,
    percent,
    plain,
    ratio_interval,
    seconds,
    seconds_interval,
)
from .charts import agreement_chart, layers_chart, short, stairs_chart

Content = Mapping[str, Any]


def sections(content: Content) -> list[Section]:
    """Return the sections of the page, in order."""
    return [
        _stairs(content),
        _agreement(content),
        _layers(content),
        _error(content),
        _uncovered(content),
        _timed(content),
        _conditions(content),
    ]


def headline(content: Content) -> list[tuple[str, str, str]]:
    """Return the four figures at the head of the page: name, value, and a word to it."""
    held_out, networks = content["held_out"], content["networks"]
    reference = part(content, "reference", "then")
    half = (reference["high"] - reference["low"]) / 2 / reference["median"]
    return [
        ("unpruned network", seconds(reference.get("median")), f"± {percent(half)}"),
        ("networks timed", count(networks["timed"]), f"of {networks['planned']} planned"),
        ("mean error on unseen networks", percent(held_out["mape"]), f"bias {change(held_out['bias'])}"),
        ("within 5 %", percent(held_out["within_5"], 0), f"within 10 %: {percent(held_out['within_10'], 0)}"),
    ]


def _stairs(content: Content) -> Section:
    swept = content["stairs"]
    if not swept:
        lead = "not swept: widths on offer are multiples of the runtime's block of channels."
        return Section("stairs", "Stairs", (lead,))
    charts = tuple(stairs_chart(place, stairs) for place, stairs in enumerate(swept))
    tables = []
    for stairs in swept:
        edges = set(stairs["edges"])
        rows = tuple(
            (str(point["width"]), ratio_interval(point["ratio"]), "edge" if point["width"] in edges else "")
            for point in stairs["points"]
        )
        about = f"block of {stairs['quantum']}" if stairs["quantum"] else "block not known"
        caption = f"{stairs['kind']}, size {stairs['size']}, {about}"
        tables.append(Table(caption, ("width", "time, of the full width's", ""), rows, foldable=True))
    lead = (
        "Each operator class was timed over its widths. An edge is the widest width that costs no more than its "
        "neighbours: what lies below it may cost as much, or more."
    )
    return Section("stairs", "Stairs", (lead,), charts, tuple(tables))


def _agreement(content: Content) -> Section:
    predictions = content["predictions"]
    rows = tuple(
        (
            short(row["job"]),
            row["origin"],
            seconds(row["predicted_s"]),
            seconds_interval(row, "measured_s"),
            change(row["error"]),
            "foreign" if row["foreign"] else "",
        )
        for row in predictions
    )
    columns = ("network", "origin", "predicted", "measured", "predicted over measured", "")
    lead = (
        "Each network is predicted from a table that has not seen it. Bars are the measurement's own interval; the "
        "bands are 5 % and 10 %."
    )
    charts = (agreement_chart(predictions),) if predictions else ()
    return Section(
        "agreement", "Predicted against measured", (lead,), charts, (Table("Networks", columns, rows, foldable=True),)
    )


def _layers(content: Content) -> Section:
    layers = content["layers"]
    rows = [
        (
            layer["unit"],
            layer["family"],
            f"{layer['width_in']} to {layer['width_out']}",
            "unknown" if layer["seconds"] is None else seconds(layer["seconds"]),
            "unknown" if layer["share"] is None else percent(layer["share"]),
            layer["origin"],
        )
        for layer in layers
    ]
    total = sum(layer["seconds"] or 0.0 for layer in layers)
    columns = ("piece", "what it computes", "width", "time", "share", "origin")
    reference = part(content, "reference", "then")
    lead = [
        f"The pieces of the unpruned network in the order in which they run. Together they are predicted to take "
        f"{seconds(total)}; the whole network was measured at {seconds_interval(reference)}.",
    ]
    unknown = sum(layer["seconds"] is None for layer in layers)
    if unknown:
        lead.append(f"The time of {unknown} of {len(layers)} pieces is unknown and in no sum.")
    table = Table("Pieces", columns, tuple(rows), foldable=True)
    return Section("layers", "Where the time goes", tuple(lead), (layers_chart(layers),), (table,))


def _error(content: Content) -> Section:
    held_out = content["held_out"]
    rows = (
        ("networks predicted unseen", count(held_out["n"])),
        ("mean absolute error", percent(held_out["mape"])),
        ("mean signed error", change(held_out["bias"])),
        ("within 5 %", percent(held_out["within_5"], 0)),
        ("within 10 %", percent(held_out["within_10"], 0)),
        ("rank correlation (Kendall's tau)", plain(held_out["kendall_tau"])),
        ("highest tau that the timings' own noise allows", plain(held_out["kendall_tau_ceiling"])),
        ("safety margin taken from these errors", percent(held_out.get("margin"))),
        ("networks that could not be predicted", count(len(content["unpredicted"]))),
        ("kernels of unseen networks predicted", percent(content["kernels"]["hit_rate"])),
        ("pieces found in the runtime's own profile", percent(content["kernels"]["units_with_kernels"])),
        ("profiled time that belongs to no piece", percent(content["kernels"]["loose"])),
    )
    return Section("error", "The table's own error", (), (), (Table("Held-out error", ("", ""), rows),))


def _uncovered(content: Content) -> Section:
    names = {
        "cells": "cells (a piece at a width in and a width out)",
        "levels": "widths of dims",
        "families": "families of pieces",
    }
    rows = tuple(
        (words, count(found["count"]), count(found["of"]), percent(found["share"], 0))
        for key, words in names.items()
        for found in (content["uncovered"][key],)
    )
    lead = ["What no timed network has, of what the table is built from. Cells between measured ones are interpolated."]
    if content["networks"]["untimed"]:
        lead.append(
            f"The time limit left {content['networks']['untimed']} networks untimed: the same command goes on from "
            "here, a longer time limit does more at once."
        )
    tables = [Table("Not covered", ("", "not covered", "of", "share"), rows)]
    unknown = content["uncovered"]["unknown_families"]
    if unknown:
        tables.append(Table("Families whose time is unknown", ("",), tuple((name,) for name in unknown)))
    if content["failed"]:
        failed = tuple((short(item["job"]), item["reason"]) for item in content["failed"])
        tables.append(Table("Networks that the runtime could not run", ("network", "reason"), failed, foldable=True))
    return Section("uncovered", "What is not covered", tuple(lead), (), tuple(tables))


def _timed(content: Content) -> Section:
    rows = tuple(
        (
            short(row["job"]),
            row["origin"],
            ratio_interval(row["ratio"]),
            seconds_interval(row["latency_s"]),
            seconds_interval(row["raw_s"]),
            ", ".join(["foreign"] * row["foreign"] + ["unstable"] * bool(row["unstable"])),
        )
        for row in sorted(content["timed"], key=lambda row: row["ratio"]["median"])
    )
    columns = ("network", "origin", "of the unpruned", "at reference speed", "raw", "")
    lead = (
        "Every network is timed in turn with the unpruned one and compared as a ratio. Seconds are that ratio at the "
        "speed that the unpruned network had when it was first timed; raw ones are what the clock showed that day."
    )
    return Section("timed", "Timed networks", (lead,), (), (Table("Networks", columns, rows, foldable=True),))


def _conditions(content: Content) -> Section:
    reference = part(content, "reference")
    spread = reference.get("spread")
    told = f"{seconds(spread[0])} to {seconds(spread[1])}" if spread else fact(None)
    speeds = (
        ("unpruned, first timed (the reference)", seconds_interval(part(reference, "then"))),
        ("on", fact(reference.get("then_date"))),
        ("unpruned, last timed", seconds_interval(part(reference, "now"))),
        ("on", fact(reference.get("now_date"))),
        ("last over first", percent(reference.get("now_over_then"))),
        ("from the fastest to the slowest timing", told),
    )
    rows = [
        ("network", fact(content["model"])),
        ("input, without the batch", fact({k: "x".join(map(str, v)) for k, v in content["inputs"].items()})),
        ("target", fact(content["target"])),
        ("date", fact(content["date"])),
        ("time taken, of the limit", f"{seconds(content['seconds'])} of {seconds(content['time_limit_s'])}"),
        ("records of other versions, not used", count(content["stale"])),
        ("networks timed by another machine", count(content["foreign"])),
        ("seed", str(content["seed"])),
        ("protocol", fact(content["protocol"])),
    ]
    tables = [Table("Reference speed", ("", ""), speeds), Table("This profile", ("", ""), tuple(rows))]
    hardware = {"fingerprint": content["fingerprint"], **content["hardware"]}
    for caption, facts in (("Hardware", hardware), ("Versions", content["versions"])):
        inner = tuple((str(name).replace("_", " "), fact(value)) for name, value in facts.items() if name != "format")
        tables.append(Table(caption, ("", ""), inner))
    return Section("conditions", "Conditions", (), (), tuple(tables))
