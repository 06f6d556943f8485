"""Recorded answers: same timings, same scores, same seed, same answer. `record` says how they are made anew."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cases import CASES, Case
from .replay import Answer, replay

CLOSE = 1e-7
"""Relative difference that another processor's rounding may make."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_the_recorded_one(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: Answer = json.loads((case.stored / "answer.json").read_text(encoding="utf-8"))
    found = json.loads(json.dumps(replay(case, tmp_path / "run", monkeypatch)))
    assert list(differences(recorded, found)) == []


def differences(recorded: object, found: object, place: str = "answer") -> Iterator[str]:
    """Yield where two JSON documents differ by more than rounding."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in sorted(recorded.keys() | found.keys()):
            if (key in recorded) != (key in found):
                yield f"{place}.{key} is in one of them only"
            else:
                yield from differences(recorded[key], found[key], f"{place}.{key}")
    elif isinstance(recorded, list) and isinstance(found, list):
        if len(recorded) != len(found):
            yield f"{place} has {len(recorded)} items, found {len(found)}"
        for number, (one, other) in enumerate(zip(recorded, found, strict=False)):
            yield from differences(one, other, f"{place}[{number}]")
    elif isinstance(recorded, float) and isinstance(found, float):
        if not math.isclose(recorded, found, rel_tol=CLOSE, abs_tol=1e-12):
            yield f"{place} was {recorded!r}, is {found!r}"
    elif recorded != found:
        yield f"{place} was {recorded!r}, is {found!r}"


def test_differences_are_found() -> None:
    recorded = {"a": [1.0, {"b": "met"}], "c": None}
    assert list(differences(recorded, {"a": [1.0 + 1e-9, {"b": "met"}], "c": None})) == []
    found = {"a": [1.001, {"b": "missed"}], "c": 1, "d": 2}
    assert [line.partition(" ")[0] for line in differences(recorded, found)] == [
        "answer.a[0]",
        "answer.a[1].b",
        "answer.c",
        "answer.d",
    ]
    assert list(differences({"a": [1]}, {"a": [1, 2]})) == ["answer.a has 1 items, found 2"]
