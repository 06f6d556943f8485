"""Profile files in a process of its own, so that a crash or a hang of native code is an error of one file.

Both ends are this program, so what goes through the pipe is pickled. The parent sends one request after another and
waits; the child is idle in between. It ends with its pipe, so that it outlives no parent, however that ended.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import ArtefactError, RuntimeUnavailableError
from ..target import Target
from ._base import NodeTime, Runtime
from .children import child_command, child_environment

LIMIT_S = 120.0
"""Seconds after which a file counts as hanging: loading, compiling and profiling one takes seconds at most."""

_GOODBYE_S = 5.0


class IsolatedProfiler:
    """Loads and profiles files in a child process, which is started when it is first needed, and again after a crash.

    Files reach the timing process only after they were loaded and run here.
    """

    def __init__(self, runtime: Runtime, limit_s: float | None = None) -> None:
        """Make a profiler of a runtime whose class can be imported and made without arguments.

        Args:
            runtime: The child makes one of its class.
            limit_s: Longest time for one file; `LIMIT_S`, and what the runtime may take to compile, where left out.
        """
        self._class = pickle.dumps(type(runtime))
        self._limit_s = LIMIT_S + runtime.compile_limit_s if limit_s is None else limit_s
        self._child: subprocess.Popen[bytes] | None = None

    def profile(
        self, artefact: bytes | Path, target: Target, runs: int, rng: np.random.Generator
    ) -> tuple[NodeTime, ...]:
        """Load a file in the child and profile it; see `Runtime.load` and `Session.profile`.

        Raises:
            ArtefactError: The runtime cannot load or run it, took its process down, or did not answer in time.
            RuntimeUnavailableError: The target cannot be used here.
            RuntimeError: Anything else went wrong in the child; its traceback is in the message.
        """
        child, late = self._started(), threading.Event()
        assert child.stdin is not None
        assert child.stdout is not None

        def give_up() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(self._limit_s, give_up)
        timer.start()
        try:
            _send(child.stdin, (self._class, artefact, target, runs, rng))
            kind, *answer = _receive(child.stdout)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError) as error:
            raise ArtefactError(self._stopped(late.is_set())) from error
        except BaseException:
            # Its answer would be taken for that to the next request.
            child.kill()
            self.close()
            raise
        finally:
            timer.cancel()
        if kind == "nodes":
            return tuple(answer[0])
        if kind == "artefact":
            raise ArtefactError(*answer)
        raise RuntimeUnavailableError(answer[0]) if kind == "unavailable" else RuntimeError(answer[0])

    def close(self) -> None:
        """End the child; a second call does nothing."""
        if self._child is None:
            return
        child, self._child = self._child, None
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        try:
            child.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._child = subprocess.Popen(
                child_command(__name__, "serve"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child_environment(),
                process_group=0,
            )
        return self._child

    def _stopped(self, late: bool) -> str:
        """Bury the child and return what happened to it."""
        assert self._child is not None
        code = self._child.wait()
        self.close()
        how = f"ended by the signal {signal.Signals(-code).name}" if code < 0 else f"ended with the status {code}"
        how = f"was still at it after {self._limit_s:g} s" if late else how
        return f"The runtime's process {how} while it loaded and ran the file, so the file cannot be timed."


def serve() -> None:
    """Answer requests on standard input until it ends; what libraries print goes to standard error."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request = _receive(requests)
        except EOFError:
            return
        _send(answers, _answer(*request))


def _answer(cls: bytes, artefact: bytes | Path, target: Target, runs: int, rng: np.random.Generator) -> tuple[Any, ...]:
    try:
        with pickle.loads(cls)().load(artefact, target, rng) as session:  # noqa: S301
            return "nodes", session.profile(runs)
    except ArtefactError as error:
        return "artefact", str(error), error.operator
    except RuntimeUnavailableError as error:
        return "unavailable", error.reason
    except Exception:
        return "error", traceback.format_exc()


def _send(pipe: IO[bytes], message: object) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    return pickle.load(pipe)  # noqa: S301
