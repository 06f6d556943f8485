"""Small random spaces, and their answers by plain enumeration."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
from hypothesis import strategies as st

from search.space import BlockKnob, PieceCells, SearchSpace, WidthKnob

Setting = tuple[dict[str, int], frozenset[str]]


def random_space(
    seed: int, *, dims: int = 3, blocks: int = 2, units: int = 5, most_levels: int = 4, stairs: bool = True
) -> SearchSpace:
    """Draw a space with shared, missing and equal dims, several gates a unit, and cells in no order."""
    rng = np.random.default_rng(seed)
    names = [f"layer{index}.weight:0" for index in range(dims)]
    widths = tuple(
        WidthKnob(
            name,
            tuple(sorted(rng.choice(np.arange(1, 65), size=rng.integers(1, most_levels + 1), replace=False).tolist())),
        )
        for name in names
    )
    hides = [tuple(name for name in names if rng.random() < 0.3) for _ in range(blocks)]
    knobs = tuple(BlockKnob(f"block{index}", hidden) for index, hidden in enumerate(hides))
    return SearchSpace(
        widths, knobs, tuple(_unit(rng, index, widths, knobs, stairs) for index in range(units)), float(rng.random())
    )


def _unit(
    rng: np.random.Generator, index: int, widths: tuple[WidthKnob, ...], blocks: tuple[BlockKnob, ...], stairs: bool
) -> PieceCells:
    row, column = (widths[rng.integers(len(widths))] if widths and rng.random() < 0.8 else None for _ in range(2))
    shape = tuple(1 if knob is None else len(knob.levels) for knob in (row, column))
    seconds = rng.random(shape)
    if not stairs:
        seconds = np.sort(np.sort(seconds, axis=0), axis=1)
    used = {knob.dim for knob in (row, column) if knob is not None}
    gates = tuple(block.block for block in blocks if used & set(block.hides) or rng.random() < 0.2)
    return PieceCells(f"unit{index}", row.dim if row else None, column.dim if column else None, seconds, gates)


def spaces(*, dims: int = 3, blocks: int = 2, units: int = 5) -> st.SearchStrategy[SearchSpace]:
    """Random spaces up to this size."""
    return st.builds(
        random_space,
        st.integers(0, 2**32 - 1),
        dims=st.integers(0, dims),
        blocks=st.integers(0, blocks),
        units=st.integers(0, units),
        stairs=st.booleans(),
    )


def settings_of(space: SearchSpace) -> Iterator[Setting]:
    """Every (levels of the shown dims, removed blocks)."""
    names = [knob.block for knob in space.blocks]
    for n_removed in range(len(names) + 1):
        for removed in combinations(names, n_removed):
            hidden = {dim for knob in space.blocks if knob.block in removed for dim in knob.hides}
            shown = [knob for knob in space.widths if knob.dim not in hidden]
            for levels in product(*(range(len(knob.levels)) for knob in shown)):
                yield {knob.dim: level for knob, level in zip(shown, levels, strict=True)}, frozenset(removed)


def seconds_of(space: SearchSpace, setting: Setting) -> float:
    """Latency by the definition, unit by unit."""
    levels, removed = setting
    total = space.fixed_s
    for unit in space.pieces:
        if removed & set(unit.blocks):
            continue
        row = 0 if unit.row is None else levels[unit.row]
        column = 0 if unit.column is None else levels[unit.column]
        total += float(unit.seconds[row, column])
    return total
