"""Facts about a machine, and the fingerprint that says whose timings are comparable.

Format history: 1 (2026-11): first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

PROFILE_FORMAT = 1

# Instruction sets that inference kernels choose their code path by; others do not enter the fingerprint.
SPEED_FLAGS = (
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "asimd",
    "asimddp",
    "asimdhp",
    "avx",
    "avx2",
    "avx512_bf16",
    "avx512_fp16",
    "avx512_vnni",
    "avx512bw",
    "avx512dq",
    "avx512f",
    "avx512vl",
    "avx_vnni",
    "bf16",
    "f16c",
    "fma",
    "i8mm",
    "sve",
    "sve2",
)

# Shown in the readable half of a fingerprint: the widest of these that is there.
_WIDEST = (("amx_tile", "amx"), ("avx512f", "avx512"), ("avx2", "avx2"), ("sve", "sve"), ("asimd", "neon"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareProfile:
    """What is known of a machine. Facts are read, never guessed; an unknown one is None.

    Attributes:
        architecture: Such as ``x86_64``.
        cpu_model: As the operating system names it.
        cpu_flags: Those of `SPEED_FLAGS` that the CPU has, sorted.
        physical_cores: Cores of the machine.
        logical_cores: Hardware threads of the machine.
        memory_bytes: Main memory.
        system: Operating system, such as ``Linux``.
        kernel: Its release.
        python: Version of this interpreter.
        gpu: Name of the first GPU; None also where there is none that this probe can see.
        gpu_memory_bytes: Its memory.
    """

    architecture: str | None = None
    cpu_model: str | None = None
    cpu_flags: tuple[str, ...] | None = None
    physical_cores: int | None = None
    logical_cores: int | None = None
    memory_bytes: int | None = None
    system: str | None = None
    kernel: str | None = None
    python: str | None = None
    gpu: str | None = None
    gpu_memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.cpu_flags is not None:
            object.__setattr__(self, "cpu_flags", tuple(sorted(set(self.cpu_flags) & set(SPEED_FLAGS))))
        for field in ("physical_cores", "logical_cores", "memory_bytes", "gpu_memory_bytes"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ValueError(f"`{field}` must be at least 1, or None where it is unknown, but got {value!r}.")

    @property
    def fingerprint(self) -> str:
        """CPU model, flags that matter and core count: readable words and a short hash of them.

        Neither host name nor clock rate enters, and no GPU: a driver that does not answer must not make the CPU's
        timings foreign. Targets on a GPU use `gpu_fingerprint`; see `fingerprint_for`.
        """
        flags = self.cpu_flags or ()
        widest = next((word for flag, word in _WIDEST if flag in flags), "")
        cores = "" if self.logical_cores is None else f"{self.logical_cores}c"
        return _fingerprint([self.cpu_model, cores, widest], [self.cpu_model, self.cpu_flags, self.logical_cores])

    @property
    def gpu_fingerprint(self) -> str | None:
        """Name and memory of the GPU as readable words and a short hash; None where its name is unknown."""
        if self.gpu is None:
            return None
        memory = "" if self.gpu_memory_bytes is None else f"{round(self.gpu_memory_bytes / 2**30)}gib"
        return _fingerprint([self.gpu, memory], [self.gpu, self.gpu_memory_bytes])

    def fingerprint_for(self, device: str) -> str:
        """Return the fingerprint that timings on a device belong to; the CPU's where a GPU's name is unknown."""
        return self.fingerprint if device == "cpu" else self.gpu_fingerprint or self.fingerprint

    def to_json(self) -> dict[str, Any]:
        """Return the profile as the JSON object that files hold."""
        facts = asdict(self)
        facts["cpu_flags"] = None if self.cpu_flags is None else list(self.cpu_flags)
        return {"format": PROFILE_FORMAT, **facts}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HardwareProfile:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The format is not one that this version reads, or a fact is unknown to it.
        """
        if data.get("format") != PROFILE_FORMAT:
            raise ValueError(
                f"This version reads format {PROFILE_FORMAT} of a profile, but got {data.get('format')!r}."
            )
        facts = {name: value for name, value in data.items() if name != "format"}
        odd = sorted(set(facts) - {field.name for field in fields(cls)})
        if odd:
            raise ValueError(f"A profile of format {PROFILE_FORMAT} has no fact named {', '.join(odd)}.")
        flags = facts.get("cpu_flags")
        return cls(**{**facts, "cpu_flags": None if flags is None else tuple(flags)})


def _fingerprint(words: list[str | None], facts: list[object]) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", " ".join(word or "" for word in words).lower()).strip("-")
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:8]
    return f"{readable or 'unknown'}-{digest}"
