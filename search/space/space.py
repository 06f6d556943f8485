"""The space of networks that a search may choose from, and the predicted latency of each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from itertools import combinations
from math import isfinite, prod

import numpy as np
from numpy.typing import NDArray

from latency_tables import Bend

from ..graph.candidate import Candidate
from .cells import CellGroup, group_cells
from .knobs import BlockKnob, PieceCells, WidthKnob
from .linear import Programme, linearise, solve_programme

CHUNK = 8192
"""Candidates priced at a time, so that the index arrays stay in the cache."""


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """Width and block choices with what they cost.

    Attributes:
        widths: Width knobs.
        blocks: Block knobs.
        pieces: Pieces; the sum is `fixed_s` plus the chosen cell of each piece whose blocks are all kept.
        fixed_s: Part of the sum that no choice changes.
        bend: From the sum to the latency; it is monotone, so a budget on the latency is one on the sum.
    """

    widths: tuple[WidthKnob, ...]
    blocks: tuple[BlockKnob, ...]
    pieces: tuple[PieceCells, ...]
    fixed_s: float = 0.0
    bend: Bend = field(default_factory=Bend)

    def __post_init__(self) -> None:
        names = [*self.dims, *self.block_names]
        if len(set(names)) != len(names):
            raise ValueError(f"Each knob needs a name of its own, but these repeat: {_repeated(names)}.")
        if not (isfinite(self.fixed_s) and self.fixed_s >= 0):
            raise ValueError(f"Fixed time must be a finite number of seconds, 0 or more, but got {self.fixed_s}.")
        for block in self.blocks:
            _check_known(block.hides, self.dims, f"Block {block.block!r} hides")
        for piece in self.pieces:
            self._check_piece(piece)

    def _check_piece(self, piece: PieceCells) -> None:
        dims = [dim for dim in (piece.row, piece.column) if dim is not None]
        _check_known(dims, self.dims, f"Piece {piece.name!r} has")
        _check_known(piece.blocks, self.block_names, f"Piece {piece.name!r} vanishes with")
        shape = tuple(1 if dim is None else self.n_levels[self.dims.index(dim)] for dim in (piece.row, piece.column))
        if piece.seconds.shape != shape:
            raise ValueError(f"Piece {piece.name!r} needs cells of shape {shape}, but has {piece.seconds.shape}.")
        for block in self.blocks:
            orphans = sorted(set(block.hides) & set(dims))
            if orphans and block.block not in piece.blocks:
                raise ValueError(
                    f"A piece vanishes with the blocks that hide its dims, but piece {piece.name!r} uses {orphans}, "
                    f"hidden by block {block.block!r}, and does not list that block: add it to the piece's blocks."
                )

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """Dim names, in the order of the columns of level matrices."""
        return tuple(knob.dim for knob in self.widths)

    @cached_property
    def block_names(self) -> tuple[str, ...]:
        """Block names, in the order of the columns of removed matrices."""
        return tuple(knob.block for knob in self.blocks)

    @cached_property
    def n_levels(self) -> tuple[int, ...]:
        """Count of levels of each dim."""
        return tuple(len(knob.levels) for knob in self.widths)

    @cached_property
    def groups(self) -> tuple[CellGroup, ...]:
        """Cells, added up where pieces share dims and gates."""
        return group_cells(self.pieces, _positions(self.dims), _positions(self.block_names))

    @cached_property
    def hiding(self) -> tuple[tuple[int, ...], ...]:
        """For each dim the positions of the blocks that hide it."""
        return tuple(tuple(b for b, knob in enumerate(self.blocks) if dim in knob.hides) for dim in self.dims)

    @cached_property
    def programme(self) -> Programme:
        """The space as variables and rows of a linear programme."""
        return linearise(self.n_levels, self.hiding, self.groups, len(self.blocks), self.fixed_s)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal content hash (16 digits), equal for equal spaces and stable between runs."""
        facts = {
            "widths": [[knob.dim, knob.levels] for knob in self.widths],
            "blocks": [[knob.block, knob.hides] for knob in self.blocks],
            "units": [[u.name, u.row, u.column, u.seconds.tolist(), u.blocks] for u in self.pieces],
            "fixed_s": self.fixed_s,
            "bend": astuple(self.bend),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Count of different candidates: those that differ only in hidden dims are one."""
        total = 1
        for dims, blocks in self._islands():
            total *= sum(
                prod(self.n_levels[dim] for dim in dims if not set(self.hiding[dim]) & set(removed))
                for n_removed in range(len(blocks) + 1)
                for removed in combinations(blocks, n_removed)
            )
        return total

    def _islands(self) -> list[tuple[set[int], set[int]]]:
        """Return (dims, blocks) that share nothing with one another, so that their counts multiply."""
        islands: list[tuple[set[int], set[int]]] = [(set(), {block}) for block in range(len(self.blocks))]
        for dim, blocks in enumerate(self.hiding):
            joined = [island for island in islands if island[1] & set(blocks)]
            islands = [island for island in islands if not island[1] & set(blocks)]
            islands.append(({dim}.union(*(i[0] for i in joined)), set().union(*(i[1] for i in joined))))
        return islands

    def hidden(self, removed: Collection[str]) -> frozenset[str]:
        """Return the dims that vanish with these blocks."""
        _check_known(removed, self.block_names, "Removed are")
        return frozenset(dim for knob in self.blocks if knob.block in removed for dim in knob.hides)

    def candidate(self, levels: Mapping[str, int], removed: Collection[str] = ()) -> Candidate:
        """Return the network at these level indices; those of hidden dims are left out and need not be given."""
        row, mask = self.encode(levels, removed)
        return self.decode(row, mask)

    def decode(
        self, levels: Sequence[int] | NDArray[np.intp], removed: Sequence[bool] | NDArray[np.bool_]
    ) -> Candidate:
        """Return the network of one row of a level matrix and one of a removed matrix."""
        gone = {name for name, flag in zip(self.block_names, removed, strict=True) if flag}
        hidden = self.hidden(gone)
        widths = {
            knob.dim: knob.levels[int(level)]
            for knob, level in zip(self.widths, levels, strict=True)
            if knob.dim not in hidden
        }
        return Candidate(widths, {name: "remove" if name in gone else "keep" for name in self.block_names})

    def encode(
        self, levels: Mapping[str, int], removed: Collection[str] = ()
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return `(n_dims,)` levels (hidden dims at full width) and `(n_blocks,)` flags.

        Raises:
            ValueError: A dim that is not hidden is missing, a name is unknown, or a level is out of range.
        """
        hidden = self.hidden(removed)
        _check_known(levels, self.dims, "Levels are given for")
        row = np.array([n - 1 for n in self.n_levels], dtype=np.intp)
        for index, dim in enumerate(self.dims):
            if dim in hidden:
                continue
            if dim not in levels or not 0 <= levels[dim] < self.n_levels[index]:
                raise ValueError(
                    f"Dim {dim!r} needs a level from 0 to {self.n_levels[index] - 1}, but got {levels.get(dim)}."
                )
            row[index] = levels[dim]
        return row, np.array([name in removed for name in self.block_names], dtype=np.bool_)

    def levels_of(self, candidate: Candidate) -> tuple[dict[str, int], frozenset[str]]:
        """Return the level indices of the dims that are not hidden, and the removed blocks.

        Raises:
            ValueError: The candidate is not in this space.
        """
        if set(candidate.blocks) != set(self.block_names) or candidate.layers or candidate.resolution is not None:
            raise ValueError(
                f"A candidate of this space chooses the blocks {self.block_names} and nothing but widths beside them, "
                f"but got {candidate.to_json()}."
            )
        hidden = self.hidden(candidate.removed)
        if set(candidate.dims) != set(self.dims) - hidden:
            odd = sorted(set(candidate.dims) ^ (set(self.dims) - hidden))
            raise ValueError(f"A candidate names every dim that its kept blocks have, but these are odd: {odd}.")
        levels = {}
        for knob in self.widths:
            if knob.dim in hidden:
                continue
            width = candidate.dims[knob.dim]
            if width not in knob.levels:
                raise ValueError(f"Width {width} of dim {knob.dim!r} is not on offer: choose from {knob.levels}.")
            levels[knob.dim] = knob.levels.index(width)
        return levels, candidate.removed

    def latency(self, levels: Mapping[str, int], removed: Collection[str] = ()) -> float:
        """Return the predicted seconds at these level indices; bit-equal to `latencies`."""
        row, mask = self.encode(levels, removed)
        return float(self.latencies(row[None, :], mask[None, :])[0])

    def latency_of(self, candidate: Candidate) -> float:
        """Return the predicted seconds of a candidate; see `levels_of` for the errors."""
        return self.latency(*self.levels_of(candidate))

    def latencies(self, levels: NDArray[np.intp], removed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the predicted seconds of many candidates, shape `(n,)`.

        Args:
            levels: Level indices, shape `(n, n_dims)`; those of hidden dims must be in range and do not count.
            removed: Whether each block is removed, shape `(n, n_blocks)`.

        Raises:
            ValueError: A shape does not fit, or a level is out of range.
        """
        n = len(levels)
        if levels.shape != (n, len(self.dims)) or removed.shape != (n, len(self.blocks)):
            raise ValueError(
                f"Levels must have shape (n, {len(self.dims)}) and removed (n, {len(self.blocks)}), "
                f"but got {levels.shape} and {removed.shape}."
            )
        if n and ((levels < 0).any() or (levels >= np.array(self.n_levels)).any()):
            raise ValueError(f"Levels must lie from 0 to below {self.n_levels}, but some do not.")
        seconds = np.full(n, self.fixed_s)
        for start in range(0, n, CHUNK):
            part = slice(start, start + CHUNK)
            self._add_cells(seconds[part], np.ascontiguousarray(levels[part].T), np.ascontiguousarray(~removed[part].T))
        return self.bend.seconds(seconds)

    def _add_cells(self, seconds: NDArray[np.float64], levels: NDArray[np.intp], kept: NDArray[np.bool_]) -> None:
        """Add the chosen cells to `seconds`, shapes `(n,)`, `(n_dims, n)`, `(n_blocks, n)`."""
        gates: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        for group in self.groups:
            cost = self._chosen(group, levels)
            if group.gates:
                if group.gates not in gates:
                    gates[group.gates] = np.logical_and.reduce(kept[list(group.gates)])
                cost = cost * gates[group.gates]
            seconds += cost

    def _chosen(self, group: CellGroup, levels: NDArray[np.intp]) -> NDArray[np.float64]:
        if not group.dims:
            return group.seconds
        index = levels[group.dims[0]]
        if len(group.dims) == 2:
            index = index * self.n_levels[group.dims[1]] + levels[group.dims[1]]
        chosen: NDArray[np.float64] = group.seconds.ravel()[index]
        return chosen

    def smallest(self, removed: Collection[str] | None = None) -> Candidate:
        """Return the candidate of least predicted latency, exactly.

        Args:
            removed: Exactly these blocks are removed; None removes all of them, which no cell can make slower.

        Raises:
            RuntimeError: The solver gave no proven answer.
        """
        gone = frozenset(self.block_names if removed is None else removed)
        if gone not in self._smallest:
            self._smallest[gone] = self._find_smallest(gone)
        return self._smallest[gone]

    @cached_property
    def _smallest(self) -> dict[frozenset[str], Candidate]:
        return {}

    def _find_smallest(self, removed: frozenset[str]) -> Candidate:
        mask = np.array([name in removed for name in self.block_names], dtype=np.bool_)
        _check_known(removed, self.block_names, "Removed are")
        narrowest = np.zeros(len(self.dims), dtype=np.intp)
        if all(group.monotone for group in self.groups if not mask[list(group.gates)].any()):
            return self.decode(narrowest, mask)
        programme = self.programme
        # Scaled so that the solver's absolute tolerances are small beside the answer.
        scale = 1e3 / max(float(self.latencies(narrowest[None, :], mask[None, :])[0]), 1e-30)
        answer = solve_programme(programme, programme.seconds * scale, fixed_removed=mask, gap=0.0)
        if answer.levels is None or not answer.proven:
            raise RuntimeError(f"The least latency could not be proven with these blocks removed: {sorted(removed)}.")
        return self.decode(answer.levels, mask)


def _positions(names: Sequence[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _check_known(names: Collection[str], known: Sequence[str], what: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{what} names that the space does not have: {unknown}; it has {sorted(known)}.")
