"""Operator rules: how axes move through each call."""

from ._base import Axes, Call, Literal, Rule
from .convolution import KERNEL
from .table import LINEAR, NONLINEAR, POINTWISE, RULES, rule_of

__all__ = ["KERNEL", "LINEAR", "NONLINEAR", "POINTWISE", "RULES", "Axes", "Call", "Literal", "Rule", "rule_of"]
