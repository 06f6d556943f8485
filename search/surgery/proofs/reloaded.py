"""A stored network, read in a fresh process, computes what it computed when it was stored."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.utils import _pytree as pytree

from ...errors import BundleError
from ...graph import Trace
from ..subnet import Subnet
from ._base import Proof, compare, draw_like, outputs

RELOAD_TOLERANCE = 1e-6
"""Largest relative difference: the same operators on the same machine, perhaps on another number of threads."""

_CHILD = """
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from search.graph.tracing import seeded_draws
from search.surgery import load_subnet
from search.surgery.proofs import flat

bundle, given, found, count = sys.argv[1:]
tensors = load_file(given)
args = [tensors.get(str(i)) for i in range(int(count))]
with torch.no_grad(), seeded_draws():
    value = torch.fx.Interpreter(load_subnet(Path(bundle))).run(*args, enable_io_processing=False)
save_file({"output": flat(value)}, found)
"""
"""Feeds the graph's inputs in their order, so that no structure of theirs has to travel."""


def reloaded(subnet: Subnet, bundle: Path, trace: Trace, rng: np.random.Generator) -> Proof:
    """Read a stored network in a fresh process and compare its outputs with those of the network in memory.

    Args:
        subnet: The network that was stored, in eval mode.
        bundle: The folder that it was stored in.
        trace: Whose example the inputs are drawn like.
        rng: Where the inputs' numbers come from.

    Raises:
        BundleError: The fresh process cannot read or run it.
    """
    args, kwargs = draw_like(trace, rng)
    leaves = pytree.tree_leaves((args, kwargs))
    tensors = {str(i): leaf.contiguous() for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)}
    with tempfile.TemporaryDirectory() as folder:
        given, found = (str(Path(folder) / name) for name in ("inputs.safetensors", "outputs.safetensors"))
        save_file(tensors, given)
        command = [sys.executable, "-P", "-c", _CHILD, str(bundle), given, found, str(len(leaves))]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment())
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise BundleError(f"A stored network must be readable in a fresh process, but reading failed: {last[0]}")
        got = load_file(found)["output"]
    return compare("reload", outputs(subnet, args, kwargs), got, RELOAD_TOLERANCE)


def _environment() -> dict[str, str]:
    """Let the process import this very package: not another one that is installed, nor a folder of its name."""
    root = str(Path(__file__).resolve().parents[3])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
