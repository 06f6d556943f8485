"""Make one journal of two: the same target and machine, every good line kept, the later timing of a job counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprofiles import parse_json, writing_whole

from ..errors import CorruptTableError, ForeignTableError, TableError
from .record import BASELINE, Header, Record, StairsRecord
from .store import Contents, Store


@dataclass(frozen=True, slots=True)
class Merged:
    """Say what a merge did.

    Attributes:
        path: The new journal.
        lines: Lines taken from each of the two, the header apart.
        twice: Jobs that both have; the later timing counts.
        foreign: Records of another machine than the new journal's.
        stale: Records of other versions of the runtime than the last record's.
        notes: One sentence for each thing that was dropped or should be known.
    """

    path: Path
    lines: tuple[int, int]
    twice: int
    foreign: int
    stale: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """One good line of a journal.

    Attributes:
        own: Whether it is of the machine of the new journal's header.
        date: The latest date in its journal up to there: the order in a journal counts, also where a clock went back.
        data: The JSON object.
    """

    own: bool
    date: str
    data: Mapping[str, Any]


def merge(first: str | Path, second: str | Path, out: str | Path, *, allow_foreign: bool = False) -> Merged:
    """Write a journal that holds what two hold; it appears whole or not at all.

    Lines are put in the order of their dates, so that of a job in both the later timing counts, as in one journal. A
    timing of the machine of `first` goes before one of another machine.

    Args:
        first: A journal; the new one belongs to its machine.
        second: A journal of the same target and baseline.
        out: The new file.
        allow_foreign: Whether the machines may differ. Each record names its machine, so readers can tell.

    Raises:
        FileNotFoundError: A journal is missing.
        FileExistsError: There is a file at `out`.
        CorruptTableError: A journal has no readable header.
        ForeignTableError: The targets differ, or the machines, and `allow_foreign` does not hold.
        TableError: Their ratios are to different networks.
    """
    paths, out = (Path(first), Path(second)), Path(out)
    if out.exists():
        raise FileExistsError(f"A table is never overwritten, but {out} exists: name another file.")
    read = [_read(path) for path in paths]
    headers = [header for header, _ in read]
    _check_belonging(paths, headers, allow_foreign)
    _check_baselines(paths, [contents for _, contents in read])
    lines = [_lines(path, headers[0].fingerprint) for path in paths]
    ordered = _distinct(sorted([*lines[0], *lines[1]], key=lambda line: (line.own, line.date)))
    _write(out, [headers[0].to_json(), *(line.data for line in ordered)])
    versions = [dict(line.data["versions"]) for line in ordered if "versions" in line.data]
    stale = sum(other != versions[-1] for other in versions)
    foreign = sum(not line.own for line in ordered)
    jobs = [{r.job for r in contents.records} for _, contents in read]
    notes = [note for _, contents in read for note in contents.notes]
    if foreign:
        notes.append(f"Records of another machine than {headers[0].fingerprint}: {foreign}, each says so.")
    if stale:
        notes.append(f"Records of other runtime versions than {versions[-1]}: {stale}, kept but not used.")
    return Merged(out, (len(lines[0]), len(lines[1])), len(jobs[0] & jobs[1]), foreign, stale, tuple(notes))


def _read(path: Path) -> tuple[Header, Contents]:
    if not path.exists():
        raise FileNotFoundError(f"A table is read from a journal, but {path} does not exist: name another.")
    contents = Store(path).read()
    if contents.header is None:
        raise CorruptTableError(f"{path} ends before its header does: nothing is in it to merge.")
    return contents.header, contents


def _check_belonging(paths: tuple[Path, Path], headers: list[Header], allow_foreign: bool) -> None:
    first, second = headers
    if first.target != second.target:
        raise ForeignTableError(
            f"A table belongs to one target, and its rows do not name theirs, but {paths[0]} is of "
            f"{first.target.slug!r} and {paths[1]} of {second.target.slug!r}: keep them apart, and compare them with "
            "`lathe table diff`."
        )
    if first.fingerprint != second.fingerprint and not allow_foreign:
        raise ForeignTableError(
            f"A table holds for the machine it was measured on, but {paths[0]} is of {first.fingerprint!r} and "
            f"{paths[1]} of {second.fingerprint!r}: keep them apart, or allow foreign rows, which stay marked."
        )


def _check_baselines(paths: tuple[Path, Path], contents: list[Contents]) -> None:
    found = [{r.job for r in one.records if r.origin == BASELINE and not r.failed} for one in contents]
    if all(found) and found[0] != found[1]:
        names = [", ".join(sorted(jobs)) for jobs in found]
        raise TableError(
            f"All ratios of a table are to one unpruned network, but {paths[0]} has {names[0]} and {paths[1]} has "
            f"{names[1]}: keep them apart."
        )


def _lines(path: Path, fingerprint: str) -> list[_Line]:
    """Return the good lines of a journal after its header; what is damaged is left out, as by every reader."""
    found, latest = [], ""
    for line in Store(path).content().split(b"\n")[1:]:
        try:
            data = parse_json(line)
            told = (StairsRecord if data["kind"] == "stairs" else Record).from_json(data).to_json()
            latest = max(latest, str(data.get("date", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        found.append(_Line(told.get("fingerprint", fingerprint) == fingerprint, latest, told))
    return found


def _distinct(lines: list[_Line]) -> list[_Line]:
    """Return equal lines once, where the last of them stands: journals that were copied share their beginning."""
    last = {json.dumps(line.data, sort_keys=True): i for i, line in enumerate(lines)}
    return [lines[i] for i in sorted(last.values())]


def _write(out: Path, lines: list[Mapping[str, Any]]) -> None:
    with writing_whole(out, replace=False) as file:
        file.writelines((json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n").encode() for line in lines)
