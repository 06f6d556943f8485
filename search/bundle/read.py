"""Read a bundle, and time its networks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprofiles import (
    MOST_JSON_BYTES,
    ArtefactKind,
    Quantity,
    Runtime,
    Target,
    excerpt,
    get_runtime,
    parse_json,
    read_whole,
    shown,
)

from ..deploy import Delivered, Verification, content_of, verify
from ..errors import BundleError
from ..progress import Progress
from ..surgery import MOST_RUN_BYTES
from .names import BUNDLE, FILES, REPORT_FILE, check_bundle, delivered
from .report import READ_FORMATS, Report, is_read
from .stored import check_report


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        path: Its folder.
        report: What its report.json holds.
    """

    path: Path
    report: Report

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Open a bundle, or the bundle of a run folder.

        Raises:
            BundleError: There is no bundle, or its report is damaged.
            UnfitFileError: A link, a pipe or the like lies in it, a folder where a file belongs, or the report is too
                large.
        """
        folder = path if os.path.lexists(path / REPORT_FILE) else path / BUNDLE
        try:
            check_bundle(folder, named=folder is path)
            report = parse_json(read_whole(folder / REPORT_FILE, MOST_JSON_BYTES))
            if not is_read(report):
                raise BundleError(
                    f"This version reads report formats {' and '.join(map(str, READ_FORMATS))}, but "
                    f"{folder / REPORT_FILE} is of another."
                )
        except OSError as exc:
            raise BundleError(
                f"A bundle is a folder with a {REPORT_FILE}, but {path} has none: name the `bundle` folder of a run "
                "that came to its end."
            ) from exc
        except ValueError as exc:
            raise BundleError(
                f"{folder / REPORT_FILE} must hold JSON, but reading failed ({exc}): restore it, or run the config "
                "again."
            ) from exc
        if report.get("kind") == "prune":
            raise BundleError(
                f"A bundle of `lathe prune` was cut and proven but never timed, so {folder} has no answer to report or "
                "verify: `lathe run` makes a bundle that has."
            )
        with reading(folder):
            check_report(report)
            return cls(folder, Report.from_json(report))

    def networks(self, kind: ArtefactKind) -> dict[str, Delivered]:
        """Return both networks, after checking that the files for a kind of runtime are those that the report names.

        Raises:
            BundleError: The run ended without a network, or a file is missing or another.
        """
        if not self.report.hashes:
            raise BundleError(
                f"Only a bundle with a network can be timed, but this run ended with {shown(self.report.verdict)}."
            )
        networks = {name: delivered(self.path, name) for name in FILES}
        for network in networks.values():
            for path in network.files(kind):
                self._check_file(path)
        return networks

    def _check_file(self, path: Path) -> None:
        hashes = self.report.hashes or {}
        known: Mapping[str, str | None] = {file: hashes.get(name) for name, file in FILES.items()}
        wanted = (self.report.files or known).get(path.name)
        if wanted is None:
            raise BundleError(
                f"A target that takes no ONNX files needs {path.name}, but this bundle was made before bundles held "
                "it: run the config again."
            )
        if not path.exists():
            raise BundleError(f"A bundle holds {path.name}, but it is missing in {self.path}.")
        found = hashlib.sha256(content_of(path)).hexdigest()
        if found != wanted:
            raise BundleError(
                f"{path.name} must be the file that the report speaks of (SHA-256 {wanted[:12]}...), but it has "
                f"{found[:12]}...: it was changed after the report."
            )

    @property
    def target(self) -> Target:
        """What the bundle was made for, the first where it was made for several.

        Raises:
            BundleError: The report names none that there is.
        """
        with self.reading():
            return Target.parse(self.report.first.target or "")

    @property
    def budget(self) -> Quantity:
        """What it was made to meet.

        Raises:
            BundleError: The report names nothing that could be met.
        """
        budget = self.report.budget
        with self.reading():
            if budget is None or budget.value is None or budget.kind is None:
                raise ValueError("it names no budget")
            return Quantity(budget.value, budget.kind)

    def reading(self) -> AbstractContextManager[None]:
        """Say that the report is damaged where what it holds cannot be used; see `BundleError`."""
        return reading(self.path)

    def verify(
        self,
        target: Target | None = None,
        *,
        against: Quantity | None = None,
        runtime: Runtime | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        most_bytes: int = MOST_RUN_BYTES,
    ) -> Verification:
        """Time the bundle's networks here and now.

        Args:
            target: Another target than the bundle's own.
            against: A budget that counts instead of the bundle's own.
            runtime: Runs them; by default the one that the target names.
            seed: Orders the turns.
            progress: Told how far it is.
            most_bytes: Memory that a stored network may ask for when it runs, its weights apart; it counts on targets
                that take no ONNX files.

        Raises:
            LatheError: The files are not those of the report, or cannot be timed here.
        """
        target = target or self.target
        runtime = runtime or get_runtime(target.runtime)
        return verify(
            runtime,
            target,
            self.networks(runtime.artefact_kind),
            self.budget if against is None else against,
            rng=np.random.default_rng(seed),
            on_window=None if progress is None else lambda done, least: progress.step(min(done, least), least),
            most_bytes=most_bytes,
        )


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Say that the report in a bundle's folder is damaged where what it holds cannot be used.

    Raises:
        BundleError: So it is.
    """
    try:
        yield
    # Drawing what is no report may fail in any way.
    except Exception as exc:
        told = excerpt(exc if type(exc) is ValueError else f"{type(exc).__name__}: {exc}")
        raise BundleError(
            f"{folder / REPORT_FILE} must hold a report as a run writes it, but reading it failed ({told}): "
            "restore it, or run the config again."
        ) from exc
