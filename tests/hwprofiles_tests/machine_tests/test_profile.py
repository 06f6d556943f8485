from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hwprofiles import HardwareProfile, probe
from hwprofiles.machine.probe import read_gpu

X86 = """processor\t: 0
model name\t: Some CPU @ 2.10GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 avx avx2 fma avx512f

processor\t: 1
model name\t: Some CPU @ 2.10GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 avx avx2 fma avx512f
"""

ARM = """processor\t: 0
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b

processor\t: 1
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd05

Hardware\t: Board
Model\t\t: Some Board
"""

KNOWN = HardwareProfile(
    architecture="x86_64",
    cpu_model="Some CPU",
    cpu_flags=("avx2", "fma"),
    physical_cores=2,
    logical_cores=4,
    memory_bytes=2**33,
    system="Linux",
    kernel="6.1",
    python="3.11.0",
    gpu="Some GPU",
    gpu_memory_bytes=2**34,
)


def fake_proc(folder: Path, cpuinfo: str) -> Path:
    (folder / "cpuinfo").write_text(cpuinfo)
    (folder / "meminfo").write_text("MemTotal:       1024 kB\nMemFree: 1 kB\n")
    return folder


def test_probe_of_x86(tmp_path: Path) -> None:
    profile = probe(fake_proc(tmp_path, X86))
    assert profile.cpu_model == "Some CPU @ 2.10GHz"
    assert profile.cpu_flags == ("avx", "avx2", "avx512f", "fma")
    assert (profile.physical_cores, profile.logical_cores) == (1, 2)
    assert profile.memory_bytes == 2**20


def test_probe_of_arm_names_all_kinds_of_core(tmp_path: Path) -> None:
    profile = probe(fake_proc(tmp_path, ARM))
    assert profile.cpu_model == "implementer 0x41 part 0xd05 + implementer 0x41 part 0xd0b"
    assert profile.cpu_flags == ("asimd", "asimddp")
    assert (profile.physical_cores, profile.logical_cores) == (None, 2)


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    profile = probe(tmp_path)
    assert profile.cpu_model is None
    assert profile.cpu_flags is None
    assert profile.physical_cores is None
    assert profile.logical_cores is None
    assert profile.memory_bytes is None
    assert profile.fingerprint.startswith("unknown-")


def test_probe_of_this_machine_repeats() -> None:
    assert probe() == probe()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("NVIDIA L4, 23034\nNVIDIA L4, 23034\n", ("NVIDIA L4", 23034 * 2**20)),
        ("NVIDIA L4, [N/A]\n", ("NVIDIA L4", None)),
        ("", (None, None)),
        ("\n", (None, None)),
        (None, (None, None)),
    ],
)
def test_read_gpu(answer: str | None, expected: tuple[str | None, int | None]) -> None:
    assert read_gpu(answer) == expected


def test_fingerprint_is_readable_and_tells_machines_apart() -> None:
    assert KNOWN.fingerprint.startswith("some-cpu-4c-avx2-")
    assert replace(KNOWN, cpu_model="Other CPU").fingerprint != KNOWN.fingerprint
    assert replace(KNOWN, cpu_flags=("avx2",)).fingerprint != KNOWN.fingerprint
    assert replace(KNOWN, logical_cores=8).fingerprint != KNOWN.fingerprint
    assert replace(KNOWN, cpu_flags=None).fingerprint != replace(KNOWN, cpu_flags=()).fingerprint


def test_fingerprint_ignores_what_does_not_change_cpu_timings() -> None:
    moved = replace(
        KNOWN, kernel="6.2", python="3.12.0", memory_bytes=2**34, gpu=None, cpu_flags=("fma", "avx2", "sse")
    )
    assert moved.fingerprint == KNOWN.fingerprint


def test_gpu_fingerprint() -> None:
    fingerprint = KNOWN.gpu_fingerprint
    assert fingerprint is not None
    assert fingerprint.startswith("some-gpu-16gib-")
    assert replace(KNOWN, gpu_memory_bytes=2**35).gpu_fingerprint != fingerprint
    assert replace(KNOWN, gpu=None).gpu_fingerprint is None


@pytest.mark.parametrize("profile", [KNOWN, HardwareProfile()])
def test_json_round_trip(profile: HardwareProfile) -> None:
    assert HardwareProfile.from_json(json.loads(json.dumps(profile.to_json()))) == profile


def test_from_json_refuses() -> None:
    with pytest.raises(ValueError, match="format 1"):
        HardwareProfile.from_json({**KNOWN.to_json(), "format": 2})
    with pytest.raises(ValueError, match="colour"):
        HardwareProfile.from_json({**KNOWN.to_json(), "colour": "red"})


def test_counts_are_checked() -> None:
    with pytest.raises(ValueError, match="logical_cores"):
        HardwareProfile(logical_cores=0)
