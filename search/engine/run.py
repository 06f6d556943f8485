"""A config in, a report and its pages out: `search.run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from hwprofiles import Runtime, excerpt

from ..bundle import BUNDLE, REPORT, REPORT_FILE, Bundle, Report
from ..config import RunConfig
from ..errors import RunFolderError
from ..finetune import free_thread_count
from ..folder import Folder, translated
from ..progress import Progress, Silent
from ..report import write_pages
from .folder import open_folder, stage_seconds
from .naming import check_names
from .sharing import Sharing
from .stages import Stages

Prepare = Callable[[Progress, Folder], None]
"""Makes files that a config names, in the run's own folder."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run answered.

    Attributes:
        report: What it found, and what that rests on.
        bundle: Folder of the bundle. It is not part of the report, so that a bundle can be moved.
        fresh: Whether this call did any work, or found the run complete.
    """

    report: Report
    bundle: Path
    fresh: bool


def run(
    config: RunConfig,
    *,
    progress: Progress | None = None,
    runtime: Runtime | None = None,
    prepare: Prepare | None = None,
) -> Outcome:
    """Run a config to its end, or go on where it was stopped, and write the bundle's pages.

    Args:
        config: What to do; see `search.load_config`.
        progress: Told how far it is.
        runtime: Times files; by default the one that the target names.
        prepare: Makes what the config names, such as weights, once no other process can be at work in the folder.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    outcome = execute(config, progress=progress, runtime=runtime, prepare=prepare)
    write_pages(Bundle.open(outcome.bundle))
    return outcome


def execute(
    config: RunConfig,
    *,
    progress: Progress | None = None,
    runtime: Runtime | None = None,
    prepare: Prepare | None = None,
) -> Outcome:
    """Run a config to its end, or go on where it was stopped.

    Args:
        config: What to do.
        progress: Told how far it is.
        runtime: Times files; by default the one that the target names.
        prepare: Makes what the config names, such as weights, once no other process can be at work in the folder.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    check_names(config)
    told = progress or Silent()
    with free_thread_count(told.note) as threads, flushed_denormals():
        progress = Sharing(told, threads)
        with open_folder(config, None if prepare is None else partial(prepare, progress)) as folder:
            return _executed(config, folder, progress, runtime)


def _executed(config: RunConfig, folder: Folder, progress: Progress, runtime: Runtime | None) -> Outcome:
    with translated(folder.path):
        stored = _stored(folder)
        if stored is not None and stored.verdict != "unstable":
            progress.note(f"This run is complete; its bundle is in {folder.file(BUNDLE)}.")
            return Outcome(stored, folder.file(BUNDLE), fresh=False)
        report = Stages(config, folder, progress, runtime).report()
        report = replace(report, wall_s=sum(stage_seconds(folder).values()))
        folder.write_json(f"{BUNDLE}/{REPORT_FILE}", report.to_json())
        return Outcome(report, folder.file(BUNDLE), fresh=True)


def _stored(folder: Folder) -> Report | None:
    """Return the report that the run ended with before, if it did."""
    name = f"{BUNDLE}/{REPORT_FILE}"
    found = folder.read_json(name, REPORT)
    try:
        return None if found is None else Report.from_json(found)
    except ValueError as exc:
        raise RunFolderError(
            f"{folder.file(name)} must hold a report as a run writes it, but reading it failed ({excerpt(exc)}): "
            "delete it to go on."
        ) from exc


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Count denormal numbers as zero meanwhile.

    Runtimes that flush them switch the whole thread over when they load a file. A resumed run may load none, and would
    then train with other rounding than the run that was not stopped.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
