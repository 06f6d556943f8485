"""Times of the nodes of OpenVINO's own graph, named after values of the file.

The library keeps the names of the nodes that it fused into one. So the profiled copy of the file has every node named
after its first output. Nodes of the library's own making (reorders between layouts, decomposed operators) are named
after what they read, or what reads them.

Its counters are means over all runs since the file was compiled, the cold first one among them, and each run is cut
to whole microseconds: they tell shares of a run, after enough runs of a compilation of their own, and no seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...target import Target
from .._base import Arrays, NodeTime
from ..onnx_names import renamed, value_in
from .compiled import bound, compile_model, infer, read

# So many runs at least, so that the first one is no more than some per cent of the mean.
_LEAST_RUNS = 30

# What cutting to whole microseconds takes off a run, in the mean.
_CUT_S = 0.5e-6

# Kinds of nodes of the library's graph that compute nothing.
_SILENT = frozenset({"Input", "Output", "Const"})


def profile_nodes(content: bytes, inputs: Arrays, target: Target, runs: int) -> tuple[NodeTime, ...]:
    """Return the mean seconds per run of each node of the library's graph, in execution order.

    Args:
        content: The file's content.
        inputs: Input name -> array.
        target: As in the timed session.
        runs: Runs to average over; more are made where the counters need them.

    Raises:
        ArtefactError: The library cannot run the file.
    """
    file, values = renamed(content)
    # An input is made by no node.
    order = {value: place for value, place in values.items() if place >= 0}
    model, specs = read(file, target.batch)
    compiled = compile_model(model, target, PERF_COUNT=True)
    request = bound(compiled, specs, inputs)
    for _ in range(max(runs, _LEAST_RUNS)):
        infer(request)
    # Of nodes that take less than a microsecond, the counters say nothing.
    seconds = {
        info.node_name: info.real_time.total_seconds() + _CUT_S
        for info in request.profiling_info
        if info.real_time.total_seconds() > 0
    }
    return attributed([_node(op) for op in compiled.get_runtime_model().get_ordered_ops()], seconds, order)


@dataclass(frozen=True, slots=True)
class Op:
    """A node of the library's graph.

    Attributes:
        name: The library's own.
        kind: What it does.
        origins: Names of the file's nodes that became it.
        reads: Names of the nodes that it reads.
    """

    name: str
    kind: str
    origins: Sequence[str]
    reads: Sequence[str]


def attributed(ops: Sequence[Op], seconds: Mapping[str, float], order: Mapping[str, int]) -> tuple[NodeTime, ...]:
    """Name each node that took time after a value of the file.

    Args:
        ops: In execution order.
        seconds: Name of a node -> seconds; others did not run.
        order: Value of the file -> place of the node that makes it.
    """
    named: dict[str, str] = {}
    readers: dict[str, str] = {}
    for op in ops:
        own = [value for origin in op.origins if (value := value_in(origin, order)) is not None]
        before = [named[name] for name in op.reads if name in named]
        if own or before:
            named[op.name] = max(own or before, key=order.__getitem__)
    for op in reversed(ops):
        if op.name not in named and op.name in readers:
            named[op.name] = readers[op.name]
        for name in op.reads:
            if op.name in named:
                readers[name] = named[op.name]
    return tuple(
        NodeTime(named.get(op.name, op.name), op.kind, seconds[op.name])
        for op in ops
        if op.kind not in _SILENT and op.name in seconds
    )


def _node(op: Any) -> Op:
    info = op.get_rt_info()
    origins = info["originalLayersNames"].astype(str) if "originalLayersNames" in info else ""
    reads = [value.get_source_output().get_node().get_friendly_name() for value in op.inputs()]
    return Op(op.get_friendly_name(), info["layerType"].astype(str), [o for o in origins.split(",") if o], reads)
