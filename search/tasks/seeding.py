"""Seed every global random generator for a while, and put them back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(*seeds: int) -> Iterator[None]:
    """Make torch, NumPy's old global generator and `random` a function of `seeds` inside the block.

    Dropout and users' loaders draw from these; nothing of ours does. Outside, the caller's generators go on as if
    nothing had happened.
    """
    words = np.random.SeedSequence(seeds).generate_state(3)
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(int(words[0]))
        np.random.seed(int(words[1]))
        random.seed(int(words[2]))
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
