"""Open a journal for a command: what is wrong with the file becomes an error that names the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hwprofiles import probe
from latency_tables import ForeignTableError, Header, LatencyTable, Provenance, Store, provenance, read_table

from ...errors import ConfigError


@dataclass(frozen=True, slots=True)
class Opened:
    """A table with what its journal says beside it.

    Attributes:
        path: The journal.
        table: Its usable rows.
        sources: Job -> where its row comes from.
        fingerprint: The machine whose numbers are not foreign.
        stale: Versions of the runtime, as text -> records that are not used because of them.
    """

    path: Path
    table: LatencyTable
    sources: dict[str, Provenance]
    fingerprint: str
    stale: dict[str, int]

    @property
    def header(self) -> Header:
        """What the journal belongs to."""
        return self.table.header

    def is_foreign(self, job: str) -> bool:
        """Tell whether another machine timed a network."""
        return job in self.sources and self.sources[job].fingerprint != self.fingerprint


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into wrong use that names the file."""
    try:
        yield
    except OSError as exc:
        raise ConfigError(
            f"A table is the journal that `lathe profile` or `lathe run` leaves, such as runs/net/table.jsonl, but "
            f"{path} cannot be read ({exc.strerror or 'no such file'}): name another."
        ) from exc


def open_table(path: Path, *, allow_foreign: bool = False, own: bool = True) -> Opened:
    """Read a journal.

    Args:
        path: The file.
        allow_foreign: Whether rows of other machines may be used; each stays marked.
        own: Whether the table has to be of this machine, and not only of the one that its first line names.

    Raises:
        ConfigError: The file cannot be read, or is of another machine and that is not allowed.
        CorruptTableError: It is no journal, or of an unknown format.
    """
    with reading(path):
        contents = Store(path).read()
        records, header = contents.records, contents.header
        mine = probe().fingerprint_for("cpu" if header is None else header.target.device)
        here = mine if own or header is None else header.fingerprint
        try:
            table = read_table(path, fingerprint=here, allow_foreign=allow_foreign)
        except ForeignTableError as exc:
            raise ConfigError(f"{exc} To see it anyway, add `--allow-foreign`.") from exc
    used = provenance(table, records)
    now = dict(records[-1].versions) if records else dict(table.header.versions)
    stale: dict[str, int] = {}
    for record in records:
        if dict(record.versions) != now:
            name = versions_text(record.versions)
            stale[name] = stale.get(name, 0) + 1
    return Opened(path, table, used, here, stale)


def versions_text(versions: Mapping[str, str]) -> str:
    """Write versions as one line, such as "onnxruntime 1.27.0"."""
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "none recorded"
