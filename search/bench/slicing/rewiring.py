"""Take removed blocks out of a file, and tell whose piece each of its values is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx

from ...errors import ExportError
from ...graph import Blueprint, Candidate, Size, edited
from ...graph.pieces import piece_nodes
from .matching import Match


def reroute(proto: onnx.ModelProto, blueprint: Blueprint, match: Match, candidate: Candidate) -> None:
    """Replace the additions of removed blocks by the paths that stay, and drop what nothing needs any more.

    Raises:
        ExportError: The file has no value that equals the addition or what stays.
    """
    replacement: dict[str, str] = {}
    for call, instead in edited(blueprint, candidate.choices).replaced.items():
        if call not in match.value or instead not in match.value:
            raise _unmatched(blueprint, match, call, instead)
        if match.value[call] != match.value[instead]:
            replacement[match.value[call]] = match.value[instead]
    if replacement:
        _follow_all(proto, replacement, lambda value: _shape(blueprint, match, candidate, value))
    drop_dead(proto)


def _unmatched(blueprint: Blueprint, match: Match, addition: str, stays: str) -> ExportError:
    block = next(block.name for block in blueprint.blocks if block.addition == addition)
    call = stays if addition in match.value else addition
    return ExportError(
        "To remove a block from a file, its addition and what stays of it must be values there, but block "
        f"{block!r} has no value that equals its call {call!r}: keep that block."
    )


def _shape(blueprint: Blueprint, match: Match, candidate: Candidate, value: str) -> tuple[Size, ...] | None:
    """Return the sizes of a value that equals a call; None where it equals none."""
    axes = blueprint.axes.get(match.call.get(value, ""))
    return None if axes is None else blueprint.shape(axes[0], candidate)


def _follow_all(
    proto: onnx.ModelProto, replacement: dict[str, str], shape: Callable[[str], tuple[Size, ...] | None]
) -> None:
    """Let nodes read what stays, and drop what exporters drop where two of a kind meet by that."""
    rectified: set[str] = set()
    reshaped: dict[str, str] = {}
    for node in proto.graph.node:
        node.input[:] = [_follow(name, replacement) for name in node.input]
        if node.op_type == "Relu":
            # What exporters do as well: a rectifier behind a rectifier, as a removed block leaves it, is dropped.
            if node.input[0] in rectified:
                replacement[node.output[0]] = node.input[0]
            rectified.add(node.output[0])
        if node.op_type == "Reshape":
            # Shapes are written in full, so that only the last of several counts; one back to where it began is none.
            node.input[0] = reshaped.get(node.input[0], node.input[0])
            reshaped[node.output[0]] = node.input[0]
            before, after = shape(node.input[0]), shape(node.output[0])
            if before is not None and before == after:
                replacement[node.output[0]] = node.input[0]
    outputs = {_follow(output.name, replacement): output.name for output in proto.graph.output}
    _keep_outputs(proto, {old: new for old, new in outputs.items() if old != new})


def _keep_outputs(proto: onnx.ModelProto, renamed: Mapping[str, str]) -> None:
    """Let what stays of a block that makes an output bear that output's name."""
    if not renamed:
        return
    gone = set(renamed.values())
    kept = [node for node in proto.graph.node if not gone.intersection(node.output)]
    for node in kept:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)


def _follow(name: str, replacement: Mapping[str, str]) -> str:
    while name in replacement:
        name = replacement[name]
    return name


def drop_dead(proto: onnx.ModelProto) -> None:
    """Drop the nodes that no output needs."""
    needed = {output.name for output in proto.graph.output}
    kept = []
    for node in reversed(proto.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(kept))


def owners(proto: onnx.ModelProto, blueprint: Blueprint, match: Match, candidate: Candidate) -> dict[str, str]:
    """Return ONNX value -> node name of the call that begins its piece.

    A value that equals no call is a step on the way to one that does (exporters decompose calls), so it belongs to
    the piece of the next value that does; behind the last one, to the piece before it.
    """
    owner = piece_nodes(blueprint, candidate.choices)
    found: dict[str, str] = {}
    ahead: dict[str, str] = {}
    for node in reversed(proto.graph.node):
        pieces = [owner.get(match.call.get(name, "")) for name in node.output]
        piece = next((u for u in pieces if u), None) or next((ahead[n] for n in node.output if n in ahead), None)
        if piece is not None:
            found.update(dict.fromkeys(node.output, piece))
            # The first reader in the file's order wins: it is visited last.
            ahead.update(dict.fromkeys(node.input, piece))
    first = next(iter(owner.values()), None)
    for node in proto.graph.node:
        before = [found[name] for name in node.input if name in found]
        piece = before[-1] if before else first
        for name in node.output:
            if piece is not None:
                found.setdefault(name, piece)
    return {name: found[name] for node in proto.graph.node for name in node.output if name in found}
