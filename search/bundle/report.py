"""The report of a run: what it answers and what that rests on, of which pages, terminal and `--json` are views.

Format history of report.json: 1 (2026-11): first, one target. 2 (2026-11): `targets` and `limits`, with one entry or
several; all keys of format 1 stay, those of one target for the first. Format 1 is still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hwprofiles import check_shape, shown

from ..verdicts import VERDICTS, worst
from .answers import Accuracy, Budget, LimitAnswer, OutOfReach, Sizes, TargetAnswer, latency_limit
from .document import read_value, write_value
from .findings import Block, Compared, Frozen, Measurements, ProofFacts, SearchFacts, TableFacts, Timing, Tuning, Width

REPORT_FORMAT = 2
READ_FORMATS = (1, 2)

OF_THE_FIRST = ("target", "budget_s", "latency_s", "ratio", "predicted_s")
"""Keys of report.json that say again what the first of `targets` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run answers. None, or nothing in it, stands for what is not known.

    Attributes:
        targets: The answer on each target, the config's first one first; never empty.
        limits: How each limit was kept.
        budget: What was to be met.
        accuracy: Of both networks.
        parameters: Of both.
        file_bytes: Size of the ONNX files of both.
        hashes: Contestant -> SHA-256 of what was timed.
        files: Name in the bundle -> SHA-256, for all files of both networks.
        hardware: The machine.
        versions: Of the runtime, PyTorch and Lathe.
        date: When, in UTC.
        dims: Widths before and after.
        blocks: What became of removable blocks.
        frozen: What could not be cut, and why.
        unknown_operators: Operators without a rule -> their calls.
        table: The latency table.
        search: The round that the answer is of.
        finetune: The fine-tuning.
        measurements: Timings.
        predicted_vs_measured: Finalists.
        export_difference: Largest relative difference of the runtime's outputs from PyTorch's.
        warnings: Sentences.
        repeat: Commands that do it again.
        infeasible: What can be reached, where the budget cannot.
        proofs: Name -> what each proof of the cut measured.
        wall_s: Seconds of the whole run, pauses apart.
    """

    targets: tuple[TargetAnswer, ...]
    limits: tuple[LimitAnswer, ...] = ()
    budget: Budget | None = None
    accuracy: Accuracy | None = None
    parameters: Sizes = field(default_factory=Sizes)
    file_bytes: Sizes | None = None
    hashes: Mapping[str, str | None] | None = None
    files: Mapping[str, str] | None = None
    hardware: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] | None = None
    date: str | None = None
    dims: tuple[Width, ...] = ()
    blocks: tuple[Block, ...] = ()
    frozen: tuple[Frozen, ...] = ()
    unknown_operators: Mapping[str, tuple[str, ...]] | None = None
    table: TableFacts | None = None
    search: SearchFacts | None = None
    finetune: Tuning | None = None
    measurements: Measurements | None = None
    predicted_vs_measured: tuple[Compared, ...] = ()
    export_difference: float | None = None
    warnings: tuple[str, ...] = ()
    repeat: tuple[str, ...] = ()
    infeasible: OutOfReach | None = None
    proofs: Mapping[str, ProofFacts] | None = None
    wall_s: float | None = None

    @property
    def first(self) -> TargetAnswer:
        """The answer on the first target."""
        return self.targets[0]

    @property
    def verdict(self) -> str:
        """Of the whole: the worst of those of its targets and limits."""
        return worst([*(one.verdict for one in self.targets), *(one.verdict for one in self.limits)])

    @property
    def timing(self) -> Timing | None:
        """The timing that the verdict rests on, where there was one."""
        return None if self.measurements is None else self.measurements.verify

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why that timing is not to be relied on, as far as is known."""
        return () if self.timing is None else self.timing.judgement

    @classmethod
    def from_json(cls, document: object) -> Report:
        """Read what `to_json` wrote, or an older version's.

        Raises:
            ValueError: The format is not one that this version reads, or something is damaged.
        """
        check_shape(document, {str: object}, "a report")
        found = dict(document)  # type: ignore[call-overload]
        if not is_read(found):
            raise ValueError(
                f"A report must have `format` {' or '.join(map(str, READ_FORMATS))}, but got "
                f"{shown(found.get('format'))}; read it with the version of Lathe that wrote it."
            )
        verdict = found.get("verdict")
        if not isinstance(verdict, str) or verdict not in VERDICTS:
            raise ValueError(f"`verdict` must be one of {', '.join(VERDICTS)}, but got {shown(verdict)}.")
        return _of_format_1(found) if found["format"] == 1 else _of_format_2(found)

    def to_json(self) -> dict[str, Any]:
        """Return the content of report.json."""
        written = write_value(self)
        first = {key: written["targets"][0][key] for key in OF_THE_FIRST}
        return {"format": REPORT_FORMAT, "verdict": self.verdict, **first, **written}


def is_read(document: object) -> bool:
    """Tell whether a JSON document says that it is of a format that this version reads."""
    version = document.get("format") if isinstance(document, dict) else None
    return type(version) is int and version in READ_FORMATS


def _of_format_1(found: Mapping[str, Any]) -> Report:
    """Return the report of one target and its limit on latency."""
    report = read_value(Report, {**found, "targets": [_first_of(found)], "limits": []}, "a report")
    return replace(report, limits=(latency_limit(report.first),))


def _of_format_2(found: Mapping[str, Any]) -> Report:
    report = read_value(Report, found, "a report")
    if not report.targets:
        raise ValueError("a report must have one of `targets` or more, but has none")
    if found["verdict"] != report.verdict:
        raise ValueError(f"a report's `verdict` must be the worst of its parts', but is {shown(found['verdict'])}")
    told = read_value(TargetAnswer, _first_of(found), "a report")
    for key in OF_THE_FIRST:
        if getattr(told, key) != getattr(report.first, key):
            raise ValueError(f"a report's `{key}` must be that of its first target, but is {shown(found.get(key))}")
    return report


def _first_of(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found.get(key) for key in (*OF_THE_FIRST, "verdict")}
