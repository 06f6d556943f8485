"""Tiny ONNX networks: chains of convolutions, one unit a convolution, named by the widths between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwprofiles import NullRuntime, Target, TimingProtocol
from latency_tables import Job, PieceKey

TARGET = Target("null")
# The null runtime has no caches, so that no turn needs a lead.
PROTOCOL = TimingProtocol(
    lead_runs=0, min_windows=8, max_windows=8, turns_per_window=3, warmup_s=0.0, time_limit_s=10.0
)
MACHINE = "test-machine"
SIZE = 8
FAMILY = f"conv2d k3x3 s1 p1 dense in{SIZE}x{SIZE} out{SIZE}x{SIZE} +relu"
FULL = (3, 64, 64, 64, 64, 64, 64)
QUANTUM = 8


def keys(widths: Sequence[int]) -> list[PieceKey]:
    return [PieceKey.of(FAMILY, pair) for pair in pairwise(widths)]


@cache
def chain(widths: tuple[int, ...], *, relu: bool = True, operator: str = "Conv") -> bytes:
    nodes, tensors = [], []
    for i, (wide, narrow) in enumerate(pairwise(widths)):
        weight = np.full((narrow, wide, 3, 3), 0.01, dtype=np.float32)
        tensors.append(numpy_helper.from_array(weight, f"w{i}"))
        source = "x" if i == 0 else f"y{i - 1}"
        target = f"c{i}" if relu else f"y{i}"
        nodes.append(helper.make_node(operator, [source, f"w{i}"], [target], name=f"conv{i}", pads=[1, 1, 1, 1]))
        if relu:
            nodes.append(helper.make_node("Relu", [target], [f"y{i}"], name=f"relu{i}"))
    shape = [1, widths[0], SIZE, SIZE]
    end = [1, widths[-1], SIZE, SIZE]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"y{len(widths) - 2}", TensorProto.FLOAT, end)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if operator == "Conv":
        onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def job(
    widths: Sequence[int],
    *,
    origin: str = "level",
    artefact: Callable[[], bytes] | None = None,
    key: str | None = None,
) -> Job:
    frozen = tuple(widths)
    units = {f"conv{i}": (unit, (f"c{i}", f"y{i}")) for i, unit in enumerate(keys(frozen))}
    name = key or hashlib.sha256(repr(frozen).encode()).hexdigest()[:16]
    return Job(name, artefact or (lambda: chain(frozen)), units, origin)  # type: ignore[arg-type]


def random_widths(n: int, seed: int, *, step: int = QUANTUM, full: Sequence[int] = FULL) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < n:
        inner = (int(rng.integers(1, width // step + 1)) * step for width in full[1:])
        found[(full[0], *inner)] = None
    return list(found)


def null_runtime(noise: float = 0.0, drift: float = 0.0, seed: int = 0) -> NullRuntime:
    return NullRuntime(noise=noise, drift=drift, seed=seed)
