"""The commands `lathe table show`, `merge`, `diff` and `csv`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hwprofiles import MOST_JOURNAL_BYTES, opened_whole, parse_quantity, plain
from latency_tables import EXPORTS, ForeignTableError, compare_tables, marked_frame, write_frame
from latency_tables import merge as merge_journals

from ...errors import ConfigError
from ..terminal import answers_only, terminal
from .content import describe
from .difference import EXIT_STATUS, contrast
from .opening import open_table, reading
from .show import show_difference, show_merged, show_table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Journal = Annotated[Path, typer.Argument(help="Journal of a table, such as runs/net/table.jsonl.")]
Foreign = Annotated[bool, typer.Option("--allow-foreign", help="Use numbers of other machines too; each is marked.")]


def table(ending: Callable[[Callable[..., int]], Callable[..., None]]) -> typer.Typer:
    """Return the group of commands, each with the ending of the command line."""
    group = typer.Typer(
        help="Show, merge, compare and export latency tables.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )
    for name, command in (("show", show), ("merge", merge), ("diff", diff), ("csv", csv)):
        group.command(name)(ending(command))
    return group


def show(journal: Journal, allow_foreign: Foreign = False, as_json: Json = False) -> int:
    """Show what a table holds, how well it predicts, and where the time goes."""
    with answers_only():
        content = describe(open_table(journal, allow_foreign=allow_foreign))
    if as_json:
        print(json.dumps(content, allow_nan=False))  # noqa: T201
    else:
        show_table(terminal(), content)
    return 0


def merge(
    first: Annotated[Path, typer.Argument(help="A journal; the new one belongs to its machine.")],
    second: Annotated[Path, typer.Argument(help="A journal of the same target and unpruned network.")],
    out: Annotated[Path, typer.Option("--out", help="The new journal; never overwrites a file.")],
    allow_foreign: Foreign = False,
    as_json: Json = False,
) -> int:
    """Make one table of two; where both have a network, the later timing counts."""
    if out.exists():
        raise ConfigError(f"A table is never overwritten, but {out} exists: name another with `--out`.")
    for path in (first, second):
        with reading(path), opened_whole(path, MOST_JOURNAL_BYTES):
            pass
    try:
        merged = merge_journals(first, second, out, allow_foreign=allow_foreign)
    except ForeignTableError as exc:
        raise ConfigError(str(exc).replace("allow foreign rows", "allow foreign rows with `--allow-foreign`")) from exc
    except OSError as exc:
        raise ConfigError(
            f"The new table must be writable, but {out} is not ({exc.strerror or exc}): name another with `--out`."
        ) from exc
    if as_json:
        answer = {
            "table": str(merged.path),
            "lines": list(merged.lines),
            "twice": merged.twice,
            "foreign": merged.foreign,
            "stale": merged.stale,
            "notes": list(merged.notes),
        }
        print(json.dumps(answer))  # noqa: T201
    else:
        show_merged(terminal(), merged)
    return 0


def diff(
    first: Annotated[Path, typer.Argument(help="A journal.")],
    second: Annotated[Path, typer.Argument(help="Another one; the machine and the target may differ.")],
    tolerance: Annotated[str, typer.Option("--tolerance", help="Share up to which two numbers agree.")] = "3 %",
    as_json: Json = False,
) -> int:
    """Compare the networks that two tables share; exit status 1 where a number differs, 3 where nobody can tell."""
    with answers_only():
        limit = _share(tolerance)
        one, other = (open_table(path, allow_foreign=True, own=False) for path in (first, second))
        content = contrast(one, other, compare_tables(one.table, other.table, limit))
    if as_json:
        print(json.dumps(content, allow_nan=False))  # noqa: T201
    else:
        show_difference(terminal(), content)
    return EXIT_STATUS[content["agreement"]]


def csv(
    journal: Journal,
    out: Annotated[
        Path | None, typer.Option("--out", help="A .csv or .parquet file; by default CSV goes to standard output.")
    ] = None,
    allow_foreign: Foreign = False,
) -> int:
    """Write a table for other programs, one line a piece of each network."""
    if out is not None and out.suffix not in EXPORTS:
        raise ConfigError(f"`--out` is a file that ends in {' or '.join(EXPORTS)}, but got {str(out)!r}.")
    with answers_only():
        opened = open_table(journal, allow_foreign=allow_foreign)
        frame = marked_frame(opened.table, opened.sources, opened.fingerprint)
    for note in opened.table.notes:
        terminal(errors=True).print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    if out is None:
        text = frame.to_csv(index=False)
        # Another program gets the names as they are, a screen does not.
        sys.stdout.write(plain(text) if sys.stdout.isatty() else text)
        return 0
    try:
        write_frame(frame, opened.table, out)
    except OSError as exc:
        raise ConfigError(f"`--out` must be writable, but {out} is not ({exc.strerror or exc}): name another.") from exc
    terminal(errors=True).print(f"wrote {out}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _share(text: str) -> float:
    try:
        found = parse_quantity(text)
    except ValueError as exc:
        raise ConfigError(f"`--tolerance`: {exc}") from exc
    if found.kind != "fraction" or not 0 < found.value < 1:
        raise ConfigError(f"`--tolerance` is a share above 0 % and below 100 %, such as '3 %', but got {text!r}.")
    return found.value
