"""Put a table's stairs into plain lists, for pages and terminals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwprofiles import Interval
from latency_tables import LatencyTable


def stairs_content(table: LatencyTable) -> list[dict[str, Any]]:
    """Return one entry an operator class that was swept; none where nothing was.

    Each has `kind`, `size`, `quantum`, `edges` and `points`: `width` with its `ratio` {`median`, `low`, `high`}.
    """
    swept: Mapping[str, Any] = getattr(table, "stairs", None) or {}
    return [_entry(name, one) for name, one in swept.items()]


def _entry(name: str, stairs: Any) -> dict[str, Any]:
    points = [
        {"width": int(width), "ratio": _ratio(ratio)} for width, ratio in zip(stairs.widths, stairs.ratios, strict=True)
    ]
    return {
        "name": name,
        "kind": str(stairs.kind),
        "size": str(stairs.size) if isinstance(stairs.size, str) else stairs.size,
        "quantum": None if stairs.quantum is None else int(stairs.quantum),
        "edges": [int(edge) for edge in stairs.edges],
        "points": points,
    }


def _ratio(ratio: Any) -> dict[str, float]:
    if isinstance(ratio, Interval):
        return {"median": ratio.median, "low": ratio.low, "high": ratio.high}
    return {"median": float(ratio), "low": float(ratio), "high": float(ratio)}
