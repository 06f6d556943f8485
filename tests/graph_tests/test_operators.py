"""Each operator's rule on small networks in which it alone decides."""

from itertools import chain

import pytest
import torch

from search.graph.rules import POINTWISE, RULES

from .operators import CASES, Case, frame
from .operators.checks import check, operators


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_network_in_which_one_operator_decides(case: Case) -> None:
    check(case)


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_every_rule_is_exercised() -> None:
    seen = set(chain.from_iterable(operators(case) for case in CASES))
    assert set(RULES) <= seen
    assert len(seen & POINTWISE) >= 15


def test_a_check_fails_where_a_dim_is_missing() -> None:
    case = frame("relu: one dim too few", torch.relu, (3, 5), dims={"p:0": 3})
    with pytest.raises(AssertionError, match="instead of"):
        check(case)
