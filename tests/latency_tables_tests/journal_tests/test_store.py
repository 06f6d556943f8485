import json
import os
from pathlib import Path

import pytest

from hwprofiles import Target
from latency_tables import CorruptTableError, Header, LockedTableError, PieceKey, Record, Store

HEADER = Header(Target("null"), "machine", {"null": "1"}, "2026-11-20T00:00:00+00:00")
UNITS = {"conv0": (PieceKey.of("conv2d k3x3", (3, 8)), ("c0", "y0"))}


def failed(name: str) -> Record:
    return Record(name, "level", "machine", {"null": "1"}, "2026-11-20T00:00:00+00:00", UNITS, message="no operator X")


def written(store: Store, *jobs: str) -> bytes:
    with store.writing() as writer:
        if writer.contents.header is None:
            writer.begin(HEADER)
        for name in jobs:
            writer.append(failed(name))
    return store.path.read_bytes()


def jobs(store: Store) -> list[str]:
    return [record.job for record in store.read().records]


def test_an_absent_journal_is_empty_and_reading_does_not_make_it(store: Store) -> None:
    contents = store.read()
    assert contents.header is None
    assert contents.records == ()
    assert not store.path.exists()


def test_records_come_back_in_order(store: Store) -> None:
    written(store, "a", "b")
    written(store, "c")
    contents = store.read()
    assert contents.header == HEADER
    assert contents.records == (failed("a"), failed("b"), failed("c"))
    assert contents.notes == ()


def test_a_tail_torn_anywhere_costs_that_line_only(store: Store) -> None:
    start = len(written(store, "a"))
    whole = written(store, "b")
    for cut in [*range(start + 1, len(whole) - 1, 11), len(whole) - 2]:
        store.path.write_bytes(whole[:cut])
        contents = store.read()
        assert [record.job for record in contents.records] == ["a"]
        assert "torn" in contents.notes[0]
        written(store, "c")
        assert jobs(store) == ["a", "c"]
        assert store.read().notes == ()


def test_a_header_torn_anywhere_is_an_empty_journal(store: Store) -> None:
    header = written(store)
    for cut in [*range(1, len(header) - 1, 11), len(header) - 2]:
        store.path.write_bytes(header[:cut])
        assert store.read().header is None
        written(store, "a")
        assert jobs(store) == ["a"]


def test_a_whole_last_line_without_its_end_is_kept(store: Store) -> None:
    store.path.write_bytes(written(store, "a", "b")[:-1])
    assert jobs(store) == ["a", "b"]
    written(store, "c")
    assert jobs(store) == ["a", "b", "c"]


def test_zeros_after_a_power_cut_are_a_torn_tail(store: Store) -> None:
    store.path.write_bytes(written(store, "a") + bytes(100))
    assert jobs(store) == ["a"]
    written(store, "b")
    assert jobs(store) == ["a", "b"]


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"3", b"\xff\xfe", b'{"kind":"network"}', b'{"kind":"odd"}', b'{"kind":"failed","job":1}'],
)
def test_a_corrupt_line_is_named_and_the_others_survive(store: Store, damage: bytes) -> None:
    lines = written(store, "a", "b", "c").split(b"\n")
    lines[2] = damage
    store.path.write_bytes(b"\n".join(lines))
    contents = store.read()
    assert [record.job for record in contents.records] == ["a", "c"]
    assert [note for note in contents.notes if "Line 3 " in note] == list(contents.notes)
    assert bool(contents.notes) == bool(damage)
    written(store, "d")
    assert jobs(store) == ["a", "c", "d"]
    assert damage in store.path.read_bytes(), "only a torn tail is ever removed"


@pytest.mark.parametrize(
    ("line", "words"), [(b"{}\n", "must have 'format'"), (b'{"format":99}\n', "reads table formats 1 and 2")]
)
def test_an_unknown_format_is_refused(store: Store, line: bytes, words: str) -> None:
    store.path.write_bytes(line)
    with pytest.raises(CorruptTableError, match=words):
        store.read()


def test_an_unreadable_header_is_refused_and_nothing_is_written(store: Store) -> None:
    data = b"not a header\n" + written(store, "a").split(b"\n", 1)[1]
    store.path.write_bytes(data)
    with pytest.raises(CorruptTableError, match="first line"), store.writing():
        pass
    assert store.path.read_bytes() == data


def test_one_writer_at_a_time_and_readers_are_free(store: Store) -> None:
    with store.writing() as writer:
        writer.begin(HEADER)
        writer.append(failed("a"))
        with pytest.raises(LockedTableError, match="another one is writing"), Store(store.path).writing():
            pass
        assert jobs(store) == ["a"]
    written(store, "b")
    assert jobs(store) == ["a", "b"]


def test_every_line_is_on_the_disk_before_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync = os.fsync

    def counted(handle: int) -> None:
        calls.append(store.path.read_text())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", counted)
    written(store, "a", "b")
    lengths = [len(text.splitlines()) for text in calls]
    assert lengths[-3:] == [1, 2, 3]


def test_a_failed_write_leaves_whole_lines(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written(store, "a")
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 20:
            return write(handle, data[:20])
        raise OSError("No space left on device")

    def half_full(handle: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", full)
        return write(handle, data[:20])

    with store.writing() as writer:
        monkeypatch.setattr(os, "write", lambda handle, data: half_full(handle, data[:40]))
        monkeypatch.setattr(os, "fsync", _no_space)
        with pytest.raises(OSError, match="No space"):
            writer.append(failed("b"))
        monkeypatch.undo()
        writer.append(failed("c"))
    assert jobs(store) == ["a", "c"]


def _no_space(handle: int) -> None:
    raise OSError("No space left on device")


def test_a_journal_has_one_header(store: Store) -> None:
    written(store)
    with store.writing() as writer, pytest.raises(ValueError, match="one header"):
        writer.begin(HEADER)


def test_lines_are_plain_json(store: Store) -> None:
    lines = [json.loads(line) for line in written(store, "a").decode().splitlines()]
    assert lines[0]["format"] == 2
    assert lines[0]["target"] == "cpu-null-fp32-b1-t1"
    assert lines[1] == {**failed("a").to_json()}


def test_a_record_says_one_thing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not both"):
        Record("a", "level", "m", {}, "", UNITS)
    with pytest.raises(ValueError, match="An origin is one of"):
        Record("a", "odd", "m", {}, "", UNITS, message="x")  # type: ignore[arg-type]
