"""What networks return: any container that can be taken apart, and a sentence for what cannot."""

from __future__ import annotations

from collections import OrderedDict, UserDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from search.errors import ModelError
from search.graph import trace, training_only

from .tracing import Forward, check_equal, traced


class Pair(NamedTuple):
    y: Any
    other: Any = None


@dataclass
class Plain:
    y: Any
    other: Any = None


@dataclass(frozen=True)
class Derived:
    """Frozen, with a field that its constructor does not take."""

    y: Any
    other: Any = None
    kind: str = field(default="derived", init=False)


class Output(OrderedDict):  # type: ignore[type-arg]
    """A mapping whose keys are attributes too, without those that are None."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)

    def __post_init__(self) -> None:
        for name in ("y", "other"):
            if getattr(self, name) is not None:
                self[name] = getattr(self, name)


@dataclass
class Named(Output):
    y: Any = None
    other: Any = None


class Listed(list):  # type: ignore[type-arg]
    """A list of a class of its own."""


class Sealed:
    """No container, though it holds a tensor."""

    def __init__(self, y: Any) -> None:
        self.y = y


class Changing(UserDict):  # type: ignore[type-arg]
    """A mapping that is made with more than its content."""

    def __init__(self, content: Any, name: str) -> None:
        super().__init__(content)
        self.name = name


CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "NamedTuple": lambda y: Pair(y, [y * 2]),
    "dataclass": lambda y: Plain(y),
    "dataclass within": lambda y: Plain(Pair(y, y + 1), {"a": Plain(y * 2)}),
    "frozen dataclass": lambda y: Derived(y, y * 3),
    "mapping and dataclass": lambda y: Named(y),
    "dict": lambda y: {"y": y, "none": None, 3: (y, [y]), "text": "x"},
    "ordered": lambda y: OrderedDict(y=y, z=OrderedDict(w=y + 1)),
    "mapping": lambda y: UserDict({"y": y, "z": y * 2}),
    "list": lambda y: Listed([y, (y,)]),
    "deque": lambda y: deque([y, y + 1]),
    "namespace": lambda y: SimpleNamespace(y=y, n=3),
    "several values": lambda y: y.max(1),
    "constants": lambda y: (y, [y.shape[1], 2.5], True),
}


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_a_network_returns_the_container_that_the_users_does(make: Callable[[Any], Any]) -> None:
    x = torch.randn(2, 4)
    found = traced(lambda _, x: make(x.relu()), x)
    got, expected = found.module(x), make(x.relu())
    assert type(got) is type(expected)
    ours, theirs = (pytree.tree_flatten(value) for value in (got, expected))
    assert ours[1] == theirs[1]
    for one, other in zip(ours[0], theirs[0], strict=True):
        assert torch.equal(one, other) if isinstance(other, torch.Tensor) else one == other


def test_what_is_in_no_container_torch_knows_is_refused_before_the_export() -> None:
    with pytest.raises(ModelError, match=r"returned a .*Sealed, which is no container: return a tuple, a dict, "):
        traced(lambda _, x: Sealed(x), torch.randn(2, 4))
    with pytest.raises(ModelError, match=r"returned a builtins\.set, which is no container"):
        traced(lambda _, x: {"a": {x}}, torch.randn(2, 4))
    with pytest.raises(ModelError, match=r"Changing, which cannot be made from what it holds \(TypeError"):
        traced(lambda _, x: Changing({"y": x}, "name"), torch.randn(2, 4))


def test_the_remedy_for_a_class_works() -> None:
    pytree.register_pytree_node(Sealed, lambda s: ([s.y], None), lambda items, _: Sealed(*items))
    x = torch.randn(2, 4)
    assert torch.equal(traced(lambda _, x: Sealed(x * 2), x).module(x).y, x * 2)


@pytest.mark.parametrize(("value", "named"), [(None, "None"), ("text", "'text'"), ({"a": [1]}, "a dict")])
def test_a_network_that_returns_no_tensor_is_refused(value: Any, named: str) -> None:
    with pytest.raises(ModelError, match=rf"`forward` of Forward returned {named}, with no tensor in it"):
        traced(lambda _, x: value, torch.randn(2, 4))


def test_the_remedy_of_control_flow_is_given_for_that_alone() -> None:
    with pytest.raises(ModelError, match=r"Data-dependent control flow has to become tensor operations"):
        traced(lambda _, x: x * 2 if x.sum() > 0 else x, torch.randn(2, 4))
    with pytest.raises(ModelError, match=r"`torch\.export\.export\(model, args, strict=False\)`") as caught:
        traced(lambda _, x: torch.from_numpy(x.detach().numpy() + 1), torch.randn(2, 4))
    assert "control flow" not in str(caught.value)


class Auxiliary(nn.Module):
    """Returns a class in training that it does not return else."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.linear(x)
        return Auxiliaries(y, y * 2) if self.training else y


@dataclass
class Auxiliaries:
    y: Any
    other: Any


def test_a_class_that_only_training_returns_is_compared() -> None:
    told = training_only(Auxiliary(), torch.randn(2, 4))
    assert told[0].startswith("The outputs differ in training")
    assert not any("does not export" in sentence for sentence in told)


def test_outputs_of_one_class_are_traced_again_and_again() -> None:
    for _ in range(2):
        model, x = Forward(lambda _, x: Plain(x * 2)), torch.randn(2, 4)
        found = trace(model, x)
        check_equal(Forward(lambda _, x: (x * 2, None)), trace(Forward(lambda _, x: (x * 2, None)), x), x)
        assert torch.equal(found.module(x).y, x * 2)
