"""Read a bundle, and time its networks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from .stored import check_report


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        path: Its folder.
        report: The content of its report.json.
    """

    path: Path
    report: Mapping[str, Any]

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
            if not isinstance(report, dict) or report.get("format") != 1:
                raise BundleError(f"This version reads report format 1, but {folder / REPORT_FILE} is of another.")
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
        found = cls(folder, report)
        with found.reading():
            check_report(report)
        return found

    def networks(self, kind: ArtefactKind) -> dict[str, Delivered]:
        """Return both networks, after checking that the files for a kind of runtime are those that the report names.

        Raises:
            BundleError: The run ended without a network, or a file is missing or another.
        """
        if not self.report.get("hashes"):
            raise BundleError(
                "Only a bundle with a network can be timed, but this run ended with "
                f"{shown(self.report.get('verdict'))}."
            )
        networks = {name: delivered(self.path, name) for name in FILES}
        for network in networks.values():
            for path in network.files(kind):
                self._check_file(path)
        return networks

    def _check_file(self, path: Path) -> None:
        with self.reading():
            known = {file: self.report["hashes"][name] for name, file in FILES.items()}
            wanted = dict(self.report.get("files") or known).get(path.name)
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
        """What the bundle was made for."""
        with self.reading():
            return Target.parse(self.report["target"])

    @property
    def budget(self) -> Quantity:
        """What it was made to meet."""
        with self.reading():
            return Quantity(self.report["budget"]["value"], self.report["budget"]["kind"])

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Say that the report is damaged where what it holds cannot be used.

        Raises:
            BundleError: So it is.
        """
        try:
            yield
        # Drawing what is no report may fail in any way.
        except Exception as exc:
            told = excerpt(exc if type(exc) is ValueError else f"{type(exc).__name__}: {exc}")
            raise BundleError(
                f"{self.path / REPORT_FILE} must hold a report as a run writes it, but reading it failed ({told}): "
                "restore it, or run the config again."
            ) from exc

    def verify(
        self,
        target: Target | None = None,
        *,
        against: Mapping[str, Any] | None = None,
        runtime: Runtime | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        most_bytes: int = MOST_RUN_BYTES,
    ) -> Verification:
        """Time the bundle's networks here and now.

        Args:
            target: Another target than the bundle's own.
            against: A report whose budget counts instead of the bundle's own.
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
        judged = Bundle(self.path, against if against is not None else self.report).budget
        return verify(
            runtime,
            target,
            self.networks(runtime.artefact_kind),
            judged,
            rng=np.random.default_rng(seed),
            on_window=None if progress is None else lambda done, least: progress.step(min(done, least), least),
            most_bytes=most_bytes,
        )
