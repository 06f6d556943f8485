"""Kernels of units: what was seen, what is nearest to it, and how often that is right."""

import pytest

from hwprofiles import Interval
from latency_tables import KernelPredictor, NetworkRow, UnitKey, UnitRow, held_out_hit_rate, hit_rate

ONE = Interval(1.0, 1.0, 1.0)
CONV, ADD = "conv2d k3x3 s1 dense", "add in8x8"


def network(job: str, units: list[tuple[str, tuple[int, int], tuple[str, ...]]], profiled: float = 1.0) -> NetworkRow:
    rows = tuple(
        UnitRow(f"u{i}", UnitKey(family, widths), None, None, made) for i, (family, widths, made) in enumerate(units)
    )
    return NetworkRow(job, "level", ONE, ONE, (1.0,) * 8, rows, profiled, 0.0, (), "2026-11-01")


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
    assert predictor.unit(UnitKey(CONV, (48, 80))) == ("Fast",), "the key itself"
    assert predictor.unit(UnitKey(CONV, (64, 160))) == ("Conv",), "both are multiples of 16"
    assert predictor.unit(UnitKey(CONV, (20, 32))) == ("Reorder", "Conv"), "a multiple of 4 and one of 16"
    assert predictor.unit(UnitKey(CONV, (7, 7))) == ("Conv",), "the family's commonest"


def test_a_family_never_seen_is_unknown_and_counts_as_missed() -> None:
    predictor = KernelPredictor.fit([network("a", [(CONV, (16, 16), ("Conv",))])])
    assert predictor.unit(UnitKey(ADD, (16, 16))) is None
    assert predictor.network([UnitKey(CONV, (16, 16)), UnitKey(ADD, (16, 16))]) is None
    assert predictor.network([UnitKey(CONV, (16, 16))] * 2) == ["Conv", "Conv"]
    seen = network("b", [(CONV, (16, 16), ("Conv",)), (ADD, (16, 16), ("Add",))])
    assert predictor.hit_rate([seen]) == 0.5


def test_a_unit_that_is_fused_away_has_no_kernels_and_a_network_without_profile_says_nothing() -> None:
    fused = [(CONV, (16, 16), ("Conv",)), (ADD, (16, 16), ())]
    blind = network("b", [(CONV, (16, 16), ()), (ADD, (16, 16), ())], profiled=0.0)
    predictor = KernelPredictor.fit([network("a", fused), blind, blind])
    assert predictor.unit(UnitKey(ADD, (16, 16))) == ()
    assert predictor.unit(UnitKey(CONV, (16, 16))) == ("Conv",)
    assert predictor.hit_rate([network("c", fused)]) == 1.0
    assert predictor.hit_rate([blind]) is None


def test_ties_do_not_depend_on_the_order_of_networks() -> None:
    rows = [network(name, [(CONV, (16, 16), made)]) for name, made in (("a", ("Conv", "Relu")), ("b", ("Conv",)))]
    forth, back = KernelPredictor.fit(rows), KernelPredictor.fit(rows[::-1])
    assert forth.by_key == back.by_key == {UnitKey(CONV, (16, 16)): ("Conv",)}


def test_held_out_networks_are_predicted_by_the_others() -> None:
    alike = [network(f"{i}", [(CONV, (16, 16), ("Conv",)), (ADD, (16, 16), ("Add",))]) for i in range(7)]
    assert held_out_hit_rate(alike) == 1.0
    odd = network("7", [(CONV, (16, 16), ("Conv",)), ("only here", (16, 16), ("Odd", "Odd"))])
    assert held_out_hit_rate([*alike, odd]) == pytest.approx(15 / 17), "its own profile must not help"
    assert held_out_hit_rate(alike[:1]) is None
    assert held_out_hit_rate([network("x", [(CONV, (8, 8), ())], profiled=0.0)] * 3) is None
