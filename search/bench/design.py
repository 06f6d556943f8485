"""Which random subnets a table is built from: those that cover all cells of all pieces, few levels a dim.

Where a table can have few networks, no choice of them covers the cells: those that tell most about laws then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from latency_tables import Family, informative

from ..graph import Blueprint, Candidate, assemble, full
from ..graph.pieces import pieces
from ..space import WidthKnob, thinned

REMOVALS = (0.0, 0.1, 0.3)
"""Probabilities with which the blocks of a random subnet are missing, one drawn for each subnet: most cells need the
block to be there."""

SPREADS = (0.1, 0.3, 0.5)
"""Standard deviations of a subnet's widths about its common proportion, one drawn for each subnet."""

STRETCH = 0.3
"""How far beyond the least and the full widths a subnet's common proportion may lie. Widths end there, but scatter
about it: without, hardly a subnet would be nearly as small or as large as can be, where a bend needs support most."""

DRAWS = 16
"""Random subnets that each place in the design is chosen from."""

TELLING_DRAWS = 400
"""Random subnets that a design of few is chosen from, all of them before each place."""


def covering(
    blueprint: Blueprint, widths: Sequence[WidthKnob], count: int, rng: np.random.Generator
) -> list[Candidate]:
    """Choose `count` different subnets that together cover as many (piece, width in, width out) cells as they can.

    Subnets are of all sizes: each has a proportion of its own, spread evenly, about which its widths lie. Independent
    widths would make all subnets about equally large, and a layer is slower in a large network than in a small one.

    Greedy: each place goes to the draw that adds most cells not yet covered (the first of equals).
    """
    offers = {knob.dim: thinned(knob.levels) for knob in widths}
    chosen: dict[Candidate, None] = {}
    covered: set[tuple[Family, tuple[int, int]]] = set()
    for _ in range(count):
        draws = [draw(blueprint, offers, rng) for _ in range(DRAWS)]
        fresh = [draw for draw in draws if draw not in chosen]
        if not fresh:
            break
        cells = [{(key.family, key.widths) for key in pieces(blueprint, draw).values()} for draw in fresh]
        best = max(range(len(fresh)), key=lambda i: len(cells[i] - covered))
        covered |= cells[best]
        chosen[fresh[best]] = None
    return list(chosen)


def telling(
    blueprint: Blueprint, widths: Sequence[WidthKnob], count: int, quantum: int, rng: np.random.Generator
) -> list[Candidate]:
    """Choose `count` different subnets whose times say most about laws of few parameters; see `informative`.

    The unpruned network and the smallest one are timed in any case and not among them.
    """
    offers = {knob.dim: knob.levels for knob in widths}
    known = list(dict.fromkeys((full(blueprint), smallest(blueprint, widths))))
    drawn = dict.fromkeys(draw(blueprint, offers, rng) for _ in range(TELLING_DRAWS))
    fresh = [candidate for candidate in drawn if candidate not in known]
    told, seen = ([list(pieces(blueprint, one).values()) for one in some] for some in (fresh, known))
    return [fresh[place] for place in informative(told, seen, count, quantum)]


def draw(blueprint: Blueprint, offers: Mapping[str, Sequence[int]], rng: np.random.Generator) -> Candidate:
    """Return a random subnet, its size drawn evenly from the least to the full widths.

    Args:
        blueprint: The network.
        offers: Dim name -> increasing widths to choose from.
        rng: Draws.
    """
    proportion = rng.uniform(-STRETCH, 1.0 + STRETCH)
    spread, removal = rng.choice(SPREADS), rng.choice(REMOVALS)
    removed = [block.name for block in blueprint.blocks if rng.random() < removal]
    widths = {}
    for dim, levels in offers.items():
        place = float(np.clip(proportion + rng.normal(0.0, spread), 0.0, 1.0)) * (len(levels) - 1)
        widths[dim] = int(levels[round(place)])
    return assemble(blueprint, widths, removed)


def unseen(blueprint: Blueprint, widths: Sequence[WidthKnob], count: int, rng: np.random.Generator) -> list[Candidate]:
    """Return different random subnets at any widths on offer, to hold a table's predictions against."""
    offers = {knob.dim: knob.levels for knob in widths}
    found: dict[Candidate, None] = {}
    for _ in range(4 * count):
        if len(found) == count:
            break
        found[draw(blueprint, offers, rng)] = None
    return list(found)


def smallest(blueprint: Blueprint, widths: Sequence[WidthKnob]) -> Candidate:
    """Return the subnet with every width at its least level and every block removed."""
    return assemble(
        blueprint, {knob.dim: knob.levels[0] for knob in widths}, [block.name for block in blueprint.blocks]
    )
