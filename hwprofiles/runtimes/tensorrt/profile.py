"""Times of the layers of a TensorRT engine, named after values of the file.

The engine inspector tells what each layer of an engine was made of, the profiler how long it took; both call it by one
name. The file's nodes are named after their first outputs before it is built, so that the metadata, which names
nodes, names values. Only fields that the majors 10 and 11 share are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._base import NodeTime
from ..onnx_names import value_in

_OF_FILE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")

_REFORMAT = re.compile(r"Reformatting CopyNode for (?:Network )?(?:Input|Output) (?:Tensor \d+ (?:to|from) )?")


def named_layers(
    information: Mapping[str, Any], seconds: Mapping[str, Sequence[float]], values: Mapping[str, int]
) -> tuple[NodeTime, ...]:
    """Return the mean seconds of each layer that ran, in the order of the engine.

    Args:
        information: What the inspector says of an engine that was built with detailed verbosity, as JSON.
        seconds: Layer name -> its seconds in each run.
        values: Value of the file -> place of the node that makes it.

    A layer is named after the last value among those that its nodes make; one that the metadata says nothing of, after
    what its own name is made of, then after what it reads or writes.
    """
    layers = [layer if isinstance(layer, Mapping) else {"Name": layer} for layer in information.get("Layers", ())]
    return tuple(
        NodeTime(
            _value_of(layer, values) or str(layer["Name"]),
            str(layer.get("LayerType", "layer")),
            float(np.mean(seconds[layer["Name"]])),
        )
        for layer in layers
        if seconds.get(layer["Name"])
    )


def _value_of(layer: Mapping[str, Any], values: Mapping[str, int]) -> str | None:
    own = _REFORMAT.sub("", str(layer["Name"]))
    told = _OF_FILE.findall(str(layer.get("Metadata", "")))
    tensors = [str(tensor.get("Name", "")) for side in ("Outputs", "Inputs") for tensor in layer.get(side, ())]
    for names in (told, re.split(r"\s*\+\s*", own), tensors):
        found = [value for name in names if (value := value_in(name.strip(), values)) is not None]
        if found:
            return max(found, key=values.__getitem__)
    return None
