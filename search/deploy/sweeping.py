"""Which stairs are to be swept for a network: one dim for each class of operators, inside its own operators alone.

Dims are of one class where units of the same kinds make and read them: operator, kernel, stride and grouping, but no
sizes. How often does not count where the proportions are the same, since a stage of four blocks has the stairs of a
stage of two. The widest dim of a class is swept; what is not timed there follows for the others (`Stairs.levels`).

What is timed is a small file cut out of the sliced network: the operators of the units that make the dim or read it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd, prod

import onnx

from latency_tables import Stairs, Sweep

from ..graph import Axis, Blueprint, Candidate, Dim, full
from ..graph.keys import UnitSpec, unit_specs
from ..space import offered
from .slicing import OnnxSlicer

_SIZES = re.compile(r"(in|out|at)\d|\+")
"""How the words of a family begin that are sizes, or say what follows the operator."""

_INFERENCE_READS = 64
"""Elements up to which a constant may be a shape or a list of axes, which inference reads."""


@dataclass(frozen=True, slots=True)
class SweepClass:
    """Dims whose widths have the same stairs.

    Attributes:
        kind: The operators that make and read them.
        dims: Names, the widest first.
        size: Full size of the widest.
    """

    kind: str
    dims: tuple[str, ...]
    size: int


def sweep_classes(blueprint: Blueprint) -> tuple[SweepClass, ...]:
    """Return the classes of the dims whose width can be on offer, in the order in which the graph comes upon them."""
    free, specs = offered(blueprint), unit_specs(blueprint)
    found: dict[str, list[Dim]] = {}
    for dim in blueprint.dims:
        if dim.name in free and dim.size > dim.least:
            found.setdefault(_kind(blueprint, specs, dim), []).append(dim)
    ordered = {kind: sorted(dims, key=lambda dim: (-dim.size, dim.name)) for kind, dims in found.items()}
    return tuple(SweepClass(kind, tuple(dim.name for dim in dims), dims[0].size) for kind, dims in ordered.items())


def sweeps(blueprint: Blueprint, slicer: OnnxSlicer) -> tuple[Sweep, ...]:
    """Return what is to be swept for a network, in the order of `sweep_classes`."""
    return tuple(
        Sweep(item.kind, item.size, _Artefact(blueprint, slicer, item.dims[0])) for item in sweep_classes(blueprint)
    )


def stairs_of_dims(blueprint: Blueprint, stairs: Mapping[str, Stairs]) -> dict[str, Stairs]:
    """Return dim name -> the stairs of its class; dims whose width cannot be on offer have none."""
    return {name: stairs[item.kind] for item in sweep_classes(blueprint) if item.kind in stairs for name in item.dims}


# ---- classes ---------------------------------------------------------------------------------------------------------


def _kind(blueprint: Blueprint, specs: Sequence[UnitSpec], dim: Dim) -> str:
    """Name what makes and reads a dim, such as `conv2d k1x1 s1 dense makes, conv2d k3x3 s1 depthwise both`."""
    places = Counter(place for spec in specs if (place := _place(blueprint, spec, dim)) is not None)
    common = gcd(*places.values()) or 1
    texts = [place if times == common else f"{times // common}x {place}" for place, times in sorted(places.items())]
    role = " of groups" if dim.counts_groups else " inside others" if dim.labels else ""
    return (", ".join(texts) or "no weighted operator") + role


def _place(blueprint: Blueprint, spec: UnitSpec, dim: Dim) -> str | None:
    makes, reads = (any(d.name == dim.name for d in blueprint.dims_of(axis)) for axis in (spec.row, spec.column))
    if not makes and not reads:
        return None
    operator = " ".join(word for word in spec.family.split() if not _SIZES.match(word))
    side = "both" if makes and reads else "makes" if makes else "reads"
    return f"{operator} {side}{_share(blueprint, spec.row if makes else spec.column, dim)}"


def _share(blueprint: Blueprint, axis: Axis, dim: Dim) -> str:
    """Say how many channels of the operator one unit of the dim is, where it is not just one."""
    channels = blueprint.algebra.size(axis).count
    if channels == dim.size:
        return ""
    return f" {channels // dim.size} a unit" if channels % dim.size == 0 else " among others"


# ---- artefacts -------------------------------------------------------------------------------------------------------


class _Artefact:
    """Makes the file for each width of one dim."""

    def __init__(self, blueprint: Blueprint, slicer: OnnxSlicer, dim: str) -> None:
        self._slicer, self._dim, self._whole = slicer, dim, full(blueprint)
        self._nodes = {
            spec.node
            for spec in unit_specs(blueprint)
            if any(d.name == dim for axis in (spec.row, spec.column) for d in blueprint.dims_of(axis))
        }
        self._values: frozenset[str] | None = None

    def __call__(self, width: int) -> bytes:
        """Return the dim's own operators at this width, or the whole network where they cannot be cut out."""
        candidate = Candidate({**self._whole.dims, self._dim: width}, dict(self._whole.blocks))
        content = self._slicer.slice(candidate)
        if self._values is None:
            made = self._slicer.nodes(self._whole)
            self._values = frozenset(value for node in self._nodes for value in made.get(node, ()))
        part = extracted(onnx.load_from_string(content), self._values)
        return content if part is None else part


def extracted(model: onnx.ModelProto, values: frozenset[str]) -> bytes | None:
    """Return the file that holds only the nodes which make some values.

    What they read from other nodes becomes an input, of the shape that inference finds; what others read of them, or
    nobody does, becomes an output.

    Returns:
        None where no node, all nodes, or a part whose inputs have unknown shapes or another batch would be left.
    """
    graph = model.graph
    inside = [node for node in graph.node if values.intersection(node.output)]
    if not inside or len(inside) == len(graph.node):
        return None
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made = {name for node in inside for name in node.output if name}
    read = list(dict.fromkeys(name for node in inside for name in node.input if name))
    known = _shapes(model)
    inputs = [name for name in read if name not in made and name not in constants]
    used = {name for node in inside for name in node.input}
    elsewhere = {name for node in graph.node for name in node.input if not values.intersection(node.output)}
    elsewhere |= {value.name for value in graph.output}
    outputs = [name for node in inside for name in node.output if name and (name in elsewhere or name not in used)]
    if not inputs or any(name not in known for name in (*inputs, *outputs)) or not _is_one_batch(model, known, inputs):
        return None
    part = onnx.helper.make_graph(
        inside,
        graph.name,
        [known[name] for name in inputs],
        [known[name] for name in outputs],
        [constants[name] for name in read if name in constants],
    )
    return bytes(_like(model, part).SerializeToString())


def _like(model: onnx.ModelProto, graph: onnx.GraphProto) -> onnx.ModelProto:
    return onnx.helper.make_model(
        graph, opset_imports=list(model.opset_import), functions=list(model.functions), ir_version=model.ir_version
    )


def _is_one_batch(model: onnx.ModelProto, known: Mapping[str, onnx.ValueInfoProto], inputs: Sequence[str]) -> bool:
    """Whether all inputs have the network's batch as their first axis: runtimes take the others for mistakes."""
    firsts = [value.type.tensor_type.shape.dim[:1] for value in (model.graph.input[0], *(known[n] for n in inputs))]
    return len({dims[0].dim_value if dims else 0 for dims in firsts}) == 1


def _shapes(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Return the values whose shapes are known and fixed; weights are emptied for the inference, which copies them."""
    graph = model.graph
    light = onnx.helper.make_graph(
        graph.node, graph.name, graph.input, graph.output, [_emptied(tensor) for tensor in graph.initializer]
    )
    try:
        inferred = onnx.shape_inference.infer_shapes(_like(model, light), data_prop=True)
    except onnx.shape_inference.InferenceError:
        return {}
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    return {value.name: value for value in values if _is_fixed(value)}


def _is_fixed(value: onnx.ValueInfoProto) -> bool:
    tensor = value.type.tensor_type
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _emptied(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if prod(tensor.dims) <= _INFERENCE_READS:
        return tensor
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
