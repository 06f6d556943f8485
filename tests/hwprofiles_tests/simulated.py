"""A machine whose truth is known and whose faults are those that were measured on a real one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwprofiles import (
    ArtefactKind,
    Counters,
    FakeClock,
    HardwareProfile,
    InputSpec,
    NodeTime,
    Runtime,
    Session,
    Target,
)

# How often the slowness of the machine is drawn anew, in seconds, and for how long it is remembered.
STEP_S = 0.02
MEMORY_S = 5.0


class Machine(Runtime):
    """Runs "files" that hold seconds as text, such as ``b"0.005"``.

    Each run takes these seconds, times the machine's slowness (shared, autocorrelated, `drift` is its CV), the
    network's own (autocorrelated over `own_memory_s`: caches and placement interact with what else goes on), that of
    where it was loaded, and white noise; now and then a spike of stolen time hits one run.
    """

    name: ClassVar[str] = "null"
    artefact_kind: ClassVar[ArtefactKind] = "onnx"

    def __init__(
        self,
        seed: int,
        *,
        drift: float = 0.09,
        own: float = 0.015,
        own_memory_s: float = 0.5,
        placement: float = 0.01,
        noise: float = 0.03,
        spikes_per_s: float = 2.0,
        load_s: float = 0.04,
    ) -> None:
        self.machine = FakeClock()
        self.clock = self.machine
        self.sleep = self.machine.advance
        self.conditions = Counters
        self.rng = np.random.default_rng(seed)
        self.drift, self.own, self.own_memory_s = drift, own, own_memory_s
        self.placement, self.noise, self.spikes_per_s, self.load_s = placement, noise, spikes_per_s, load_s
        self._shared = Wander(self, drift, MEMORY_S)

    def unavailable(self, target: Target) -> str | None:
        return None

    def versions(self) -> dict[str, str]:
        return {"simulated": "1"}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        return 1

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        self.machine.advance(self.load_s)
        assert isinstance(artefact, bytes)
        return _Loaded(self, float(artefact))

    def pass_time(self, seconds: float) -> None:
        slowness = math.exp(self._shared.now() + self.noise * float(self.rng.standard_normal()))
        spike = float(self.rng.exponential(0.01)) if self.rng.uniform() < self.spikes_per_s * seconds else 0.0
        self.machine.advance(seconds * slowness + spike)


class Wander:
    """A stationary first-order autoregressive process in time."""

    def __init__(self, machine: Machine, deviation: float, memory_s: float) -> None:
        self._machine, self._deviation, self._memory_s = machine, deviation, memory_s
        self._value = deviation * float(machine.rng.standard_normal())
        self._at = machine.machine.now

    def now(self) -> float:
        passed = self._machine.machine.now - self._at
        if passed >= STEP_S:
            keep = math.exp(-passed / self._memory_s)
            fresh = self._deviation * math.sqrt(1 - keep**2)
            self._value = keep * self._value + fresh * float(self._machine.rng.standard_normal())
            self._at = self._machine.machine.now
        return self._value


class _Loaded(Session):
    def __init__(self, machine: Machine, seconds: float) -> None:
        self._machine = machine
        self._own = Wander(machine, machine.own, machine.own_memory_s)
        self._seconds = seconds * math.exp(machine.placement * float(machine.rng.standard_normal()))

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return ()

    def run(self) -> None:
        self._machine.pass_time(self._seconds * math.exp(self._own.now()))

    def outputs(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        return {}

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        return ()

    def close(self) -> None:
        return None
