"""How inputs and outputs are nested on disk: in plain containers, so that no file ever names a class of a user's."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

from torch.utils import _pytree as pytree

from .subnet import Subnet

_PLAIN = (dict, list, tuple, OrderedDict)


def plain(spec: pytree.TreeSpec) -> pytree.TreeSpec:
    """Return a structure of equal leaves in dicts, lists and tuples.

    What holds things by name (a dataclass, a mapping of any class) becomes a dict of them, and what holds them by
    position (a NamedTuple, a deque) a tuple. Keys that are neither text nor a whole number become their text.
    """
    if spec.is_leaf():
        return pytree.treespec_leaf()
    children = [plain(child) for child in spec.children()]
    if spec.type in (list, tuple):
        return pytree.TreeSpec(spec.type, None, children)
    keys = _keys(spec)
    if keys is None:
        return pytree.treespec_tuple(children)
    written = [key if type(key) in (str, int) else str(key) for key in keys]
    if len(set(written)) < len(keys):
        written = [f"{key} ({i})" for i, key in enumerate(written)]
    return pytree.TreeSpec(spec.type if spec.type in _PLAIN else dict, written, children)


def _keys(spec: pytree.TreeSpec) -> list[Any] | None:
    """Return the names of a container's children; None where they have none but their positions."""
    if spec.type in (dict, OrderedDict):
        return list(spec.context)
    with_keys = pytree.SUPPORTED_NODES[spec.type].flatten_with_keys_fn
    # Torch writes the factory for all NamedTuples, and their class beside it.
    if with_keys is None or spec.type is namedtuple or pytree.is_structseq_class(spec.type):
        return None
    alone = pytree.TreeSpec(spec.type, spec.context, [pytree.treespec_leaf() for _ in spec.children()])
    pairs, _ = with_keys(pytree.tree_unflatten(range(len(spec.children())), alone))
    found = [getattr(entry, "key", getattr(entry, "name", None)) for entry, _ in pairs]
    return None if None in found else found


def take_structure(subnet: Subnet, other: Subnet) -> None:
    """Let a network that was read from disk take and return the containers of the network that it was cut from."""
    subnet.graph.set_codegen(other.graph._codegen)
    subnet.recompile()
