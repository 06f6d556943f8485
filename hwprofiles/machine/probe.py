"""Read the facts of this machine. What cannot be read is None."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

from .profile import HardwareProfile

_GPU_QUERY = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")


def probe(proc: Path = Path("/proc")) -> HardwareProfile:
    """Read the facts of this machine.

    Args:
        proc: Where the kernel's process file system is mounted.
    """
    cpu = _processors(_text(proc / "cpuinfo"))
    gpu, gpu_memory_bytes = read_gpu(_nvidia_smi())
    return HardwareProfile(
        architecture=platform.machine() or None,
        cpu_model=_cpu_model(cpu),
        cpu_flags=_cpu_flags(cpu),
        physical_cores=_physical_cores(cpu),
        logical_cores=len(cpu) or None,
        memory_bytes=memory_bytes(proc),
        system=platform.system() or None,
        kernel=platform.release() or None,
        python=platform.python_version(),
        gpu=gpu,
        gpu_memory_bytes=gpu_memory_bytes,
    )


def read_gpu(answer: str | None) -> tuple[str | None, int | None]:
    """Return name and memory in bytes of the first GPU from a driver's answer such as ``NVIDIA L4, 23034`` (MiB)."""
    first = answer.strip().splitlines()[0] if answer and answer.strip() else ""
    name, _, mebibytes = (part.strip() for part in first.partition(","))
    return name or None, int(mebibytes) * 2**20 if mebibytes.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _processors(cpuinfo: str) -> list[dict[str, str]]:
    """Split the text into one mapping for each logical core; trailing board facts of some kernels are left out."""
    groups = []
    for paragraph in cpuinfo.split("\n\n"):
        pairs = (line.partition(":") for line in paragraph.splitlines())
        groups.append({name.strip(): value.strip() for name, _, value in pairs})
    return [group for group in groups if "processor" in group]


def _cpu_model(cpu: list[dict[str, str]]) -> str | None:
    if not cpu:
        return None
    if name := cpu[0].get("model name"):
        return name
    # Arm kernels give numbers instead of a name. All kinds of core count: big and little ones differ in speed.
    kinds = {(core.get("CPU implementer", ""), core.get("CPU part", "")) for core in cpu}
    return " + ".join(f"implementer {maker} part {part}" for maker, part in sorted(kinds) if maker and part) or None


def _cpu_flags(cpu: list[dict[str, str]]) -> tuple[str, ...] | None:
    text = (cpu[0].get("flags") or cpu[0].get("Features")) if cpu else None
    return None if text is None else tuple(text.split())


def _physical_cores(cpu: list[dict[str, str]]) -> int | None:
    cores = {(core.get("physical id"), core.get("core id")) for core in cpu}
    return None if not cores or any(None in core for core in cores) else len(cores)


def memory_bytes(proc: Path = Path("/proc")) -> int | None:
    """Return how much memory this machine has, or None where that cannot be read.

    Args:
        proc: See `probe`.
    """
    for line in _text(proc / "meminfo").splitlines():
        words = line.split()
        if words[:1] == ["MemTotal:"] and words[2:] == ["kB"]:
            return int(words[1]) * 1024
    return None


def _nvidia_smi() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        result = subprocess.run([program, *_GPU_QUERY], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None
