"""What a stored graph may call is a list that a rule made; what it is handed and asks for is checked as it is read."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scripts.stored_operators import LIST, PRIVATE, REFUSED, admitted, overloads, refusal, renewed
from search.errors import BundleError, ModelError
from search.graph import comb
from search.graph.tracing import trace
from search.surgery import MOST_RUN_BYTES, Subnet, check_storable, cut, everything, from_bytes, run_bytes, to_bytes
from search.surgery.operators import listed, resolve_operator
from search.surgery.stored import GRAPH_FILE, MODEL_FILE

KNOWN = dict(overloads())
PINNED = re.search(r"^torch==(\S+)", (Path(__file__).parents[2] / "constraints.txt").read_text(), re.MULTILINE)


# ---- the list --------------------------------------------------------------------------------------------------------


def test_the_list_is_what_the_rule_says() -> None:
    lines = LIST.read_text(encoding="ascii").splitlines()
    assert lines == sorted(set(lines))
    assert frozenset(lines) == listed()
    wrong = [f"{name}: {why}" for name in lines if name in KNOWN and (why := refusal(name, KNOWN[name]))]
    assert wrong == []
    assert PINNED is not None
    if torch.__version__.split("+")[0] == PINNED[1]:
        assert lines == renewed(lines), "run scripts/stored_operators.py"


def test_operators_of_other_versions_stay_on_the_list() -> None:
    assert renewed(["aten.of_another_version.default", "aten.relu_.default"]) == sorted(
        [*admitted(), "aten.of_another_version.default"]
    )


@pytest.mark.parametrize("pattern", REFUSED)
def test_every_reason_to_refuse_is_needed(pattern: str) -> None:
    assert [name for name in KNOWN if re.fullmatch(pattern, name.split(".")[1])]


@pytest.mark.parametrize("pattern", PRIVATE)
def test_every_exception_is_needed(pattern: str) -> None:
    assert [name for name in listed() if re.fullmatch(pattern, name.split(".")[1])]


NEEDED = """
aten.gru.input aten.lstm.input aten.rnn_tanh.input aten.rnn_relu.input aten.grid_sampler.default
aten.embedding_bag.padding_idx aten.fake_quantize_per_tensor_affine.default aten.to.dtype aten.conv2d.default
aten.fake_quantize_per_channel_affine.default aten.bitwise_and.Tensor aten.scaled_dot_product_attention.default
aten.sym_size.int aten._weight_norm_interface.default aten.lift_fresh_copy.default aten.dropout.default
"""

UNLISTED = """
aten.relu_.default aten.add.out aten.copy_.default aten.set_.source_Tensor aten.resize_.default
aten._foreach_add_.Scalar aten.manual_seed aten.set_grad_enabled aten.from_file.default aten.save
aten.empty.memory_format aten.new_empty.default aten.empty_like.default aten.empty_strided.default
aten.resize.default aten._unsafe_view.default aten.unsafe_split.Tensor aten.set.source_Tensor
aten.sparse_coo_tensor.indices aten.to_sparse.default aten.quantize_per_tensor.default
aten.dequantize.self aten._local_scalar_dense.default aten._reshape_alias.default aten._print
aten.max_pool2d_with_indices_backward.default aten.mkldnn_convolution.default aten.pin_memory.default
aten.segment_reduce.default aten.record_stream.default aten._cuda_getCurrentRawStream aten.warn
aten.relu aten.relu. aten..default aten.relu.default.default prims.add.default quantized.add.default
operator.methodcaller operator.setitem operator.delitem operator.call operator.__add__ builtins.eval
"""
"""Writes, the process's state, memory as it was, other memory, other layouts, other kernels, and what is no name."""


@pytest.mark.parametrize("name", NEEDED.split())
def test_what_networks_need_is_listed(name: str) -> None:
    assert callable(resolve_operator(name))


@pytest.mark.parametrize("name", UNLISTED.split())
def test_what_is_not_listed_is_refused_by_name(name: str) -> None:
    with pytest.raises(BundleError, match=re.escape(repr(name))):
        resolve_operator(name)


def test_an_operator_that_this_version_lacks_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.surgery.operators.listed", lambda: frozenset({"aten.of_another_version.default"}))
    with pytest.raises(BundleError, match="install the version"):
        resolve_operator("aten.of_another_version.default")


# ---- before the work -------------------------------------------------------------------------------------------------


class Of(nn.Module):
    """Two layers and something between them."""

    def __init__(self, between: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.a, self.b, self.between = nn.Linear(5, 8), nn.Linear(8, 4), between

    def forward(self, x: torch.Tensor) -> Any:
        return self.b(self.between(self.a(x)))


def test_what_cannot_be_stored_is_named_with_the_users_line() -> None:
    traced = trace(Of(lambda x: torch.ops.aten._softmax(torch._neg_view(x), -1, False)), torch.zeros(2, 5))
    with pytest.raises(ModelError) as caught:
        check_storable(traced.module.graph.nodes)
    assert "aten._softmax.default (" in str(caught.value)
    assert "aten._neg_view.default (" in str(caught.value)
    assert "test_operators.py:" in str(caught.value)
    assert "self.between(self.a(x))" in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x + torch.empty(8).fill_(2.0),
        lambda x: x + torch.empty_like(x).fill_(2.0),
        lambda x: x * x.new_empty(x.shape[0], 1).fill_(2.0),
    ],
    ids=["empty", "empty_like", "new_empty"],
)
def test_memory_as_it_was_is_never_handed_out(make: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model, x = Of(make).eval(), torch.randn(3, 5)
    blueprint = comb(model, torch.zeros(2, 5))
    check_storable(blueprint.trace.module.graph.nodes)
    again = from_bytes(*to_bytes(cut(blueprint, everything(blueprint))).values())
    assert torch.allclose(again(x), model(x))


# ---- arguments -------------------------------------------------------------------------------------------------------


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = torch.split(torch.relu(self.a(x)), 3, 1)
        y = torch.cat([first, second * 2.0], 1).to(torch.float32).mean((2, 3))
        out: torch.Tensor = self.b(y + torch.zeros(y.shape[0], 6))
        return out


@cache
def files() -> dict[str, bytes]:
    torch.manual_seed(0)
    blueprint = comb(Small().eval(), torch.zeros(2, 3, 8, 8))
    return to_bytes(cut(blueprint, everything(blueprint)))


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files()[GRAPH_FILE])
    return found


def read(graph: dict[str, Any], **more: Any) -> Subnet:
    return from_bytes(json.dumps(graph).encode(), files()[MODEL_FILE], **more)


def call(graph: dict[str, Any], target: str) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in graph["nodes"] if node["target"] == target)
    return found


def test_the_network_itself_is_read() -> None:
    again, x = read(document()), torch.randn(5, 3, 8, 8)
    torch.manual_seed(0)
    assert torch.allclose(again(x), Small().eval()(x), atol=1e-6)


CONV, RELU, CAT, MEAN, TO, ZEROS = (
    f"aten.{name}"
    for name in ("conv2d.default", "relu.default", "cat.default", "mean.dim", "to.dtype", "zeros.default")
)

WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "text for a tensor": (RELU, lambda n: n.update(args=["x"])),
    "nothing for a tensor": (RELU, lambda n: n.update(args=[None])),
    "list for a tensor": (RELU, lambda n: n.update(args=[n["args"]])),
    "several tensors for one": (MEAN, lambda n: n["args"].__setitem__(0, {"node": "split"})),
    "too many": (RELU, lambda n: n["args"].append(1)),
    "too few": (RELU, lambda n: n.update(args=[])),
    "unknown": (RELU, lambda n: n["kwargs"].update(inplace=True)),
    "twice": (RELU, lambda n: n["kwargs"].update(self=n["args"][0])),
    "text for a number": (CONV, lambda n: n["args"].__setitem__(3, ["1", "1"])),
    "fraction for a whole number": (CONV, lambda n: n["args"].__setitem__(3, [1.5, 1])),
    "tensor for a whole number": (CONV, lambda n: n["args"].__setitem__(3, [n["args"][0], 1])),
    "tensor for tensors": (CAT, lambda n: n.update(args=[{"node": "relu"}, 1])),
    "numbers in numbers": (MEAN, lambda n: n["args"].__setitem__(1, [[2], [3]])),
    "number for a type": (TO, lambda n: n["args"].__setitem__(1, 6)),
    "type of quantised tensors": (TO, lambda n: n["args"].__setitem__(1, {"dtype": "qint8"})),
    "another layout": (ZEROS, lambda n: n["kwargs"].update(layout={"layout": "sparse_coo"})),
    "another device": (ZEROS, lambda n: n["kwargs"].update(device={"device": "cuda:0"})),
}


@pytest.mark.parametrize("kind", WRONG)
def test_arguments_are_held_against_the_schema(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, (target, change) = document(), WRONG[kind]
    if not any(node["name"] == "relu" for node in graph["nodes"]):
        pytest.fail("The graph has a node of another name by now.")
    change(call(graph, target))
    # So that nothing but the schema can notice.
    monkeypatch.setattr("search.surgery.stored.run_bytes", lambda *_, **__: 0)
    with pytest.raises(BundleError, match="as their schemas say"):
        read(graph)


@pytest.mark.parametrize("arguments", [[], [1, 2, 3], ["x", 1], [[1], 1], [{"node": "relu"}, 0]])
def test_arguments_of_pythons_operators_are_checked(arguments: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    graph = document()
    call(graph, "operator.getitem")["args"] = arguments
    monkeypatch.setattr("search.surgery.stored.run_bytes", lambda *_, **__: 0)
    with pytest.raises(BundleError, match="as their schemas say"):
        read(graph)


def test_two_nodes_of_one_name_are_refused() -> None:
    graph = document()
    graph["nodes"].insert(-1, copy.deepcopy(call(graph, RELU)))
    with pytest.raises(BundleError, match="two are 'relu'"):
        read(graph)


def test_a_long_value_is_cut_in_the_message() -> None:
    graph = document()
    call(graph, RELU)["args"] = ["x" * 100_000]
    with pytest.raises(BundleError) as caught:
        read(graph)
    assert len(str(caught.value)) < 1000


# ---- memory ----------------------------------------------------------------------------------------------------------

BIG = 10**12

GREEDY: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "zeros": (ZEROS, lambda n: n["args"].__setitem__(0, [BIG])),
    "zeros of two sizes": (ZEROS, lambda n: n["args"].__setitem__(0, [10**6, 10**6])),
    "full": (ZEROS, lambda n: n.update(target="aten.full.default", args=[[BIG], 1.0], kwargs={})),
    "arange": (ZEROS, lambda n: n.update(target="aten.arange.default", args=[BIG], kwargs={})),
    "eye": (ZEROS, lambda n: n.update(target="aten.eye.default", args=[10**6], kwargs={})),
    "repeat": (RELU, lambda n: n.update(target="aten.repeat.default", args=[*n["args"], [10**4, 10**4, 10, 10]])),
    "padding": (RELU, lambda n: n.update(target="aten.pad.default", args=[*n["args"], [10**6, 10**6, 10**6, 10**6]])),
    "copy of a view": (
        RELU,
        lambda n: n.update(target="aten.expand_copy.default", args=[{"node": "a_bias"}, [10**6, 10**6, 6]]),
    ),
    "upsampling": (
        RELU,
        lambda n: n.update(target="aten.upsample_nearest2d.default", args=[*n["args"], [10**6, 10**6]]),
    ),
}


@pytest.mark.parametrize("kind", GREEDY)
def test_a_graph_that_asks_for_too_much_memory_is_refused(kind: str) -> None:
    graph, (target, change) = document(), GREEDY[kind]
    change(call(graph, target))
    with pytest.raises(BundleError, match=rf"may hold {MOST_RUN_BYTES:,} bytes at once.*most_bytes"):
        read(graph)


def test_many_tensors_that_live_at_once_are_added_up() -> None:
    graph = document()
    zeros = call(graph, ZEROS)
    place = graph["nodes"].index(zeros)
    names = [f"many_{i}" for i in range(20)]
    many = [{**copy.deepcopy(zeros), "name": name, "args": [[2**22]], "kwargs": {}} for name in names]
    sums = [
        {
            **copy.deepcopy(zeros),
            "name": f"sum_{i}",
            "target": "aten.sum.default",
            "args": [{"node": name}],
            "kwargs": {},
        }
        for i, name in enumerate(names)
    ]
    one_by_one, at_once = copy.deepcopy(graph), graph
    one_by_one["nodes"][place:place] = [node for pair in zip(many, sums, strict=True) for node in pair]
    at_once["nodes"][place:place] = [*many, *sums]
    assert read(one_by_one, most_bytes=2**28)(torch.zeros(1, 3, 8, 8)[:0]).shape == (0, 4)
    with pytest.raises(BundleError, match="bytes at once"):
        read(at_once, most_bytes=2**28)


def test_the_user_can_raise_the_limit_and_lower_it() -> None:
    subnet = read(document())
    needed = run_bytes(subnet)
    assert needed >= 8 * 8 * (3 + 6) * 4
    assert run_bytes(subnet, batch=10) == 10 * needed
    read(document(), most_bytes=needed)
    with pytest.raises(BundleError, match="may hold"):
        read(document(), most_bytes=needed - 1)
    with pytest.raises(BundleError, match="at a batch of 10 "):
        read(document(), most_bytes=needed, batch=10)


def test_an_input_that_nothing_is_said_of_is_refused() -> None:
    graph = document()
    next(node for node in graph["nodes"] if node["op"] == "placeholder")["input"] = None
    with pytest.raises(BundleError, match="nothing is said of it"):
        read(graph)


class Fixed(nn.Module):
    """A network of one batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.b(torch.relu(self.a(x)).reshape(3, 8))
        return out


def test_a_network_of_one_batch_size_is_read() -> None:
    blueprint = comb(Fixed().eval(), torch.zeros(3, 5))
    assert blueprint.trace.static_batch is not None
    subnet = cut(blueprint, everything(blueprint))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32))
    assert torch.equal(from_bytes(*to_bytes(subnet).values())(x), subnet(x))
