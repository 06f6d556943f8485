"""Parameters and buffers of a model that lie in the same memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from ...config import COMPILED


@dataclass(frozen=True, slots=True)
class Sharing:
    """Names of parameters and buffers that share memory without being one object.

    Attributes:
        ties: Groups that are the same view of the same memory.
        overlapping: Groups that share some memory in any other way.
    """

    ties: tuple[tuple[str, ...], ...]
    overlapping: tuple[tuple[str, ...], ...]


def find_sharing(model: nn.Module) -> Sharing:
    """Find what shares memory in a model; the model is only read."""
    by_storage: dict[int, dict[int, tuple[str, torch.Tensor]]] = {}
    for name, tensor in _tensors(model):
        storage = _storage(tensor)
        if storage is not None:
            by_storage.setdefault(storage, {}).setdefault(id(tensor), (name, tensor))
    ties: list[tuple[str, ...]] = []
    overlapping: list[tuple[str, ...]] = []
    for members in by_storage.values():
        if len(members) > 1:
            views = _same_views(list(members.values()))
            ties += [tuple(name for name, _ in view) for view in views if len(view) > 1]
            overlapping += _overlaps(views)
    return Sharing(tuple(ties), tuple(overlapping))


def tie(model: nn.Module, ties: tuple[tuple[str, ...], ...]) -> None:
    """Put one object under all names of each tie (and under the names that each of those had)."""
    replaced = dict[int, torch.Tensor]()
    tensors = dict(_tensors(model))
    for names in ties:
        first, *others = (tensors[name] for name in names)
        replaced |= {id(other): first for other in others}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, value in table.items():
                if id(value) in replaced:
                    table[name] = replaced[id(value)]  # type: ignore[assignment]


def first_names(model: nn.Module) -> dict[str, str]:
    """Return each further name of a parameter or buffer with several -> the first of its names."""
    first: dict[int, str] = {}
    return {name: first[id(tensor)] for name, tensor in _tensors(model) if first.setdefault(id(tensor), name) != name}


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield parameters and buffers by the names that they have in a copy, which has no wrappers of `torch.compile`."""
    for name, tensor in (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ):
        yield name.replace(f"{COMPILED}.", ""), tensor


def _storage(tensor: torch.Tensor) -> int | None:
    """Return where a tensor's memory begins; None where it has none that could be shared."""
    if tensor.layout is not torch.strided or tensor.device.type == "meta" or not tensor.numel():
        return None
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError):
        # Wrapped tensors (quantised ones and the like) keep their memory to themselves.
        return None


Member = tuple[str, torch.Tensor]


def _same_views(members: list[Member]) -> list[list[Member]]:
    """Group what could be one object: the same elements, and both trained or neither."""
    views: dict[tuple[object, ...], list[Member]] = {}
    for name, tensor in members:
        kind = (isinstance(tensor, nn.Parameter), tensor.requires_grad, tensor.dtype)
        views.setdefault((*kind, tensor.data_ptr(), tensor.shape, tensor.stride()), []).append((name, tensor))
    return list(views.values())


def _overlaps(views: list[list[Member]]) -> list[tuple[str, ...]]:
    """Group views that have bytes in common, directly or through others."""
    groups: list[tuple[list[str], torch.Tensor]] = []
    for view in views:
        names, touched = [name for name, _ in view], _bytes(view[0][1])
        apart = []
        for other_names, other in groups:
            if bool((touched & other).any()):
                names, touched = other_names + names, touched | other
            else:
                apart.append((other_names, other))
        groups = [*apart, (names, touched)]
    tied = {tuple(name for name, _ in view) for view in views}
    return [tuple(names) for names, _ in groups if tuple(names) not in tied]


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """Return which bytes of its storage a tensor covers."""
    size = tensor.element_size()
    covered = torch.zeros(tensor.untyped_storage().nbytes(), dtype=torch.bool)
    shape, stride = (*tensor.shape, size), (*(s * size for s in tensor.stride()), 1)
    covered.as_strided(shape, stride, tensor.storage_offset() * size).fill_(True)
    return covered
