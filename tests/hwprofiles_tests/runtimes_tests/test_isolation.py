"""Files that take a process down, hang, or print, profiled in a process of their own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from hwprofiles import ArtefactError, IsolatedProfiler, NullRuntime, RuntimeUnavailableError, Session, Target

from ..onnx_files import conv_file

TARGET = Target("null")
SEED = np.random.default_rng(0)


class Moody(NullRuntime):
    """The null runtime, in which some contents end or hang the process."""

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        if artefact == b"segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if artefact == b"exit":
            os._exit(3)
        if artefact == b"hang":
            time.sleep(60)
        if artefact == b"print":
            os.write(1, b"a library's greeting\n")
            artefact = conv_file()
        if artefact == b"raise":
            raise ZeroDivisionError("of the runtime's own making")
        return super().load(artefact, target, rng)


@pytest.fixture
def profiler() -> Iterator[IsolatedProfiler]:
    with closing(IsolatedProfiler(Moody())) as made:
        yield made


def test_answers_as_the_session_does(profiler: IsolatedProfiler) -> None:
    with NullRuntime().load(conv_file(), TARGET, SEED) as session:
        expected = session.profile(2)
    assert profiler.profile(conv_file(), TARGET, 2, SEED) == expected
    assert profiler.profile(conv_file(), TARGET, 2, SEED) == expected


@pytest.mark.parametrize(("content", "words"), [(b"segfault", "the signal SIGSEGV"), (b"exit", "the status 3")])
def test_a_crash_is_an_error_of_its_file_and_the_next_one_is_profiled(
    profiler: IsolatedProfiler, content: bytes, words: str
) -> None:
    with pytest.raises(ArtefactError, match=words):
        profiler.profile(content, TARGET, 1, SEED)
    assert profiler.profile(conv_file(), TARGET, 1, SEED)


def test_a_hang_is_an_error_of_its_file() -> None:
    with closing(IsolatedProfiler(Moody(), limit_s=3.0)) as profiler:
        with pytest.raises(ArtefactError, match="still at it after 3 s"):
            profiler.profile(b"hang", TARGET, 1, SEED)
        assert profiler.profile(conv_file(), TARGET, 1, SEED)


def test_what_a_library_prints_is_not_taken_for_the_answer(profiler: IsolatedProfiler) -> None:
    assert profiler.profile(b"print", TARGET, 1, SEED)


def test_errors_keep_their_kind(profiler: IsolatedProfiler) -> None:
    with pytest.raises(ArtefactError):
        profiler.profile(b"not a network", TARGET, 1, SEED)
    with pytest.raises(RuntimeUnavailableError, match="of its own name only"):
        profiler.profile(conv_file(), Target("onnxruntime"), 1, SEED)
    with pytest.raises(RuntimeError, match="of the runtime's own making"):
        profiler.profile(b"raise", TARGET, 1, SEED)


def test_the_child_ends_with_the_profiler(profiler: IsolatedProfiler) -> None:
    profiler.profile(conv_file(), TARGET, 1, SEED)
    child = profiler._child
    assert child is not None
    profiler.close()
    profiler.close()
    assert child.returncode == 0
    with suppress(ProcessLookupError):
        os.kill(child.pid, 0)
        pytest.fail("The child is still there.")


def test_a_file_beside_the_user_does_not_take_a_librarys_place(
    profiler: IsolatedProfiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnx.py").write_text("raise SystemExit('not the library')")
    monkeypatch.setattr("sys.path", [path or os.getcwd() for path in sys.path])
    monkeypatch.chdir(tmp_path)
    assert profiler.profile(conv_file(), TARGET, 1, SEED)
