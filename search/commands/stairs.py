"""Put a table's stairs into plain lists, for pages and terminals."""

from __future__ import annotations

from typing import Any

from latency_tables import LatencyTable, Stairs


def stairs_content(table: LatencyTable) -> list[dict[str, Any]]:
    """Return one entry an operator class that was swept; none where nothing was.

    Each has `kind`, `size`, `quantum`, `edges`, `points`: `width` with its `ratio` {`median`, `low`, `high`}, and
    `failed`: `width` with its `reason`.
    """
    return [_entry(name, one) for name, one in table.stairs.items()]


def _entry(name: str, stairs: Stairs) -> dict[str, Any]:
    return {
        "name": name,
        "kind": stairs.kind,
        "size": stairs.size,
        "quantum": stairs.quantum,
        "edges": list(stairs.edges),
        "points": [
            {"width": width, "ratio": {"median": ratio.median, "low": ratio.low, "high": ratio.high}}
            for width, ratio in stairs.ratios.items()
        ],
        "failed": [{"width": width, "reason": reason} for width, reason in stairs.failed.items()],
    }
