"""Exported programs as PyTorch loads them: their modules, inputs and outputs."""

from __future__ import annotations

import copy
import importlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError
from .._base import VALUES_FILE, InputSpec
from ..inputs import bound_shape

Input = tuple[str, tuple[int | None, ...], str]
"""Name, sizes (None for a symbolic one) and type of an input."""


@dataclass(frozen=True)
class Program:
    """A program or graph, ready to be copied and run.

    Attributes:
        module: Its calls alone: without checks of what it is given, and on tensors in the order of `inputs`.
        inputs: Its inputs, in order.
        names: Call -> what it is to be named in profiles; those that it lacks keep theirs.
        exported: The exported program that torch loaded; None for a graph.
    """

    module: Any
    inputs: tuple[Input, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    exported: Any = None
    _idle: dict[str, list[Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def take(self, layout: str) -> Any:
        """Return a copy of the module whose tensors lie elsewhere in memory than those of all others in use.

        Args:
            layout: How images lie in memory: what was returned is taken again for the same one only.
        """
        idle = self._idle.setdefault(layout, [])
        if not idle:
            with quiet():
                return copy.deepcopy(self.module)
        module = idle.pop()
        # A tensor at a time, so that none comes to lie where it lay.
        for value in (*module.parameters(), *module.buffers()):
            value.data = value.data.clone()
        return module

    def give_back(self, module: Any, layout: str) -> None:
        """Take back what `take` returned: copying tensors is much faster than copying a graph."""
        self._idle[layout].append(module)


def moved(exported: Any, device: str) -> Any:
    """Return a copy of an exported program whose weights and constants lie on a device."""
    # Torch does not import these by itself.
    passes = importlib.import_module("torch.export.passes")
    twin = copy.deepcopy(exported)
    # Copying renames inputs that are called as builtins are, such as `input`; the signature has to follow.
    inputs = (node for node in twin.graph.nodes if node.op == "placeholder")
    for node, spec in zip(inputs, twin.graph_signature.input_specs, strict=True):
        spec.arg.name = node.name
    return passes.move_to_device_pass(twin, device)


def load_program(content: bytes) -> Program:
    """Load an exported program.

    Raises:
        ArtefactError: The library cannot read it.
    """
    torch, extra = library(), {VALUES_FILE: ""}
    try:
        with quiet():
            exported = torch.export.load(io.BytesIO(content), extra_files=extra)
            module = plain_module(exported)
        return Program(module, program_inputs(exported), json.loads(extra[VALUES_FILE] or "{}"), exported)
    except ArtefactError:
        raise
    except Exception as error:
        raise artefact_error("load", error) from error


def plain_module(exported: Any) -> Any:
    """Return the calls of an exported program as a graph module.

    Torch's own module of it checks its inputs at each run, for as long as several small operators take.
    """
    torch = library()
    module = exported.module(check_guards=False)
    graph = copy.deepcopy(module.graph)
    graph.set_codegen(torch.fx.graph.CodeGen())
    return torch.fx.GraphModule(module, graph)


def program_inputs(program: Any) -> tuple[Input, ...]:
    """Return an exported program's inputs, in order.

    Raises:
        ArtefactError: One is no tensor.
    """
    torch = library()
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    found = []
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if not isinstance(value, torch.Tensor):
            raise ArtefactError(f"Every input of a program must be a tensor, but {name!r} is not; export it again.")
        sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
        found.append((name, sizes, str(value.dtype).removeprefix("torch.")))
    return tuple(found)


def specs_of(inputs: Sequence[Input], batch: int) -> tuple[InputSpec, ...]:
    """Return a program's inputs with a batch filled in.

    Raises:
        ArtefactError: Its batch is another.
    """
    return tuple(InputSpec(name, bound_shape(name, sizes, batch), dtype) for name, sizes, dtype in inputs)


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
    """Silence what the library says of its own deprecations, and 2.11 of the bytes that its reader hands to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
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
