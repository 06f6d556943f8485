"""The numbers of a file that follow the widths: sizes and contents of constants, attributes, output sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from ...errors import ExportError
from .following import Follows, Rule, Solver
from .reference import Array, Reference


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant of the file.

    Attributes:
        value: Its content in the unpruned network.
        sizes: The size of each of its axes; empty where the whole is the same for every candidate.
        numbers: Position in its flattened content -> number that stands there, for shape arguments and bounds.
    """

    value: Array
    sizes: tuple[Rule, ...] = ()
    numbers: Mapping[int, Rule] | None = None

    def sized(self, number: Callable[[Rule], int]) -> Array:
        """Return the constant of a candidate, given the value of each rule."""
        # Only sizes matter for timing: the first pieces stay.
        value = self.value[tuple(slice(0, number(size)) for size in self.sizes)]
        if not self.numbers:
            return value
        value = value.copy()
        for place, rule in self.numbers.items():
            value.flat[place] = number(rule)
        return value


@dataclass(frozen=True, slots=True)
class Attribute:
    """A number in a node's attribute.

    Attributes:
        node: Position of the node in the file.
        attribute: Position of the attribute in the node.
        entry: Position in a list, or None for a single number.
        rule: How it follows the widths.
    """

    node: int
    attribute: int
    entry: int | None
    rule: Rule


@dataclass(frozen=True)
class Numbers:
    """All that a candidate changes in the numbers of a file.

    Attributes:
        constants: Name -> constant.
        attributes: Numbers in attributes.
        outputs: The sizes of each of the file's outputs.
    """

    constants: Mapping[str, Constant]
    attributes: tuple[Attribute, ...]
    outputs: tuple[tuple[Rule, ...], ...]


def aligned(references: Sequence[Reference]) -> bool:
    """Tell whether files have the same nodes, read in the same way."""
    first = _structure(references[0])
    return all(_structure(other) == first for other in references[1:])


def _structure(reference: Reference) -> list[tuple[object, ...]]:
    """Return what does not depend on the widths: operators, and which node's output or constant each input is."""
    place = {value.name: (-1, i) for i, value in enumerate(reference.proto.graph.input)}
    found: list[tuple[object, ...]] = []
    for i, node in enumerate(reference.proto.graph.node):
        ranks = [reference.constants[n].ndim if n in reference.constants else place.get(n) for n in node.input]
        names = [(a.name, len(a.ints)) for a in node.attribute]
        found.append((node.op_type, node.domain, *ranks, *names))
        place.update({name: (i, j) for j, name in enumerate(node.output)})
    return found


def read_numbers(references: Sequence[Reference], solver: Solver) -> Numbers:
    """Find how the numbers of the first file, the unpruned network's, follow the widths.

    Inputs of its nodes are renamed where one constant serves two places that follow different axes.

    Raises:
        ExportError: A number follows no axis near it.
    """
    graphs = [reference.proto.graph for reference in references]
    constants: dict[str, Constant] = {}
    attributes: list[Attribute] = []
    for i, nodes in enumerate(zip(*(graph.node for graph in graphs), strict=True)):
        for j, name in enumerate(nodes[0].input):
            if name in references[0].constants:
                values = [r.constants[node.input[j]] for r, node in zip(references, nodes, strict=True)]
                nodes[0].input[j] = _keep(constants, name, f"{name}/{i}.{j}", _constant(solver, nodes, i, j, values))
        attributes += _attributes(solver, nodes, i)
    return Numbers(constants, tuple(attributes), _outputs(references, solver))


def _keep(constants: dict[str, Constant], name: str, other: str, constant: Constant) -> str:
    """Keep a constant under its name, or under another where that one is taken by one that follows other axes."""
    taken = constants.get(name)
    if taken is None or (taken.sizes, taken.numbers) == (constant.sizes, constant.numbers):
        constants[name] = constant
        return name
    constants[other] = constant
    return other


def _constant(
    solver: Solver, nodes: Sequence[onnx.NodeProto], index: int, position: int, values: Sequence[Array]
) -> Constant:
    value, what = values[0], f"input {position}"
    shapes = [each.shape for each in values]
    sizes = tuple(
        solver.solve(observed, index, f"axis {axis} of {what}")
        for axis, observed in enumerate(zip(*shapes, strict=True))
    )
    if len(set(shapes)) == 1:
        sizes = ()
    if value.dtype.kind in "iu":
        if not sizes:
            return Constant(value, (), _entries(solver, index, what, values))
        _check_content(nodes[0], position, values)
    return Constant(value, sizes)


def _entries(solver: Solver, index: int, what: str, values: Sequence[Array]) -> dict[int, Rule]:
    flat = np.stack([value.reshape(-1) for value in values])
    return {
        int(place): solver.solve([int(v) for v in flat[:, place]], index, f"entry {place} of {what}")
        for place in np.flatnonzero((flat != flat[0]).any(axis=0))
    }


def _check_content(node: onnx.NodeProto, position: int, values: Sequence[Array]) -> None:
    """Check that whole numbers, such as indices, are for narrow networks the first ones of the wide one.

    Raises:
        ExportError: They are not.
    """
    for narrow in values[1:]:
        if not np.array_equal(values[0][tuple(slice(0, size) for size in narrow.shape)], narrow):
            raise ExportError(
                "To slice a file for timing, indices must be the first ones of the unpruned network's, but input "
                f"{position} of {node.op_type} ({node.output[0]!r}) holds others: compute what it picks from shapes, "
                "or keep the dims that it picks from."
            )


def _attributes(solver: Solver, nodes: Sequence[onnx.NodeProto], index: int) -> list[Attribute]:
    found = []
    for a, each in enumerate(zip(*(node.attribute for node in nodes), strict=True)):
        what = f"attribute {each[0].name!r}"
        if len({x.i for x in each}) > 1:
            found.append(Attribute(index, a, None, solver.solve([x.i for x in each], index, what)))
        for entry, observed in enumerate(zip(*(x.ints for x in each), strict=True)):
            if len(set(observed)) > 1:
                found.append(Attribute(index, a, entry, solver.solve(observed, index, what)))
    return found


def _outputs(references: Sequence[Reference], solver: Solver) -> tuple[tuple[Rule, ...], ...]:
    maker = {name: i for i, node in enumerate(references[0].proto.graph.node) for name in node.output}
    found = []
    for outputs in zip(*(reference.proto.graph.output for reference in references), strict=True):
        shapes = [[size.dim_value for size in output.type.tensor_type.shape.dim] for output in outputs]
        index = maker.get(outputs[0].name, 0)
        found.append(tuple(solver.solve(sizes, index, "the output") for sizes in zip(*shapes, strict=True)))
    return tuple(found)


def written(proto: onnx.ModelProto, numbers: Numbers, number: Callable[[Rule], int]) -> None:
    """Write a candidate's attributes and output sizes into a copy of the file, in place."""
    for each in numbers.attributes:
        attribute = proto.graph.node[each.node].attribute[each.attribute]
        if each.entry is None:
            attribute.i = number(each.rule)
        else:
            attribute.ints[each.entry] = number(each.rule)
    for output, sizes in zip(proto.graph.output, numbers.outputs, strict=True):
        for size, rule in zip(output.type.tensor_type.shape.dim, sizes, strict=True):
            if isinstance(rule, Follows):
                size.dim_value = number(rule)
