"""What the tests of tracing have in common."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from search.graph.tracing import Trace, operator_name, trace


class Forward(nn.Module):
    """A network that is one function of itself and its inputs."""

    def __init__(self, function: Callable[..., Any], **members: Any) -> None:
        super().__init__()
        self.function = function
        for name, member in members.items():
            setattr(self, name, member)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


def traced(function: Callable[..., Any], *args: Any, **members: Any) -> Trace:
    """Trace a function of a module with these members and of these inputs."""
    return trace(Forward(function, **members).eval(), args)


def operators(found: Trace) -> list[str]:
    """Return the names of the operators that a traced graph calls, in order."""
    return [operator_name(node) for node in found.module.graph.nodes if node.op == "call_function"]


def check_equal(
    model: nn.Module, found: Trace, *args: Any, kwargs: Mapping[str, Any] | None = None, rtol: float = 0
) -> None:
    """Assert that graph and model give the same (to the bit, unless told), and do the same to their inputs."""
    kwargs = dict(kwargs or {})
    ours, theirs = ([a.clone() if isinstance(a, torch.Tensor) else a for a in args] for _ in range(2))
    with torch.no_grad():
        got, expected = found.module(*ours, **kwargs), model.eval()(*theirs, **kwargs)
    torch.testing.assert_close((got, ours), (expected, theirs), rtol=rtol, atol=rtol)
