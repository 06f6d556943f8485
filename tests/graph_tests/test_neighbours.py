"""Which units' values meet."""

import torch
from torch import nn

from search.graph import comb
from search.graph.neighbours import neighbours


class Branches(nn.Module):
    """Two convolutions that are concatenated, and one that is added to what reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 16, 1), nn.Conv2d(3, 4, 1)
        self.joined, self.last = nn.Conv2d(24, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined = self.joined(torch.cat([torch.relu(self.a(x)), self.b(x)], 1))
        out: torch.Tensor = self.last(joined + self.c(x))
        return out


def test_values_meet_where_one_call_reads_them_and_a_unit_ends_them() -> None:
    found = neighbours(comb(Branches().eval(), torch.zeros(1, 3, 8, 8)))
    pair, sum_ = frozenset("ab"), frozenset(("joined", "c"))
    assert found.meeting == {"a": pair, "b": pair, "joined": sum_, "c": sum_, "last": frozenset(("last",))}
    assert found.arriving == {"a": frozenset(), "b": frozenset(), "c": frozenset(), "joined": pair, "last": sum_}
