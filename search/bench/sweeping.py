"""Which stairs are to be swept for a network: one dim for each class of operators, inside its own operators alone.

Dims are of one class where pieces of the same kinds make and read them: operator, kernel, stride and grouping, but no
sizes. How often does not count where the proportions are the same, since a stage of four blocks has the stairs of a
stage of two. The widest dim of a class is swept; what is not timed there follows for the others (`Stairs.levels`).

What is timed is a small file cut out of the sliced network: the operators of the pieces that make the dim or read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

from latency_tables import Stairs, Sweep

from ..graph import Axis, Blueprint, Candidate, Dim, full
from ..graph.pieces import PieceSpec, piece_specs
from ..space import offered
from .slicing import Slicer


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
    free, specs = offered(blueprint), piece_specs(blueprint)
    found: dict[str, list[Dim]] = {}
    for dim in blueprint.dims:
        if dim.name in free and dim.size > dim.least:
            found.setdefault(_kind(blueprint, specs, dim), []).append(dim)
    ordered = {kind: sorted(dims, key=lambda dim: (-dim.size, dim.name)) for kind, dims in found.items()}
    return tuple(SweepClass(kind, tuple(dim.name for dim in dims), dims[0].size) for kind, dims in ordered.items())


def sweeps(blueprint: Blueprint, slicer: Slicer) -> tuple[Sweep, ...]:
    """Return what is to be swept for a network, in the order of `sweep_classes`."""
    return tuple(
        Sweep(item.kind, item.size, _Artefact(blueprint, slicer, item.dims[0])) for item in sweep_classes(blueprint)
    )


def stairs_of_dims(blueprint: Blueprint, stairs: Mapping[str, Stairs]) -> dict[str, Stairs]:
    """Return dim name -> the stairs of its class; dims whose width cannot be on offer have none."""
    return {name: stairs[item.kind] for item in sweep_classes(blueprint) if item.kind in stairs for name in item.dims}


# ---- classes ---------------------------------------------------------------------------------------------------------


def _kind(blueprint: Blueprint, specs: Sequence[PieceSpec], dim: Dim) -> str:
    """Name what makes and reads a dim, such as `conv2d k1x1 s1 dense makes, conv2d k3x3 s1 depthwise both`."""
    places = Counter(place for spec in specs if (place := _place(blueprint, spec, dim)) is not None)
    common = gcd(*places.values()) or 1
    texts = [place if times == common else f"{times // common}x {place}" for place, times in sorted(places.items())]
    role = " of groups" if dim.counts_groups else " inside others" if dim.labels else ""
    return (", ".join(texts) or "no weighted operator") + role


def _place(blueprint: Blueprint, spec: PieceSpec, dim: Dim) -> str | None:
    makes, reads = (any(d.name == dim.name for d in blueprint.dims_of(axis)) for axis in (spec.row, spec.column))
    if not makes and not reads:
        return None
    side = "both" if makes and reads else "makes" if makes else "reads"
    return f"{spec.family.operation} {side}{_share(blueprint, spec.row if makes else spec.column, dim)}"


def _share(blueprint: Blueprint, axis: Axis, dim: Dim) -> str:
    """Say how many channels of the operator one piece of the dim is, where it is not just one."""
    channels = blueprint.algebra.size(axis).count
    if channels == dim.size:
        return ""
    return f" {channels // dim.size} a unit" if channels % dim.size == 0 else " among others"


# ---- artefacts -------------------------------------------------------------------------------------------------------


class _Artefact:
    """Makes the file for each width of one dim."""

    def __init__(self, blueprint: Blueprint, slicer: Slicer, dim: str) -> None:
        self._slicer, self._dim, self._whole = slicer, dim, full(blueprint)
        self._pieces = frozenset(
            spec.node
            for spec in piece_specs(blueprint)
            if any(d.name == dim for axis in (spec.row, spec.column) for d in blueprint.dims_of(axis))
        )

    def __call__(self, width: int) -> bytes:
        """Return the dim's own operators at this width, or the whole network where they cannot be cut out."""
        candidate = Candidate({**self._whole.dims, self._dim: width}, dict(self._whole.blocks))
        return self._slicer.part(candidate, self._pieces)
