"""What `lathe table diff` says of two journals, as one plain dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from latency_tables import Change, TableDifference

from .opening import Opened

EXIT_STATUS: Mapping[str, int] = {"agrees": 0, "differs": 1, "cannot tell": 3}
"""What holds of two tables -> exit status."""


def contrast(first: Opened, second: Opened, difference: TableDifference) -> dict[str, Any]:
    """Return the answer, the facts in which the tables differ, and each network that both have."""
    changes = [change for row in difference.networks for change in (row.ratio, row.time) if change is not None]
    counts = Counter(str(change.agreement) for change in changes)
    return {
        "agreement": difference.agreement,
        "tables": [str(first.path), str(second.path)],
        "tolerance": difference.tolerance,
        "facts": {name: list(pair) for name, pair in difference.facts.items()},
        "networks": [
            {
                "job": row.job,
                "origin": row.origin,
                "ratios": [interval.to_json() for interval in row.ratios],
                "latencies_s": [interval.to_json() for interval in row.seconds],
                "ratio": _change(row.ratio),
                "seconds": _change(row.time),
                "unstable": row.unstable,
            }
            for row in difference.networks
        ],
        "only": list(difference.only),
        "counts": {name: counts.get(name, 0) for name in EXIT_STATUS},
        "notes": [*first.table.notes, *second.table.notes],
    }


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {"relative": change.relative, "low": change.low, "high": change.high, "agreement": change.agreement}
