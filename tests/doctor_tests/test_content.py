"""What the doctor says of small networks, against what can be counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from search.commands.doctor import examine
from search.errors import ModelError
from search.graph import Choices, comb, edited
from tests.networks import EXAMPLE, residual
from tests.twins.families import SMALL

from . import networks

IMAGE = torch.zeros(2, 3, 8, 8)


def content(model: nn.Module, example: torch.Tensor = IMAGE, **options: Any) -> dict[str, Any]:
    return examine(comb(model, example, **options))


def entry(entries: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    (found,) = [entry for entry in entries if all(entry[key] == value for key, value in wanted.items())]
    return found


def test_shares_of_a_chain() -> None:
    found = content(networks.Chain())
    # 3 -> 8 -> 6 -> 4 by 1x1 convolutions with biases.
    assert found["parameters"] == 32 + 54 + 28
    first, second = (entry(found["dims"], name=f"{name}.weight:0") for name in ("first", "second"))
    assert (first["size"], first["outer"], first["parameters"]) == (8, 1, 32 + 48)
    assert second["parameters"] == 54 + 24
    assert first["share"] == (32 + 48) / 114
    assert {(c["name"], c["axis"]) for c in first["carriers"]} == {
        ("first.weight", 0),
        ("first.bias", 0),
        ("second.weight", 1),
    }
    # Together they lie on all but the last bias; what lies on both counts once.
    assert found["shares"] == {"on_dims": 110 / 114, "in_blocks": 0.0, "frozen": 4 / 114}
    assert entry(found["scopes"], name="*.weight:0")["parameters"] == 110
    assert entry(found["frozen"], reason="an axis of an output")["parameters"] == 28
    assert entry(found["frozen"], reason="an axis of an input")["parameters"] == 24


def test_a_part_of_a_concatenation_has_its_own_share() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.last = nn.Linear(3, 4), nn.Linear(3, 6), nn.Linear(10, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(torch.cat([self.left(x), self.right(x)], -1))
            return out

    found = content(Doubled(), torch.zeros(2, 3))
    assert entry(found["dims"], size=4)["parameters"] == 4 * 3 + 4 + 2 * 4
    assert entry(found["dims"], size=6)["parameters"] == 6 * 3 + 6 + 2 * 6


def test_tied_parameters_count_once() -> None:
    class Tied(networks.Chain):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
            self.again, self.third = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)
            self.again.weight = self.second.weight

        def between(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.again(x)
            return out

    found = content(Tied())
    assert found["parameters"] == 32 + 64 + 8 + 8 + 36
    assert max(dim["share"] for dim in found["dims"]) <= 1


def test_blocks_of_a_residual_network() -> None:
    blueprint = comb(residual(), EXAMPLE)
    found = examine(blueprint)
    first = entry(found["blocks"], name="blocks.0")
    model = residual()
    assert first["parameters"] == sum(p.numel() for name, p in model.named_parameters() if name.startswith("blocks.0."))
    assert first["dims"] == ["blocks.0.conv1.weight:0"]
    assert "y += x" in first["line"]
    assert "blocks.0.bn1.running_mean" in first["tensors"]
    assert entry(found["dims"], name="blocks.0.conv1.weight:0")["blocks"] == ["blocks.0"]
    assert found["unknown"] == []
    # Nothing else reads what goes with a block, and the cut network lacks exactly that.
    read = edited(blueprint, Choices.without("blocks.0")).read
    assert set(first["tensors"]) == set(blueprint.parameters) - read


def test_a_transformer_keeps_sets_for_each_head_and_names_what_freezes_the_three() -> None:
    family = SMALL["deit"]
    blueprint = comb(family.make(), torch.zeros(2, 3, family.image, family.image))
    found = examine(blueprint)
    inside = entry(found["scopes"], name="blocks.*.attn.qkv.weight:0.2")
    heads = {name: blueprint.dim(name.replace("0.2", "0.1")).size for name in inside["dims"]}
    assert inside["outer"] == sorted(set(heads.values()))
    assert {dim["name"]: dim["outer"] for dim in found["dims"] if dim["name"] in heads} == heads
    (unbind,) = [cause for cause in found["frozen"] if "blocks.0.attn.qkv.weight:0.0" in cause["axes"]]
    assert len(unbind["axes"]) == len(inside["dims"])
    assert unbind["operator"]
    assert len(unbind["lines"]) == 1
    assert "twins/deit.py" in unbind["lines"][0]
    assert unbind["modules"] == [f"blocks.{i}.attn" for i in range(len(inside["dims"]))]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize(("model", "operator"), [(networks.Renormed(), "renorm"), (networks.Branching(), "cond")])
def test_an_operator_without_a_rule_is_named_with_its_line(model: nn.Module, operator: str) -> None:
    found = content(model)
    unknown = entry(found["unknown"], operator=operator)
    assert unknown["calls"] == 1
    assert "doctor_tests/networks.py" in unknown["lines"][0]
    cause = entry(found["frozen"], operator=operator)
    assert cause["axes"] == ["first.weight:0", "second.weight:1"]
    assert cause["lines"] == unknown["lines"]
    assert cause["parameters"] == 32 + 48
    assert [dim["name"] for dim in found["dims"]] == ["second.weight:0"]


def test_a_write_through_a_view_is_named_with_its_line() -> None:
    found = content(networks.Viewed())
    causes = [cause for cause in found["frozen"] if any(axis.startswith("first.weight:0") for axis in cause["axes"])]
    assert causes
    assert all("doctor_tests/networks.py" in line for cause in causes for line in cause["lines"])
    assert all(cause["lines"] for cause in causes)


def test_a_fixed_batch_and_notes_are_told() -> None:
    class Fixed(networks.Chain):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(2, 8, 8, 8).relu()

    found = content(Fixed())
    assert found["static_batch"]
    assert found["notes"]


def test_what_the_user_keeps_is_a_reason() -> None:
    found = content(networks.Chain(), keep=["third"])
    reason = entry(found["frozen"], reason="kept by the user (third)")
    assert "second.weight:0" in reason["axes"]
    assert [dim["name"] for dim in found["dims"]] == ["first.weight:0"]


def test_nothing_to_cut_names_operators_and_lines() -> None:
    with pytest.raises(ModelError) as caught:
        content(networks.Whole())
    message = str(caught.value)
    assert "nothing in this model can be cut" in message
    assert "renorm has no rule for this use (doctor_tests/networks.py" in message
    assert ".renorm(2, 1, 9.0)" in message
    assert "an axis of an input" in message
    assert message.count("renorm has no rule") == 1


@pytest.mark.slow
def test_a_thousand_blocks() -> None:
    found = content(networks.Deep(1000), torch.zeros(2, 3))
    assert len(found["blocks"]) == 1000
    assert [len(scope["dims"]) for scope in found["scopes"]] == [1, 1000]
