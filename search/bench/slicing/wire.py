"""Put large constants into a serialised file without another copy of them."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import helper

from .reference import Array

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
"""Field numbers of ModelProto.graph, GraphProto.initializer and TensorProto.raw_data."""


def serialised(proto: onnx.ModelProto, constants: Mapping[str, Array]) -> bytes:
    """Return a file with constants added.

    A message that stands twice in its parent is merged by every reader of the format, so a second graph that holds
    nothing but the constants follows the first.
    """
    chunks: list[bytes] = []
    for name, value in constants.items():
        data = value.tobytes()
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        head = onnx.TensorProto(dims=value.shape, data_type=kind, name=name).SerializeToString()
        head += _tag(_RAW_DATA) + _varint(len(data))
        chunks += [_tag(_INITIALIZER) + _varint(len(head) + len(data)) + head, data]
    size = sum(map(len, chunks))
    return b"".join([proto.SerializeToString(), _tag(_GRAPH) + _varint(size), *chunks])


def _tag(field: int) -> bytes:
    return _varint(field << 3 | 2)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
