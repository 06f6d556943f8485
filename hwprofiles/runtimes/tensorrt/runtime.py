"""TensorRT 10 and 11 on NVIDIA GPUs: ONNX files, built into engines of the types that they have."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError
from ...files import onnx_content
from ...machine import HardwareProfile, probe
from ...target import Target
from .. import cuda
from .._base import Arrays, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from ..checks import check_feeds, check_finite, check_open, check_profile_runs, out_of_reach
from ..inputs import bound_shape, random_inputs
from ..kept import kept, own_folder
from ..onnx_names import renamed
from ..quanta import GPU_QUANTUM
from .build import Complaints, build, library
from .profile import named_layers

MAJORS = (10, 11)
"""Major versions that this adapter was written for."""

PRECISIONS = {"cuda": ("fp32", "tf32", "fp16", "bf16")}
"""Device -> precisions of targets on it."""

_WARMUP_RUNS = 3


class TensorRt(Runtime):
    """Builds an engine of each file and keeps it; inputs and outputs are float32 and lie on the GPU."""

    name: ClassVar[str] = "tensorrt"
    artefact_kind: ClassVar[ArtefactKind] = "onnx"
    device: ClassVar[str] = "cuda"
    native: ClassVar[bool] = True
    compile_limit_s: ClassVar[float] = 600.0

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        reason = out_of_reach("TensorRT", self.name, PRECISIONS, target)
        if reason is not None:
            return reason
        try:
            version = str(library().__version__)
        except ImportError as error:
            return f"The package tensorrt must import, but: {error}. Install it with `pip install 'lathe[tensorrt]'`."
        if int(version.split(".")[0]) not in MAJORS:
            return f"TensorRT must be of version {' or '.join(map(str, MAJORS))}, but {version} is installed."
        return cuda.missing()

    def versions(self) -> dict[str, str]:
        """Return the versions of the library and of CUDA."""
        self.require(Target(self.name, self.device))
        return {"tensorrt": str(library().__version__), **cuda.versions()}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return what tensor cores take together."""
        return GPU_QUANTUM

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Build the engine of a file, unless that was done before, bind random inputs and run it once.

        Raises:
            ArtefactError: The library cannot read, build or run the file, its batch is not the target's, or what it
                computes does not fit the precision.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        content = onnx_content(artefact, "TensorRT")
        versions, machine = self.versions(), probe().fingerprint_for(target.device)
        cache = own_folder(self.name) / f"{machine}-{versions['tensorrt']}.timing"

        def make(path: Path) -> None:
            path.write_bytes(build(content, target.precision, target.batch, cache))

        conditions = {**versions, "target": target.slug, "machine": machine}
        plan = kept(self.name, content, conditions, make, suffix=".plan")
        try:
            return _EngineSession(content, plan.read_bytes(), target, rng)
        except RuntimeError as error:
            # Of CUDA, such as too little memory.
            raise ArtefactError(f"TensorRT cannot run the file: {error}") from error


class _EngineSession(Session):
    def __init__(self, content: bytes, plan: bytes, target: Target, rng: np.random.Generator) -> None:
        self._content = content
        self._complaints = Complaints()
        self._runtime = library().Runtime(self._complaints.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise self._complaints.error("load the engine of")
        self._memory = cuda.Memory()
        self._context = self._engine.create_execution_context()
        # What the engine tells profiling tools of each layer costs time of its own.
        self._context.nvtx_verbosity = library().ProfilingVerbosity.NONE
        self._specs, outputs = _tensors(self._engine, target.batch)
        self._inputs = random_inputs(self._specs, rng)
        self._bound = self._bind(self._context, self._inputs, outputs)
        self._outputs = outputs
        self.run()
        check_finite(self.outputs(self._inputs), target.precision)

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        check_open(self._context is not None)
        self._launch(self._context)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        check_open(self._context is not None)
        check_feeds(self._specs, feeds)
        context = self._engine.create_execution_context()
        bound = self._bind(context, feeds, self._outputs)
        self._launch(context)
        return {name: self._memory.back(bound[name]) for name in self._outputs}

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        check_open(self._context is not None)
        check_profile_runs(runs)
        context = self._engine.create_execution_context()
        # With a profiler, the library waits at the end of a run and reports its layers.
        recorder = _recorder()
        context.profiler = recorder
        bound = self._bind(context, self._inputs, self._outputs)
        for _ in range(_WARMUP_RUNS + runs):
            self._launch(context)
        del bound
        inspector = self._engine.create_engine_inspector()
        inspector.execution_context = context
        information = json.loads(inspector.get_engine_information(library().LayerInformationFormat.JSON))
        seconds = {name: times[_WARMUP_RUNS:] for name, times in recorder.seconds.items()}
        return named_layers(information, seconds, renamed(self._content)[1])

    def close(self) -> None:
        # In this order: none may outlive what it was made of.
        self._bound.clear()
        self._context = self._engine = self._runtime = None

    def _launch(self, context: Any) -> None:
        if not context.execute_async_v3(self._memory.handle):
            raise self._complaints.error("run")
        self._memory.wait()

    def _bind(self, context: Any, inputs: Arrays, outputs: list[str]) -> dict[str, Any]:
        """Put inputs and outputs in place for a context, and return what holds their memory."""
        held = {}
        for name, array in inputs.items():
            context.set_input_shape(name, array.shape)
            held[name] = self._memory.place(array)
        for name in outputs:
            shape = tuple(context.get_tensor_shape(name))
            held[name] = self._memory.place(np.zeros(shape, library().nptype(self._engine.get_tensor_dtype(name))))
        for name, memory in held.items():
            context.set_tensor_address(name, memory.data_ptr())
        return held


def _tensors(engine: Any, batch: int) -> tuple[tuple[InputSpec, ...], list[str]]:
    """Return an engine's inputs and the names of its outputs."""
    trt, inputs, outputs = library(), [], []
    for place in range(engine.num_io_tensors):
        name = engine.get_tensor_name(place)
        if engine.get_tensor_mode(name) != trt.TensorIOMode.INPUT:
            outputs.append(name)
            continue
        sizes = [None if size < 0 else int(size) for size in engine.get_tensor_shape(name)]
        dtype = np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name
        inputs.append(InputSpec(name, bound_shape(name, sizes, batch), dtype))
    return tuple(inputs), outputs


def _recorder() -> Any:
    """Return a profiler of the library that keeps the seconds of each layer in each run."""
    trt = library()

    class Recorder(trt.IProfiler):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.seconds: dict[str, list[float]] = defaultdict(list)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.seconds[layer_name].append(ms * 1e-3)

    return Recorder()
