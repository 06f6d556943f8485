"""The file of any candidate in milliseconds."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx

from ...deploy.widened import widen
from ...errors import ExportError
from ...graph import Axis, Blueprint, Candidate, full, sample
from ...surgery import Subnet
from .checking import check_shapes
from .extracting import extracted
from .following import Follows, Rule, Solver
from .matching import match_values
from .numbers import aligned, read_numbers, written
from .readings import Readings
from .reference import Reference, Weights, telling
from .rewiring import owners, reroute
from .wire import serialised

MOST_REFERENCES = 4
"""Narrow exports that a slicer makes at most; one is enough for most networks."""

CHECKS = 2
"""Random candidates whose sliced files are checked before a slicer is handed out."""


class OnnxSlicer:
    """Makes the ONNX file of any candidate of a blueprint in milliseconds; weights are random."""

    def __init__(self, blueprint: Blueprint, batch: int, seed: int = 0) -> None:
        """Export the unpruned network and narrow ones, and find how everything in the file follows the widths.

        Raises:
            ExportError: The network does not export, or how a number in the file follows the widths cannot be told.
        """
        self._blueprint = blueprint
        self._batch = batch
        rng = np.random.default_rng(seed)
        self._weights = weights = Weights.draw(blueprint, batch, seed)
        whole = weights.reference(full(blueprint))
        self._match = match_values(whole.proto, widen(weights.network(full(blueprint))), batch, seed)
        self._readings = Readings(blueprint, rng)
        self._read(weights, whole, rng)

    def _read(self, weights: Weights, whole: Reference, rng: np.random.Generator) -> None:
        """Read the numbers off references, one more at a time, until the sliced files pass the check."""
        references, trouble = [whole], ExportError("no narrow export has the operators of the unpruned network's.")
        for _ in range(MOST_REFERENCES):
            known = [reference.candidate for reference in references]
            extra = weights.reference(telling(self._blueprint, self._readings, known, rng))
            if not aligned([whole, extra]):
                continue
            references.append(extra)
            try:
                self._settle(references)
                self._check(np.random.default_rng(1))
                return
            except ExportError as exc:
                trouble = exc
        raise ExportError(
            f"A file can be sliced where narrow exports tell how its numbers follow the widths: {trouble}"
        )

    def _settle(self, references: list[Reference]) -> None:
        skeleton = copy.deepcopy(references[0].proto)
        del skeleton.graph.initializer[:]
        del skeleton.graph.value_info[:]
        candidates = [reference.candidate for reference in references]
        solver = Solver(skeleton.graph, self._match, self._readings, candidates)
        whole = Reference(candidates[0], skeleton, references[0].constants)
        self._numbers = read_numbers([whole, *references[1:]], solver)
        self._skeleton = skeleton

    def _check(self, rng: np.random.Generator) -> None:
        for removal in [0.0, 0.5][:CHECKS]:
            candidate = sample(self._blueprint, rng, removal=removal)
            check_shapes(self.slice(candidate), self._blueprint, self._match.call, candidate, self._batch)

    def network(self) -> Subnet:
        """Return the unpruned network with the weights that its file has."""
        return self._weights.network(full(self._blueprint))

    def slice(self, candidate: Candidate) -> bytes:
        """Return the file of a candidate's network.

        Raises:
            ValueError: The candidate does not belong to the blueprint.
            ExportError: A block of it cannot be removed from the file.
        """
        self._blueprint.check(candidate)
        number = self._number(candidate)
        proto = copy.deepcopy(self._skeleton)
        written(proto, self._numbers, number)
        reroute(proto, self._blueprint, self._match, candidate)
        used = dict.fromkeys(name for node in proto.graph.node for name in node.input)
        constants = self._numbers.constants
        return serialised(proto, {n: constants[n].sized(number) for n in used if n in constants})

    def part(self, candidate: Candidate, pieces: frozenset[str]) -> bytes:
        """Return the file of some pieces' operators only, or of the whole network where they cannot be cut out."""
        content, made = self.slice(candidate), self.nodes(candidate)
        values = frozenset(value for piece in pieces for value in made.get(piece, ()))
        found = extracted(onnx.load_from_string(content), values)
        return content if found is None else found

    def nodes(self, candidate: Candidate) -> dict[str, tuple[str, ...]]:
        """Return piece node name -> names of the ONNX values that its nodes make in a candidate's file."""
        proto = copy.deepcopy(self._skeleton)
        reroute(proto, self._blueprint, self._match, candidate)
        found: dict[str, list[str]] = {}
        for value, piece in owners(proto, self._blueprint, self._match, candidate).items():
            found.setdefault(piece, []).append(value)
        return {piece: tuple(names) for piece, names in found.items()}

    def _number(self, candidate: Candidate) -> Callable[[Rule], int]:
        """Return what tells the value of each rule under a candidate."""
        widths, known = self._blueprint.widths(candidate), dict[Axis, int]()

        def number(rule: Rule) -> int:
            if not isinstance(rule, Follows):
                return rule
            if rule.axis not in known:
                known[rule.axis] = self._blueprint.algebra.width(rule.axis, widths).count
            size = rule.factor * known[rule.axis]
            if size.denominator != 1:
                raise ExportError(f"A size is a whole number, but got {size}, {rule.factor} of {known[rule.axis]}.")
            return int(size)

        return number
