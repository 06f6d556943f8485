from typing import get_args

import pytest

from search.deploy import Verdict
from search.verdicts import VERDICTS, worst


def test_each_verdict_has_a_row() -> None:
    assert set(VERDICTS) == set(get_args(Verdict))


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_the_answer_names_the_budget_once(verdict: object) -> None:
    assert getattr(verdict, "answer").format(budget="4 ms").count("4 ms") == 1  # noqa: B009


def test_exit_statuses_are_those_that_were_promised() -> None:
    statuses = {word: verdict.exit_status for word, verdict in VERDICTS.items()}
    assert statuses == {"met": 0, "unneeded": 0, "missed": 1, "infeasible": 1, "unstable": 3}


def test_the_worst_part_decides() -> None:
    assert worst(["met", "unneeded"]) == "met"
    assert worst(["unstable", "met"]) == "unstable"
    assert worst(["unstable", "infeasible", "met"]) == "infeasible"
