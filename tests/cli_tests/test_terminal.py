"""What stands in a bundle or a table is other people's words: none of it reaches the terminal as a command."""

import ast
import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from search.bundle import Report
from search.cli import call
from search.commands import terminal as module
from search.commands.terminal import TerminalProgress, terminal
from search.report.markdown import render_markdown

from .conftest import Lathe

HOSTILE = "name\x1b[2J\x1b]0;title\x07\r\x9b1A\u202etxt.exe\u2066"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A terminal with colours."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    """Let standard output be a terminal meanwhile."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(Screen()) as found:
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        yield found


def clean(printed: str) -> bool:
    return not STEERING.search(COLOURS.sub("", printed))


def _table() -> Table:
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(Text(HOSTILE))
    return table


@pytest.mark.parametrize("make", [lambda: HOSTILE, lambda: Text(HOSTILE), _table], ids=["text", "rich text", "table"])
@pytest.mark.parametrize("soft_wrap", [False, True])
def test_nothing_that_is_printed_steers(make: Callable[[], Any], soft_wrap: bool) -> None:
    with screen() as found:
        terminal().print(make(), style="red", markup=False, soft_wrap=soft_wrap)
    assert "name" in found.getvalue()
    assert "\x1b[" in found.getvalue(), "colours stay"
    assert clean(found.getvalue())


def test_a_console_of_richs_own_would_steer() -> None:
    with screen() as found:
        Console().print(HOSTILE, markup=False)
    assert not clean(found.getvalue()), "else this file tests nothing"


def test_bars_do_not_steer() -> None:
    with screen() as found, TerminalProgress(terminal()) as progress:
        progress.stage("verify", HOSTILE)
        progress.step(1, 2, HOSTILE)
        progress.note(HOSTILE)
    assert "name" in found.getvalue()
    # What a bar itself moves by: the cursor up, a line cleared, the cursor hidden and shown.
    assert clean(re.sub(r"\x1b\[(1A|2K|\?25[lh])|\r", "", found.getvalue()))


def test_all_that_prints_does_it_there() -> None:
    """Only the terminal's own file makes consoles."""
    for path in Path(module.__file__).parent.rglob("*.py"):
        made = [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Console"
        ]
        assert not made or path == Path(module.__file__), f"{path}:{made}"


def poisoned(value: Any) -> Any:
    """Put control characters behind every text of a document but those that are read by machines."""
    if isinstance(value, dict):
        kept = {"verdict", "target", "kind", "format", "name", "hashes", "files", "choice"}
        return {key: item if key in kept else poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


def test_a_report_does_not_steer(lathe: Lathe, finished: Path) -> None:
    path = finished / "run/bundle/report.json"
    report = poisoned(json.loads(path.read_text()))
    report["warnings"] = [HOSTILE, f"{HOSTILE}</script><script>alert(1)</script>", f"![x](http://x) {HOSTILE}"]
    path.write_text(json.dumps(report))
    answer = lathe("report", finished / "run")
    assert answer.status == 0, answer.err
    assert "name" in answer.out
    assert clean(answer.out + answer.err)
    text = (path.parent / "report.md").read_text()
    assert clean(text)
    assert "![x](" not in text
    assert "<script>" not in text
    page = (path.parent / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert clean(render_markdown(Report.from_json(report)))


def test_an_error_does_not_steer_and_does_not_fill_the_screen(lathe: Lathe, finished: Path) -> None:
    path = finished / "run/bundle/report.json"
    report = json.loads(path.read_text())
    report["target"] = report["targets"][0]["target"] = HOSTILE * 10_000
    path.write_text(json.dumps(report))
    answer = lathe("verify", finished / "run")
    assert answer.status == 2
    assert clean(answer.err)
    assert len(answer.err) < 20_000


def test_a_table_does_not_steer(lathe: Lathe, finished: Path) -> None:
    path = finished / "run/table.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["versions"] = {name: f"{version}{HOSTILE}" for name, version in line["versions"].items()}
        if "units" in line:
            line["units"] = {f"{name}{HOSTILE}": unit for name, unit in line["units"].items()}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for command in (("show", path), ("diff", path, path)):
        answer = lathe("table", *command)
        assert answer.status == 0, answer.err
        assert clean(answer.out + answer.err)
    assert "txt.exe" in lathe("table", "show", path).out
    assert not clean(lathe("table", "csv", path).out), "another program gets the names as they are"
    with screen() as found:
        assert call(["table", "csv", str(path)]) == 0
    assert "txt.exe" in found.getvalue()
    assert clean(found.getvalue())
