"""Calls in the spelling that a cut does not change the meaning of."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from search.graph.tracing import Trace, operator_name

from .tracing import Forward, check_equal, operators, traced


def arguments(found: Trace, operator: str) -> list[Any]:
    (node,) = [n for n in found.module.graph.nodes if operator_name(n) == operator]
    return list(node.args[1:])


@pytest.mark.parametrize(
    ("split", "sizes"),
    [
        (lambda x: x.chunk(3, 1), [3, 3, 1]),
        (lambda x: x.split(4, -1), [4, 3]),
        (lambda x: x.split([2, 5], 1), [2, 5]),
        (lambda x: torch.tensor_split(x, 3, 1), [3, 2, 2]),
        (lambda x: torch.tensor_split(x, (1, 4), 1), [1, 3, 3]),
        (lambda x: torch.unsafe_chunk(x, 2, 1), [4, 3]),
        (lambda x: torch.unsafe_split(x, 5, 1), [5, 2]),
    ],
)
def test_splits_name_the_sizes_of_their_parts(split: Callable[[torch.Tensor], Any], sizes: list[int]) -> None:
    model = Forward(lambda _, x: split(x))
    found = traced(model.function, torch.randn(2, 7))
    assert operators(found)[0] == "split_with_sizes"
    assert arguments(found, "split_with_sizes")[0] == sizes
    check_equal(model, found, torch.randn(3, 7))


def test_a_split_of_the_batch_stays() -> None:
    model = Forward(lambda _, x: torch.tensor_split(x.reshape(-1), (3,)))
    found = traced(model.function, torch.randn(2, 7))
    assert operators(found)[:2] == ["reshape", "tensor_split"]
    check_equal(model, found, torch.randn(3, 7))


@pytest.mark.parametrize(
    ("squeeze", "dims"),
    [
        (lambda x: x.squeeze(), [1, 3]),
        (lambda x: x.squeeze(1), [1]),
        (lambda x: x.squeeze(-2), [3]),
        (lambda x: x.squeeze((1, 2)), [1]),
        (lambda x: x.squeeze(2), None),
        (lambda x: x.squeeze((2, 4)), None),
    ],
)
def test_squeezes_name_the_axes_that_are_1_now(
    squeeze: Callable[[torch.Tensor], torch.Tensor], dims: list[int] | None
) -> None:
    model = Forward(lambda _, x: squeeze(x) * 2)
    found = traced(model.function, torch.randn(2, 1, 4, 1, 5))
    assert operators(found) == (["mul"] if dims is None else ["squeeze", "mul"])
    if dims is not None:
        assert arguments(found, "squeeze") == [dims]
    check_equal(model, found, torch.randn(3, 1, 4, 1, 5))


def test_a_squeeze_that_takes_away_a_batch_of_1_is_noted() -> None:
    found = traced(lambda _, x: x.squeeze() * 2, torch.randn(1, 4, 1))
    assert found.module(torch.ones(1, 4, 1)).shape == (1, 4)
    assert [note for note in found.notes if "a batch of 1 stays an axis" in note and "tracing.py" in note]
    assert not traced(lambda _, x: x.squeeze(2) * 2, torch.randn(1, 4, 1)).notes


def test_attention_names_its_scale() -> None:
    model = Forward(lambda _, x: F.scaled_dot_product_attention(x, x, x))
    found = traced(model.function, torch.randn(2, 3, 5, 7))
    (node,) = [n for n in found.module.graph.nodes if operator_name(n) == "scaled_dot_product_attention"]
    assert node.kwargs["scale"] == 1 / math.sqrt(7)
    check_equal(model, found, torch.randn(3, 3, 5, 7))
    given = traced(lambda _, x: F.scaled_dot_product_attention(x, x, x, scale=0.5), torch.randn(2, 3, 5, 7))
    (node,) = [n for n in given.module.graph.nodes if operator_name(n) == "scaled_dot_product_attention"]
    assert node.kwargs["scale"] == 0.5


def test_unflatten_becomes_a_reshape_with_the_full_shape() -> None:
    model = Forward(lambda _, x: x.unflatten(1, (2, -1)))
    found = traced(model.function, torch.randn(2, 6, 5))
    assert operators(found) == ["reshape"]
    assert arguments(found, "reshape") == [[-1, 2, 3, 5]]
    check_equal(model, found, torch.randn(3, 6, 5))


def test_slices_of_everything_vanish_and_others_stay() -> None:
    model = Forward(lambda _, x: x[:, :, 1:] + x[:, : x.shape[1], 2:3])
    found = traced(model.function, torch.randn(2, 4, 5))
    assert operators(found) == ["slice", "slice", "add"]
    check_equal(model, found, torch.randn(3, 4, 5))
    backwards = traced(lambda _, x: x[:, ::2] * 2, torch.randn(2, 1))
    assert operators(backwards).count("slice") == 1


def test_a_whole_slice_stays_where_a_shape_is_changed_in_place() -> None:
    def forward(_: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x + 1
        whole = y[:]
        return whole, y.unsqueeze_(1)

    found = traced(forward, torch.randn(2, 4))
    check_equal(Forward(forward), found, torch.randn(3, 4))


def test_view_as_and_its_like_stay() -> None:
    model = Forward(lambda _, x, y: (x.view_as(y), x.reshape_as(y), y[:, :1].expand_as(y)))
    found = traced(model.function, torch.randn(2, 6), torch.randn(2, 3, 2))
    assert {"view_as", "reshape_as", "expand_as"} <= set(operators(found))
    check_equal(model, found, torch.randn(3, 6), torch.randn(3, 3, 2))


@pytest.mark.filterwarnings("ignore:The use of `x.T` on tensors of dimension other than 2:UserWarning")
@pytest.mark.parametrize(
    ("transpose", "written"),
    [
        (lambda x: x.T, "permute"),
        (lambda x: x[0].T, "permute"),
        (lambda x: x.adjoint(), "transpose"),
        (lambda x: x.H, "transpose"),
        (lambda x: x.mH, "transpose"),
    ],
    ids=["T", "T of a vector", "adjoint", "H", "mH"],
)
def test_transposes_have_one_spelling(transpose: Callable[[torch.Tensor], torch.Tensor], written: str) -> None:
    model = Forward(lambda _, x: transpose(x + 1) * 2)
    found = traced(model.function, torch.randn(2, 3))
    assert written in operators(found)
    assert not {"numpy_T", "adjoint", "matrix_H", "mH"} & set(operators(found))
    check_equal(model, found, torch.randn(5, 3))


@pytest.mark.parametrize("name", ["adjoint", "H", "mH"])
def test_the_adjoint_of_a_complex_matrix_is_conjugated(name: str) -> None:
    def forward(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = torch.complex(x, x + 1)
        turned = y.adjoint() if name == "adjoint" else getattr(y, name)
        return torch.view_as_real((turned @ y).resolve_conj())

    found = traced(forward, torch.randn(2, 3))
    assert {"transpose", "conj"} <= set(operators(found))
    check_equal(Forward(forward), found, torch.randn(5, 3), rtol=1e-6)


def test_a_transpose_that_is_written_to_is_followed() -> None:
    def forward(_: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y.T[0] += 5
        return y

    found = traced(forward, torch.randn(2, 3))
    assert not any(name.endswith("_") for name in operators(found))
    check_equal(Forward(forward), found, torch.randn(4, 3))


def _in_place(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    a = a.clone()
    a &= b
    a |= 1
    a ^= b
    a <<= 2
    a >>= b
    return a


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a & b,
        lambda a, b: a | b,
        lambda a, b: a ^ b,
        lambda a, b: ~a & 3,
        lambda a, b: 3 & a | 4,
        lambda a, b: (a << b) ^ (a << 1),
        lambda a, b: (a >> b) | (a >> 1) | (1 << b),
        lambda a, b: (a.bool() & b.bool()) | (a.bool() ^ True),
        _in_place,
    ],
    ids=["and", "or", "xor", "not", "numbers", "left", "right", "bool", "in place"],
)
def test_operators_on_bits_have_their_ordinary_names(combine: Callable[..., torch.Tensor]) -> None:
    a, b = (torch.randint(0, 8, (2, 5)) for _ in range(2))
    model = Forward(lambda _, a, b: combine(a, b))
    found = traced(model.function, a, b)
    assert all(not name.startswith("__") and not name.endswith("_") for name in operators(found))
    assert any("bitwise" in name for name in operators(found))
    check_equal(model, found, torch.randint(0, 8, (3, 5)), torch.randint(0, 8, (3, 5)))
