"""Which network, then? Comb, space, search, cut, tune and prove.

A name is imported when it is first asked for: PyTorch takes seconds, and the command line must answer signals from its
first moment. Types of the names stand in `__init__.pyi`.
"""

from importlib import import_module

_HOMES = {
    "Blueprint": "graph",
    "Bundle": "bundle",
    "Candidate": "graph",
    "Selection": "graph",
    "Subnet": "surgery",
    "comb": "graph",
    "cut": "surgery",
    "export": "deploy",
    "full": "graph",
    "load_config": "engine",
    "load_subnet": "surgery",
    "permutation": "surgery",
    "run": "engine",
    "sample": "graph",
    "select": "importance",
    "uniform": "graph",
}
"""Name -> the part that it is imported from."""

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


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
