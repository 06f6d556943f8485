"""The command `lathe`. With `--json`, one object goes to standard output and all else to standard error.

Exit status: 0 yes or done, 1 the answer is no, 2 wrong use, 3 failed or too unsteady to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from .commands.demo import demo
from .commands.doctor import doctor
from .commands.ending import FAILED, ending
from .commands.init import init
from .commands.profile import profile
from .commands.prune import prune
from .commands.report import report
from .commands.run import run
from .commands.table import table
from .commands.targets import targets
from .commands.verify import verify

COMMANDS: Mapping[str, Callable[..., int]] = {
    "demo": demo,
    "init": init,
    "run": run,
    "doctor": doctor,
    "profile": profile,
    "prune": prune,
    "targets": targets,
    "verify": verify,
    "report": report,
}
"""Name -> what the command does; it returns the exit status."""

GROUPS: Mapping[str, Callable[..., typer.Typer]] = {"table": table}
"""Name -> what makes a group of commands, each with the ending of the command line."""


def make_app(
    commands: Mapping[str, Callable[..., int]] = COMMANDS, groups: Mapping[str, Callable[..., typer.Typer]] = GROUPS
) -> typer.Typer:
    """Return the command line of these commands."""
    made = typer.Typer(
        name="lathe",
        help="Make a trained PyTorch network fit a latency budget, and prove it by timing the exported file.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, command in commands.items():
        made.command(name)(ending(command))
    for name, group in groups.items():
        made.add_typer(group(ending), name=name)
    return made


app = make_app()


def call(arguments: list[str]) -> int:
    """Run the command line and return its exit status."""
    try:
        app(arguments)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else FAILED
    return 0
