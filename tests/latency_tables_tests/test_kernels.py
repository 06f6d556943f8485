"""Kernels of units: what was seen, what is nearest to it, and how often that is right."""

import pytest

from hwprofiles import Interval
from latency_tables import KernelPredictor, Neighbours, NetworkRow, PieceKey, PieceRow, held_out_hit_rate, hit_rate
from latency_tables.kernels import ALONE

ONE = Interval(1.0, 1.0, 1.0)
CONV, ADD = "conv2d k3x3 s1 dense", "add in8x8"


def network(job: str, units: list[tuple[str, tuple[int, int], tuple[str, ...]]], profiled: float = 1.0) -> NetworkRow:
    rows = tuple(
        PieceRow(f"u{i}", PieceKey.of(family, widths), None, None, made)
        for i, (family, widths, made) in enumerate(units)
    )
    return NetworkRow(job, "level", ONE, ONE, (1.0,) * 8, rows, profiled, 0.0, (), "2026-11-01")


def one(predictor: KernelPredictor, family: str, widths: tuple[int, int]) -> tuple[str, ...] | None:
    return predictor.piece("u", {"u": PieceKey.of(family, widths)})


@pytest.mark.parametrize(
    ("predicted", "actual", "rate"),
    [
        ([], [], 1.0),
        (["Conv"], ["Conv"], 1.0),
        (["Relu", "Conv"], ["Conv", "Relu"], 1.0),
        (["Conv"], [], 0.0),
        ([], ["Conv"], 0.0),
        (["Conv", "Conv"], ["Conv"], 1 / 2),
        (["Conv", "Add"], ["Conv", "Relu"], 1 / 3),
        (["Conv", "Conv", "Add"], ["Conv", "Conv", "Conv", "Add"], 3 / 4),
    ],
)
def test_hit_rate_counts_what_is_missing_and_what_is_too_much(
    predicted: list[str], actual: list[str], rate: float
) -> None:
    assert hit_rate(predicted, actual) == hit_rate(actual, predicted) == pytest.approx(rate)


def test_the_same_key_goes_before_alignment_and_alignment_before_family() -> None:
    rows = [
        network("a", [(CONV, (16, 16), ("Conv",)), (CONV, (12, 16), ("Reorder", "Conv"))]),
        network("b", [(CONV, (16, 16), ("Conv",)), (CONV, (48, 80), ("Fast",))]),
    ]
    predictor = KernelPredictor.fit(rows)
    assert one(predictor, CONV, (48, 80)) == ("Fast",), "the key itself"
    assert one(predictor, CONV, (64, 160)) == ("Conv",), "both are multiples of 16"
    assert one(predictor, CONV, (20, 32)) == ("Reorder", "Conv"), "a multiple of 4 and one of 16"
    assert one(predictor, CONV, (7, 7)) == ("Conv",), "the family's commonest"


def test_a_family_never_seen_is_unknown_and_counts_as_missed() -> None:
    predictor = KernelPredictor.fit([network("a", [(CONV, (16, 16), ("Conv",))])])
    assert one(predictor, ADD, (16, 16)) is None
    assert predictor.network({"a": PieceKey.of(CONV, (16, 16)), "b": PieceKey.of(ADD, (16, 16))}) is None
    assert predictor.network(dict.fromkeys("ab", PieceKey.of(CONV, (16, 16)))) == ["Conv", "Conv"]
    seen = network("b", [(CONV, (16, 16), ("Conv",)), (ADD, (16, 16), ("Add",))])
    assert predictor.hit_rate([seen]) == 0.5


def test_a_unit_that_is_fused_away_has_no_kernels_and_a_network_without_profile_says_nothing() -> None:
    fused = [(CONV, (16, 16), ("Conv",)), (ADD, (16, 16), ())]
    blind = network("b", [(CONV, (16, 16), ()), (ADD, (16, 16), ())], profiled=0.0)
    predictor = KernelPredictor.fit([network("a", fused), blind, blind])
    assert one(predictor, ADD, (16, 16)) == ()
    assert one(predictor, CONV, (16, 16)) == ("Conv",)
    assert predictor.hit_rate([network("c", fused)]) == 1.0
    assert predictor.hit_rate([blind]) is None


NEAR = Neighbours({"u2": frozenset(("u0", "u1"))}, dict.fromkeys(("u0", "u1"), frozenset(("u0", "u1"))))
"""Of a network whose first two units are concatenated for the third."""


def concatenated(job: str, first: int, second: int) -> NetworkRow:
    """Return a network whose first unit needs a reorder where either part of the concatenation does not fit blocks."""
    made = ("Conv",) if first % 16 == second % 16 == 0 else ("Conv", "Reorder")
    parts = [(CONV, (32, first), made), (ADD, (32, second), ("Conv",))]
    return network(job, [*parts, (CONV, (first + second, 32), ("Reorder", "Conv") if len(made) > 1 else made)])


def test_neighbours_decide_where_their_values_meet() -> None:
    rows = [concatenated("a", 32, 64), concatenated("b", 32, 36), concatenated("c", 32, 64), concatenated("d", 36, 64)]
    seen, alone = KernelPredictor.fit(rows, NEAR), KernelPredictor.fit(rows)
    new = concatenated("e", 32, 68)
    assert seen.hit_rate([new]) == 1.0, "68 is a multiple of 4, as 36 is"
    assert alone.hit_rate([new]) == pytest.approx(4 / 5), "what is commonest without the neighbour is wrong here"
    other = {"u0": PieceKey.of(CONV, (32, 33)), "u1": PieceKey.of(ADD, (32, 33)), "u2": PieceKey.of(CONV, (66, 32))}
    assert seen.piece("u1", other) == ("Conv",), "company that was never seen: the unit itself decides"


def test_the_last_of_units_whose_values_meet_takes_what_follows() -> None:
    def summed(job: str, first: int, second: int | None) -> NetworkRow:
        kinds = [(CONV, first)] if second is None else [(CONV, first), (ADD, second)]
        made = [*([("Conv",)] * (len(kinds) - 1)), ("Conv", "Pool")]
        parts = [(kind, (32, width), own) for (kind, width), own in zip(kinds, made, strict=True)]
        return network(job, parts)

    meeting = Neighbours({}, dict.fromkeys(("u0", "u1"), frozenset(("u0", "u1"))))
    rows = [summed("a", 32, 32), summed("b", 64, 64), summed("c", 96, 96), summed("d", 32, None)]
    seen, alone = KernelPredictor.fit(rows, meeting), KernelPredictor.fit(rows)
    without = summed("e", 64, None)
    assert seen.hit_rate([without, summed("f", 128, 128)]) == 1.0
    assert alone.hit_rate([without]) == 0.5
    units = {"u0": PieceKey.of(CONV, (32, 64)), "u1": PieceKey.of(ADD, (32, 64))}
    assert [meeting.successor(name, units) for name in units] == ["u1", None]
    assert ALONE.successor("u0", units) is None


def test_company_is_of_those_units_that_are_there() -> None:
    units = {"u0": PieceKey.of(CONV, (32, 48)), "u1": PieceKey.of(ADD, (32, 36)), "u2": PieceKey.of(CONV, (84, 32))}
    assert NEAR.company("u0", units) == (0, 4)
    assert NEAR.company("u2", units) == (4, 0)
    del units["u1"]
    assert NEAR.company("u0", units) == (0, 16)
    assert NEAR.company("u2", units) == (16, 0)


def test_ties_do_not_depend_on_the_order_of_networks() -> None:
    rows = [network(name, [(CONV, (16, 16), made)]) for name, made in (("a", ("Conv", "Relu")), ("b", ("Conv",)))]
    forth, back = KernelPredictor.fit(rows), KernelPredictor.fit(rows[::-1])
    assert forth.seen == back.seen
    assert one(forth, CONV, (16, 16)) == ("Conv",)


def test_held_out_networks_are_predicted_by_the_others() -> None:
    alike = [network(f"{i}", [(CONV, (16, 16), ("Conv",)), (ADD, (16, 16), ("Add",))]) for i in range(7)]
    assert held_out_hit_rate(alike) == 1.0
    odd = network("7", [(CONV, (16, 16), ("Conv",)), ("only here", (16, 16), ("Odd", "Odd"))])
    assert held_out_hit_rate([*alike, odd]) == pytest.approx(15 / 17), "its own profile must not help"
    assert held_out_hit_rate(alike[:1]) is None
    assert held_out_hit_rate([network("x", [(CONV, (8, 8), ())], profiled=0.0)] * 3) is None
