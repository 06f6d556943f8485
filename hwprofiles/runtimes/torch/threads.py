"""The threads that PyTorch computes with: one number for the whole process."""

from __future__ import annotations

import threading

from .program import library


class _Threads:
    """Sets torch's threads, which are one number for the whole process, while any session is open."""

    def __init__(self) -> None:
        self._lock, self._open, self._before = threading.Lock(), 0, 0

    def enter(self, threads: int) -> None:
        torch = library()
        with self._lock:
            if not self._open:
                self._before = torch.get_num_threads()
            self._open += 1
            torch.set_num_threads(threads)
            torch.set_flush_denormal(True)

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if not self._open:
                library().set_num_threads(self._before)


THREADS = _Threads()
"""Of this process."""
