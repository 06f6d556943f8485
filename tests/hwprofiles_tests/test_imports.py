from __future__ import annotations

import subprocess
import sys

import hwprofiles


def test_import_stays_light() -> None:
    code = (
        "import sys, hwprofiles; print(*sorted({'torch', 'onnx', 'onnxruntime', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_public_names() -> None:
    assert hwprofiles.__all__ == sorted(hwprofiles.__all__)
    assert all(hasattr(hwprofiles, name) for name in hwprofiles.__all__)


def test_errors_have_one_root() -> None:
    assert issubclass(hwprofiles.ArtefactError, hwprofiles.LatheError)
    assert issubclass(hwprofiles.RuntimeUnavailableError, hwprofiles.LatheError)
    error = hwprofiles.UnstableError(["One.", "Two."])
    assert isinstance(error, hwprofiles.LatheError)
    assert str(error) == "The measurement is unstable. One. Two."
