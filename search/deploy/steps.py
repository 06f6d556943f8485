"""Recurrent layers for the ONNX exporter, which writes an LSTM with a projection as one without."""

from __future__ import annotations

import torch
from torch import fx
from torch.export import ExportedProgram, default_decompositions

_LSTM = torch.ops.aten.lstm.input


def in_steps(program: ExportedProgram) -> ExportedProgram:
    """Return a program in which LSTMs are written out step by step where one of them has a projection.

    ONNX has no operator for these.
    """
    calls = (node for node in program.graph.nodes if node.op == "call_function" and node.target is _LSTM)
    if not any(_is_projected(node) for node in calls):
        return program
    made: ExportedProgram = program.run_decompositions({_LSTM: default_decompositions()[_LSTM]})
    return made


def _is_projected(node: fx.Node) -> bool:
    output, memory = (state.meta["val"] for state in node.args[1])  # type: ignore[union-attr]
    return bool(output.shape[-1] != memory.shape[-1])
