"""A large network is examined within little more than twice its size."""

import os
import subprocess
import sys

import pytest

CHILD = """
import resource
import torch
from torch import nn
from search.graph import comb, training_only
from search.commands.doctor.content import examine

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def make(width, layers):
    parts = [part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.1))]
    return nn.Sequential(*parts).eval()

def look(network, width):
    x = torch.randn(2, width)
    examine(comb(network, x))
    training_only(network, x)

look(make(8, 2), 8)  # What is imported, and what torch keeps, counts before.
before = peak()
network = make(2048, 18)
size = sum(p.numel() * p.element_size() for p in network.parameters()) / 2**20
look(network, 2048)
print(size, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak")
def test_the_doctor_needs_the_network_and_one_copy() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, env=os.environ)
    assert not done.returncode, done.stderr
    size, used = map(float, done.stdout.split())
    assert 250 < size < 350
    assert used < 2.2 * size
