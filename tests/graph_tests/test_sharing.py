"""Parameters and buffers that lie in the same memory."""

import torch
from torch import nn

from search.graph.tracing import trace
from search.graph.tracing.sharing import find_sharing

from .tracing import check_equal


class Pair(nn.Module):
    """Two layers of one size, one behind the other."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.b(self.a(x))
        return out


def test_two_parameters_on_one_view_become_one() -> None:
    model = Pair()
    model.b.weight = nn.Parameter(model.a.weight.data)
    assert model.a.weight is not model.b.weight
    found = trace(model, torch.randn(2, 4))
    assert sum(parameter.dim() == 2 for parameter in found.module.parameters()) == 1
    assert model.a.weight is not model.b.weight
    assert not found.overlapping
    check_equal(model, found, torch.randn(3, 4))


def test_overlapping_views_are_listed_and_stay_apart() -> None:
    model, flat = Pair(), torch.randn(24)
    model.a.weight = nn.Parameter(flat[:16].view(4, 4))
    model.b.weight = nn.Parameter(flat[8:].view(4, 4))
    model.a.bias = nn.Parameter(flat[12:16])
    found = trace(model, torch.randn(2, 4))
    assert [set(group) for group in found.overlapping] == [{"a.weight", "b.weight", "a.bias"}]
    assert [note for note in found.notes if "overlaps" in note and "a.weight" in note]
    check_equal(model, found, torch.randn(3, 4))


def test_pieces_of_one_memory_that_do_not_overlap_are_free() -> None:
    model, flat = Pair(), torch.randn(4, 8)
    model.a.weight, model.b.weight = nn.Parameter(flat[:, ::2]), nn.Parameter(flat[:, 1::2])
    assert not find_sharing(model).ties
    assert not find_sharing(model).overlapping
    found = trace(model, torch.randn(2, 4))
    assert not found.notes
    check_equal(model, found, torch.randn(3, 4), rtol=1e-5)


def test_a_buffer_on_a_parameter_overlaps_and_tied_parameters_do_not() -> None:
    model = Pair()
    model.b.weight = model.a.weight
    assert find_sharing(model) == find_sharing(nn.Linear(2, 2))
    model.register_buffer("shadow", model.a.weight.data)
    assert find_sharing(model).overlapping == (("a.weight", "shadow"),)


def test_memory_layouts_are_kept() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)).eval()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model[1].bias = nn.Parameter(torch.randn(4, 2)[:, 0])
    found = trace(model, torch.randn(2, 3, 8, 8))
    assert found.module.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    check_equal(model, found, torch.randn(3, 3, 8, 8))
