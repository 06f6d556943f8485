"""NVIDIA GPUs by way of PyTorch: whether one is there, graphs that replay a network in one launch, times of calls."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WARMUP_RUNS = 3

# Cycles for which a GPU is kept busy while the calls of a run are launched: some 20 ms.
_HEAD_START = 30_000_000


def missing() -> str | None:
    """Return one sentence that says why PyTorch has no GPU here, or None where it has."""
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return f"The package torch must import, but: {error}."
    if torch.version.cuda is None:
        return f"PyTorch must be built with CUDA to use a GPU, but this build is {torch.__version__}."
    if not torch.cuda.is_available():
        return "A GPU of NVIDIA must be there, with a driver that this build of PyTorch can use, but none answers."
    return None


def versions() -> dict[str, str]:
    """Return the versions of CUDA and cuDNN that PyTorch uses; the GPU must be there."""
    torch = importlib.import_module("torch")
    return {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}


def set_tf32(allowed: bool) -> None:
    """Choose for this process whether float32 products may be computed in TF32.

    By the flags for all operators of a library: PyTorch refuses to read them where finer ones were set, and its
    exporter reads them.
    """
    torch = importlib.import_module("torch")
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


class Replay:
    """A network's kernels on fixed inputs, recorded once and launched together."""

    def __init__(self, module: Callable[..., Any], inputs: Sequence[Any]) -> None:
        """Run the network some times, so that libraries choose their kernels, and record one run.

        Raises:
            RuntimeError: A call of the network cannot be recorded, such as one that waits for the GPU.
        """
        torch = importlib.import_module("torch")
        self._stream = torch.cuda.Stream()
        self._graph = torch.cuda.CUDAGraph()
        self._inputs = tuple(inputs)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARMUP_RUNS):
                module(*self._inputs)
        self._stream.synchronize()
        with torch.cuda.graph(self._graph, stream=self._stream):
            self.found = module(*self._inputs)

    def run(self) -> None:
        """Launch the recorded run and wait for its end."""
        self._graph.replay()
        importlib.import_module("torch").cuda.current_stream().synchronize()


class Memory:
    """Arrays on the GPU, and a stream to compute on them."""

    def __init__(self) -> None:
        self._torch = importlib.import_module("torch")
        self._stream = self._torch.cuda.Stream()

    @property
    def handle(self) -> int:
        """The stream, as CUDA's own libraries take it."""
        return int(self._stream.cuda_stream)

    def wait(self) -> None:
        """Wait for the end of what was launched on the stream."""
        self._stream.synchronize()

    def place(self, array: NDArray[Any]) -> Any:
        """Return a tensor on the GPU with an array's content; its `data_ptr()` is where it lies."""
        return self._torch.from_numpy(np.ascontiguousarray(array)).cuda()

    def back(self, tensor: Any) -> NDArray[Any]:
        """Return a tensor's content."""
        return np.array(tensor.cpu().numpy())


class Events:
    """Times calls on the GPU itself, by events between them."""

    def start(self) -> None:
        """Keep the GPU busy while the calls of a run are launched, so that no event waits for a launch."""
        importlib.import_module("torch").cuda._sleep(_HEAD_START)

    def mark(self) -> Any:
        """Return a moment of the stream."""
        event = importlib.import_module("torch").cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, first: Any, second: Any) -> float:
        """Return the seconds between two moments, once both are over."""
        second.synchronize()
        return float(first.elapsed_time(second)) * 1e-3
