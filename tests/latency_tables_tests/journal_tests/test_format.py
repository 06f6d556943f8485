"""A journal of each format stays readable.

`assets/format_<n>.jsonl` was written by the first version of that format and is never renewed.
"""

from pathlib import Path

import pytest

from latency_tables import Predictor, Record, StairsRecord, Store, read_table

from ..chains import MACHINE, QUANTUM, job, keys, null_runtime, random_widths
from ..test_predict import true_seconds

ASSET = Path(__file__).parents[1] / "assets" / "format_1.jsonl"
SECOND = ASSET.with_name("format_2.jsonl")


def test_format_1_is_read_in_full() -> None:
    contents = Store(ASSET).read()
    assert contents.notes == ()
    assert contents.header is not None
    assert contents.header.created == "2026-11-20T00:00:00+00:00"
    assert [record.origin for record in contents.records] == ["baseline", *["level"] * 6, "level"]
    assert [record.failed for record in contents.records] == [False] * 7 + [True]
    for record in contents.records:
        assert Record.from_json(record.to_json()) == record


def test_format_1_predicts_as_it_did() -> None:
    table = read_table(ASSET, fingerprint=MACHINE)
    assert len(table.networks) == 6
    assert table.failed == {"broken": "The runtime does not know operator Odd."}
    assert table.reference is not None
    assert table.reference.median == pytest.approx(0.0005962416, rel=1e-9)
    assert [row.job for row in table.networks] == [job(widths).key for widths in random_widths(6, seed=11)]
    predictor = Predictor.fit(table, quantum=QUANTUM)
    widths = random_widths(3, seed=12)[0]
    assert predictor.estimate(keys(widths)).seconds == pytest.approx(true_seconds(widths, null_runtime().law), rel=0.02)


def test_format_2_is_read_in_full() -> None:
    contents = Store(SECOND).read()
    assert contents.notes == ()
    assert contents.header is not None
    assert [record.origin for record in contents.records] == ["baseline", "level", "level"]
    for record in contents.stairs:
        assert StairsRecord.from_json(record.to_json()) == record
    table = read_table(SECOND, fingerprint=MACHINE)
    swept, broken = table.stairs["conv2d k3x3 s1 dense makes"], table.stairs["broken"]
    assert (swept.size, swept.quantum, swept.levels(64)) == (64, 8, (8, 16, 24, 32, 40, 48, 56, 64))
    assert broken.failed == {8: "The runtime does not know operator Odd."}
