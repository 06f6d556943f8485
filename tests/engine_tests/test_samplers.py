from __future__ import annotations

import pytest
from optuna.samplers import BaseSampler

from search.study import SAMPLERS, make_sampler


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_of_the_table_is_made(name: str) -> None:
    assert isinstance(make_sampler(name, 0), BaseSampler)
    assert SAMPLERS[name].description


def test_an_unknown_name_meets_its_neighbour_or_the_list() -> None:
    with pytest.raises(ValueError, match="Did you mean 'random'"):
        make_sampler("randm", 0)
    with pytest.raises(ValueError, match="Choose from"):
        make_sampler("gp", 0)
