"""The command `lathe`. With `--json`, one object goes to standard output and all else to standard error.

Exit status: 0 yes or done, 1 the answer is no, 2 wrong use, 3 failed or too unsteady to tell.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwprofiles import (
    MOST_JSON_BYTES,
    HardwareProfile,
    LatheError,
    Quantity,
    ShippedProfile,
    Target,
    available_targets,
    check_shape,
    excerpt,
    format_interval,
    format_percent,
    format_seconds,
    get_runtime,
    parse_json,
    probe,
    read_whole,
    shipped_profiles,
    writing_whole,
)

from .bundle import Bundle
from .commands.doctor import doctor
from .commands.profile import profile
from .commands.prune import prune
from .commands.table import table
from .commands.terminal import STYLES, TerminalProgress, answers_only, show_report, terminal
from .config import config_template, load_config
from .deploy import SENTENCES, SUBNET, Verification
from .engine import Outcome, Plan, plan, run
from .errors import BundleError, ConfigError, is_disk_full
from .report import write_pages
from .surgery import MOST_RUN_BYTES

EXIT_STATUS: Mapping[str, int] = {"met": 0, "unneeded": 0, "missed": 1, "infeasible": 1, "unstable": 3}
"""Verdict -> exit status."""

_WORST_LAST = ("unneeded", "met", "unstable", "infeasible", "missed")
"""Verdicts on several targets: one that says no decides, then one that says nothing."""

MOST_TOLD = 10_000
"""Characters of an error, at most: more of what a file says would only push the rest off the screen."""

FAILED = 3
INTERRUPTED = 130

_UNFORESEEN = (
    "error: this failure was not foreseen. The last lines above say where it came up: in a file of yours, mend it "
    "there; in one of Lathe's, please report it with the text above. The same command goes on from here."
)

_FULL = (
    "There must be room to write, but the disk is full, perhaps the one of the temporary files: make some, or set "
    "TMPDIR to a folder that has it, then run the same command again."
)

P = ParamSpec("P")

app = typer.Typer(
    name="lathe",
    help="Make a trained PyTorch network fit a latency budget, and prove it by timing the exported file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")]


def call(arguments: list[str]) -> int:
    """Run the command line and return its exit status."""
    try:
        app(arguments)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else FAILED
    return 0


def _errors() -> Console:
    return terminal(errors=True)


def _ending(command: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's result, and what it raises for the user, into an exit status."""

    @wraps(command)
    def ended(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except KeyboardInterrupt:
            _errors().print("Stopped. The same command goes on from here.", highlight=False)
            status = INTERRUPTED
        except LatheError as exc:
            _errors().print(
                f"error: {excerpt(exc, MOST_TOLD)}", style="red", highlight=False, markup=False, soft_wrap=True
            )
            # The same file would do, once there is room: no wrong use.
            status = FAILED if is_disk_full(exc) else int(getattr(exc, "exit_code", FAILED))
        # Where a user's code says so in a place that nobody thought of, that must not end the command without a word.
        except SystemExit as exc:
            told = f"error: The network, the task or a library of theirs ended the program (SystemExit: {exc})."
            _errors().print(told, style="red", highlight=False, markup=False, soft_wrap=True)
            status = FAILED
        # Python would end with 1, which here means that the answer is no.
        except Exception as exc:
            if is_disk_full(exc):
                _errors().print(f"error: {_FULL}", style="red", highlight=False, markup=False, soft_wrap=True)
            else:
                _errors().print(traceback.format_exc(), highlight=False, markup=False, soft_wrap=True)
                _errors().print(_UNFORESEEN, style="red", highlight=False, markup=False, soft_wrap=True)
            status = FAILED
        raise typer.Exit(status)

    return ended


def _answer(outcome: Outcome, as_json: bool) -> int:
    """Print what a run answered, and return the exit status of its verdict."""
    report = outcome.report
    if as_json:
        print(json.dumps(_contract(report) | {"bundle": str(outcome.bundle)}, allow_nan=False))  # noqa: T201
    else:
        console = terminal()
        show_report(console, report)
        console.print(f"report: {outcome.bundle / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    return EXIT_STATUS[report["verdict"]]


def _contract(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that `--json` promises, but for the bundle's place."""
    keys = ("verdict", "budget_s", "latency_s", "ratio", "predicted_s", "accuracy", "parameters", "wall_s")
    return {key: report.get(key) for key in keys} | {
        key: report[key] for key in ("infeasible", "warnings") if report.get(key)
    }


@app.command()
@_ending
def demo(
    out: Annotated[Path, typer.Option("--out", help="Run folder.")] = Path("runs/demo"),
    seed: Seed = 0,
    as_json: Json = False,
) -> int:
    """Do the whole line on real handwritten digits, with a small network that is trained first."""
    from .demo import run_demo

    with answers_only(), TerminalProgress(_errors()) as progress:
        outcome = run_demo(out, seed, progress)
    return _answer(outcome, as_json)


@app.command()
@_ending
def init(
    path: Annotated[Path, typer.Argument(help="Config file to write.")] = Path("net.toml"),
) -> int:
    """Write an example config with comments."""
    try:
        with writing_whole(path, replace=False) as file:
            file.write(config_template().encode())
    except FileExistsError as exc:
        raise ConfigError(f"A config is never overwritten, but {path} exists: name another file.") from exc
    except OSError as exc:
        raise ConfigError(
            f"The config must be writable, but {path} is not ({exc.strerror}): name a file in a folder that exists and "
            "is yours."
        ) from exc
    told = f"Wrote {path}. Edit it, then: lathe run {path} --dry-run"
    _errors().print(told, highlight=False, markup=False, soft_wrap=True)
    return 0


@app.command("run")
@_ending
def run_command(
    config: Annotated[Path, typer.Argument(help="Config file; `lathe init` writes an example.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the least latency in reach.")] = False,
    as_json: Json = False,
) -> int:
    """Profile, search, cut, fine-tune, export, verify, report. Stops and goes on anywhere."""
    settings = load_config(config)
    if dry_run:
        with answers_only(), TerminalProgress(_errors()) as progress:
            found = plan(settings, progress=progress)
        return _show_plan(found, as_json)
    with answers_only(), TerminalProgress(_errors()) as progress:
        outcome = run(settings, progress=progress)
    return _answer(outcome, as_json)


app.command("doctor")(_ending(doctor))
app.command("profile")(_ending(profile))
app.command("prune")(_ending(prune))
app.add_typer(table(_ending), name="table")


@app.command()
@_ending
def targets(as_json: Json = False) -> int:
    """List what this machine can time, and why not the rest."""
    statuses, profile = available_targets(), probe()
    shipped = shipped_profiles().get(profile.fingerprint)
    if as_json:
        rows = [
            {
                "target": status.target.slug,
                "runtime": status.target.runtime,
                "description": status.description,
                "versions": status.state if isinstance(status.state, Mapping) else None,
                "unavailable": status.state if isinstance(status.state, str) else None,
            }
            for status in statuses
        ]
        answer = {
            "targets": rows,
            "hardware": profile.to_json(),
            "fingerprint": profile.fingerprint,
            "gpu_fingerprint": profile.gpu_fingerprint,
            "shipped": None if shipped is None else shipped.to_json(),
        }
        print(json.dumps(answer))  # noqa: T201
        return 0
    console = terminal()
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, fact in _facts(profile, shipped).items():
        facts.add_row(f"[dim]{name}[/]", escape(fact))
    console.print(facts, "", highlight=False)
    for status in statuses:
        here = isinstance(status.state, Mapping)
        state = ", ".join(f"{k} {v}" for k, v in status.state.items()) if here else status.state  # type: ignore[union-attr]
        console.print(f"[{'green' if here else 'dim'}]{status.target.slug}[/]", highlight=False, soft_wrap=True)
        for text, style in ((status.description, "dim"), (str(state), "")):
            console.print(Padding(Text(text, style), (0, 0, 0, 4)), highlight=False)
    return 0


def _facts(profile: HardwareProfile, shipped: ShippedProfile | None) -> dict[str, str]:
    """Return what is known of this machine, in words; what is not is called unknown."""

    def known(fact: object, text: str = "{}") -> str:
        return "unknown" if fact is None else text.format(fact)

    memory = None if profile.memory_bytes is None else round(profile.memory_bytes / 2**30)
    gpu_memory = None if profile.gpu_memory_bytes is None else round(profile.gpu_memory_bytes / 2**30)
    gpu = "none that nvidia-smi shows" if profile.gpu is None else f"{profile.gpu}, {known(gpu_memory, '{} GiB')}"
    measured = [
        f"{one.target}: windows vary by {format_percent(one.seconds_cv)} in seconds, {format_percent(one.ratio_cv)} as "
        "a paired ratio"
        for one in (shipped.steadiness if shipped else ())
    ]
    return {
        "CPU": known(profile.cpu_model),
        "cores": f"{known(profile.physical_cores)} physical, {known(profile.logical_cores)} logical",
        "flags": "unknown" if profile.cpu_flags is None else " ".join(profile.cpu_flags) or "none that matters",
        "memory": known(memory, "{} GiB"),
        "system": f"{known(profile.system)} on {known(profile.architecture)}, kernel {known(profile.kernel)}",
        "GPU": gpu,
        "fingerprint": profile.fingerprint,
        "measured before": "; ".join(measured) or "not in the profiles that Lathe comes with",
    }


@app.command()
@_ending
def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle, or the run folder that holds it.")],
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Slug of another target than the bundle's own; repeatable.")
    ] = None,
    against: Annotated[Path | None, typer.Option("--against", help="Report whose budget counts instead.")] = None,
    seed: Seed = 0,
    most_gib: Annotated[
        float, typer.Option("--most-gib", min=0.0, help="Memory that a stored network may ask for when it runs.")
    ] = MOST_RUN_BYTES / 2**30,
    as_json: Json = False,
) -> int:
    """Time a bundle again, here and now; exit status 1 when it is over the budget on one of the targets."""
    opened, budget = Bundle.open(bundle), _read_report(against)
    targets = [_target(slug) for slug in dict.fromkeys(target or ())] or [opened.target]
    for one in targets:
        # Before any is timed: a target that cannot be used must not cost the others' answers.
        runtime = get_runtime(one.runtime)
        runtime.require(one)
        opened.networks(runtime.artefact_kind)
    found: dict[str, Verification] = {}
    most = round(most_gib * 2**30)
    with answers_only(), TerminalProgress(_errors()) as progress:
        for one in targets:
            progress.stage("verify", one.slug)
            found[one.slug] = opened.verify(one, against=budget, seed=seed, progress=progress, most_bytes=most)
    worst = max((made.verdict for made in found.values()), key=_WORST_LAST.index)
    if as_json:
        answers = {slug: {"target": slug, **_verified(made)} for slug, made in found.items()}
        several = {"verdict": worst, "targets": answers}
        print(json.dumps(several if len(answers) > 1 else answers[targets[0].slug]))  # noqa: T201
    else:
        console = terminal()
        for place, (slug, made) in enumerate(found.items()):
            if len(found) > 1:
                console.print(f"{chr(10) * bool(place)}[bold]{slug}[/]", highlight=False)
            _show_verification(console, made)
    return EXIT_STATUS[worst]


def _verified(verification: Verification) -> dict[str, Any]:
    """Return what a verification said, as the JSON answer holds it."""
    measured = verification.measurement
    intervals = {name: measured.seconds(name) for name in measured.names}
    ratio = measured.ratio(SUBNET)
    return {
        "verdict": verification.verdict,
        "budget": {"kind": verification.budget.kind, "value": verification.budget.value},
        "latency_s": {name: None if i is None else i.to_json() for name, i in intervals.items()},
        "ratio": None if ratio is None else ratio.to_json(),
        "reasons": list(verification.reasons),
        "hashes": dict(verification.hashes),
    }


def _show_verification(console: Console, verification: Verification) -> None:
    measured, verdict = verification.measurement, verification.verdict
    console.print(f"[bold {STYLES[verdict]}]{verdict}[/]  {SENTENCES[verdict]}", highlight=False)
    for name in measured.names:
        interval = measured.seconds(name)
        text = "too few windows" if interval is None else format_interval(interval.median, interval.low, interval.high)
        console.print(f"{name}: {text}", highlight=False)
    ratio = measured.ratio(SUBNET)
    if ratio is not None:
        low, high = format_percent(ratio.low), format_percent(ratio.high)
        console.print(f"paired ratio: {format_percent(ratio.median)} [{low}, {high}]", highlight=False, markup=False)
    for reason in verification.reasons:
        console.print(reason, highlight=False, markup=False, soft_wrap=True)


@app.command()
@_ending
def report(
    bundle: Annotated[Path, typer.Argument(help="Bundle, or the run folder that holds it.")],
    as_json: Json = False,
) -> int:
    """Write a bundle's report pages again, and print its answer."""
    opened = Bundle.open(bundle)
    written = write_pages(opened)
    if as_json:
        print(json.dumps(dict(opened.report), allow_nan=False))  # noqa: T201
    else:
        console = terminal()
        show_report(console, opened.report)
        for path in written:
            console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _target(slug: str) -> Target:
    try:
        return Target.parse(slug)
    except ValueError as exc:
        raise ConfigError(str(exc)) from exc


def _read_report(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        found = parse_json(read_whole(path, MOST_JSON_BYTES))
        check_shape(found, {"budget": {"value": float, "kind": str}}, "it")
        Quantity(found["budget"]["value"], found["budget"]["kind"])
    except (OSError, ValueError) as exc:
        raise BundleError(
            f"`--against` names a report.json with a budget, but reading {path} failed ({exc}): name another."
        ) from exc
    return dict(found)


def _show_plan(found: Plan, as_json: bool) -> int:
    if as_json:
        print(json.dumps(found.to_json()))  # noqa: T201
    else:
        console = terminal()
        base = found.baseline_s
        console.print(f"target           {found.target}", highlight=False)
        console.print(
            f"unpruned         {format_interval(base.median, base.low, base.high)}", highlight=False, markup=False
        )
        console.print(f"budget           {format_seconds(found.budget_s)}", highlight=False)
        if found.least_s is not None:
            least = found.least_s
            text = format_interval(least.median, least.low, least.high)
            console.print(f"least in reach   {text} (smallest network on offer)", highlight=False, markup=False)
        console.print(
            f"space            {len(found.dims)} widths and {len(found.blocks)} removable blocks, "
            f"about 10^{found.candidates_log10:.0f} networks",
            highlight=False,
        )
        console.print(f"table            {found.networks} networks to time, {found.trials} trials", highlight=False)
        console.print(
            f"time             about {format_seconds(found.timing_s)} of timing; scoring and fine-tuning on top",
            highlight=False,
        )
        for name in found.unknown:
            console.print(f"warning: operator {name} has no rule yet; what it touches is not cut", highlight=False)
        if found.verdict_so_far is not None:
            console.print(f"[bold]{found.verdict_so_far}[/]  {SENTENCES[found.verdict_so_far]}", highlight=False)
    return 0 if found.verdict_so_far is None else EXIT_STATUS[found.verdict_so_far]
