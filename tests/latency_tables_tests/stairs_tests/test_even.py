"""Stairs that were not swept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_tables import EvenStairs


@given(st.integers(1, 32), st.integers(1, 4096), st.integers(1, 64), st.integers(2, 16))
def test_levels_increase_to_the_size_in_whole_blocks(quantum: int, size: int, least: int, most: int) -> None:
    levels = EvenStairs(quantum).levels(size, least, most)
    assert list(levels) == sorted(set(levels))
    assert levels[-1] == size
    assert len(levels) <= most
    assert all(width % quantum == 0 and width >= least for width in levels[:-1])


def test_few_blocks_are_all_on_offer() -> None:
    assert EvenStairs(16).levels(64) == (16, 32, 48, 64)
    assert EvenStairs(16).levels(40, least=20) == (32, 40)
    assert EvenStairs(16).levels(512) == tuple(range(32, 513, 32))


def test_one_level_is_explained() -> None:
    assert EvenStairs(16).why_whole(64) is None
    reason = EvenStairs(16).why_whole(16)
    assert reason is not None
    assert "steps of 16" in reason


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="quantum"):
        EvenStairs(0)
    with pytest.raises(ValueError, match="size >= 1"):
        EvenStairs(8).levels(0)
