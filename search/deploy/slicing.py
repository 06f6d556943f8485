"""Subnets for timing, sliced from one exported file with random weights.

One export of the unpruned network serves a whole table. Each ONNX value is matched *by value* to a call of the
blueprint's graph (both are run on one random input), so the axes of every value are known however the exporter has
renamed, folded and rewritten; the axes of the constants follow from the operators that use them.
"""

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
from torch import fx

from ..errors import ExportError
from ..graph import Axis, Blueprint, Candidate
from ..graph.keys import unit_nodes
from ..surgery import Subnet, cut, everything
from .export import to_onnx

Array = npt.NDArray[Any]

MATCH_TOLERANCE = 1e-3
"""Relative difference below which an ONNX value and a call's value are one: float32 through two runtimes."""


@dataclass(frozen=True, slots=True)
class _Constant:
    """A constant of the file, and how it follows the widths.

    Attributes:
        value: Its content in the unpruned network.
        axes: An axis for each of its own, or None where it is the same for every candidate.
        shape: For shape arguments: the axes whose sizes it lists.
    """

    value: Array
    axes: tuple[Axis, ...] | None
    shape: tuple[Axis, ...] | None = None


class OnnxSlicer:
    """Makes the ONNX file of any candidate of a blueprint in milliseconds; weights are random."""

    def __init__(self, blueprint: Blueprint, batch: int, seed: int = 0) -> None:
        """Export the unpruned network once and find the axes of everything in the file.

        Raises:
            ExportError: The network does not export, or the axes of a constant cannot be told.
        """
        self._blueprint = blueprint
        network = _with_random_weights(blueprint, seed)
        self._proto = to_onnx(network, network.example(batch))
        _constants_to_initializers(self._proto)
        self._match = _match_values(self._proto, network, batch, seed)
        self._axes = {name: tuple(blueprint.axes[node][0]) for name, node in self._match.items()}
        self._constants = self._find_constants()
        self._skeleton = copy.deepcopy(self._proto)
        del self._skeleton.graph.initializer[:]
        del self._skeleton.graph.value_info[:]

    def slice(self, candidate: Candidate) -> bytes:
        """Return the file of a candidate's network.

        Raises:
            ValueError: The candidate does not belong to the blueprint.
        """
        self._blueprint.check(candidate)
        proto = copy.deepcopy(self._skeleton)
        self._reroute(proto, candidate)
        _drop_dead(proto)
        used = {name for node in proto.graph.node for name in node.input}
        widths = self._blueprint.widths(candidate)
        for name, constant in self._constants.items():
            if name in used:
                proto.graph.initializer.append(numpy_helper.from_array(self._sized(constant, widths), name))
        self._write_groups(proto, candidate)
        return bytes(proto.SerializeToString())

    def nodes(self, candidate: Candidate) -> dict[str, tuple[str, ...]]:
        """Return unit node name -> names of the ONNX values that its nodes make in a candidate's file."""
        owner = unit_nodes(self._blueprint, candidate.removed)
        proto = copy.deepcopy(self._skeleton)
        self._reroute(proto, candidate)
        _drop_dead(proto)
        found: dict[str, list[str]] = {}
        unit_of: dict[str, str] = {}
        for node in proto.graph.node:
            matched = self._match.get(node.output[0], "")
            inherited = [unit_of[name] for name in node.input if name in unit_of]
            unit = owner.get(matched) or (inherited[-1] if inherited else next(iter(owner.values())))
            for name in node.output:
                unit_of[name] = unit
                found.setdefault(unit, []).append(name)
        return {unit: tuple(names) for unit, names in found.items()}

    # ---- constants ---------------------------------------------------------------------------------------------------

    def _find_constants(self) -> dict[str, _Constant]:
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in self._proto.graph.initializer}
        found: dict[str, _Constant] = {}
        for node in self._proto.graph.node:
            for position, name in enumerate(node.input):
                if name in values and name not in found:
                    found[name] = self._constant(node, position, values[name])
        return found

    def _constant(self, node: onnx.NodeProto, position: int, value: Array) -> _Constant:
        if node.op_type == "Reshape" and position == 1:
            return _Constant(value, None, self._output_axes(node))
        axes = self._constant_axes(node, position, value)
        return _Constant(value, axes)

    def _constant_axes(self, node: onnx.NodeProto, position: int, value: Array) -> tuple[Axis, ...] | None:
        """Return the axes of a constant, from what its operator does with it."""
        if value.ndim == 0 or value.size == 1 or node.op_type in _SIZE_FREE:
            return None
        if node.op_type == "Conv":
            data, out = self._axes_of(node.input[0], node), self._output_axes(node)
            groups = _attribute(node, "group", 1)
            if position == 2:
                return (out[1],)
            inner = data[1] if groups == 1 else self._inside(data[1], groups, value.shape[1])
            return (out[1], inner, *(self._fixed(size) for size in value.shape[2:]))
        if node.op_type in ("Gemm", "MatMul"):
            return self._matrix_axes(node, position, value)
        if node.op_type == "BatchNormalization":
            return (self._output_axes(node)[1],)
        if node.op_type in _BROADCASTING:
            return self._broadcast_axes(self._output_axes(node), value)
        raise ExportError(
            f"To slice a file for timing, the axes of each constant must be known, but operator {node.op_type} "
            f"({node.name}) takes a constant of shape {list(value.shape)} as input {position}, and has no rule."
        )

    def _matrix_axes(self, node: onnx.NodeProto, position: int, value: Array) -> tuple[Axis, ...]:
        out = self._output_axes(node)[-1]
        if position == 2:
            return self._broadcast_axes(self._output_axes(node), value)
        inner = self._axes_of(node.input[0], node)[-1]
        transposed = node.op_type == "Gemm" and _attribute(node, "transB", 0)
        return (out, inner) if transposed else (inner, out)

    def _broadcast_axes(self, out: tuple[Axis, ...], value: Array) -> tuple[Axis, ...]:
        aligned = out[len(out) - value.ndim :]
        return tuple(() if size == 1 else axis for size, axis in zip(value.shape, aligned, strict=True))

    def _output_axes(self, node: onnx.NodeProto) -> tuple[Axis, ...]:
        return self._axes_of(node.output[0], node)

    def _axes_of(self, value: str, node: onnx.NodeProto) -> tuple[Axis, ...]:
        if value not in self._axes:
            raise ExportError(
                f"To slice a file for timing, each value must belong to a call of the graph, but value {value!r} at "
                f"{node.op_type} ({node.name}) equals none."
            )
        return self._axes[value]

    def _inside(self, channels: Axis, groups: int, size: int) -> Axis:
        """Return the axis of one group's channels; channels are [groups, size]."""
        terms = self._blueprint.algebra.resolve(channels)
        for i in range(len(terms) + 1):
            if self._blueprint.algebra.size(terms[:i]).count == groups:
                return terms[i:]
        return self._fixed(size)

    def _fixed(self, size: int) -> Axis:
        return self._blueprint.algebra.atom(size, frozen="fixed in the exported file")

    def _sized(self, constant: _Constant, widths: Mapping[int, int]) -> Array:
        width = self._blueprint.algebra.width
        if constant.shape is not None:
            sizes = [width(axis, widths) for axis in constant.shape]
            return np.array(
                [old if size.symbols else size.count for old, size in zip(constant.value, sizes, strict=True)],
                dtype=constant.value.dtype,
            )
        if constant.axes is None:
            return constant.value
        # Only sizes matter for timing: the first units stay.
        return constant.value[tuple(slice(0, width(axis, widths).count) for axis in constant.axes)]

    # ---- structure ---------------------------------------------------------------------------------------------------

    def _reroute(self, proto: onnx.ModelProto, candidate: Candidate) -> None:
        """Replace the additions of removed blocks by the paths that stay."""
        made_by = {call: value for value, call in reversed(self._match.items())}
        replacement: dict[str, str] = {}
        for block in self._blueprint.blocks:
            if block.name in candidate.removed:
                if block.addition not in made_by or block.stays not in made_by:
                    raise ExportError(
                        f"To remove a block from the file, its addition must stand there, but {block.name} has none."
                    )
                replacement[made_by[block.addition]] = made_by[block.stays]
        rectified: set[str] = set()
        for node in proto.graph.node:
            node.input[:] = [_follow(name, replacement) for name in node.input]
            if node.op_type == "Relu":
                # What exporters do as well: a rectifier behind a rectifier, as a removed block leaves it, is dropped.
                if node.input[0] in rectified:
                    replacement[node.output[0]] = node.input[0]
                rectified.add(node.output[0])

    def _write_groups(self, proto: onnx.ModelProto, candidate: Candidate) -> None:
        sizes = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
        widths = self._blueprint.widths(candidate)
        for node in proto.graph.node:
            if node.op_type == "Conv" and _attribute(node, "group", 1) > 1:
                channels = self._blueprint.algebra.width(self._axes[node.input[0]][1], widths).count
                for attribute in node.attribute:
                    if attribute.name == "group":
                        attribute.i = channels // sizes[node.input[1]][1]


_SIZE_FREE = frozenset({"Clip", "ReduceMean", "ReduceSum", "Squeeze", "Unsqueeze", "Pad", "Slice", "Cast"})
"""Operators whose constants are bounds or axis numbers, never widths."""

_BROADCASTING = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "Where"})
"""Operators that broadcast their constants against their output."""


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)


def _follow(name: str, replacement: Mapping[str, str]) -> str:
    while name in replacement:
        name = replacement[name]
    return name


def _drop_dead(proto: onnx.ModelProto) -> None:
    needed = {output.name for output in proto.graph.output}
    kept = []
    for node in reversed(proto.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(kept))


def _constants_to_initializers(proto: onnx.ModelProto) -> None:
    """Turn Constant nodes into initializers, so that there is one kind of constant."""
    for node in list(proto.graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = proto.graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            proto.graph.node.remove(node)


def _with_random_weights(blueprint: Blueprint, seed: int) -> Subnet:
    """Return the unpruned network with random weights of the scale that keeps activations near one."""
    network = cut(blueprint, everything(blueprint))
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        fan = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
        noise = torch.randn(parameter.shape, generator=generator)
        scaled = noise * (2.0 / fan) ** 0.5 if parameter.dim() > 1 else 1.0 + 0.2 * noise
        parameter.data = scaled.to(parameter.dtype)
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point():
            draw = torch.rand(buffer.shape, generator=generator).to(buffer.dtype)
            buffer.copy_(0.5 + draw if name.endswith("running_var") else 0.2 * (draw - 0.5))
    return network


# ---- matching by value -----------------------------------------------------------------------------------------------


def _match_values(proto: onnx.ModelProto, network: Subnet, batch: int, seed: int) -> dict[str, str]:
    """Return ONNX value name -> node name of the first call of the graph that has this value."""
    generator = torch.Generator().manual_seed(seed + 1)
    inputs = [
        torch.randn(x.shape, generator=generator, dtype=x.dtype) if x.is_floating_point() else x
        for x in network.example(batch)
    ]
    calls = _Recorder(network)
    with torch.no_grad():
        calls.run(*inputs)
    feeds = {v.name: x.numpy() for v, x in zip(proto.graph.input, inputs, strict=True)}
    matched = {v.name: n.name for v, n in zip(proto.graph.input, calls.inputs, strict=True)}
    for name, value in _run_all(proto, feeds).items():
        node = next((n for n, v in calls.values.items() if _same(v, value)), None)
        if node is not None:
            matched[name] = node
    return matched


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps the value of each call."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: dict[str, Array] = {}
        self.inputs = [node for node in module.graph.nodes if node.op == "placeholder"]

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and keep its value where it is a tensor."""
        value = super().run_node(n)
        if n.op == "call_function" and isinstance(value, torch.Tensor):
            self.values[n.name] = value.detach().numpy()
        return value


def _run_all(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return the value of every node's output, without the runtime's rewriting."""
    open_model = copy.deepcopy(proto)
    known = {output.name for output in proto.graph.output}
    names = [name for node in proto.graph.node for name in node.output if name]
    open_model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(open_model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def _same(a: Array, b: Array) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    scale = float(np.abs(a).max(initial=0.0))
    return bool(np.abs(a - b).max(initial=0.0) <= MATCH_TOLERANCE * max(scale, 1e-6))
