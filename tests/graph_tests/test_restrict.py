"""What the user keeps stays; what they allow is all that goes; and no dim falls below its least width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from search.errors import ModelError
from search.graph import Blueprint, comb, sample, uniform
from tests.networks import EXAMPLE, residual


def widths(blueprint: Blueprint) -> dict[str, int]:
    return dict(uniform(blueprint, 0.5).dims)


def test_what_is_kept_is_listed_with_the_glob_that_keeps_it() -> None:
    blueprint = comb(residual(), EXAMPLE, keep=["blocks.0"])
    reasons = {item.dim: item.reason for item in blueprint.frozen}
    assert reasons["blocks.0.conv1.weight:0"] == "kept by the user (blocks.0)"
    assert not any(dim.name.startswith("blocks.0.") for dim in blueprint.dims)
    # What the kept block shares with its neighbours stays too; what lies beyond them does not.
    assert "stem.0.weight:0" in reasons
    assert "blocks.1.conv1.weight:0" in widths(blueprint)


def test_only_what_is_named_is_cut() -> None:
    blueprint = comb(residual(), EXAMPLE, only=["blocks.2.*", "blocks.3"])
    assert set(widths(blueprint)) == {"blocks.2.body.0.weight:0", "blocks.3.body.0.weight:0"}
    assert {item.reason for item in blueprint.frozen if item.dim == "stem.0.weight:0"} == {
        "kept by the user (outside blocks.2.*, blocks.3)"
    }
    assert [block.name for block in blueprint.blocks] == ["blocks.2"]


def test_no_dim_falls_below_its_least_width() -> None:
    free = comb(residual(), EXAMPLE)
    least = {"blocks.*": 7, "blocks.3": 13, "stem": 99}
    blueprint = comb(residual(), EXAMPLE, least=least)
    assert {dim.name: dim.size for dim in blueprint.dims} == {dim.name: dim.size for dim in free.dims}
    floors = {dim.name: dim.least for dim in blueprint.dims}
    assert floors["blocks.0.conv1.weight:0"] == 7
    assert floors["blocks.3.body.0.weight:0"] == 13, "the largest of several counts"
    assert floors["stem.0.weight:0"] == 8, "a dim cannot keep more than it has"
    small = uniform(blueprint, 0.9).dims
    assert small == {name: max(floors[name], width) for name, width in uniform(free, 0.9).dims.items()}
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert all(width >= floors[name] for name, width in sample(blueprint, rng).dims.items())


@pytest.mark.parametrize("field", ["keep", "only", "least"])
def test_a_glob_that_matches_nothing_is_a_mistake(field: str) -> None:
    value: Any = {"blocks.0.conv9": 4} if field == "least" else ["blocks.0.conv9"]
    with pytest.raises(ModelError, match=rf"`{field}` must match .*conv9.* Did you mean 'blocks\.0\.conv"):
        comb(residual(), EXAMPLE, **{field: value})


@pytest.mark.parametrize("width", [0, -1, True, 2.5])
def test_a_least_width_is_a_number_of_units(width: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        comb(residual(), EXAMPLE, least={"stem": width})
