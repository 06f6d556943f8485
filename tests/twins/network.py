"""What the twins share: networks that build a smaller one of their own class from the shapes of a cut one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn

from search.graph import Blueprint, Candidate, assemble

HEAD_SIZE = ".qkv.weight:0.2"
"""How the names of dims end that are the size of heads: of [3, heads, size], the third factor."""

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Cut:
    """What a twin is built from: the cut network's own tensors, and the widths that no shape tells.

    Attributes:
        state: Name -> tensor of the cut network.
        dims: Dim name -> width of the candidate.
    """

    state: State
    dims: Mapping[str, int]

    def has(self, path: str) -> bool:
        """Tell whether anything of a module is left."""
        return any(name.startswith(f"{path}.") for name in self.state)

    def out(self, path: str) -> int:
        """Return the width that a layer's weight has on its axis 0."""
        return self.state[f"{path}.weight"].shape[0]

    def hidden(self, path: str) -> int | None:
        """Return what `out` returns, or None where the branch that holds the layer was removed."""
        return self.out(path) if self.has(path) else None

    def head_size(self, path: str, whole: int) -> int:
        """Return the size of each head that a fused layer of shape [3, heads, size] has after the cut."""
        return self.dims.get(f"{path}.weight:0.2", whole)


class Network(nn.Module, ABC):
    """A network whose widths are all arguments, so that what a cut leaves can be built without Lathe."""

    @abstractmethod
    def smaller(self, cut: Cut) -> Self:
        """Return a network of this class that is built as wide as the cut one, with weights of its own."""


def native_twin(whole: Network, cut: Cut) -> Network:
    """Return the natively smaller network with the cut one's weights, in eval mode.

    Raises:
        ValueError: The cut network holds a tensor that the twin lacks, or the other way round.
        RuntimeError: A shape differs.
    """
    twin = whole.smaller(cut).to(next(iter(cut.state.values())).dtype).eval()
    found = twin.load_state_dict(dict(cut.state), strict=False)
    # A graph that was exported in eval mode counts no batches. Buffers that the user's network does not save are
    # constants of the graph, and those it does.
    missing = [name for name in found.missing_keys if not name.endswith("num_batches_tracked")]
    buffers = dict(twin.named_buffers())
    odd = [n for n in found.unexpected_keys if n not in buffers or not torch.equal(buffers[n], cut.state[n])]
    if missing or odd:
        raise ValueError(f"Twins hold the same tensors, but the cut network lacks {missing} and has {odd} besides.")
    return twin


def with_whole_heads(blueprint: Blueprint, candidate: Candidate) -> Candidate:
    """Return a candidate whose heads have the size that they have in the unpruned network.

    A natively smaller network would scale its attention by its own heads' size, the cut one keeps the scale it had.
    """
    widths = {n: blueprint.dim(n).size if n.endswith(HEAD_SIZE) else w for n, w in candidate.dims.items()}
    return assemble(blueprint, widths, candidate.removed)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all weights and statistics anew, in place, so that no zero, one or equal unit hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if not value.is_floating_point() or name.endswith("mask"):
                continue
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5, generator=generator)
            elif value.dim() == 1:
                value.add_(torch.empty_like(value).normal_(0.0, 0.3, generator=generator))
            else:
                value.normal_(0.0, max(1, value[0].numel()) ** -0.5, generator=generator)
    return network
