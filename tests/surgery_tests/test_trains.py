"""Proofs that a cut network can be trained where the unpruned one can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from search.graph import comb, uniform
from search.importance import select
from search.surgery import cut, trains

from .proven import Forward, Net, X, half, proofs


def _fourier(write: Callable[[torch.Tensor, torch.Tensor], Any]) -> Forward:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        f = torch.fft.rfft2(x)
        out = torch.zeros_like(f)
        write(out, f * self.wave)
        return torch.add(x, torch.fft.irfft2(out, s=(8, 8)))

    return forward


def _assign(*place: Any) -> Callable[[torch.Tensor, torch.Tensor], None]:
    return lambda out, value: out.__setitem__(place, value[place])


WRITES: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
    "low": _assign(slice(None), slice(None), slice(4), slice(4)),
    "high": _assign(slice(None), slice(None), slice(-3, None), slice(2)),
    "middle": _assign(slice(None), slice(None), slice(2, 5), slice(1, 4)),
    "one": _assign(slice(None), slice(None), 1, slice(3)),
    "last": _assign(slice(None), slice(None), slice(3), -1),
    "channels": _assign(slice(None), slice(8), slice(4), slice(4)),
    "nothing": _assign(slice(None), slice(None), slice(4, 2)),
    "all": _assign(slice(None), slice(None), slice(0, 8)),
    "part of a part": lambda out, value: out[:, :, :4][..., 1:3].copy_(value[:, :, :4, 1:3]),
    "added": lambda out, value: out[:, :, :4].add_(value[:, :, :4]),
    "twice": lambda out, value: (
        _assign(..., slice(2), slice(2))(out, value),
        _assign(..., slice(6, 8), slice(2))(out, value),
    )[0],
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_into_complex_tensors_are_trained_through(name: str) -> None:
    model = Net(_fourier(WRITES[name]))
    blueprint, subnet, found = proofs(model)
    for proof in found:
        assert proof.passed, proof
    # The gradients, too, are those of the user's network.
    whole = cut(blueprint, select(blueprint, uniform(blueprint, 1e-6)))
    x = torch.cat([X, X + 1])
    for network in (model, whole):
        network(x).square().sum().backward()
    theirs, ours = dict(model.named_parameters()), dict(whole.named_parameters())
    assert all(torch.allclose(ours[n].grad, p.grad, rtol=1e-3, atol=1e-4) for n, p in theirs.items() if n in ours)  # type: ignore[arg-type]
    assert subnet.training is False


def test_a_network_that_cannot_be_trained_says_so() -> None:
    """Every third position: torch has no derivative of such a write into complex numbers."""
    blueprint, _, found = proofs(Net(_fourier(_assign(slice(None), slice(None), slice(None, None, 3)))))
    proof = found[-1]
    assert proof.max_abs_diff is None
    assert "cannot be trained, cut or not" in proof.note
    assert "complex" in proof.note
    assert blueprint.dims


def test_a_gradient_that_a_cut_loses_is_a_failure() -> None:
    blueprint = comb(Net(lambda _, x: x), X)
    _, subnet = half(blueprint)
    (node,) = (n for n in subnet.graph.nodes if n.op == "get_attr" and n.target == "b.weight")
    with subnet.graph.inserting_after(node):
        held = subnet.graph.call_function(torch.ops.aten.detach.default, (node,))
    node.replace_all_uses_with(held, delete_user_cb=lambda user: user is not held)
    subnet.recompile()
    proof = trains(blueprint, subnet)
    assert proof.failed
    assert proof.note == "no gradient reaches b.weight"


def test_a_network_of_which_nothing_is_trained_says_so() -> None:
    _, _, found = proofs(Net(lambda _, x: x).requires_grad_(False))
    assert "none of its parameters is trained" in found[-1].note


def test_training_in_a_proof_leaves_the_network_as_it_was() -> None:
    blueprint = comb(Net(lambda self, x: self.norm(x), norm=nn.BatchNorm2d(24)), X)
    _, subnet = half(blueprint)
    before = {name: value.clone() for name, value in subnet.state_dict().items()}
    assert trains(blueprint, subnet).passed
    assert all(torch.equal(before[name], value) for name, value in subnet.state_dict().items())
    assert all(parameter.grad is None for parameter in subnet.parameters())
