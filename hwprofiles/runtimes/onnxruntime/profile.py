"""Times of the nodes of ONNX Runtime's own graph, named after values of the file.

The library fuses nodes and names the result after one of them, after a value, or anew. So the profiled copy of the
file has every node named after its first output, and the optimised graph is written out beside the profile: a node is
then named by the first of these that is a value of the file: its output, its own name without decoration, its input.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...target import Target
from .._base import Arrays, NodeTime
from ..onnx_names import renamed, value_in
from .sessions import session_options, start_session

# First runs allocate and pack; they are in the library's profile, too.
_WARMUP_RUNS = 2

_SUFFIX = "_kernel_time"
_BLOCKED_SUFFIX = "_nchwc"


class _Node(NamedTuple):
    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def profile_nodes(content: bytes, inputs: Arrays, target: Target, runs: int) -> tuple[NodeTime, ...]:
    """Return the mean seconds per run of each node of the library's graph, in execution order.

    Args:
        content: The file's content.
        inputs: Input name -> array.
        target: As of the timed session.
        runs: Runs to average over.

    Raises:
        ArtefactError: The library cannot load the file.
    """
    model, values = renamed(content)
    with tempfile.TemporaryDirectory() as folder:
        events, optimised = _record(model, inputs, target, runs, Path(folder))
    times = _times_of_runs(events)[_WARMUP_RUNS:]
    seconds = np.asarray([[duration for _, _, duration in run] for run in times]).mean(axis=0)
    nodes = [(name, operator) for name, operator, _ in times[0]]
    named = _named(nodes, optimised, values)
    return tuple(
        NodeTime(name, operator, float(mean)) for name, (_, operator), mean in zip(named, nodes, seconds, strict=True)
    )


def _record(
    model: bytes, inputs: Arrays, target: Target, runs: int, folder: Path
) -> tuple[list[dict[str, Any]], list[_Node]]:
    import onnx

    options = session_options(target)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    session = start_session(model, target, options)
    feeds: dict[str, NDArray[np.generic]] = dict(inputs)
    for _ in range(_WARMUP_RUNS + runs):
        session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    graph = onnx.load(folder / "optimised.onnx", load_external_data=False).graph
    return events, [_Node(node.name, node.op_type, tuple(node.input), tuple(node.output)) for node in graph.node]


def _times_of_runs(events: Sequence[dict[str, Any]]) -> list[list[tuple[str, str, float]]]:
    """Split the events into runs: (node name, operator, seconds) of each node; events carry no index of the run."""
    runs: list[list[tuple[str, str, float]]] = []
    run: list[tuple[str, str, float]] = []
    for event in events:
        name = event["name"]
        if event["cat"] == "Node" and name.endswith(_SUFFIX):
            run.append((name.removesuffix(_SUFFIX), event["args"]["op_name"], event["dur"] * 1e-6))
        elif name == "model_run":
            runs.append(run)
            run = []
    return runs


def _named(nodes: list[tuple[str, str]], optimised: list[_Node], values: Collection[str]) -> list[str]:
    in_order = [(node.name, node.operator) for node in optimised] == nodes
    counts = Counter(node.name for node in optimised)
    by_name = {node.name: node for node in optimised if counts[node.name] == 1}
    found = optimised if in_order else [by_name.get(name) for name, _ in nodes]
    return [_value_of(name, node, values) for (name, _), node in zip(nodes, found, strict=True)]


def _value_of(name: str, node: _Node | None, values: Collection[str]) -> str:
    for output in node.outputs if node else ():
        if output in values:
            return output
    own = value_in(name.removeprefix("fused ").removesuffix(_BLOCKED_SUFFIX), values)
    if own is not None:
        return own
    # A reordering of a value's layout belongs to that value.
    return next((value for value in node.inputs if value in values), name) if node else name
