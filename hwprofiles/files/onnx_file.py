"""ONNX files as they enter: whole in themselves, and made of known operators only.

Weights that a file keeps beside it are read from the current folder, no hash covers them, and a crafted place is
followed to any address in memory. An operator of a vendor is code that some library brings. Both are refused before a
runtime sees the file. `onnx_operators.txt` lists what a file may call: the standard's operators but those that read
images and texts, and those that ONNX Runtime's own optimiser writes.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import ArtefactError, UnfitFileError
from .whole import read_whole

MOST_ONNX_BYTES = 2**31 - 1
"""Size of an ONNX file, at most: what the format itself can hold in one file."""

MOST_CALLS = 1_000_000
"""Nodes of a file, at most, when the functions that it defines are written out."""

MOST_NESTED = 100
"""Functions in functions, at most."""

OPERATORS_FILE = "onnx_operators.txt"

_MOST_SHOWN = 120
_STANDARD = frozenset({"", "ai.onnx"})

# Values of onnx, which is imported only when a file is read: `import hwprofiles` must stay light.
Message = Any


def read_onnx(path: Path) -> bytes:
    """Return the content of an ONNX file after checking it; the path itself may be a link.

    Raises:
        ArtefactError: It is not fit; see `check_onnx`.
        UnfitFileError: It is no regular file, or too large.
        OSError: It cannot be read.
    """
    content = read_whole(path.resolve(), MOST_ONNX_BYTES)
    check_onnx(content)
    return content


def onnx_content(artefact: bytes | Path, who: str) -> bytes:
    """Return what a runtime may load.

    A file is checked in full. Content that is handed over in memory is Lathe's own, thousands of times over; in it
    only the one word is looked for that weights in other files cannot do without.

    Args:
        artefact: A file's content or its path.
        who: The runtime's name in messages.

    Raises:
        ArtefactError: It cannot be read or is not fit.
    """
    if isinstance(artefact, Path):
        try:
            return read_onnx(artefact)
        except (OSError, UnfitFileError) as error:
            raise ArtefactError(f"{who} cannot read the file: {error}") from error
    if b"location" in artefact:
        check_onnx(artefact)
    return artefact


def check_onnx(content: bytes) -> None:
    """Check that an ONNX file is whole in itself, valid, and calls known operators only.

    Raises:
        ArtefactError: It is not.
    """
    onnx = importlib.import_module("onnx")
    decode_error = importlib.import_module("google.protobuf.message").DecodeError
    if len(content) > MOST_ONNX_BYTES:
        raise ArtefactError(
            f"An ONNX file holds {MOST_ONNX_BYTES:,} bytes at most, but this one has {len(content):,}: use a runtime "
            "that takes no ONNX files."
        )
    try:
        model = onnx.load_from_string(content)
        _check_parts(model)
        onnx.checker.check_model(content)
    except (decode_error, onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise ArtefactError(f"An ONNX file must be a valid one, but: {error}. Export it again.") from error


@cache
def operators() -> frozenset[str]:
    """Return the operators that a file may call: `Conv`, or `com.microsoft.FusedConv`."""
    return frozenset(files(__package__).joinpath(OPERATORS_FILE).read_text(encoding="ascii").split())


def _check_parts(model: Message) -> None:
    """Look at every part of a file, whatever it is nested in."""
    own = {(function.domain, function.name): function for function in model.functions}
    for part in _parts(model):
        kind = part.DESCRIPTOR.name
        if kind == "TensorProto":
            _check_tensor(part)
        elif kind == "NodeProto" and (part.domain, part.op_type) not in own:
            _check_operator(part)
        elif kind == "TrainingInfoProto":
            raise ArtefactError("An ONNX file to run holds no training, but this one does: export it for inference.")
    _check_calls(model.graph, own)


def _parts(model: Message) -> Iterator[Message]:
    pending = [model]
    while pending:
        part = pending.pop()
        yield part
        for field, value in part.ListFields():
            if field.message_type is not None:
                pending += [value] if hasattr(value, "DESCRIPTOR") else value


def _check_tensor(tensor: Message) -> None:
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
        raise ArtefactError(
            f"An ONNX file holds its weights itself, but this one keeps {_short(tensor.name)} in another file "
            f"({_short(place)}), which no hash covers: save the network as one file."
        )


def _check_operator(node: Message) -> None:
    name = node.op_type if node.domain in _STANDARD else f"{node.domain}.{node.op_type}"
    if name not in operators():
        raise ArtefactError(
            f"An ONNX file calls operators of the standard and of ONNX Runtime's optimiser only, but node "
            f"{_short(node.name)} calls {_short(name)}: compute that with standard operators, outside the network, or "
            "write the network for another runtime.",
            node.op_type[:_MOST_SHOWN],
        )


def _check_calls(graph: Message, own: Mapping[tuple[str, str], Message]) -> None:
    """Refuse functions that call themselves, or one another so often that writing them out would never end."""
    known: dict[tuple[str, str], int] = {}
    open_: set[tuple[str, str]] = set()

    def size(body: Message) -> int:
        calls = Counter((p.domain, p.op_type) for p in _parts(body) if p.DESCRIPTOR.name == "NodeProto")
        return sum(count * (called(name) if name in own else 1) for name, count in calls.items())

    def called(name: tuple[str, str]) -> int:
        if name in open_:
            raise ArtefactError(f"A function of an ONNX file must not call itself, but {_short(name[1])} does.")
        if name not in known:
            if len(open_) >= MOST_NESTED:
                raise ArtefactError(f"Functions of an ONNX file nest {MOST_NESTED} deep at most: export it again.")
            open_.add(name)
            known[name] = size(own[name])
            open_.discard(name)
        return known[name]

    if own and (found := size(graph)) > MOST_CALLS:
        raise ArtefactError(
            f"An ONNX file makes {MOST_CALLS:,} calls at most, but the functions of this one come to {found:,}: "
            "export it again."
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")
