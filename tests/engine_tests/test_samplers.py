from __future__ import annotations

import pytest
from optuna.samplers import BaseSampler

from search.engine import SAMPLERS, make_sampler
from search.engine import samplers as samplers_module


@pytest.mark.parametrize("name", [name for name, entry in SAMPLERS.items() if entry.package is None])
def test_every_sampler_of_the_table_is_made(name: str) -> None:
    assert isinstance(make_sampler(name, 0), BaseSampler)
    assert SAMPLERS[name].description.endswith(".")


def test_an_unknown_name_meets_its_neighbour_or_the_list() -> None:
    with pytest.raises(ValueError, match="Did you mean 'random'"):
        make_sampler("randm", 0)
    with pytest.raises(ValueError, match="Choose from"):
        make_sampler("gp", 0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers_module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs the package 'cmaes'"):
        make_sampler("cmaes", 0)
