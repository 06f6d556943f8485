"""The null runtime: seconds from a latency law on a fake clock, outputs from the real file.

Its answers are known exactly, so everything above it can be tested without waiting and without luck. Noise and drift
are seeded; drift is of the machine, shared by all sessions, so that pairing matters as it does on a real one.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError
from ...files import onnx_content
from ...machine import Counters, HardwareProfile
from ...target import Target
from .._base import Arrays, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from ..checks import check_feeds, check_open, check_profile_runs
from ..inputs import bound_shape
from ..onnxruntime import OnnxRuntime
from .law import DEFAULT_LAW, StaircaseLaw, fed_inputs, fixed_shape, read_model

# Periods of the waves that drift is made of, in seconds: slower than a turn, some faster than a comparison.
_DRIFT_PERIODS_S = (0.9, 4.7, 23.0)


class FakeClock:
    """A clock that moves only when it is told to.

    Attributes:
        now: Seconds since it was made.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time now."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on, or back for negative seconds; also serves as a sleep on this clock."""
        self.now += seconds


class NullRuntime(Runtime):
    """Takes ONNX files and pretends to run them, in exactly the time that a law says.

    Attributes:
        law: Seconds of each node.
        machine: The fake clock, the same as `clock`; tests may advance it.
    """

    name: ClassVar[str] = "null"
    artefact_kind: ClassVar[ArtefactKind] = "onnx"

    def __init__(self, law: StaircaseLaw = DEFAULT_LAW, noise: float = 0.0, drift: float = 0.0, seed: int = 0) -> None:
        """Make a machine.

        Args:
            law: Seconds of each node.
            noise: Standard deviation of the logarithm of each single run's time.
            drift: Standard deviation of the logarithm of the machine's slowness over time.
            seed: Of noise and drift.

        Raises:
            ValueError: Noise or drift is negative.
        """
        if noise < 0 or drift < 0:
            raise ValueError(f"`noise` and `drift` must not be negative, but got {noise=}, {drift=}.")
        self.law = law
        self.machine = FakeClock()
        self.clock = self.machine
        self.sleep = self.machine.advance
        # Nothing is known of a machine that does not exist; the real one's load must not judge fake seconds.
        self.conditions = Counters
        self._noise = noise
        self._drift = drift
        self._rng = np.random.default_rng(seed)
        self._phases = tuple(float(phase) for phase in self._rng.uniform(0, 2 * math.pi, len(_DRIFT_PERIODS_S)))

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        if target.runtime != self.name:
            return f"The null runtime serves targets of its own name only, but got {target.slug}."
        if target.device != "cpu" or target.precision != "fp32":
            return f"The null runtime pretends to be a CPU with fp32 only, but got {target.slug}."
        try:
            for package in ("onnx", "onnxruntime"):
                importlib.import_module(package)
        except ImportError as error:
            return f"The null runtime reads files with onnx and computes outputs with onnxruntime, but {error}."
        return None

    def versions(self) -> dict[str, str]:
        """Return a version that changes with the law, as a real runtime's speed does with its version."""
        return {"null": hashlib.sha256(repr(self.law).encode()).hexdigest()[:8]}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the step of the law."""
        return self.law.quantum

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Read a file and its times; nothing is computed before `Session.outputs` asks for it.

        Raises:
            ArtefactError: The file cannot be read, or a size is unknown.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _NullSession(self, artefact, target)

    def pass_time(self, seconds: float) -> None:
        """Advance the clock by the time of one run: the law's seconds, the machine's slowness now, and noise."""
        slowness = 1.0
        if self._drift:
            waves = zip(_DRIFT_PERIODS_S, self._phases, strict=True)
            # A sine has a variance of one half: n of them, scaled so that the sum has a standard deviation of 1.
            wave = sum(math.sin(2 * math.pi * self.machine.now / period + phase) for period, phase in waves)
            slowness = math.exp(self._drift * wave * math.sqrt(2 / len(_DRIFT_PERIODS_S)))
        if self._noise:
            slowness *= math.exp(self._noise * self._rng.standard_normal())
        self.machine.advance(seconds * slowness)


class _NullSession(Session):
    def __init__(self, runtime: NullRuntime, artefact: bytes | Path, target: Target) -> None:
        content = onnx_content(artefact, "The null runtime")
        model = read_model(content, target.batch)
        self._specs = tuple(_input_spec(value, target.batch) for value in fed_inputs(model.graph))
        operators = {node.output[0]: node.op_type for node in model.graph.node}
        seconds = runtime.law.seconds(model, target.batch)
        self._nodes = tuple(NodeTime(name, operators[name], value) for name, value in seconds.items())
        self._total_s = math.fsum(seconds.values())
        self._runtime = runtime
        self._content = content
        self._target = target
        self._computed: Session | None = None
        self._closed = False

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        self._check_open()
        self._runtime.pass_time(self._total_s)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        self._check_open()
        check_feeds(self._specs, feeds)
        if self._computed is None:
            target = Target(runtime="onnxruntime", batch=self._target.batch)
            self._computed = OnnxRuntime().load(self._content, target, np.random.default_rng(0))
        return self._computed.outputs(feeds)

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        self._check_open()
        check_profile_runs(runs)
        return self._nodes

    def close(self) -> None:
        self._closed = True
        if self._computed is not None:
            self._computed.close()
            self._computed = None

    def _check_open(self) -> None:
        check_open(not self._closed)


def _input_spec(value: object, batch: int) -> InputSpec:
    import onnx

    if not isinstance(value, onnx.ValueInfoProto) or not value.type.HasField("tensor_type"):
        raise ArtefactError("Every input of a file must be a tensor, but one is not; export it again.")
    shape = bound_shape(value.name, fixed_shape(value), batch)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return InputSpec(value.name, shape, np.dtype(dtype).name)
