"""How sessions of the library start: its options for a target, and its complaints as errors of ours."""

from __future__ import annotations

import importlib
import re
from typing import Any

from ...errors import ArtefactError, RuntimeUnavailableError
from ...target import Target
from .providers import provider_of, settings

# Errors only; the library's own number.
_LOG_SEVERITY = 3

# The ways in which the library's messages name an operator.
_OPERATOR = re.compile(
    r'In Node, \("[^"]*", (\w+)'
    r"|[Nn]o [Oo]p registered for (\w+)"
    r"|Fatal error: (\S+?)\(-?\d+\) is not a registered"
    r"|while running (\w+) node"
    r"|implementation for (\w+)\("
)


def session_options(target: Target) -> Any:
    """Return the library's options for a target."""
    ort = library()
    options = ort.SessionOptions()
    options.intra_op_num_threads = target.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _LOG_SEVERITY
    # Random weights meet denormals, which are many times slower on some machines.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if target.threads == 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    else:
        # Threads of the contestant before must not spin into the next one's turn.
        options.add_session_config_entry("session.force_spinning_stop", "1")
    if target.device != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def start_session(model: bytes, target: Target, options: Any = None) -> Any:
    """Start a session of the library with the target's provider.

    Args:
        model: The file's content.
        target: What it is for.
        options: Of the library, in place of `session_options`.

    Raises:
        ArtefactError: It cannot load the file.
        RuntimeUnavailableError: The provider did not start, and the library took another one.
    """
    provider = provider_of(target)
    wanted = provider.name if target.device == "cpu" else (provider.name, settings(target))
    # The library's exceptions have no common base below Exception.
    try:
        session = library().InferenceSession(model, options or session_options(target), providers=[wanted])
    except Exception as error:
        raise artefact_error("load", error) from error
    session.disable_fallback()
    found = session.get_providers()
    if found[0] != provider.name:
        raise RuntimeUnavailableError(
            f"ONNX Runtime must compute with its {provider.title} provider, but that did not start and it took "
            f"{found[0]}: look for a missing library of CUDA or TensorRT in what it printed."
        )
    return session


def library() -> Any:
    """Return the library's module.

    Raises:
        ImportError: It is not installed.
    """
    return importlib.import_module("onnxruntime")


def artefact_error(verb: str, error: Exception) -> ArtefactError:
    """Return the library's complaint as an error that names the operator where it says so."""
    match = _OPERATOR.search(str(error))
    operator = next((group for group in match.groups() if group), None) if match else None
    where = f" at operator {operator}" if operator else ""
    return ArtefactError(f"ONNX Runtime cannot {verb} the file{where}: {error}", operator)
