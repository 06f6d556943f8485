import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import NodeTime
from latency_tables import PieceKey
from latency_tables.fit.shares import attribute

A, B = PieceKey.of("conv2d", (3, 8)), PieceKey.of("conv2d", (8, 8))
UNITS = {"a": (A, ("a0", "a1")), "b": (B, ("b0",))}


def test_time_of_reorders_is_spread_in_proportion() -> None:
    nodes = [NodeTime("a0", "Conv", 2.0), NodeTime("a1", "Relu", 1.0), NodeTime("b0", "Conv", 1.0)]
    loose = [NodeTime("r", "ReorderInput", 0.5), NodeTime("s", "ReorderOutput", 0.5)]
    shares = attribute(UNITS, [*nodes, *loose])
    assert shares.pieces == {"a": 0.75, "b": 0.25}
    assert shares.hit_rate == 1.0
    assert shares.loose == pytest.approx(0.2)


def test_a_unit_without_a_node_is_unknown_not_zero() -> None:
    shares = attribute(UNITS, [NodeTime("a1", "Conv", 1.0)])
    assert shares.pieces == {"a": 1.0}
    assert shares.hit_rate == 0.5


@pytest.mark.parametrize("nodes", [[], [NodeTime("r", "Reorder", 1.0)], [NodeTime("a0", "Conv", 0.0)]])
def test_a_profile_without_times_gives_no_shares(nodes: list[NodeTime]) -> None:
    assert attribute(UNITS, nodes).pieces == {}


names = st.sampled_from(["a0", "a1", "b0", "reorder"])


@given(st.lists(st.tuples(names, st.floats(1e-9, 1.0)), min_size=1))
def test_shares_sum_to_one(nodes: list[tuple[str, float]]) -> None:
    shares = attribute(UNITS, [NodeTime(name, "Conv", seconds) for name, seconds in nodes])
    if any(name != "reorder" for name, _ in nodes):
        assert sum(shares.pieces.values()) == pytest.approx(1.0)
    else:
        assert shares.pieces == {}
    assert 0 <= shares.loose <= 1
