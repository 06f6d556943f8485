"""Which call of the graph each value of a file is: both are run on one random input, and equal values are one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import fx

from ...surgery import Subnet
from .reference import Array, run_all

TOLERANCE = 1e-3
"""Difference, relative to the largest number, up to which two values are one: float32 through two runtimes."""

SAMPLES = 256
"""Numbers of a value that are compared."""


@dataclass(frozen=True)
class Match:
    """Which values are which calls.

    Attributes:
        call: ONNX value name -> node name of the first call of the graph that has this value.
        value: Node name -> the first ONNX value that equals the call's.
    """

    call: Mapping[str, str]
    value: Mapping[str, str]


@dataclass(frozen=True)
class _Sketch:
    shape: tuple[int, ...]
    kind: str
    scale: float
    numbers: npt.NDArray[np.float64]


def match_values(proto: onnx.ModelProto, network: Subnet, batch: int, seed: int) -> Match:
    """Run the file and the network on one random input, and match what they compute."""
    generator = torch.Generator().manual_seed(seed + 1)
    inputs = [
        torch.randn(x.shape, generator=generator, dtype=x.dtype) if x.is_floating_point() else x
        for x in network.example(batch)
    ]
    calls = _Recorder(network)
    with torch.no_grad():
        calls.run(*inputs)
    feeds = {v.name: x.numpy() for v, x in zip(proto.graph.input, inputs, strict=True)}
    made = {name: _sketch(value) for name, value in run_all(proto, feeds).items()}
    given = {name: _sketch(value) for name, value in feeds.items()}
    return Match(_first_of_each(given | made, calls.values), _first_of_each(calls.values, given | made))


def _first_of_each(wanted: Mapping[str, _Sketch], offered: Mapping[str, _Sketch]) -> dict[str, str]:
    by_shape: dict[tuple[object, ...], list[tuple[str, _Sketch]]] = {}
    for name, sketch in offered.items():
        by_shape.setdefault((sketch.shape, sketch.kind), []).append((name, sketch))
    found = {}
    for name, sketch in wanted.items():
        for other, candidate in by_shape.get((sketch.shape, sketch.kind), ()):
            if _same(candidate, sketch):
                found[name] = other
                break
    return found


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps a sketch of the value of each input and call."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: dict[str, _Sketch] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and keep a sketch of its value where it is a tensor."""
        value = super().run_node(n)
        if n.op in ("call_function", "placeholder") and isinstance(value, torch.Tensor):
            self.values[n.name] = _sketch(value.detach().numpy())
        return value


def _sketch(value: Array) -> _Sketch:
    flat = np.ascontiguousarray(value).reshape(-1)
    places = np.linspace(0, max(0, flat.size - 1), min(SAMPLES, flat.size)).astype(np.int64)
    scale = float(np.abs(flat).max(initial=0)) if flat.dtype != np.bool_ else 1.0
    numbers = flat[places].astype(np.float64)
    return _Sketch(value.shape, str(flat.dtype), scale if np.isfinite(scale) else 1.0, numbers)


def _same(a: _Sketch, b: _Sketch) -> bool:
    with np.errstate(invalid="ignore"):
        off = np.where(a.numbers == b.numbers, 0.0, np.abs(a.numbers - b.numbers))
    return bool(off.max(initial=0.0) <= TOLERANCE * max(a.scale, 1e-6))
