from __future__ import annotations

from types import MappingProxyType

import pytest
import torch

from search.config import inputs_of, parse_inputs
from search.errors import ConfigError


def test_unnamed_inputs_are_positional_and_named_ones_are_keywords() -> None:
    inputs = parse_inputs(["3,8,8", "4", "tokens=16:int64", "mask = 16 : bool", "step=:float64"])
    assert [tuple(x.shape) for x in inputs.args] == [(1, 3, 8, 8), (1, 4)]
    assert {name: (tuple(x.shape), x.dtype) for name, x in inputs.kwargs.items()} == {
        "tokens": ((1, 16), torch.int64),
        "mask": ((1, 16), torch.bool),
        "step": ((1,), torch.float64),
    }
    assert bool(inputs.kwargs["mask"].all())
    assert not bool(inputs.kwargs["tokens"].any())
    assert inputs.shapes == {"input": [3, 8, 8], "input2": [4], "tokens": [16], "mask": [16], "step": []}


def test_examples_differ_between_positions_and_repeat_between_calls() -> None:
    first, again = (parse_inputs(["3,8", "3,8"]).args for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], "no `--input` was given"),
        ([""], "whole numbers above 0"),
        (["3,0,8"], "whole numbers above 0"),
        (["3x8"], "whole numbers above 0"),
        (["3,-8"], "whole numbers above 0"),
        (["3,8:flaot32"], "Did you mean 'float32'?"),
        (["x-y=3"], "no name of a parameter"),
        (["=3"], "no name of a parameter"),
        (["a=b=3"], "it cannot be read"),
        (["a=3", "a=4"], "'a' is given twice"),
    ],
)
def test_complaints_show_the_form_and_the_text(texts: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_inputs(texts)
    assert told in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_timm_model_knows_its_own_size() -> None:
    class Sized(torch.nn.Identity):
        pretrained_cfg = MappingProxyType({"input_size": (3, 20, 24)})

    model = Sized()
    assert inputs_of([], "timm:any", model).shapes == {"input": [3, 20, 24]}
    assert inputs_of(["3,8,8"], "timm:any", model).shapes == {"input": [3, 8, 8]}
    for source, network in (("net.py:make", model), ("timm:any", torch.nn.Identity())):
        with pytest.raises(ConfigError, match="--input 3,224,224"):
            inputs_of([], source, network)


def test_inputs_without_a_type_have_that_of_the_network() -> None:
    def types(model: torch.nn.Module, *texts: str) -> list[torch.dtype]:
        return [x.dtype for x in inputs_of(texts, "net.py:make_net", model).args]

    layer = torch.nn.Linear(3, 2)
    assert types(layer, "3") == [torch.float32]
    assert types(layer.bfloat16(), "3", "3:float32", "3:int64") == [torch.bfloat16, torch.float32, torch.int64]
    assert types(torch.nn.Sequential(layer, torch.nn.Linear(2, 2).double()), "3") == [torch.float32]
    assert types(torch.nn.ReLU(), "3") == [torch.float32]
