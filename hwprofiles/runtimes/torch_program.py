"""Exported programs as PyTorch loads them: their modules, inputs and outputs."""

from __future__ import annotations

import copy
import importlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtefactError
from ._base import VALUES_FILE, InputSpec, bound_shape


@dataclass(frozen=True)
class Program:
    """An exported program, ready to be copied and run.

    Attributes:
        exported: What torch loaded.
        module: Its module, without checks of what it is given.
        names: Call -> what it is to be named in profiles.
    """

    exported: Any
    module: Any
    names: Mapping[str, str]


def moved(exported: Any, device: str) -> Any:
    """Return a copy of an exported program whose weights and constants lie on a device."""
    # Torch does not import these by itself.
    passes = importlib.import_module("torch.export.passes")
    return passes.move_to_device_pass(copy.deepcopy(exported), device)


def load_program(content: bytes) -> Program:
    """Load an exported program.

    Raises:
        ArtefactError: The library cannot read it.
    """
    torch, extra = library(), {VALUES_FILE: ""}
    try:
        with quiet():
            exported = torch.export.load(io.BytesIO(content), extra_files=extra)
            module = exported.module(check_guards=False)
        return Program(exported, module, json.loads(extra[VALUES_FILE] or "{}"))
    except Exception as error:
        raise artefact_error("load", error) from error


def input_specs(program: Any, batch: int) -> tuple[InputSpec, ...]:
    """Return a program's inputs, in order.

    Raises:
        ArtefactError: An input is no tensor, or its batch is another.
    """
    torch = library()
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    specs = []
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if not isinstance(value, torch.Tensor):
            raise ArtefactError(f"Every input of a program must be a tensor, but {name!r} is not; export it again.")
        sizes = [size if isinstance(size, int) else None for size in value.shape]
        specs.append(InputSpec(name, bound_shape(name, sizes, batch), str(value.dtype).removeprefix("torch.")))
    return tuple(specs)


def named_outputs(found: Any) -> dict[str, NDArray[np.generic]]:
    """Return the tensors that a program returned, copied: "output", or "output_0" and so on where there are more."""
    torch = library()
    leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(found) if isinstance(leaf, torch.Tensor)]
    names = ["output"] if len(leaves) == 1 else [f"output_{i}" for i in range(len(leaves))]
    # NumPy has no bfloat16.
    floats = [leaf.float() if leaf.dtype in (torch.float16, torch.bfloat16) else leaf for leaf in leaves]
    return {name: leaf.detach().cpu().numpy().copy() for name, leaf in zip(names, floats, strict=True)}


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the library says of its own deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def library() -> Any:
    """Return the library's module.

    Raises:
        ImportError: It is not installed.
    """
    return importlib.import_module("torch")


def artefact_error(verb: str, error: Exception) -> ArtefactError:
    """Return the library's complaint as an error."""
    return ArtefactError(f"PyTorch cannot {verb} the program: {type(error).__name__}: {error}")
