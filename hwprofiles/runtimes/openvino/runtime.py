"""OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...files import onnx_content
from ...machine import HardwareProfile, probe
from ...target import Target
from .._base import Arrays, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from ..checks import check_feeds, check_open, check_profile_runs, out_of_reach
from ..inputs import random_inputs
from ..quanta import onednn_block
from .compiled import HINTS, bound, compile_model, infer, library, read
from .profile import profile_nodes

PRECISIONS = {"cpu": tuple(HINTS)}
"""Device -> precisions of targets on it."""

# What the CPU must have so that the library computes in a precision rather than falls back.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


class OpenVino(Runtime):
    """Runs ONNX files with the CPU plugin: precision, threads and one stream fixed, denormals flushed."""

    name: ClassVar[str] = "openvino"
    artefact_kind: ClassVar[ArtefactKind] = "onnx"
    native: ClassVar[bool] = True

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        reason = out_of_reach("OpenVINO", self.name, PRECISIONS, target)
        if reason is not None:
            return reason
        if target.precision == "bf16" and not _BF16_FLAGS & set(probe().cpu_flags or ()):
            return "OpenVINO computes in bf16 where the CPU has avx512_bf16 or amx_bf16, but this one has neither."
        try:
            library()
        except ImportError as error:
            return f"The package openvino must import, but: {error}. Install it with `pip install 'lathe[openvino]'`."
        return None

    def versions(self) -> dict[str, str]:
        """Return the version of the library, with its build."""
        self.require(Target(runtime=self.name))
        return {"openvino": str(library().get_version())}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the channel block of oneDNN, which the library computes with; see `onednn_block`."""
        return onednn_block(profile)

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Read and compile a file, bind random inputs and run it once.

        Raises:
            ArtefactError: The library cannot read, compile or run the file, its batch is not the target's, or it was
                compiled for another precision.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _OpenVinoSession(artefact, target, rng)


class _OpenVinoSession(Session):
    def __init__(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> None:
        self._content, self._target = onnx_content(artefact, "OpenVINO"), target
        model, self._specs = read(self._content, target.batch)
        self._compiled = compile_model(model, target)
        self._output_names = [output.get_any_name() for output in self._compiled.outputs]
        self._inputs = random_inputs(self._specs, rng)
        self._request = bound(self._compiled, self._specs, self._inputs)

    @property
    def threads(self) -> int:
        return self._target.threads

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        self._open()
        infer(self._request)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        self._open()
        check_feeds(self._specs, feeds)
        request = bound(self._compiled, self._specs, feeds)
        found = [np.array(request.get_output_tensor(i).data) for i in range(len(self._output_names))]
        return dict(zip(self._output_names, found, strict=True))

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        self._open()
        check_profile_runs(runs)
        return profile_nodes(self._content, self._inputs, self._target, runs)

    def close(self) -> None:
        self._compiled = self._request = None

    def _open(self) -> None:
        check_open(self._request is not None)
