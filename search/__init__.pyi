from .bundle import Bundle
from .deploy import export
from .engine import load_config, run
from .graph import Blueprint, Candidate, Selection, comb, full, sample, uniform
from .importance import select
from .surgery import Subnet, cut, load_subnet, permutation

__all__ = [
    "Blueprint",
    "Bundle",
    "Candidate",
    "Selection",
    "Subnet",
    "comb",
    "cut",
    "export",
    "full",
    "load_config",
    "load_subnet",
    "permutation",
    "run",
    "sample",
    "select",
    "uniform",
]
