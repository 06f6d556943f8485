"""How the command line looks: progress on standard error, answers on standard output."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table

from hwprofiles import plain

from ..bundle import Budget, Report, Spread
from ..pages import count, fact, percent, seconds, seconds_within
from ..verdicts import VERDICTS

LOG_EVERY_S = 15.0
"""Seconds between lines of progress where there is no terminal."""


TITLES = {
    "train": "Train the demo's network",
    "analyse": "Analyse",
    "table": "Latency table",
    "search": "Search",
    "finalist": "Time the finalist",
    "finetune": "Fine-tune",
    "export": "Export",
    "prove": "Prove",
    "accuracy": "Accuracy",
    "verify": "Verify",
}


class _Harmless:
    """What is printed, with nothing in it that a file could steer the terminal by; colours are added later."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._renderable)


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Harmless(renderable) for renderable in renderables]


def terminal(*, errors: bool = False) -> Console:
    """Return what every answer (or with `errors` everything else) is printed on.

    Names in tables, bundles and networks are other people's words. Whatever is printed has its control characters
    written out, so that none of them moves the cursor, hides a line or turns the direction of writing.
    """
    console = Console(stderr=errors)
    console.push_render_hook(_Cleaning())
    return console


@contextmanager
def answers_only() -> Iterator[None]:
    """Send to standard error whatever is printed meanwhile, by compiled libraries too.

    Standard output is for the answer, and a solver, a runtime or the user's own network may print what it likes.
    """
    library = ctypes.CDLL(None)
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        # What C code has printed may still lie in its own buffer.
        library.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def tell(text: str) -> None:
    """Print a sentence on standard error, where no progress is drawn."""
    Console(stderr=True).print(f"note: {text}", highlight=False, markup=False, soft_wrap=True)


class TerminalProgress:
    """Draws stages as bars on a terminal, and as plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._printed = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()

    def stage(self, name: str, detail: str = "") -> None:
        """Begin a stage; the one before is done."""
        self._finish()
        title = TITLES.get(name, name.capitalize())
        if self._console.is_terminal:
            self._task = self._bars.add_task(plain(title), total=None, detail=_quoted(detail))
        else:
            told = f"{title}: {detail}" if detail else title
            self._console.print(told, highlight=False, markup=False, soft_wrap=True)

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Move the present stage's bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total, detail=_quoted(detail))
        elif not self._console.is_terminal and (now := time.monotonic()) - self._printed > LOG_EVERY_S:
            self._printed = now
            self._console.print(f"  {done} of {total} {detail}".rstrip(), highlight=False, markup=False)

    def note(self, text: str) -> None:
        """Print a sentence above the bars."""
        self._console.print(f"  {text}", highlight=False, soft_wrap=True, markup=False)

    def _finish(self) -> None:
        if self._task is not None:
            total = self._bars.tasks[self._bars.task_ids.index(self._task)].total or 1
            self._bars.update(self._task, total=total, completed=total, detail="")
            self._task = None


def _quoted(detail: str) -> str:
    """Return words for a bar, which are drawn again and again and not printed: in them, brackets would be markup."""
    return escape(plain(detail))


def errors() -> Console:
    """Return the console for everything but answers."""
    return terminal(errors=True)


def show_verdict(console: Console, word: str) -> None:
    """Print a verdict and what it means."""
    verdict = VERDICTS[word]
    console.print(f"[bold {verdict.colour}]{word}[/]  {verdict.sentence}", highlight=False)


def show_report(console: Console, report: Report) -> None:
    """Print the verdict and the numbers that it rests on."""
    console.print()
    show_verdict(console, report.verdict)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "unpruned", "subnet"):
        table.add_column(name, justify="left" if not name else "right")
    for row in _rows(report):
        table.add_row(*row)
    console.print(table, highlight=False)
    for line in _lines(report):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _rows(report: Report) -> list[tuple[str, str, str]]:
    latency, accuracy, sizes = report.first.latency_s, report.accuracy, report.parameters
    rows = [("latency", _interval(latency.baseline), _interval(latency.subnet))]
    if accuracy is not None:
        name = accuracy.name or "accuracy"
        rows.append((escape(name), percent(accuracy.baseline, 2), percent(accuracy.subnet, 2)))
    if sizes.subnet is not None:
        rows.append(("parameters", count(sizes.baseline), count(sizes.subnet)))
    return rows


def _interval(spread: Spread | None) -> str:
    return "-" if spread is None else seconds_within(spread.median, spread.low, spread.high)


def _lines(report: Report) -> list[str]:
    first, budget = report.first, report.budget or Budget()
    meaning = "" if first.budget_s is None or budget.kind == "time" else f" ({seconds(first.budget_s)})"
    lines = [f"budget {fact(budget.text)}{meaning} on {fact(first.target)}"]
    if first.ratio is not None:
        median, *ends = (percent(value) for value in (first.ratio.median, first.ratio.low, first.ratio.high))
        lines.append(f"paired ratio, subnet to unpruned: {median} [{', '.join(ends)}]")
    if report.verdict == "unstable":
        lines += [f"too unsteady to tell: {reason}" for reason in report.doubts or ("no reason was recorded",)]
    if report.infeasible is not None:
        reach = report.infeasible
        lines.append(f"least reachable latency: {seconds(reach.least_latency_s)}")
        parts = [f"{part.what} {seconds(part.seconds)}" for part in reach.holds_up[:4]]
        lines.append(f"held up by: {', '.join(parts)}")
        lines.append(f"nearest budget that can be met: {fact(reach.nearest_budget)}")
    lines += [f"warning: {warning}" for warning in report.warnings]
    return lines
