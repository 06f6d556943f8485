"""Real exports of narrow networks, from which the axis behind each number of a file is read off."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch.utils import _pytree as pytree

from ...deploy.export import to_onnx
from ...graph import Blueprint, Candidate, Selection, assemble, full
from ...surgery import Subnet, cut
from .readings import Readings

Array = npt.NDArray[Any]

DRAWS = 12
"""Random candidates that each reference is chosen from."""

GAINS = (2.0, 0.5, 0.1)
"""Variances of weights, times their inputs, that are tried: products of activations and bounds like smaller ones."""

NUDGE = 1e-5
"""Relative change of the input by which a network is told to be steady."""

GROWTH = 20.0
"""Most that a relative change of the input may grow on its way to the output."""

NARROWEST = 0.25
"""Least share of a dim that a reference keeps: a width of 1 would let the exporter drop operators."""


@dataclass(frozen=True)
class Reference:
    """The exported file of one candidate.

    Attributes:
        candidate: Whose file it is.
        proto: The file; constants are initializers, and what depends on constants only is computed.
        constants: Name -> value of each.
    """

    candidate: Candidate
    proto: onnx.ModelProto
    constants: Mapping[str, Array]


@dataclass(frozen=True)
class Weights:
    """Random weights of the unpruned network; narrower ones have the first pieces of the same numbers."""

    blueprint: Blueprint
    batch: int
    state: Mapping[str, torch.Tensor]

    @classmethod
    def draw(cls, blueprint: Blueprint, batch: int, seed: int) -> Weights:
        """Draw weights of the scale that keeps activations near one, or smaller ones where rounding would grow."""
        for gain in GAINS:
            weights = cls(blueprint, batch, _random_state(blueprint, gain, seed))
            if _steady(weights.network(full(blueprint)), batch, seed):
                break
        return weights

    def network(self, candidate: Candidate) -> Subnet:
        """Return a candidate's network with the first pieces of these weights."""
        network = _first_pieces(self.blueprint, candidate)
        with torch.no_grad():
            for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
                if name in self.state:
                    tensor.copy_(self.state[name][tuple(slice(0, size) for size in tensor.shape)])
        return network

    def reference(self, candidate: Candidate) -> Reference:
        """Export a candidate's network.

        Raises:
            ExportError: It does not export.
        """
        network = self.network(candidate)
        proto = to_onnx(network, network.example(self.batch))
        _constants_to_initializers(proto)
        _fold(proto)
        _spell_out_reshapes(proto)
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
        return Reference(candidate, proto, constants)


def _random_state(blueprint: Blueprint, gain: float, seed: int) -> dict[str, torch.Tensor]:
    """Return parameter or buffer name -> random content."""
    network = _first_pieces(blueprint, full(blueprint))
    generator = torch.Generator().manual_seed(seed)
    state = dict[str, torch.Tensor]()
    for name, parameter in network.named_parameters():
        fan = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
        noise = torch.randn(parameter.shape, generator=generator)
        scaled = noise * (gain / fan) ** 0.5 if parameter.dim() > 1 else 1.0 + 0.2 * noise
        state[name] = scaled.to(parameter.dtype)
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point():
            draw = torch.rand(buffer.shape, generator=generator).to(buffer.dtype)
            state[name] = 0.5 + draw if name.endswith("running_var") else 0.2 * (draw - 0.5)
    return state


def _steady(network: Subnet, batch: int, seed: int) -> bool:
    """Tell whether what differs in the input's last digits differs little in the output."""
    generator = torch.Generator().manual_seed(seed)
    example = network.example(batch)
    inputs = [torch.randn(x.shape, generator=generator, dtype=x.dtype) if x.is_floating_point() else x for x in example]
    with torch.no_grad():
        first = pytree.tree_leaves(network(*inputs))
        second = pytree.tree_leaves(network(*(x * (1 + NUDGE) if x.is_floating_point() else x for x in inputs)))
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if isinstance(a, torch.Tensor)]
    return all(bool((a - b).abs().max() <= GROWTH * NUDGE * a.abs().max()) for a, b in pairs if a.is_floating_point())


def _first_pieces(blueprint: Blueprint, candidate: Candidate) -> Subnet:
    rows = {d.name: [range(candidate.dims[d.name])] * d.outer for d in blueprint.dims if d.name in candidate.dims}
    return cut(blueprint, Selection(candidate, rows))


def telling(blueprint: Blueprint, readings: Readings, known: list[Candidate], rng: np.random.Generator) -> Candidate:
    """Return the random candidate, of some, that leaves the fewest neighbouring axes equal in size."""
    draws = [_draw(blueprint, rng) for _ in range(DRAWS)]
    return min(draws, key=lambda draw: readings.collisions([*known, draw]))


def _draw(blueprint: Blueprint, rng: np.random.Generator) -> Candidate:
    widths = {}
    for dim in blueprint.dims:
        least = min(dim.size, max(dim.least, 2, int(dim.size * NARROWEST)))
        widths[dim.name] = int(rng.integers(least, max(least + 1, dim.size)))
        if dim.size <= 2:
            widths[dim.name] = dim.least
    return assemble(blueprint, widths)


def _constants_to_initializers(proto: onnx.ModelProto) -> None:
    """Turn Constant nodes into initializers, so that there is one kind of constant."""
    kept = []
    for node in proto.graph.node:
        if node.op_type != "Constant":
            kept.append(node)
            continue
        value = onnx.helper.get_attribute_value(node.attribute[0])
        tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(_plain(node.attribute[0]))
        proto.graph.initializer.add().CopyFrom(tensor)
        proto.graph.initializer[-1].name = node.output[0]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)


def _plain(attribute: onnx.AttributeProto) -> Array:
    kind = np.float32 if attribute.name.startswith("value_float") else np.int64
    return np.array(onnx.helper.get_attribute_value(attribute), dtype=kind)


def _fold(proto: onnx.ModelProto) -> None:
    """Compute what depends on constants only: whether exporters do depends on how large it is."""
    graph = proto.graph
    known = {tensor.name for tensor in graph.initializer}
    fixed: list[onnx.NodeProto] = []
    for node in graph.node:
        if all(name in known or not name for name in node.input) and not node.op_type.startswith("Random"):
            known.update(node.output)
            fixed.append(node)
    if not fixed:
        return
    made = {name for node in fixed for name in node.output}
    moving = [node for node in graph.node if node.output[0] not in made]
    wanted = sorted(made & ({n for node in moving for n in node.input} | {output.name for output in graph.output}))
    values = _computed(proto, fixed, wanted)
    del graph.node[:]
    graph.node.extend(moving)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    used = {name for node in moving for name in node.input}
    live = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(live)


def _spell_out_reshapes(proto: onnx.ModelProto) -> None:
    """Write whole shapes into Reshapes: which entry exporters leave open depends on the widths."""
    graph = proto.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {v.name: [s.dim_value for s in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.output]}
    for i, node in enumerate(graph.node):
        if node.op_type == "Reshape" and node.input[1] in constants and node.output[0] in shapes:
            written, shape = numpy_helper.to_array(constants[node.input[1]]), shapes[node.output[0]]
            if written.min(initial=1) < 1 and written.size == len(shape) and all(shape):
                node.input[1] = f"{node.input[1]}/whole{i}"
                graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), node.input[1]))


def _computed(proto: onnx.ModelProto, nodes: list[onnx.NodeProto], names: list[str]) -> dict[str, Array]:
    if not names:
        return {}
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    del part.graph.node[:], part.graph.input[:], part.graph.output[:], part.graph.value_info[:]
    del part.graph.initializer[:]
    used = {name for node in nodes for name in node.input}
    part.graph.initializer.extend(tensor for tensor in proto.graph.initializer if tensor.name in used)
    part.graph.node.extend(nodes)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return dict(zip(names, session(part).run(names, {}), strict=True))


def session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Load a file without the runtime's rewriting."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_all(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the value of every node's output."""
    opened = copy.deepcopy(proto)
    known = {output.name for output in proto.graph.output}
    names = [name for node in proto.graph.node for name in node.output if name]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    return dict(zip(names, session(opened).run(names, dict(feeds)), strict=True))
