"""Where a search aims, on simulated machines whose tables lie by a known factor."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import Interval
from search.engine.aiming import MOST_ROUNDS, USED, Range, chosen, next_aim
from search.engine.finalist import Finalist
from search.graph import Candidate
from search.solve.exact import Solution
from search.study.records import StudyResult, TrialRecord

BUDGET_S = 1.0
NOTHING = Solution(None, {}, frozenset(), math.inf, math.inf, math.inf, "infeasible")


def finalist(
    number: int, target_s: float, predicted_s: float, measured: Interval, *, loss: float = 0.0, fastest: bool = False
) -> Finalist:
    """Return a finalist; networks of one predicted time are one network."""
    candidate = Candidate({"d": max(1, round(1e6 * predicted_s))}, {}, {}, None)
    trial = TrialRecord(0, candidate, predicted_s, loss, "exact", ())
    study = StudyResult(trial, (trial,))
    return Finalist(number, candidate, target_s, {"estimate": predicted_s}, measured, study, NOTHING, fastest)


def exactly(seconds: float, width: float = 0.002) -> Interval:
    return Interval(seconds, seconds * (1 - width), seconds * (1 + width))


class Machine:
    """Networks every `step` of predicted time; each takes `lie` times as long as predicted, and loses less if longer.

    Attributes:
        step: Factor from one network to the next.
    """

    def __init__(self, lie: float, step: float, least_s: float = 0.05, most_s: float = 3.0) -> None:
        self.lie, self.step, self.least_s, self.most_s = lie, step, least_s, most_s

    def below(self, target_s: float) -> float:
        """Return the predicted time of the largest network within a target."""
        count = math.floor(math.log(target_s / self.least_s) / math.log(self.step) + 1e-9)
        return min(self.least_s * self.step**count, self.most_s)

    def range(self) -> Range:
        return Range(BUDGET_S, BUDGET_S * 0.97, self.least_s, self.most_s)

    def run(self) -> list[Finalist]:
        found: list[Finalist] = []
        while (aimed := next_aim(found, self.range())) is not None:
            predicted = self.below(aimed.target_s)
            measured = exactly(predicted * self.lie)
            found.append(
                finalist(len(found), aimed.target_s, predicted, measured, loss=1 / predicted, fastest=aimed.fastest)
            )
        return found


@given(lie=st.floats(0.65, 1.4), step=st.floats(1.001, 1.02))
def test_a_table_that_lies_costs_rounds_and_not_the_budget(lie: float, step: float) -> None:
    found = Machine(lie, step).run()
    best = chosen(found, BUDGET_S)
    assert best is not None
    assert USED * BUDGET_S <= best.measured.high <= BUDGET_S
    assert len(found) <= 4


@given(lie=st.floats(0.6, 1.6), step=st.floats(1.001, 1.5))
def test_what_is_left_unused_has_no_better_network(lie: float, step: float) -> None:
    machine = Machine(lie, step)
    found = machine.run()
    best = chosen(found, BUDGET_S)
    assert best is not None
    assert len(found) <= MOST_ROUNDS
    assert best.measured.high <= BUDGET_S
    if best.measured.high < USED * BUDGET_S and len(found) < MOST_ROUNDS:
        # Half a per cent is the least that is worth a round; an interval's end lies a little above its middle.
        longer = best.estimate_s * step * lie * 1.002
        assert longer > BUDGET_S * 0.99 or best.estimate_s == pytest.approx(machine.most_s)


def test_rounds_stop_at_the_first_that_uses_the_budget() -> None:
    within = Range(BUDGET_S, 0.97, 0.1, 2.0)
    first = finalist(0, 0.97, 0.96, exactly(0.97))
    assert next_aim([first], within) is None
    assert chosen([first], BUDGET_S) is first


def test_unused_budget_raises_the_aim_by_what_was_measured() -> None:
    within = Range(BUDGET_S, 0.6, 0.1, 2.0)
    first = finalist(0, 0.6, 0.6, exactly(0.4))
    aimed = next_aim([first], within)
    assert aimed is not None
    assert aimed.target_s == pytest.approx(0.6 * BUDGET_S / first.measured.high, rel=0.01)
    assert not aimed.fastest


def test_a_raise_stays_below_what_was_over() -> None:
    within = Range(BUDGET_S, 0.9, 0.1, 2.0)
    over = finalist(0, 0.9, 0.85, exactly(1.3))
    low = finalist(1, 0.6, 0.55, exactly(0.8))
    aimed = next_aim([over, low], within)
    assert aimed is not None
    assert 0.6 < aimed.target_s < 0.85


def test_a_raise_that_leads_to_the_same_network_twice_is_the_last() -> None:
    within = Range(BUDGET_S, 0.5, 0.1, 2.0)
    first = finalist(0, 0.5, 0.3, exactly(0.5))
    aimed = next_aim([first], within)
    assert aimed is not None
    assert aimed.target_s == pytest.approx(0.3 * BUDGET_S / first.measured.high, rel=0.2), "by its own prediction"
    second = replace(first, round=1, target_s=aimed.target_s)
    aimed = next_aim([first, second], within)
    assert aimed is not None
    assert aimed.target_s == pytest.approx(second.target_s * BUDGET_S / first.measured.high), "by what was allowed"
    third = replace(first, round=2, target_s=aimed.target_s)
    assert next_aim([first, second, third], within) is None


def test_what_nobody_can_tell_moves_the_aim_a_little_only() -> None:
    """Beside other work an interval may reach far: its upper end must not make the search give half the budget away."""
    within = Range(BUDGET_S, 0.95, 0.1, 2.0)
    open_ = finalist(0, 0.95, 0.94, Interval(0.97, 0.6, 1.9))
    assert open_.is_undecided(BUDGET_S)
    assert not open_.is_inside(BUDGET_S)
    aimed = next_aim([open_], within)
    assert aimed is not None
    assert 0.9 < aimed.target_s < 0.94
    sure = finalist(0, 0.95, 0.94, exactly(1.9))
    aimed = next_aim([sure], within)
    assert aimed is not None
    assert aimed.target_s < 0.5


def test_the_last_round_is_for_the_fastest_where_nothing_was_inside() -> None:
    within = Range(BUDGET_S, 0.95, 0.1, 2.0)
    found: list[Finalist] = []
    while (aimed := next_aim(found, within)) is not None:
        found.append(finalist(len(found), aimed.target_s, aimed.target_s, exactly(1.01), fastest=aimed.fastest))
    assert len(found) == MOST_ROUNDS
    assert [one.fastest for one in found] == [False] * (MOST_ROUNDS - 1) + [True]
    assert found[-1].target_s == within.least_s
    assert chosen(found, BUDGET_S) is None
    doubtful = replace(found[-1], measured=Interval(1.0, 0.99, 1.01))
    assert chosen([*found[:-1], doubtful], BUDGET_S) is doubtful


def test_a_refuted_finalist_is_over_the_budget() -> None:
    within = Range(BUDGET_S, 0.97, 0.1, 2.0)
    first = replace(finalist(0, 0.97, 0.96, exactly(0.97)), refuted=True)
    aimed = next_aim([first], within)
    assert aimed is not None
    assert aimed.target_s < 0.96
    assert chosen([first], BUDGET_S) is None


def test_of_those_inside_the_least_loss_is_chosen() -> None:
    small = finalist(0, 0.6, 0.6, exactly(0.6), loss=0.2)
    large = finalist(1, 0.9, 0.9, exactly(0.9), loss=0.3)
    assert chosen([small, large], BUDGET_S) is small
