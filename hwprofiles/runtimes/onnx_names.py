"""Names for the nodes of a runtime's own graph: those of the values of the ONNX file that it was made from."""

from __future__ import annotations

import re
from collections.abc import Collection

# Between a value's name and what a runtime adds to it.
_DECORATION = re.compile(r"[/_. ]")


def renamed(content: bytes) -> tuple[bytes, dict[str, int]]:
    """Return a file with every node named after its first output, and its values.

    Returns:
        The content, and value -> place of the node that makes it; -1 for inputs.
    """
    import onnx

    model = onnx.load_from_string(content)
    values = {value.name: -1 for value in model.graph.input}
    for place, node in enumerate(model.graph.node):
        node.name = next((output for output in node.output if output), node.name)
        values.update({output: place for output in node.output if output})
    return model.SerializeToString(), values


def value_in(name: str, values: Collection[str]) -> str | None:
    """Return the value that a runtime's name stands for: itself, or the longest one that it only adds to; else None."""
    if name in values:
        return name
    starts = [name[: match.start()] for match in _DECORATION.finditer(name)]
    return max((start for start in starts if start in values), key=len, default=None)
