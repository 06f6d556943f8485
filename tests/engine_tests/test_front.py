from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.study import pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b


@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    front = pareto_front(points)
    wanted = {point for point in points if not any(beats(other, point) for other in points)}
    assert {points[index] for index in front} == wanted
    assert len(front) == len(wanted)
    assert [points[index][0] for index in front] == sorted(points[index][0] for index in front)


def test_of_equal_points_the_first_stays() -> None:
    assert pareto_front([(2.0, 1.0), (1.0, 2.0), (1.0, 2.0), (2.0, 2.0)]) == (1, 0)
