"""What a network returns: tensors in containers that torch can take apart, or is taught to.

Torch knows tuples, lists, dicts, NamedTuples and what users register. Dataclasses, mappings, sequences and namespaces
of other classes are registered here when a network returns one, so that a cut network returns the same class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ...errors import ModelError

_CONSTANTS = (int, float, bool, str, type(None), torch.SymInt, torch.SymFloat, torch.SymBool)
"""What may stand beside tensors in an output: an exported graph holds it as it is."""

_DEPTH = 32
"""Containers within containers that are looked into."""

Fields = Callable[[Any], dict[Any, Any]]


def accept_outputs(value: Any, name: str) -> None:
    """Make sure that what a network returned can be taken apart, and that there is a tensor in it.

    Args:
        value: What `forward` returned.
        name: Name of the network's class, for messages.

    Raises:
        ModelError: It holds no tensor, or something that is neither a tensor, a constant nor a container.
    """
    for _ in range(_DEPTH):
        unknown = {type(leaf): leaf for leaf in pytree.tree_leaves(value) if not _is_leaf(leaf)}
        if not unknown:
            break
        for leaf in unknown.values():
            _register(leaf, name)
    if not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(value)):
        found = repr(value) if value is None or isinstance(value, _CONSTANTS) else f"a {type(value).__name__}"
        raise ModelError(
            f"A network returns tensors, but `forward` of {name} returned {found[:80]}, with no tensor in it: end "
            "`forward` with `return` and what it computes."
        )


def _is_leaf(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, *_CONSTANTS))


def _register(value: Any, name: str) -> None:
    """Teach torch to take a container apart and to make it again.

    Raises:
        ModelError: It is no container, or cannot be made again from what it holds.
    """
    cls = type(value)
    found = _ways(value)
    if found is None or cls.__module__.partition(".")[0] == "torch":
        raise ModelError(_refused(name, cls, "which is no container"))
    fields, make = found
    try:
        again = fields(make(fields(value)))
    except Exception as exc:
        raise ModelError(
            _refused(name, cls, f"which cannot be made from what it holds ({type(exc).__name__}: {exc})")
        ) from exc
    if list(again) != list(fields(value)):
        raise ModelError(_refused(name, cls, "which holds other things once it is made from what it holds"))

    def flatten(container: Any) -> tuple[list[Any], list[Any]]:
        held = fields(container)
        return list(held.values()), list(held)

    def flatten_with_keys(container: Any) -> tuple[list[tuple[Any, Any]], list[Any]]:
        held = fields(container)
        return [(pytree.MappingKey(key), item) for key, item in held.items()], list(held)

    def unflatten(items: Iterable[Any], keys: list[Any]) -> Any:
        return make(dict(zip(keys, items, strict=True)))

    pytree.register_pytree_node(cls, flatten, unflatten, flatten_with_keys_fn=flatten_with_keys)


def _refused(name: str, cls: type, why: str) -> str:
    return (
        f"What a network returns is made of tensors, numbers and texts in containers, but `forward` of {name} returned "
        f"a {cls.__module__}.{cls.__qualname__}, {why}: return a tuple, a dict, a NamedTuple or a dataclass instead, "
        "or tell torch of the class with torch.utils._pytree.register_pytree_node."
    )


def _ways(value: Any) -> tuple[Fields, Callable[[dict[Any, Any]], Any]] | None:
    """Return how to read what a container holds, by name or position, and how to make one again."""
    cls = type(value)
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return _dataclass_fields, lambda held: _dataclass(cls, held)
    if isinstance(value, SimpleNamespace):
        return lambda container: dict(vars(container)), lambda held: cls(**held)
    if isinstance(value, Mapping):
        return lambda container: dict(container), lambda held: cls(held)
    if isinstance(value, (tuple, list)):
        return lambda container: dict(enumerate(container)), lambda held: cls(held.values())
    return None


def _dataclass_fields(value: Any) -> dict[Any, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _dataclass(cls: type, held: dict[Any, Any]) -> Any:
    """Make a dataclass; fields that its constructor does not take are set afterwards, also on a frozen one."""
    given = {field.name for field in dataclasses.fields(cls) if field.init}
    made = cls(**{name: item for name, item in held.items() if name in given})
    for name in held.keys() - given:
        object.__setattr__(made, name, held[name])
    return made
