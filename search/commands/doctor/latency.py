"""What a latency table knows of a network: the seconds of each of its units, where their family was measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hwprofiles import get_runtime, probe
from latency_tables import LatencyTable, Predictor, UnknownPieceError, read_table

from ...errors import ConfigError
from ...graph import Blueprint, full
from ...graph.pieces import PieceSpec, piece_specs, pieces


@dataclass(frozen=True)
class Latency:
    """The unpruned network's time, piece by piece.

    Attributes:
        target: Slug of the table's target.
        seconds: Piece name -> seconds, None where the table does not know its family.
        families: Piece name -> family.
        mape: Mean error of the table on whole networks that it had not seen.
        notes: What a reader should know of the table, one sentence each.
    """

    target: str
    seconds: Mapping[str, float | None]
    families: Mapping[str, str]
    mape: float
    notes: tuple[str, ...]
    _specs: tuple[PieceSpec, ...]
    _weights: Mapping[str, str]
    _blueprint: Blueprint

    @property
    def known_s(self) -> float:
        """Seconds of all pieces that the table knows."""
        return sum(seconds for seconds in self.seconds.values() if seconds is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the pieces that the table does not know."""
        return tuple(name for name, seconds in self.seconds.items() if seconds is None)

    def on(self, atoms: Collection[int]) -> float | None:
        """Return the seconds of the pieces that have one of these atoms in a width; None where one is unknown."""
        leaves = self._blueprint.algebra.leaves
        return self._sum(
            spec.name
            for spec in self._specs
            if any(leaf in atoms for axis in (spec.column, spec.row) for leaf in leaves(axis))
        )

    def of(self, parameters: Collection[str]) -> float | None:
        """Return the seconds of the pieces whose weights are among these; None where one is unknown."""
        return self._sum(spec.name for spec in self._specs if self._weights.get(spec.name) in parameters)

    def _sum(self, names: Iterable[str]) -> float | None:
        total = 0.0
        for name in names:
            seconds = self.seconds[name]
            if seconds is None:
                return None
            total += seconds
        return total


def look_up(blueprint: Blueprint, path: Path) -> Latency:
    """Read a table and find the unpruned network's pieces in it.

    Args:
        blueprint: The combed network.
        path: Journal of a table, such as `lathe run` leaves in its folder.

    Raises:
        ConfigError: There is no such file.
        TableError: It is no table, or holds too few networks to predict from.
    """
    # Shares explain; no budget is judged by them. So a table of another machine will do, and says that it is one.
    try:
        table = read_table(path, allow_foreign=True)
    except OSError as exc:
        raise ConfigError(
            f"A `--table` is the journal that `lathe run` leaves, such as runs/net/table.jsonl, but {path} cannot be "
            f"read ({exc.strerror or 'no such file'}): name another."
        ) from exc
    profile = probe()
    target = table.header.target
    predictor = Predictor.fit(table, quantum=get_runtime(target.runtime).width_quantum(profile, target.device))
    keys = pieces(blueprint, full(blueprint))
    summands: dict[str, float | None] = {}
    for name, key in keys.items():
        try:
            summands[name] = predictor.cell(key)[0]
        except UnknownPieceError:
            summands[name] = None
    known = sum(value for value in summands.values() if value is not None)
    # Each piece's part of what is known of the network.
    bent = float(predictor.bend.seconds(known)) / known if known else 1.0
    seconds = {name: None if value is None else value * bent for name, value in summands.items()}
    specs = piece_specs(blueprint)
    return Latency(
        table.header.target.slug,
        seconds,
        {name: str(key.family) for name, key in keys.items()},
        predictor.held_out.mape,
        _notes(table, profile.fingerprint_for(table.header.target.device)),
        specs,
        _weights(blueprint, specs),
        blueprint,
    )


def _weights(blueprint: Blueprint, specs: tuple[PieceSpec, ...]) -> dict[str, str]:
    """Return piece name -> name of its weight, where that is a parameter itself."""
    nodes = {node.name: node for node in blueprint.graph.nodes}
    weights = {spec.name: nodes[spec.node].args[1] for spec in specs}
    return {name: str(weight.target) for name, weight in weights.items() if getattr(weight, "op", "") == "get_attr"}


def _notes(table: LatencyTable, fingerprint: str) -> tuple[str, ...]:
    other = table.header.fingerprint
    if other == fingerprint:
        return table.notes
    return (f"The table is of another machine ({other}; this is {fingerprint}).", *table.notes)
