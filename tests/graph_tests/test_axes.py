from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.graph.axes import Algebra, Axis, Concat, Indices
from search.graph.kept import Kept, positions
from search.graph.sizes import Size


def readings(algebra: Algebra, *axes: Axis) -> list[Axis]:
    return [algebra.resolve(axis) for axis in axes]


def sizes(algebra: Algebra, axis: Axis) -> list[int]:
    return [algebra.term_size(term).count for term in algebra.resolve(axis)]


def test_an_atom_is_bound_to_a_product() -> None:
    algebra = Algebra()
    whole, product = algebra.atom(768), algebra.atom(12) + algebra.atom(64)
    algebra.unify(whole, product)
    assert algebra.resolve(whole) == algebra.resolve(product)
    assert sizes(algebra, whole) == [12, 64]


def test_factors_of_size_one_vanish() -> None:
    algebra = Algebra()
    assert algebra.atom(1) == ()
    axis = algebra.atom(7)
    assert algebra.resolve(algebra.atom(1) + axis + algebra.atom(1)) == axis


def test_concatenations_are_cut_at_each_others_boundaries() -> None:
    algebra = Algebra()
    left = algebra.concat([algebra.atom(6), algebra.atom(2)])
    right = algebra.concat([algebra.atom(4), algebra.atom(4)])
    algebra.unify(left, right)
    (term,) = algebra.resolve(left)
    assert isinstance(term, Concat)
    assert [algebra.size(part).count for part in term.parts] == [4, 2, 2]
    assert algebra.resolve(left) == algebra.resolve(right)


def test_distributive_law() -> None:
    algebra = Algebra()
    a, b = algebra.atom(96), algebra.atom(32)
    g, k = algebra.atom(8), algebra.atom(16)
    algebra.unify(algebra.concat([a, b]), g + k)
    assert sizes(algebra, a) == [6, 16]
    assert sizes(algebra, b) == [2, 16]
    assert algebra.resolve(a)[1] == algebra.resolve(b)[1] == algebra.resolve(k)[0]
    assert algebra.resolve(algebra.concat([a, b])) == algebra.resolve(g + k)
    assert algebra.is_free(g)


def test_what_does_not_line_up_is_frozen_and_the_rest_goes_on() -> None:
    algebra = Algebra()
    tail_a, tail_b = algebra.atom(5), algebra.atom(5)
    left, right = algebra.atom(6) + algebra.atom(4), algebra.atom(4) + algebra.atom(6)
    algebra.unify(left + tail_a, right + tail_b, "no refinement")
    assert not algebra.is_free(left)
    assert not algebra.is_free(right)
    assert {algebra.frozen(leaf) for leaf in algebra.leaves(left)} == {"no refinement"}
    assert algebra.resolve(tail_a) == algebra.resolve(tail_b)
    assert algebra.is_free(tail_a)


def test_freezing_reaches_the_parts_in_either_order() -> None:
    for freeze_first in (True, False):
        algebra = Algebra()
        whole, product = algebra.atom(12), algebra.atom(3) + algebra.atom(4)
        if freeze_first:
            algebra.freeze(whole, "kept")
        algebra.unify(whole, product)
        if not freeze_first:
            algebra.freeze(whole, "kept")
        assert not algebra.is_free(product)


def test_a_symbol_is_never_split() -> None:
    algebra = Algebra()
    batch = algebra.atom(Size(1, ("s",)), frozen="batch")
    rows = algebra.atom(196)
    (flat,) = algebra.regroup([batch, rows], [Size(196, ("s",))], "r")
    again = algebra.regroup([flat], [Size(1, ("s",)), Size(14), Size(14)], "r")
    assert algebra.resolve(again[0]) == algebra.resolve(batch)
    assert sizes(algebra, rows) == [14, 14]
    assert algebra.cut(batch, 1) is None


def test_unify_refuses_different_sizes() -> None:
    algebra = Algebra()
    with pytest.raises(ValueError, match="one size"):
        algebra.unify(algebra.atom(3), algebra.atom(4))


def test_channel_shuffle_permutes_factors() -> None:
    algebra = Algebra()
    channels = algebra.atom(24)
    a, b = algebra.regroup([channels], [Size(3), Size(8)], "r")
    (shuffled,) = algebra.regroup([b, a], [Size(24)], "r")
    assert algebra.resolve(shuffled) == algebra.resolve(b + a) != algebra.resolve(channels)
    assert algebra.is_free(channels)


def stays(algebra: Algebra, axis: Axis, kept: dict[int, Indices]) -> Indices:
    """Return the positions of an axis that stay where no choice depends on another."""
    table: Indices = positions(algebra, axis, {atom: Kept((), rows[None, :]) for atom, rows in kept.items()})
    return table[0, :]


# ---- properties ------------------------------------------------------------------------------------------------------

counts = st.integers(1, 6)


@st.composite
def two_readings(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Draw two axes of one size, each a concatenation of products."""
    total = draw(st.sampled_from([12, 16, 24, 36, 48, 60, 64]))

    def product(size: int) -> list[int]:
        factors = []
        while size > 1:
            divisors = [d for d in range(2, size + 1) if size % d == 0]
            factors.append(draw(st.sampled_from(divisors)))
            size //= factors[-1]
        return factors

    def reading() -> list[list[int]]:
        boundaries = sorted(draw(st.sets(st.integers(1, total - 1), max_size=2)))
        edges = [0, *boundaries, total]
        return [product(b - a) for a, b in pairwise(edges)]

    return reading(), reading()


def build(algebra: Algebra, reading: list[list[int]]) -> Axis:
    parts = [tuple(term for size in factors for term in algebra.atom(size)) for factors in reading]
    return algebra.concat(parts)


def classes(algebra: Algebra, *axes: Axis) -> list[tuple[int, bool]]:
    """Return the leaves of axes, numbered by first appearance, with whether each is free."""
    numbers: dict[int, int] = {}
    leaves = [leaf for axis in axes for leaf in algebra.leaves(axis)]
    return [(numbers.setdefault(leaf, len(numbers)), algebra.frozen(leaf) is None) for leaf in leaves]


@given(two_readings())
def test_unify_keeps_sizes_and_is_idempotent(pair: tuple[list[list[int]], list[list[int]]]) -> None:
    algebra = Algebra()
    a, b = (build(algebra, reading) for reading in pair)
    before = algebra.size(a)
    algebra.unify(a, b)
    assert algebra.size(algebra.resolve(a)) == algebra.size(algebra.resolve(b)) == before
    once = readings(algebra, a, b), classes(algebra, a, b)
    algebra.unify(a, b)
    assert (readings(algebra, a, b), classes(algebra, a, b)) == once


@given(two_readings())
def test_unify_is_commutative(pair: tuple[list[list[int]], list[list[int]]]) -> None:
    results = []
    for swap in (False, True):
        algebra = Algebra()
        a, b = (build(algebra, reading) for reading in pair)
        algebra.unify(*((b, a) if swap else (a, b)))
        results.append((classes(algebra, a), classes(algebra, b), sizes(algebra, a)))
    assert results[0] == results[1]


@given(two_readings(), st.randoms(use_true_random=False))
def test_unified_axes_keep_the_same_positions(pair: tuple[list[list[int]], list[list[int]]], random: object) -> None:
    """Whatever stays of the atoms, two axes that were unified lose the same positions, or can lose none."""
    algebra = Algebra()
    a, b = (build(algebra, reading) for reading in pair)
    algebra.unify(a, b)
    kept: dict[int, np.ndarray] = {}
    rng = np.random.default_rng(random.randint(0, 2**31))  # type: ignore[attr-defined]
    for leaf in [*algebra.leaves(a), *algebra.leaves(b)]:
        if algebra.frozen(leaf) is None and leaf not in kept:
            size = algebra.size((leaf,)).count
            kept[leaf] = rng.permutation(size)[: rng.integers(1, size + 1)]
    left, right = stays(algebra, a, kept), stays(algebra, b, kept)
    assert left.tolist() == right.tolist()
    widths = {leaf: len(value) for leaf, value in kept.items()}
    assert algebra.width(a, widths).count == len(left)


@given(st.lists(counts, min_size=1, max_size=4), st.data())
def test_keep_sets_survive_regrouping(factors: list[int], data: st.DataObject) -> None:
    """Flatten axes and split them again: what stays of each is what stayed before."""
    algebra = Algebra()
    axes = [algebra.atom(size) for size in factors]
    total = int(np.prod(factors))
    (flat,) = algebra.regroup(axes, [Size(total)], "r")
    again = algebra.regroup([flat], [Size(size) for size in factors], "r")
    kept = {}
    for axis, size in zip(axes, factors, strict=True):
        for leaf in algebra.leaves(axis):
            kept[leaf] = np.array(data.draw(st.permutations(range(size)))[: data.draw(st.integers(1, size))])
    for axis, twin in zip(axes, again, strict=True):
        assert stays(algebra, axis, kept).tolist() == stays(algebra, twin, kept).tolist()
    grid = np.arange(total).reshape(factors)
    rows = [stays(algebra, axis, kept) for axis in axes]
    assert stays(algebra, flat, kept).tolist() == grid[np.ix_(*rows)].reshape(-1).tolist()


@given(two_readings())
def test_owners_invert_indices(pair: tuple[list[list[int]], list[list[int]]]) -> None:
    algebra = Algebra()
    axis = build(algebra, pair[0])
    for leaf in set(algebra.leaves(axis)):
        owners = algebra.owners(axis, leaf)
        for unit in range(algebra.size((leaf,)).count):
            others = np.delete(np.arange(algebra.size((leaf,)).count), unit)
            rest = stays(algebra, axis, {leaf: others})
            assert set(np.flatnonzero(owners == unit)) == set(range(len(owners))) - set(rest.tolist())


def test_a_part_that_is_one_stretch_leaves_a_position_behind() -> None:
    algebra = Algebra()
    a, b = algebra.atom(2), algebra.atom(34)
    g, k = algebra.atom(18), algebra.atom(2)
    algebra.unify(algebra.concat([a, b]), g + k)
    assert sizes(algebra, b) == [17, 2]
    (outer,) = algebra.resolve(g)
    assert isinstance(outer, Concat)
    assert [algebra.size(part).count for part in outer.parts] == [1, 17]
    assert algebra.resolve(algebra.concat([a, b])) == algebra.resolve(g + k)


def test_a_concatenation_of_concatenations_is_flat_however_many_there_are() -> None:
    algebra = Algebra()
    axis = algebra.atom(2)
    for _ in range(3000):
        axis = algebra.concat([axis, algebra.atom(3)])
    assert algebra.size(axis).count == 2 + 3 * 3000
    assert len(list(algebra.leaves(axis))) == 3001
