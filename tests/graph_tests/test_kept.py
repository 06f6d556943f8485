"""Which positions stay where each outer unit keeps units of its own, against loops over every position."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search.graph import Blueprint, Candidate, Selection, comb, full, sample
from search.graph.axes import Algebra, Axis, Indices
from search.graph.kept import Kept, Slices, positions
from search.importance import score, select
from search.surgery import cut, permutation


def rows(draw: st.DrawFn, outer: int, size: int) -> Indices:
    width = draw(st.integers(1, size))
    return np.array([draw(st.permutations(range(size)))[:width] for _ in range(outer)])


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Algebra, Axis, Axis, dict[int, Kept]]:
    """Draw heads and their insides, and what stays of both."""
    algebra = Algebra()
    heads, inside = algebra.atom(draw(st.integers(2, 4))), algebra.atom(draw(st.integers(2, 5)))
    h, d = (algebra.size(axis).count for axis in (heads, inside))
    (head,), (unit,) = algebra.leaves(heads), algebra.leaves(inside)
    return algebra, heads, inside, {head: Kept((), rows(draw, 1, h)), unit: Kept((head,), rows(draw, h, d))}


@given(labelled(), st.booleans())
def test_an_axis_with_its_label(case: tuple[Algebra, Axis, Axis, dict[int, Kept]], label_inside: bool) -> None:
    algebra, heads, inside, kept = case
    h, d = (algebra.size(axis).count for axis in (heads, inside))
    (of_heads, of_units) = kept.values()
    if label_inside:
        axis = inside + heads
        expected = [of_units.rows[k][j] * h + k for j in range(of_units.rows.shape[1]) for k in of_heads.rows[0]]
    else:
        axis = heads + inside
        expected = [k * d + u for k in of_heads.rows[0] for u in of_units.rows[k]]
    assert positions(algebra, axis, kept)[0].tolist() == expected


@given(labelled())
def test_a_part_of_a_concatenation_with_its_label(case: tuple[Algebra, Axis, Axis, dict[int, Kept]]) -> None:
    algebra, heads, inside, kept = case
    d = algebra.size(inside).count
    axis = algebra.concat([algebra.atom(3), heads + inside, algebra.atom(2)])
    (of_heads, of_units) = kept.values()
    middle = [3 + k * d + u for k in of_heads.rows[0] for u in of_units.rows[k]]
    end = 3 + algebra.size(heads + inside).count
    assert positions(algebra, axis, kept)[0].tolist() == [0, 1, 2, *middle, end, end + 1]


@given(labelled(), st.integers(1, 3))
def test_the_label_on_another_axis(case: tuple[Algebra, Axis, Axis, dict[int, Kept]], outputs: int) -> None:
    """The weight of a grouped convolution: rows [group, output], columns the group's inputs."""
    algebra, heads, inside, kept = case
    h, d = (algebra.size(axis).count for axis in (heads, inside))
    weight = torch.arange(h * outputs * d).reshape(h * outputs, d)
    data = weight
    for step in Slices(algebra, kept).places([heads + algebra.atom(outputs), inside]):
        index = torch.as_tensor(step.index)
        one = index.dim() == 1
        data = data.index_select(step.axis, index) if one else torch.take_along_dim(data, index, step.axis)
    (of_heads, of_units) = kept.values()
    expected = [
        [int(weight[k * outputs + o, u]) for u in of_units.rows[k]] for k in of_heads.rows[0] for o in range(outputs)
    ]
    assert data.tolist() == expected


def test_a_label_that_no_axis_has_is_refused() -> None:
    algebra = Algebra()
    heads, inside = algebra.atom(2), algebra.atom(3)
    (head,), (unit,) = algebra.leaves(heads), algebra.leaves(inside)
    with pytest.raises(ValueError, match="no other axis"):
        Slices(algebra, {unit: Kept((head,), np.zeros((2, 1), dtype=np.int64))}).places([inside])


class Attention(nn.Module):
    """Three heads of four, from one fused projection."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(6, 36)
        self.proj = nn.Linear(12, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 3, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        out: torch.Tensor = self.proj(y.transpose(1, 2).reshape(b, n, 12))
        return out


@pytest.fixture(scope="module")
def attention() -> Blueprint:
    torch.manual_seed(1)
    return comb(Attention().eval(), torch.zeros(1, 5, 6))


def test_each_head_keeps_units_of_its_own(attention: Blueprint) -> None:
    assert {dim.name: (dim.size, dim.outer) for dim in attention.dims} == {
        "qkv.weight:0.1": (3, 1),
        "qkv.weight:0.2": (4, 3),
    }
    assert permutation(attention, np.random.default_rng(0)).passed


def test_scores_of_heads_and_of_their_insides_count_each_element_once(attention: Blueprint) -> None:
    held = {name: value.detach() for name, value in attention.trace.module.named_parameters()}
    inside = np.zeros((3, 4))
    for head in range(3):
        for unit in range(4):
            rows_ = [(part * 3 + head) * 4 + unit for part in range(3)]
            inside[head, unit] = sum(float(held["qkv.weight"][r].square().sum()) for r in rows_)
            inside[head, unit] += sum(float(held["qkv.bias"][r].square()) for r in rows_)
            inside[head, unit] += float(held["proj.weight"][:, head * 4 + unit].square().sum())
    scores = score(attention)
    assert scores["qkv.weight:0.2"] == pytest.approx(inside, rel=1e-6)
    assert scores["qkv.weight:0.1"] == pytest.approx(inside.sum(1)[None, :], rel=1e-6)


def test_a_selection_has_a_row_for_each_head(attention: Blueprint) -> None:
    whole = full(attention)
    candidate = Candidate({**whole.dims, "qkv.weight:0.2": 2}, whole.blocks)
    chosen = select(attention, candidate)
    assert len(chosen.keep["qkv.weight:0.2"]) == 3
    assert len(set(chosen.keep["qkv.weight:0.2"])) > 1
    short = Selection(candidate, {**chosen.keep, "qkv.weight:0.2": [[0, 1]]})
    with pytest.raises(ValueError, match="keeps 3 sets of units, but the selection has 1"):
        cut(attention, short)
    beyond = Selection(candidate, {**chosen.keep, "qkv.weight:0.2": [[0, 4]] * 3})
    with pytest.raises(ValueError, match="Units of dim"):
        cut(attention, beyond)


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_head_is_the_full_network_with_that_head_zeroed(attention: Blueprint, seed: int) -> None:
    """By hand: zero what is cut where it is read; the scale stays that of the unpruned head."""
    candidate = sample(attention, np.random.default_rng(seed))
    chosen = select(attention, candidate)
    model = cut(attention, select(attention, full(attention)))
    stays = torch.zeros(3, 4)
    for head in chosen.keep["qkv.weight:0.1"][0]:
        stays[head, list(chosen.keep["qkv.weight:0.2"][head])] = 1.0
    with torch.no_grad():
        model.qkv.weight.mul_(stays.flatten().repeat(3)[:, None])  # type: ignore[operator, union-attr]
        model.qkv.bias.mul_(stays.flatten().repeat(3))  # type: ignore[operator, union-attr]
        x = torch.randn(2, 5, 6)
        assert torch.allclose(cut(attention, chosen)(x), model(x), atol=1e-6)
