"""Proofs of networks that make it hard for them: types of their own, random draws and merged axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from search.deploy import export, exported
from search.graph import Candidate, Selection, comb, full
from search.importance import select
from search.surgery import Proof, original, permutation, reloaded, silenced, to_bytes
from tests.reloading import let_reload_here

from .proven import Forward, Net, X, half, proofs

# ---- types -----------------------------------------------------------------------------------------------------------


def _grid(made: torch.Tensor) -> torch.Tensor:
    """Return coordinates of an 8x8 grid from a tensor whose elements are none of their own."""
    return torch.stack([made.cumsum(0), made.cumsum(1)], -1) / 8


def _on_grid(coordinates: Callable[[], torch.Tensor]) -> Forward:
    return lambda self, x: x + (coordinates() @ self.grid).sin().permute(2, 0, 1)


GRIDS: dict[str, Callable[[], torch.Tensor]] = {
    "ones": lambda: _grid(torch.ones(8, 8)),
    "zeros": lambda: _grid(torch.zeros(8, 8) + 1),
    "full": lambda: _grid(torch.full((8, 8), 0.5)),
    "eye": lambda: _grid(torch.eye(8)),
    "tril": lambda: _grid(torch.tril(torch.ones(8, 8))),
    "linspace": lambda: torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 8)] * 2, indexing="ij"), -1),
    "arange": lambda: torch.stack(torch.meshgrid(*[torch.arange(0, 1, 0.125)] * 2, indexing="ij"), -1),
    "whole numbers divided": lambda: torch.stack(torch.meshgrid(*[torch.arange(8) / 8] * 2, indexing="ij"), -1),
    "roots of whole numbers": lambda: torch.stack(torch.meshgrid(*[torch.arange(8).sqrt()] * 2, indexing="ij"), -1),
    "whole numbers cast": lambda: torch.stack(torch.meshgrid(*[torch.arange(8).float()] * 2, indexing="ij"), -1),
    "truth": lambda: _grid((torch.arange(64).view(8, 8) > 9).to(torch.float32)),
    "named": lambda: _grid(torch.ones(8, 8, dtype=torch.float32)),
    "empty": lambda: _grid(torch.empty(8, 8).fill_(0.5)),
    "a window": lambda: _grid(torch.hann_window(64).view(8, 8)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_what_names_no_type_is_made_in_float64(name: str) -> None:
    _, _, found = proofs(Net(_on_grid(GRIDS[name])))
    for proof in found:
        assert proof.passed, proof
        assert not proof.note
    assert torch.get_default_dtype() == torch.float32


class Unrolled(nn.Module):
    """A recurrent network written out, whose first state is made in `forward`."""

    def __init__(self, start: Callable[[torch.Tensor, int], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.x2h, self.h2h, self.o, self.start = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 5), start

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.start(x, 32)
        for t in range(x.shape[1]):
            h = torch.tanh(self.x2h(x[:, t]) + self.h2h(h))
        return self.o(h)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "start",
    [
        lambda x, n: torch.zeros(x.shape[0], n),
        lambda x, n: torch.full((x.shape[0], n), 0.25),
        lambda x, n: x.new_zeros(x.shape[0], n),
        lambda x, n: torch.zeros(x.shape[0], n, dtype=torch.float32),
    ],
    ids=["zeros", "full", "of another", "of a type"],
)
def test_a_right_cut_of_an_unrolled_network_is_not_refused(start: Any) -> None:
    _, _, found = proofs(Unrolled(start), torch.randn(1, 4, 16))
    for proof in found:
        assert proof.passed, proof


def test_complex_weights_are_compared_in_double_precision() -> None:
    model = Net(lambda self, x: torch.fft.irfft2(torch.fft.rfft2(x) * self.wave, s=(8, 8)))
    _, _, found = proofs(model)
    for proof in found:
        assert proof.passed, proof
        assert not proof.note


def _single(x: torch.Tensor) -> torch.Tensor:
    if x.dtype != torch.float32:
        raise TypeError("float32 only")
    return x * 2


@pytest.fixture
def single() -> Iterator[torch._ops.OpOverload]:
    """An operator of a user's that takes float32 only."""
    with torch.library._scoped_library("lathe_test", "FRAGMENT") as library:
        library.define("single(Tensor x) -> Tensor")
        library.impl("single", _single, "CompositeExplicitAutograd")
        library.impl("single", lambda x: torch.empty_like(x), "Meta")
        yield torch.ops.lathe_test.single.default


def test_what_does_not_run_in_float64_is_compared_in_its_own_types(single: Any) -> None:
    _, _, found = proofs(Net(lambda _, x: single(x)))
    for proof in found[1:3]:
        assert proof.passed, proof
        assert "in the network's own types, as it does not run in float64 (TypeError: float32 only)" in proof.note
        assert 1e-6 < proof.tolerance < 1e-2


def test_a_wrong_cut_is_noticed_in_own_types_too(monkeypatch: pytest.MonkeyPatch) -> None:
    blueprint = comb(Net(lambda _, x: x), X)
    selection, subnet = half(blueprint)
    monkeypatch.setattr("search.surgery.proofs.pairs._in_double", _unable)
    rng = np.random.default_rng(0)
    assert permutation(blueprint, rng).passed
    assert silenced(blueprint, selection, rng).passed
    wrong = replace(blueprint, parameters={**blueprint.parameters, "b.bias": blueprint.parameters["o.weight"][:1]})
    assert permutation(wrong, rng).failed
    assert subnet.o.weight.shape[1] == 12  # type: ignore[union-attr, index]


def _unable(*_: Any) -> Proof:
    raise RuntimeError("no float64 here")


def test_infinities_and_masked_rows_are_compared() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(8) > 5
        return torch.cat([self.o(x).masked_fill(mask, float("-inf")), self.o(x)], 1)

    class Masked(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return forward(self, torch.relu(self.b(torch.relu(self.a(x)))))

    _, _, found = proofs(Masked(lambda _, x: x))
    for proof in found[:3]:
        assert proof.passed, proof


# ---- draws -----------------------------------------------------------------------------------------------------------

DRAWS: dict[str, tuple[Forward, str]] = {
    "dropout": (lambda _, x: F.dropout(x, 0.3, training=True), "dropout"),
    "channel dropout": (lambda _, x: F.dropout2d(x, 0.3, training=True), "feature_dropout"),
    "rand": (lambda _, x: x + 0.1 * torch.rand(x.shape[0], 1, 8, 8), "rand"),
    "randn": (lambda _, x: x + torch.randn(8), "randn"),
    "rand_like": (lambda _, x: x * (torch.rand_like(x) > 0.5), "rand_like"),
    "reparametrised": (lambda _, x: x + torch.randn_like(x) * x.exp(), "randn_like"),
    "normal": (lambda _, x: x + torch.normal(0.0, 1.0, (8, 8)), "normal"),
    "normal about": (lambda _, x: torch.normal(x, 0.1), "normal"),
    "bernoulli": (lambda _, x: x * torch.bernoulli(x.sigmoid()), "bernoulli"),
    "uniform": (lambda _, x: x + torch.empty(8, 8).uniform_(), "uniform"),
    "randint": (lambda _, x: x + torch.randint(0, 4, (8, 8)), "randint"),
    "randperm": (lambda _, x: x[..., torch.randperm(8)], "randperm"),
    "multinomial": (lambda _, x: x + torch.multinomial(torch.ones(9), 8), "multinomial"),
    "attention": (lambda _, x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.2), "scaled_dot_product_attention"),
    "two": (lambda _, x: F.dropout(x, 0.3, training=True) + torch.rand(8), "dropout, rand"),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_network_that_draws_is_proven_or_the_operator_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name != "two":
        let_reload_here(monkeypatch)
    forward, operators = DRAWS[name]
    blueprint, subnet, found = proofs(Net(forward))
    for file, content in to_bytes(subnet).items():
        (tmp_path / file).write_bytes(content)
    found.append(reloaded(subnet, tmp_path, blueprint.trace, np.random.default_rng(0)))
    for proof in found:
        assert not proof.failed, proof
        assert proof.passed or all(operator in proof.note for operator in operators.split(", ")), proof
    assert found[0].passed
    assert found[1].passed
    assert found[-1].passed
    assert all(operator in found[1].note for operator in operators.split(", "))


def test_a_wrong_cut_of_a_network_that_draws_is_noticed() -> None:
    blueprint = comb(Net(DRAWS["dropout"][0]), X)
    wrong = replace(blueprint, parameters={**blueprint.parameters, "b.bias": blueprint.parameters["o.weight"][:1]})
    assert permutation(wrong, np.random.default_rng(0)).failed


def test_a_proof_leaves_the_users_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    proofs(Net(DRAWS["two"][0]))
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), expected)


def test_a_file_whose_runtime_draws_for_itself_names_the_operator(tmp_path: Path) -> None:
    blueprint, subnet, _ = proofs(Net(DRAWS["rand"][0]))
    export(subnet, tmp_path / "net.onnx")
    proof = exported(subnet, tmp_path / "net.onnx", blueprint.trace, np.random.default_rng(0))
    assert proof.max_abs_diff is None
    assert proof.note.startswith("rand draws random numbers")


# ---- merged axes -----------------------------------------------------------------------------------------------------


class Heads(nn.Module):
    """Attention whose heads and batch are one axis, in either order."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.batch_first = batch_first
        self.qkv, self.proj, self.o = nn.Linear(12, 48), nn.Linear(16, 12), nn.Linear(12, 3)
        self.scale = nn.Parameter(torch.rand(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if not self.batch_first:
            q, k, v = (t.transpose(0, 1) for t in (q, k, v))
        merged = [t.reshape(b * 4, n, 4) for t in (q, k, v)]
        y = (merged[0] @ merged[1].transpose(-2, -1)).softmax(-1) @ merged[2]
        y = y.view(b, 4, n, 4) if self.batch_first else y.view(4, b, n, 4).transpose(0, 1)
        return self.o(x + self.proj((y * self.scale.view(4, 1, 1)).permute(0, 2, 1, 3).reshape(b, n, 16)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("batch_first", [True, False])
def test_heads_that_are_merged_with_the_batch_are_silenced(batch_first: bool) -> None:
    """Each head keeps units of its own, so what is silent depends on the position along the merged axis."""
    blueprint, rng = comb(Heads(batch_first=batch_first), torch.randn(1, 5, 12)), np.random.default_rng(0)
    labelled = [dim for dim in blueprint.dims if dim.outer == 4]
    assert labelled
    widths = {**full(blueprint).dims, **{dim.name: 2 for dim in labelled}}
    selection = select(blueprint, Candidate(widths, full(blueprint).blocks))
    rows = {dim.name: [[0, 1], [2, 3], [0, 3], [1, 2]] for dim in labelled}
    proof = silenced(blueprint, Selection(selection.candidate, {**selection.keep, **rows}), rng)
    assert proof.passed, proof
    assert proof.exact


def test_channels_that_are_merged_with_the_batch_are_silenced() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        return torch.matmul(x.reshape(b * c, h, w), self.square).reshape(b, c, h, w)

    _, _, found = proofs(Net(forward, square=nn.Parameter(torch.randn(8, 8))))
    for proof in found:
        assert proof.passed, proof


# ---- the user's own numbers ------------------------------------------------------------------------------------------


def test_a_graph_that_is_not_the_users_network_fails() -> None:
    blueprint = comb(Net(lambda _, x: x), X)
    assert original(blueprint).passed
    with torch.no_grad():
        blueprint.trace.module.get_parameter("b.weight").mul_(1.01)
    proof = original(blueprint)
    assert proof.failed
    assert proof.max_abs_diff is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_users_network_is_itself_in_every_type(dtype: torch.dtype) -> None:
    model = Net(lambda _, x: x)
    del model.wave
    blueprint = comb(model.to(dtype), X.to(dtype))
    assert original(blueprint).passed
