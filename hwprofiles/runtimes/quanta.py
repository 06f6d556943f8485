"""Steps of channel widths that several runtimes share."""

from __future__ import annotations

from ..machine import HardwareProfile

GPU_QUANTUM = 8
"""Channels that tensor cores take together, in half precision; a multiple of what they take in any other."""


def onednn_block(profile: HardwareProfile) -> int:
    """Return the channel block of oneDNN's layouts: 16 with AVX-512, else 8; 16 where the flags are unknown."""
    return 16 if profile.cpu_flags is None or "avx512f" in profile.cpu_flags else 8
