"""What is particular to AOTInductor: a compiler that can be missing, fail or hang, and packages that are kept."""

from __future__ import annotations

import shutil
import stat
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hwprofiles import ArtefactError, Target, get_runtime
from hwprofiles.runtimes.aotinductor import compile as aotinductor_compile
from hwprofiles.runtimes.aotinductor import runtime as aotinductor
from hwprofiles.runtimes.aotinductor.compile import compile_apart, probe_apart

from ..program_files import program_file

TARGET = Target("aotinductor")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LATHE_CACHE", str(tmp_path))
    return tmp_path / "aotinductor"


def script(folder: Path, line: str) -> str:
    """Return the path of a program that stands in for Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_missing_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No working C++ compiler found.\nand more")

    monkeypatch.setattr(aotinductor, "_compiler", missing)
    reason = get_runtime("aotinductor").unavailable(TARGET)
    assert reason is not None
    assert reason.endswith("but: No working C++ compiler found.")
    assert "g++" in reason


def test_a_compilation_that_hangs_is_ended_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    monkeypatch.setattr(sys, "executable", script(tmp_path, f"(sleep 1; touch {alive}) & sleep 60"))
    began = time.monotonic()
    with pytest.raises(ArtefactError, match=r"within 0\.3 s, but was still at it"):
        compile_apart(b"", TARGET, tmp_path / "package.pt2", limit_s=0.3)
    assert time.monotonic() - began < 30
    time.sleep(1.5)
    assert not alive.exists(), "what it started went on"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kill -SEGV $$", "ended by the signal SIGSEGV"),
        ("echo '  in: here' >&2; echo 'CppCompileError: no header' >&2; exit 1", "CppCompileError: no header"),
        ("exit 3", "status 3"),
    ],
)  # fmt: skip
def test_a_compilation_that_fails_is_an_error_of_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path, line: str, message: str
) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path, line))
    with pytest.raises(ArtefactError, match=f"AOTInductor cannot compile the program: .*{message}"):
        get_runtime("aotinductor").load(program_file(), TARGET, rng())
    assert list(cache.iterdir()) == [], "nothing is kept of it"


def test_what_is_no_program_never_reaches_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aotinductor, "compile_apart", None)
    with pytest.raises(ArtefactError, match="cannot load the program"):
        get_runtime("aotinductor").load(b"garbage", TARGET, rng())


def test_packages_are_kept_by_content_and_target(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    made: list[int] = []

    def compile_nothing(content: bytes, target: Target, package: Path, probes: Path) -> None:
        made.append(target.threads)
        assert probes.read_bytes() == b"probes"
        package.write_bytes(b"no package")

    probed: list[Path] = []

    def probe(path: Path) -> None:
        probed.append(path)
        path.write_bytes(b"probes")

    monkeypatch.setattr(aotinductor, "compile_apart", compile_nothing)
    monkeypatch.setattr(aotinductor, "probe_apart", probe)
    for threads in (1, 1, 2):
        with pytest.raises(ArtefactError, match="cannot run the program"):
            get_runtime("aotinductor").load(program_file(), Target("aotinductor", threads=threads), rng())
    assert made == [1, 2]
    assert len(probed) == 1, "what the machine can do is found out once"
    assert len(list(cache.iterdir())) == 2


@pytest.mark.slow
def test_a_compiler_that_knows_the_machine_does_not_try_it_again(tmp_path: Path) -> None:
    probes = tmp_path / "probes.tar"
    probe_apart(probes)
    known = {name for name in names_in(probes) if name.endswith(".so")}
    assert known
    compile_apart(program_file(), TARGET, tmp_path / "package.pt2", probes=probes)
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(probes, folder, "tar", filter="data")
        before = {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.so")}
        aotinductor_compile._apart("find_instructions", [], Path(folder), 1, 60.0)
        assert {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.so")} == before


def names_in(archive: Path) -> list[str]:
    with tarfile.open(archive) as file:
        return file.getnames()


@pytest.mark.slow
def test_threads_are_those_of_the_target_while_a_package_is_loaded(cache: Path) -> None:
    before = torch.get_num_threads()
    with get_runtime("aotinductor").load(program_file(), Target("aotinductor", threads=before + 1), rng()) as session:
        assert torch.get_num_threads() == before + 1
        session.run()
    assert torch.get_num_threads() == before
