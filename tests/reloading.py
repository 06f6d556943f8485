"""Read stored networks again in this process: a fresh one takes seconds, and has tests of its own."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest


def run_here(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
    """Do what `python -P -c code arguments` would."""
    code, arguments = command[3], command[4:]
    with mock.patch.object(sys, "argv", ["-c", *arguments]):
        try:
            exec(code, {"__name__": "__main__"})
        except Exception:
            return subprocess.CompletedProcess(command, 1, "", traceback.format_exc())
    return subprocess.CompletedProcess(command, 0, "", "")


def let_reload_here(patch: pytest.MonkeyPatch) -> None:
    """Let the proof `reload` read stored networks in this process, as long as a patch lasts."""
    patch.setattr(import_module("search.surgery.proofs.reloaded"), "subprocess", SimpleNamespace(run=run_here))


@pytest.fixture(autouse=True, scope="session")
def reload_here() -> Iterator[None]:
    """Let it do so in all tests of a folder."""
    with pytest.MonkeyPatch.context() as patch:
        let_reload_here(patch)
        yield
