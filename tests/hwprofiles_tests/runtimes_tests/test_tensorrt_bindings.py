"""The real Python bindings of TensorRT have every name, member and argument that the adapter uses.

The bindings are on PyPI, the libraries that they call are not on every machine: in their place stand shared objects
whose functions return null, which is enough to import the bindings and look at them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwprofiles import Target
from hwprofiles.runtimes import cuda
from hwprofiles.runtimes.tensorrt import TensorRt, build
from hwprofiles.runtimes.tensorrt import runtime as adapter

from ..onnx_files import conv_file
from . import fake_bindings, fake_tensorrt

pytestmark = pytest.mark.slow

BINDINGS = {10: "tensorrt-cu12-bindings==10.16.1.11", 11: "tensorrt-cu13-bindings==11.4.0.106"}

LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")

ENTRIES = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
)  # fmt: skip

LOOK = """
import json, re, sys
import tensorrt_bindings as trt
missing = []
for owner, member, arguments in json.load(sys.stdin):
    cls = getattr(trt, owner, None)
    found = getattr(cls, member, None)
    if found is None:
        missing.append(f"{owner}.{member}")
    elif arguments >= 0:
        signatures = re.findall(r"\\((self: [^)]*)\\)", found.__doc__ or "")
        most = max((text.count(": ") for text in signatures), default=0) - 1
        if arguments > most:
            missing.append(f"{owner}.{member} with {arguments} arguments, of {most}")
missing += [name for name in ("nptype", "__version__") if not hasattr(trt, name)]
missing += [f"{cls}.__init__" for cls in ("ILogger", "IProfiler") if not hasattr(getattr(trt, cls, None), "__init__")]
print(json.dumps({"version": trt.__version__, "missing": missing}))
"""


@pytest.fixture(params=sorted(BINDINGS))
def bindings(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with the bindings of one major and stand-ins for their libraries."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("Stand-ins for TensorRT's libraries are made with a C compiler, and none is here.")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    made = subprocess.run([*install, BINDINGS[request.param]], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"{BINDINGS[request.param]} cannot be installed here.")
    source = tmp_path / "null.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in ENTRIES))
    for library in LIBRARIES:
        out = tmp_path / f"lib{library}.so.{request.param}"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(out), str(source)], check=True)
    return tmp_path


def uses_of_the_adapter(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[str, str, int]]:
    """Return every (class, member, arguments) that building, running and profiling an engine takes."""
    library = fake_tensorrt.module()
    monkeypatch.setattr(build, "library", lambda: library)
    monkeypatch.setattr(adapter, "library", lambda: library)
    monkeypatch.setattr(cuda, "missing", lambda: None)
    monkeypatch.setattr(cuda, "versions", dict)
    monkeypatch.setattr(cuda, "Memory", fake_tensorrt.HostMemory)
    monkeypatch.setenv("LATHE_CACHE", str(folder / "cache"))
    fake_bindings.USES.clear()
    for precision in ("fp32", "tf32"):
        target = Target("tensorrt", "cuda", precision, batch=2)
        with TensorRt().load(conv_file(8, batch="n"), target, np.random.default_rng(0)) as session:
            session.run()
            session.profile(1)
    broken = conv_file().replace(b"GlobalAveragePool", b"GlobalAverageFool")
    with pytest.raises(Exception, match="GlobalAverageFool"):
        TensorRt().load(broken, Target("tensorrt", "cuda"), np.random.default_rng(0))
    enums = [(cls.__name__, member.name, -1) for cls in fake_bindings.ENUMS for member in cls]
    return sorted({*fake_bindings.USES, *enums})


def test_bindings_have_all_that_is_used(bindings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uses = uses_of_the_adapter(monkeypatch, tmp_path)
    assert ("IExecutionContext", "execute_async_v3", 1) in uses
    assert len(uses) > 40
    environment = {**os.environ, "LD_LIBRARY_PATH": str(bindings), "PYTHONPATH": str(bindings)}
    wrong = [("Builder", "no_such_member", -1), ("Builder", "create_network", 9), ("NoSuchClass", "x", 0)]
    asked = json.dumps([*uses, *wrong])
    looked = subprocess.run([sys.executable, "-c", LOOK], input=asked, env=environment, capture_output=True, text=True)
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout)
    assert [text.split(",")[0] for text in found["missing"]] == [
        "Builder.no_such_member", "Builder.create_network with 9 arguments", "NoSuchClass.x",
    ]  # fmt: skip
    assert int(found["version"].split(".")[0]) in adapter.MAJORS
