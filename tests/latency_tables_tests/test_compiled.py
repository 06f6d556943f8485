import time
from itertools import pairwise

import numpy as np
import pytest

from latency_tables import Family, PieceKey, Predictor, Slot, UnknownPieceError

from .chains import FAMILY, keys

LEVELS = [[8, 16, 32, 64], [8, 24, 64], [16, 32, 48, 64], [8, 64]]


def chain_slots() -> list[Slot]:
    """Give a chain of 5 convolutions whose 4 inner widths are knobs; the last is fixed at 64."""
    wide: list[tuple[list[int], int | None]] = [
        ([3], None),
        *((levels, i) for i, levels in enumerate(LEVELS)),
        ([64], None),
    ]
    return [Slot.grid(Family.parse(FAMILY), a, b, i, o) for (a, i), (b, o) in pairwise(wide)]


def random_levels(n: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, len(levels), n) for levels in LEVELS], axis=1)


def test_batch_agrees_with_estimate(predictor: Predictor) -> None:
    compiled = predictor.compile(chain_slots())
    levels = random_levels(50)
    seconds, origins = compiled.batch(levels), compiled.origins(levels)
    for row, got, origin in zip(levels, seconds, origins, strict=True):
        widths = [3, *(LEVELS[i][level] for i, level in enumerate(row)), 64]
        estimate = predictor.estimate(keys(widths))
        assert got == pytest.approx(estimate.seconds, rel=1e-12)
        assert origin == estimate.origin


def test_blocks_and_depthwise_units_and_swapped_axes(predictor: Predictor) -> None:
    removable = Slot((0, 1), (2, 2), (PieceKey.of(FAMILY, (8, 8)), PieceKey.of(FAMILY, (16, 8)), None, None))
    depthwise = Slot.grid(Family.parse(FAMILY), [8, 16], [8, 16], 1, 1)
    swapped = Slot.grid(Family.parse(FAMILY), [8, 16], [24, 32], 1, 0)
    fixed = Slot.grid(Family.parse(FAMILY), [64], [64], None, None)
    compiled = predictor.compile([removable, depthwise, swapped, fixed])
    assert len(compiled.grids) == 1, "slots of the same knobs are one look-up"
    expected = {
        (0, 0): [(8, 8), (8, 8), (8, 24)],
        (0, 1): [(16, 8), (16, 16), (16, 24)],
        (1, 0): [(8, 8), (8, 32)],
        (1, 1): [(16, 16), (16, 32)],
    }
    for levels, pairs in expected.items():
        wanted = predictor.estimate([PieceKey.of(FAMILY, pair) for pair in [*pairs, (64, 64)]])
        assert compiled.batch(np.array([levels]))[0] == pytest.approx(wanted.seconds, rel=1e-12)


def test_three_knobs_and_the_grids_that_fit_inside(predictor: Predictor) -> None:
    pairs = [(i, o) for i in (8, 16) for o in (8, 16, 24)]
    cube = Slot(
        (0, 2, 3), (2, 3, 2), tuple(PieceKey.of(FAMILY, pair) if on else None for pair in pairs for on in (0, 1))
    )
    inner = Slot.grid(Family.parse(FAMILY), [32, 64], [32, 40, 48], 0, 2)
    compiled = predictor.compile([inner, cube])
    assert len(compiled.grids) == 1
    for a in range(2):
        for b in range(3):
            for on in range(2):
                units = [PieceKey.of(FAMILY, ((32, 64)[a], (32, 40, 48)[b]))]
                units += [PieceKey.of(FAMILY, ((8, 16)[a], (8, 16, 24)[b]))] * on
                got = compiled.batch(np.array([[a, 0, b, on]]))[0]
                assert got == pytest.approx(predictor.estimate(units).seconds, rel=1e-12)


def test_grids_carry_the_whole_additive_problem(predictor: Predictor) -> None:
    compiled = predictor.compile(chain_slots())
    levels = random_levels(1)[0]
    total = compiled.fixed_s + sum(float(g.seconds[tuple(levels[list(g.knobs)])]) for g in compiled.grids)
    assert compiled.batch(levels[None])[0] == pytest.approx(float(compiled.bend.seconds(total)), rel=1e-12)
    assert compiled.bend == predictor.bend


def test_200_000_candidates_a_second(predictor: Predictor) -> None:
    """A network of 40 convolutions with 39 knobs of 8 levels; processor time of this process, best of five."""
    widths = list(range(8, 72, 8))
    slots = [Slot.grid(Family.parse(FAMILY), [3], widths, None, 0)]
    slots += [Slot.grid(Family.parse(FAMILY), widths, widths, i, i + 1) for i in range(38)]
    compiled = predictor.compile(slots)
    levels = np.random.default_rng(0).integers(0, 8, (50_000, 39))
    best = np.inf
    for _ in range(5):
        begin = time.process_time()
        compiled.batch(levels)
        best = min(best, time.process_time() - begin)
    assert len(levels) / best > 200_000


def test_levels_outside_are_errors_not_wrap_arounds(predictor: Predictor) -> None:
    compiled = predictor.compile(chain_slots())
    good = random_levels(3)
    for bad in (-1, len(LEVELS[1])):
        levels = good.copy()
        levels[1, 1] = bad
        with pytest.raises(ValueError, match="Levels of knob 1"):
            compiled.batch(levels)
    with pytest.raises(ValueError, match="Levels are integers of shape"):
        compiled.batch(good[:, :2])
    with pytest.raises(ValueError, match="Levels are integers of shape"):
        compiled.batch(good.astype(float))
    assert compiled.batch(good[:0]).shape == (0,)


def test_unknown_units_are_found_when_compiling(predictor: Predictor) -> None:
    with pytest.raises(UnknownPieceError):
        predictor.compile([*chain_slots(), Slot.grid(Family.parse("softmax"), [8], [8], None, None)])


def test_slots_are_checked(predictor: Predictor) -> None:
    key = PieceKey.of(FAMILY, (8, 8))
    with pytest.raises(ValueError, match="ascending"):
        Slot((1, 0), (1, 1), (key,))
    with pytest.raises(ValueError, match="one key for each"):
        Slot((0,), (2,), (key,))
    with pytest.raises(ValueError, match="no knob sets"):
        Slot.grid(Family.parse(FAMILY), [8, 16], [8], None, 0)
    with pytest.raises(ValueError, match="one number of levels"):
        predictor.compile([Slot((0,), (2,), (key, key)), Slot((0,), (3,), (key, key, key))])


def test_a_space_without_knobs_is_one_number(predictor: Predictor) -> None:
    compiled = predictor.compile([Slot((), (), (PieceKey.of(FAMILY, (60, 60)),))])
    assert (
        compiled.batch(np.zeros((2, 0), dtype=int)).tolist()
        == [predictor.estimate([PieceKey.of(FAMILY, (60, 60))]).seconds] * 2
    )
    assert compiled.origins(np.zeros((2, 0), dtype=int)).tolist() == ["interpolated"] * 2
