"""Writes become values where that is the same, and stay writes where it is not."""

import operator
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from search.graph.tracing import Trace, is_mutable, trace
from search.graph.tracing.functional import make_functional

from .tracing import Forward, check_equal, operators, traced

Case = Callable[[Any, torch.Tensor], Any]


def writes(found: Trace) -> list[str]:
    return [node.name for node in found.module.graph.nodes if is_mutable(node)]


def part(_: Any, x: torch.Tensor) -> Any:
    y = x * 2
    v = y[:, :2]
    v.mul_(3)
    return y


def part_and_other_views(_: Any, x: torch.Tensor) -> Any:
    y = x * 2
    before, late = y.transpose(1, 2), y[:, 1]
    kept = before + 1
    y[:, 1:, 2:] += x[:, 1:, 2:]
    return y, before, late, kept, y[:, 1:]


def shifted_attention(_: Any, x: torch.Tensor) -> Any:
    scores = x @ x.transpose(-2, -1)
    scores[:, 1:, 1:] += torch.arange(9.0).reshape(3, 3)
    return scores.softmax(-1)


def copied_back(_: Any, x: torch.Tensor) -> Any:
    """What MViTv2 does: the whole is written through a slice of everything."""
    scores = x @ x.transpose(-2, -1)
    scores[:, :] = scores.view(-1, 2, 2, 4)[:].add(1).view(-1, 4, 4)
    return scores.softmax(-1), scores


def chain_of_views(_: Any, x: torch.Tensor) -> Any:
    y = x + 1
    v, w = y.unsqueeze(1).squeeze(1).flatten(1)[:, 2:5], y.permute(0, 2, 1)[:, 1:].unsqueeze(1).squeeze(1)
    y.mul_(2)
    return y, v, w


def write_through_a_chain(_: Any, x: torch.Tensor) -> Any:
    y = x + 1
    y.view(-1, 2, 2, 5).transpose(1, 3)[:, 1:3].permute(0, 3, 1, 2).unsqueeze(0).mul_(-1)
    y.movedim(1, 2).select(1, -1).sub_(x[:, :, 0])
    return y


def parts(_: Any, x: torch.Tensor) -> Any:
    y = x + 1
    a, b = torch.split(y, [1, 3], 1)
    c, d = y.chunk(2, 1)
    a.fill_(4)
    b.mul_(2)
    d.zero_()
    y.unbind(2)[-1].add_(5)
    return y, a, b, c, d


def filled_by_parts(_: Any, x: torch.Tensor) -> Any:
    out = x.new_zeros(x.shape[0], 4, 10)
    out[:, :2, 5:] = x[:, 2:]
    out[:, 2:, :5] = 7
    out[..., ::3] = x[:, :1, :1]
    return out


def types(_: Any, x: torch.Tensor) -> Any:
    y = (x * 10).to(torch.bfloat16)
    w = y[:, 1:]
    y.add_(x)
    w.copy_(x[:, 1:])
    z = (x * 10).int()
    z.add_(z[:, :1] * 2)
    z[:, 0] = 3
    return y, w, z, (x > 0).mul_(x > 1)


def twice(_: Any, x: torch.Tensor) -> Any:
    y = x.exp()
    first = y.relu_()
    second = first.add_(1)
    y.mul_(2)
    return first, second, y


def masked(_: Any, x: torch.Tensor) -> Any:
    y = x * 1
    v = y[:, 1:]
    v[v > 0] = 0.5
    y.masked_fill_(y < 0, -1)
    return y, v


def self_aliasing(_: Any, x: torch.Tensor) -> Any:
    y = x * 1
    y.add_(y.transpose(1, 2)[:, :, :4].sum(1, keepdim=True).transpose(1, 2)[:, :4])
    y[:, 0] = y[:, 1]
    return y


def copies_a_source_that_is_written_later(_: Any, x: torch.Tensor) -> Any:
    y, z = x * 1, x * 2
    y[:, 0].copy_(z[:, 0])
    z.zero_()
    return y, z


def into_an_input(_: Any, x: torch.Tensor) -> Any:
    y = x * 1
    x.mul_(2)
    y[:, 1:].copy_(x[:, 1:])
    x.add_(1)
    return y


FUNCTIONAL: list[Case] = [
    part,
    part_and_other_views,
    shifted_attention,
    copied_back,
    chain_of_views,
    write_through_a_chain,
    parts,
    filled_by_parts,
    types,
    twice,
    masked,
    self_aliasing,
    copies_a_source_that_is_written_later,
]
SQUARE = {shifted_attention, copied_back, self_aliasing}


def example(case: Case, batch: int) -> torch.Tensor:
    return torch.randn(batch, 4, 4 if case in SQUARE else 5)


@pytest.mark.parametrize("case", FUNCTIONAL, ids=lambda case: case.__name__)
def test_writes_through_views_become_values(case: Case) -> None:
    found = traced(case, example(case, 2))
    assert found.static_batch is None
    assert not writes(found), found.module.graph
    for batch in (1, 3):
        check_equal(Forward(case), found, example(case, batch))


def test_writes_to_inputs_stay_writes() -> None:
    found = traced(into_an_input, torch.randn(2, 4, 5))
    assert writes(found) == ["mul_", "add_"]
    check_equal(Forward(into_an_input), found, torch.randn(3, 4, 5))


def test_writes_to_buffers_stay_writes() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen[1:].add_(1)  # type: ignore[index]
            return x + self.seen  # type: ignore[operator]

    model = Counting()
    found = trace(model, torch.randn(2, 3))
    assert writes(found)
    for _ in range(2):
        check_equal(model, found, torch.randn(3, 3))
    assert torch.equal(model.seen, torch.tensor([0.0, 2, 2]))  # type: ignore[arg-type]


def through_diagonal(_: Any, x: torch.Tensor) -> Any:
    y = x @ x.transpose(1, 2)
    y.diagonal(0, 1, 2).fill_(0)
    return y


def through_strides(_: Any, x: torch.Tensor) -> Any:
    y = x + 1
    v = y.as_strided((2, 3), (1, 2))
    y.mul_(2)
    return v, y


def reshape_that_may_copy(_: Any, x: torch.Tensor) -> Any:
    """With a batch of 1 the reshape is a view, and what is returned was written to."""
    y = x + 1
    v = y.transpose(0, 1).reshape(4, -1)
    y.mul_(2)
    return v


def single_operand(_: Any, x: torch.Tensor) -> Any:
    y = x + 1
    z = torch.einsum("bij->bji", y)
    z.mul_(2)
    return y, z


@pytest.mark.parametrize(
    "case",
    [through_diagonal, through_strides, reshape_that_may_copy, single_operand],
    ids=lambda case: case.__name__,
)
def test_uncertain_writes_stay_writes(case: Case) -> None:
    found = traced(case, torch.randn(2, 4, 5))
    assert writes(found)
    for batch in (1, 2) if found.static_batch is None else (2,):
        check_equal(Forward(case), found, torch.randn(batch, 4, 5))


def test_a_write_through_dropout_computes_what_the_network_does() -> None:
    """Newer exporters know that it returns its input, and let both be read as what was written; older ones do not."""

    def forward(_: Any, x: torch.Tensor) -> Any:
        y = x + 1
        z = F.dropout(y, 0.5, False)
        z.mul_(2)
        return y, z

    found = traced(forward, torch.randn(2, 4, 5))
    read = found.module.graph.find_nodes(op="output")[0].all_input_nodes
    assert bool(writes(found)) == (len(read) > 1)
    for batch in (1, 2):
        check_equal(Forward(forward), found, torch.randn(batch, 4, 5))


def test_a_write_stays_where_dropout_may_have_returned_what_is_read_later() -> None:
    """As older exporters note it: the stand-in of what dropout returned has memory of its own."""
    graph, aten = fx.Graph(), torch.ops.aten
    x = graph.placeholder("x")
    with torch._subclasses.FakeTensorMode():
        values = [torch.zeros(2, 3) for _ in range(3)]
    added = graph.call_function(aten.add.Tensor, (x, 1))
    dropped = graph.call_function(aten.dropout.default, (added, 0.5, False))
    write = graph.call_function(aten.mul_.Tensor, (dropped, 2))
    for node, value in zip((x, added, dropped, write), (*values, values[-1]), strict=True):
        node.meta["val"] = value
    graph.output((added, write))
    make_functional(graph)
    assert [node for node in graph.nodes if is_mutable(node)] == [write]
    given = torch.randn(2, 3)
    expected = (given + 1) * 2
    torch.testing.assert_close(fx.GraphModule({}, graph)(given), (expected, expected), rtol=0, atol=0)


def test_writes_after_which_only_their_result_is_read_become_values_whatever_they_may_share() -> None:
    def forward(_: Any, x: torch.Tensor) -> Any:
        y = torch.einsum("bij->bji", x + 1)
        y.relu_()
        return F.dropout(y.add_(1), 0.5, False).unsqueeze_(1).mul_(2).squeeze_()

    found = traced(forward, torch.randn(2, 4, 5))
    assert not writes(found)
    assert operators(found) == ["add", "einsum", "relu", "add", "dropout", "unsqueeze", "mul", "squeeze"]
    check_equal(Forward(forward), found, torch.randn(3, 4, 5))


def test_dropout_is_kept_for_training() -> None:
    def forward(self: Any, x: torch.Tensor) -> Any:
        y = F.dropout(self.a(x), 0.5, self.training)
        y += x
        return y.relu_()

    found = trace(Forward(forward, a=nn.Linear(5, 5)).eval(), torch.randn(2, 4, 5))
    assert operators(found) == ["linear", "dropout", "add", "relu"]


def test_copying_back_leaves_no_copies_of_copies() -> None:
    found = traced(shifted_attention, torch.randn(2, 4, 4))
    assert operators(found).count("slice_scatter") == 2
    assert "copy" not in operators(found)


def test_a_part_that_is_picked_after_a_write_is_taken_anew() -> None:
    graph, aten = fx.Graph(), torch.ops.aten
    x = graph.placeholder("x")
    with torch._subclasses.FakeTensorMode():
        x.meta["val"], memory = torch.zeros(2, 3), torch.zeros(2, 3)
    base = graph.call_function(aten.exp.default, (x,))
    split = graph.call_function(aten.split_with_sizes.default, (base, [1, 2], 1))
    write = graph.call_function(aten.neg_.default, (base,))
    part = graph.call_function(operator.getitem, (split, 1))
    values = (memory, list(memory.split_with_sizes([1, 2], 1)), memory, memory[:, 1:])
    for node, value in zip((base, split, write, part), values, strict=True):
        node.meta["val"] = value
    graph.output((base, part))
    make_functional(graph)
    assert not any(is_mutable(node) for node in graph.nodes)
    given = torch.randn(2, 3)
    expected = -given.exp()
    torch.testing.assert_close(fx.GraphModule({}, graph)(given), (expected, expected[:, 1:]))


def python_calls(length: int, *, through_views: bool) -> int:
    """Return how many functions are called to make a chain of so many writes functional."""
    graph = fx.Graph()
    x = graph.placeholder("x")
    with torch._subclasses.FakeTensorMode():
        x.meta["val"], memory = torch.zeros(2, 3), torch.zeros(2, 3)
    base = node = graph.call_function(torch.ops.aten.exp.default, (x,))
    node.meta["val"] = memory
    for _ in range(length):
        if through_views:
            node = graph.call_function(torch.ops.aten.slice.Tensor, (base, 1, 1, 3))
            node.meta["val"] = memory[:, 1:]
        last, node = node, graph.call_function(torch.ops.aten.relu_.default, (node,))
        node.meta["val"] = last.meta["val"]
    graph.output((base, node))
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        make_functional(graph)
    finally:
        sys.setprofile(None)
    assert not any(is_mutable(found) for found in graph.nodes)
    return calls


@pytest.mark.parametrize("through_views", [False, True])
def test_chains_of_writes_take_time_in_proportion_to_their_length(through_views: bool) -> None:
    python_calls(10, through_views=through_views)
    short, long = (python_calls(length, through_views=through_views) for length in (200, 800))
    assert long < 5 * short
