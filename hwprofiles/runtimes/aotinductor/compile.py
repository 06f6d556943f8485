"""Compile an exported program with AOTInductor, in a process of its own that can be ended.

The compiler starts others (one C++ compiler for each part): all are in one process group, which is ended as a whole.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ...errors import ArtefactError
from ...target import Target
from .. import cuda
from ..children import child_command, child_environment
from ..torch.program import library, moved, program_inputs, specs_of

LIMIT_S = 600.0
"""Seconds for one compilation: a network of 50 layers takes half a minute on one core."""


def compile_apart(
    content: bytes, target: Target, package: Path, limit_s: float = LIMIT_S, probes: Path | None = None
) -> None:
    """Compile a program into a package.

    Args:
        content: The exported program, as `torch.export.save` writes it.
        target: What it is compiled for: the number of threads cannot be changed afterwards.
        package: Where the package goes.
        limit_s: When to give up.
        probes: What `probe_apart` found out here; the compiler finds it out itself where left out.

    Raises:
        ArtefactError: The compiler refused it, crashed, or was not ready in time.
    """
    with tempfile.TemporaryDirectory(prefix="lathe-") as folder:
        source, cache = Path(folder) / "program.pt2", Path(folder) / "cache"
        source.write_bytes(content)
        if probes is not None:
            shutil.unpack_archive(probes, cache, "tar", filter="data")
        _apart("main", [str(source), str(package), target.slug], cache, target.threads, limit_s)


def probe_apart(probes: Path, limit_s: float = LIMIT_S) -> None:
    """Let the compiler find out which vector instructions there are, which is nearly half of its work for ResNet-18.

    It compiles and runs a small program for each of them, and looks for the results in its cache before.

    Args:
        probes: Where the part of its cache goes that holds them, as a tar file.
        limit_s: When to give up.

    Raises:
        ArtefactError: The compiler crashed, or was not ready in time.
    """
    with tempfile.TemporaryDirectory(prefix="lathe-") as folder:
        _apart("find_instructions", [], Path(folder), 1, limit_s)
        with tarfile.open(probes, "w") as archive:
            archive.add(folder, ".")


def _apart(function: str, words: list[str], cache: Path, threads: int, limit_s: float) -> None:
    """Call a function of this module in a process group of its own."""
    call = child_command(__name__, function, signal.SIGTERM)
    with subprocess.Popen(
        [*call, *words],
        env={**child_environment(), "TORCHINDUCTOR_CACHE_DIR": str(cache), "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            _, complaint = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end(child)
            raise ArtefactError(
                f"AOTInductor must compile a program within {limit_s:g} s, but was still at it: choose a smaller "
                "network or another runtime."
            ) from None
        except BaseException:
            _end(child)
            raise
    if child.returncode:
        raise ArtefactError(f"AOTInductor cannot compile the program: {_reason(complaint, child.returncode)}")


def _end(child: subprocess.Popen[str]) -> None:
    # The group's leader may be gone already.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _reason(complaint: str, code: int) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    # The last line of a traceback that begins at the margin names the error.
    errors = [line for line in complaint.splitlines() if line[:1].strip() and ": " in line]
    said = (errors or lines or [""])[-1]
    how = f"the compiler ended by the signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
    return f"{said} ({how})" if said else f"{how}."


def _end_together() -> None:
    """Let the signal that comes when the parent ends take the compilers along that were started here."""
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))


def main() -> None:
    """Compile what the command line names: source, package, slug of the target."""
    _end_together()
    source, package, slug = sys.argv[1:]
    target, torch = Target.parse(slug), library()
    torch.set_num_threads(target.threads)
    if target.device != "cpu":
        cuda.set_tf32(target.precision == "tf32")
    program = torch.export.load(source)
    if program.example_inputs is None:
        # The compiler asks for some; Lathe's programs hold none.
        specs = specs_of(program_inputs(program), target.batch)
        program.example_inputs = (tuple(torch.zeros(s.shape, dtype=getattr(torch, s.dtype)) for s in specs), {})
    if target.device != "cpu":
        program = moved(program, target.device)
    with torch.no_grad():
        torch._inductor.aoti_compile_and_package(program, package_path=package)


def find_instructions() -> None:
    """Find out which vector instructions there are; the results stay in the compiler's cache."""
    _end_together()
    # Torch does not import this by itself.
    importlib.import_module("torch._inductor.cpu_vec_isa").valid_vec_isa_list()
