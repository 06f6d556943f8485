"""Whose fault it is that a file does not compute what its network computes: the exporter's, or the runtime's.

A runtime rewrites a graph before it runs it. Where the file is right without that, the runtime is at fault, and the
operator at which it goes wrong is found by running the file up to one node after another both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from hwprofiles import Runtime, Session, Target, get_runtime

Feeds = dict[str, NDArray[np.generic]]

_REFERENCE = "onnxruntime"

_VISIBLE = 1e-3
"""Smallest relative difference that is no rounding."""


def fault(
    content: bytes,
    feeds: Feeds,
    is_right: Callable[[Sequence[NDArray[np.generic]]], bool],
    runtime: Runtime,
    target: Target,
) -> str:
    """Return a sentence that says whose fault it is; an empty text where it cannot be told.

    Args:
        content: The ONNX file.
        feeds: Inputs on which the runtime's outputs are wrong.
        is_right: Tells whether outputs are what the network computes.
        runtime: That computes them otherwise.
        target: How it does.
    """
    try:
        return _fault(content, feeds, is_right, runtime, target)
    except Exception:
        # What is being explained is told in any case.
        return ""


def _fault(
    content: bytes,
    feeds: Feeds,
    is_right: Callable[[Sequence[NDArray[np.generic]]], bool],
    runtime: Runtime,
    target: Target,
) -> str:
    who = f"{runtime.name} {runtime.versions().get(runtime.name, '')}".strip()
    plain = _plain(content, runtime, target)
    if plain is None:
        return ""
    with plain:
        right = is_right(list(plain.outputs(feeds).values()))
    if not right:
        return (
            "the file is wrong without the runtime's optimisations, too, so the exporter wrote something else than the "
            "network"
        )
    where = _first_difference(content, feeds, runtime, target)
    return (
        f"the file is right: without optimisations of the graph it computes what the network does, so the fault is in "
        f"{who}{where}. Write that part of the network with other operators, or take another runtime or version"
    )


def _plain(content: bytes, runtime: Runtime, target: Target) -> Session | None:
    """Load a file as it is: on the runtime itself where it can, else on the reference."""
    rng = np.random.default_rng(0)
    found = runtime.plain(content, target, rng)
    if found is not None or runtime.name == _REFERENCE:
        return found
    return get_runtime(_REFERENCE).plain(content, Target(_REFERENCE, batch=target.batch, threads=target.threads), rng)


def _first_difference(content: bytes, feeds: Feeds, runtime: Runtime, target: Target) -> str:
    """Say at which operator the outputs begin to differ; an empty text where they do in the end only."""
    nodes = list(onnx.load_from_string(content).graph.node)
    low, high = 0, len(nodes)
    while low < high:
        middle = (low + high) // 2
        if _differs(content, nodes[middle].output[0], feeds, runtime, target):
            high = middle
        else:
            low = middle + 1
    if low == len(nodes):
        return ""
    makers = {name: node.op_type for node in nodes for name in node.output}
    before = sorted({makers[name] for name in nodes[low].input if name in makers} - {"Constant", "Identity"})
    after = f" after {', '.join(before)}" if before else ""
    return f", which first goes wrong at the operator {nodes[low].op_type}{after}"


def _differs(content: bytes, value: str, feeds: Feeds, runtime: Runtime, target: Target) -> bool:
    """Tell whether a value of the file comes out otherwise with the runtime's optimisations than without."""
    proto = onnx.load_from_string(content)
    del proto.graph.output[:]
    proto.graph.output.append(onnx.ValueInfoProto(name=value))
    part = proto.SerializeToString()
    plain = _plain(part, runtime, target)
    if plain is None:
        return False
    with plain, runtime.load(part, target, np.random.default_rng(0)) as optimised:
        (expected,), (got,) = plain.outputs(feeds).values(), optimised.outputs(feeds).values()
    if not np.issubdtype(expected.dtype, np.floating):
        return not np.array_equal(expected, got)
    wanted, found = expected.astype(np.float64), got.astype(np.float64)
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-30)
    return not float(np.abs(wanted - found).max(initial=0.0)) <= _VISIBLE * scale
