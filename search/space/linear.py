"""The space as a mixed-integer linear programme, exact for cells of two widths and block gates.

The product of two one-hot choices and a gate is linearised by one variable a cell: with levels `w` one-hot and gate
`g` binary, cells `y >= 0` with `sum(y) = g`, row sums at most `w_row` and column sums at most `w_column` can only be
the chosen cell, or all zero where the gate is shut. Source: MDP (arXiv 2406.12079), whose bilinear programme this is.
A dim's levels sum to its own gate, so the levels of a hidden dim are all zero and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from .cells import CellGroup

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """Variables and structural rows of the linearised space.

    Attributes:
        levels: For each dim the positions of its one-hot variables.
        removed: For each block the position of its binary variable (1 = removed).
        seconds: Seconds of each variable, shape `(n,)`.
        constant_s: Seconds that no choice changes.
        binary: Which variables are integer, shape `(n,)`.
        rows: What ties the variables together.
    """

    levels: tuple[NDArray[np.intp], ...]
    removed: NDArray[np.intp]
    seconds: Vector
    constant_s: float
    binary: NDArray[np.bool_]
    rows: LinearConstraint


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the solver said.

    Attributes:
        levels: Level of each dim, shape `(n_dims,)`; 0 for a hidden one; None when no solution was found.
        removed: For each block whether it is removed, shape `(n_blocks,)`; None when no solution was found.
        point: Rounded value of each binary variable (0 elsewhere), shape `(n,)`; None when no solution was found.
        bound: Proven lower bound of the objective, minus infinity where nothing was proven.
        proven: Whether the solution is optimal within the gap (or its absence was proven).
    """

    levels: NDArray[np.intp] | None
    removed: NDArray[np.bool_] | None
    point: Vector | None
    bound: float
    proven: bool


@dataclass(slots=True, eq=False)
class _Rows:
    """Rows of `low <= a @ x <= high` under construction."""

    n: int = 0
    row: list[NDArray[np.intp]] = field(default_factory=list)
    column: list[NDArray[np.intp]] = field(default_factory=list)
    value: list[Vector] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def add(self, terms: Sequence[tuple[NDArray[np.intp], float]], low: float, high: float) -> None:
        for columns, value in terms:
            self.row.append(np.full(columns.size, self.n, dtype=np.intp))
            self.column.append(columns)
            self.value.append(np.full(columns.size, value))
        self.low.append(low)
        self.high.append(high)
        self.n += 1

    def build(self, n_variables: int) -> LinearConstraint:
        row, column, value = (np.concatenate(parts) for parts in (self.row, self.column, self.value))
        matrix = csr_array((value, (row, column)), shape=(self.n, n_variables))
        return LinearConstraint(matrix, np.array(self.low), np.array(self.high))


@dataclass(frozen=True, slots=True, eq=False)
class _Gate:
    """A gate as `constant + factor * sum of variables`: open is 1."""

    constant: float
    factor: float
    variables: NDArray[np.intp]


@dataclass(slots=True, eq=False)
class _Builder:
    """Hands out variables and rows."""

    n: int = 0
    seconds: list[Vector] = field(default_factory=list)
    binary: list[NDArray[np.bool_]] = field(default_factory=list)
    constant_s: float = 0.0
    rows: _Rows = field(default_factory=_Rows)
    gates: dict[tuple[int, ...], _Gate] = field(default_factory=dict)

    def variables(self, seconds: Vector, *, binary: bool) -> NDArray[np.intp]:
        self.seconds.append(seconds)
        self.binary.append(np.full(seconds.size, binary))
        self.n += seconds.size
        return np.arange(self.n - seconds.size, self.n, dtype=np.intp)

    def gate(self, blocks: tuple[int, ...], removed: NDArray[np.intp]) -> _Gate:
        if blocks not in self.gates:
            self.gates[blocks] = self._new_gate(blocks, removed)
        return self.gates[blocks]

    def _new_gate(self, blocks: tuple[int, ...], removed: NDArray[np.intp]) -> _Gate:
        mine = removed[list(blocks)]
        if len(blocks) < 2:
            return _Gate(1.0, -1.0, mine)
        shared = self.variables(np.zeros(1), binary=False)
        for index in range(len(blocks)):
            self.rows.add([(shared, 1.0), (mine[index : index + 1], 1.0)], -np.inf, 1.0)
        self.rows.add([(shared, 1.0), (mine, 1.0)], 1.0, np.inf)
        return _Gate(0.0, 1.0, shared)


def linearise(
    n_levels: Sequence[int],
    hiding: Sequence[tuple[int, ...]],
    groups: Sequence[CellGroup],
    n_blocks: int,
    fixed_s: float,
) -> Programme:
    """Write the space as variables and rows.

    Args:
        n_levels: Levels of each dim.
        hiding: For each dim the positions of the blocks that hide it, increasing.
        groups: Cells.
        n_blocks: Count of blocks.
        fixed_s: Seconds that no choice changes.
    """
    build = _Builder(constant_s=fixed_s)
    removed = build.variables(np.zeros(n_blocks), binary=True)
    levels = tuple(build.variables(np.zeros(n), binary=True) for n in n_levels)
    # Always true; a space of blocks that hide and cost nothing would have no row otherwise, which the solver refuses.
    build.rows.add([(removed, 1.0)], 0.0, float(n_blocks))
    for own, blocks in zip(levels, hiding, strict=True):
        gate = build.gate(blocks, removed)
        build.rows.add([(own, 1.0), (gate.variables, -gate.factor)], gate.constant, gate.constant)
    for group in groups:
        _add_group(build, group, levels, hiding, removed)
    return Programme(
        levels,
        removed,
        np.concatenate(build.seconds),
        build.constant_s,
        np.concatenate(build.binary),
        build.rows.build(build.n),
    )


def _add_group(
    build: _Builder,
    group: CellGroup,
    levels: Sequence[NDArray[np.intp]],
    hiding: Sequence[tuple[int, ...]],
    removed: NDArray[np.intp],
) -> None:
    gate = build.gate(group.gates, removed)
    if not group.dims:
        cost = build.variables(group.seconds.reshape(1), binary=False)
        build.rows.add([(cost, 1.0), (gate.variables, -gate.factor)], gate.constant, gate.constant)
        return
    cells = build.variables(group.seconds.ravel(), binary=False).reshape(group.seconds.shape)
    build.rows.add([(cells.ravel(), 1.0), (gate.variables, -gate.factor)], gate.constant, gate.constant)
    for axis, dim in enumerate(group.dims):
        # Where the piece and the dim vanish together the sums are equal, which makes the relaxation much tighter.
        low = 0.0 if hiding[dim] == group.gates else -np.inf
        for level, choice in enumerate(levels[dim]):
            build.rows.add([(cells.take(level, axis=axis).ravel(), 1.0), (np.array([choice]), -1.0)], low, 0.0)


def solve_programme(
    programme: Programme,
    objective: Vector,
    *,
    budget_s: float | None = None,
    fixed_removed: NDArray[np.bool_] | None = None,
    forbidden: Sequence[Vector] = (),
    gap: float,
    time_limit_s: float | None = None,
) -> Answer:
    """Minimise an objective over the space.

    Args:
        programme: The space.
        objective: Cost of each variable, shape `(n,)`, scaled so that 1e-6 of it does not matter.
        budget_s: Most seconds, fixed ones included; the solver keeps it up to about a millionth.
        fixed_removed: Exactly these blocks are removed; None leaves the choice.
        forbidden: Points of earlier answers that must not come again.
        gap: Relative gap at which to stop.
        time_limit_s: Seconds after which to stop.
    """
    n = objective.size
    constraints = [programme.rows]
    if budget_s is not None:
        # Divided by the budget, as the solver's tolerance of 1e-6 is absolute. Rows scaled up to defeat that tolerance
        # made it call worse networks optimal.
        room = (budget_s - programme.constant_s) / budget_s
        constraints.append(LinearConstraint(programme.seconds[None, :] / budget_s, -np.inf, room))
    for point in forbidden:
        differs = np.where(point > 0.5, 1.0, -1.0) * programme.binary
        constraints.append(LinearConstraint(differs[None, :], -np.inf, point.sum() - 1.0))
    lowest, highest = np.zeros(n), np.ones(n)
    if fixed_removed is not None:
        lowest[programme.removed] = highest[programme.removed] = fixed_removed
    options: dict[str, float] = {"mip_rel_gap": gap}
    if time_limit_s is not None:
        options["time_limit"] = time_limit_s
    result = milp(
        objective,
        integrality=programme.binary.astype(np.int64),
        bounds=Bounds(lowest, highest),
        constraints=constraints,
        options=options,
    )
    return _read(programme, result.x, result.status, result.mip_dual_bound)


def _read(programme: Programme, x: Vector | None, status: int, bound: float | None) -> Answer:
    proven = status in (0, 2)
    low = -np.inf if bound is None or not np.isfinite(bound) else float(bound)
    if x is None:
        return Answer(None, None, None, np.inf if status == 2 else low, proven)
    point = np.where(programme.binary, np.round(x), 0.0)
    levels = np.array([np.argmax(point[own]) for own in programme.levels], dtype=np.intp)
    return Answer(levels, point[programme.removed] > 0.5, point, low, proven)
