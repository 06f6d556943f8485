"""One table: operator -> how axes move through it.

There are three kinds of operator, never two. Those in `RULES` have a rule. Those in `POINTWISE` act on each element
alone, by name. All others are unknown: they freeze what they touch and are reported.
"""

from ._base import Rule
from .convolution import convolution
from .dense import linear
from .normalisation import batch_norm
from .pointwise import pointwise
from .pooling import mean, pool2d
from .shape import flatten, reshape

RULES: dict[str, Rule] = {
    "conv1d": convolution,
    "conv2d": convolution,
    "conv3d": convolution,
    "linear": linear,
    "batch_norm": batch_norm,
    "max_pool2d": pool2d,
    "avg_pool2d": pool2d,
    "adaptive_avg_pool2d": pool2d,
    "adaptive_max_pool2d": pool2d,
    "mean": mean,
    "flatten": flatten,
    "reshape": reshape,
    "view": reshape,
}
"""Operator name without its overload -> rule."""

NONLINEAR: frozenset[str] = frozenset(
    {
        "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardtanh",
        "hardswish", "hardsigmoid", "sigmoid", "log_sigmoid", "tanh", "softplus", "clamp", "clamp_min", "clamp_max",
        "exp", "log", "sqrt", "rsqrt", "pow", "abs", "square", "reciprocal", "maximum", "minimum",
    }
)  # fmt: skip
"""Pointwise operators that are not linear in their input."""

LINEAR: frozenset[str] = frozenset(
    {"add", "sub", "mul", "div", "neg", "clone", "contiguous", "detach", "dropout", "feature_dropout", "to", "type_as"}
)
"""Pointwise operators that are linear in each input."""

POINTWISE: frozenset[str] = (NONLINEAR | LINEAR) - {"prelu"}


def rule_of(operator: str) -> Rule | None:
    """Return the rule of an operator, or None where it is unknown."""
    return pointwise if operator in POINTWISE else RULES.get(operator)
