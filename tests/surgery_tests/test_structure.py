"""On disk, what networks return is in plain containers: a bundle never names a class of a user's."""

from __future__ import annotations

import json
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from search.graph import comb, uniform
from search.importance import select
from search.surgery import Subnet, cut, take_structure, to_bytes
from search.surgery.stored import CONTAINERS, from_bytes


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Plain:
    y: Any
    other: Any = None


@dataclass
class Registered:
    """Told to torch by its user, in torch's own way: what is None is left out."""

    y: Any
    other: Any = None


class Own:
    """Told to torch by its user, without names."""

    def __init__(self, *items: Any) -> None:
        self.items = items


torch.export.register_dataclass(Registered)
pytree.register_pytree_node(Own, lambda own: (list(own.items), None), lambda items, _: Own(*items))

CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "NamedTuple": (lambda y: Pair(y, [y]), lambda y: (y, [y])),
    "dataclass": (lambda y: Plain(y), lambda y: {"y": y, "other": None}),
    "nested": (lambda y: {"a": [Plain(Pair(y, y))]}, lambda y: {"a": [{"y": (y, y), "other": None}]}),
    "registered": (lambda y: Registered(y), lambda y: {"y": y}),
    "without names": (lambda y: Own(y, y * 2), lambda y: (y, y * 2)),
    "mapping": (lambda y: UserDict(y=y), lambda y: {"y": y}),
    "deque": (lambda y: deque([y]), lambda y: (y,)),
    "several values": (lambda y: y.max(1), lambda y: tuple(y.max(1))),
    "ordered": (lambda y: OrderedDict(z=y, a=y), lambda y: OrderedDict(z=y, a=y)),
    "odd keys": (lambda y: {(0, 1): y, 2: y, "c": y}, lambda y: {"(0, 1)": y, 2: y, "c": y}),
    "keys of one text": (lambda y: {(0,): y, "(0,)": y + 1}, lambda y: {"(0,) (0)": y, "(0,) (1)": y + 1}),
}


class Net(nn.Module):
    def __init__(self, wrap: Callable[[Any], Any]) -> None:
        super().__init__()
        self.a, self.b, self.wrap = nn.Linear(4, 8), nn.Linear(8, 3), wrap

    def forward(self, x: torch.Tensor) -> Any:
        return self.wrap(self.b(self.a(x).relu()))


def halved(wrap: Callable[[Any], Any]) -> Subnet:
    blueprint = comb(Net(wrap), torch.randn(2, 4))
    return cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))


def types_in(spec: Any) -> set[str]:
    return {spec["type"], *(name for child in spec["children_spec"] for name in types_in(child))} - {None}


@pytest.mark.parametrize(("wrap", "plain"), CASES.values(), ids=CASES)
def test_containers_become_plain_on_disk_and_stay_in_memory(
    wrap: Callable[[Any], Any], plain: Callable[[Any], Any]
) -> None:
    subnet, x = halved(wrap), torch.randn(3, 4)
    files = to_bytes(subnet)
    assert types_in(json.loads(json.loads(files["graph.json"])["outputs"])[1]) <= CONTAINERS
    read, kept = from_bytes(*files.values())(x), subnet(x)
    # The one number that the containers are made of, in memory and as expected of the disk.
    y = pytree.tree_leaves(kept)[0] if wrap is not CASES["several values"][0] else None
    assert type(kept) is type(wrap(torch.zeros(1, 3)))
    if y is not None:
        expected = plain(y)
        assert pytree.tree_structure(read) == pytree.tree_structure(expected)
    assert type(read) in (tuple, dict, OrderedDict)
    for one, other in zip(pytree.tree_leaves(read), pytree.tree_leaves(kept), strict=True):
        assert torch.equal(one, other) if isinstance(other, torch.Tensor) else one is other


def test_a_network_that_was_read_takes_the_users_class_again() -> None:
    subnet, x = halved(lambda y: Plain(y)), torch.randn(3, 4)
    read = from_bytes(*to_bytes(subnet).values())
    take_structure(read, subnet)
    assert torch.equal(read(x).y, subnet(x).y)


def test_inputs_in_a_class_are_plain_on_disk_too() -> None:
    class Two(Net):
        def forward(self, x: Any) -> Any:
            return super().forward(x.first + x.second)

    given = Pair(torch.randn(2, 4), torch.randn(2, 4))
    blueprint = comb(Two(lambda y: y), (given,))
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    read = from_bytes(*to_bytes(subnet).values())
    assert torch.equal(read(tuple(given)), subnet(given))
