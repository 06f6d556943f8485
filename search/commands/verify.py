"""The command `lathe verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hwprofiles import (
    MOST_JSON_BYTES,
    Quantity,
    Target,
    check_shape,
    format_interval,
    format_percent,
    get_runtime,
    parse_json,
    read_whole,
)

from ..bundle import Bundle
from ..deploy import BASELINE, SUBNET, Verification
from ..errors import BundleError, ConfigError
from ..surgery import MOST_RUN_BYTES
from ..verdicts import VERDICTS, worst
from .options import Json, Seed
from .terminal import TerminalProgress, answers_only, errors, show_verdict, terminal


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
    opened, budget = Bundle.open(bundle), _read_budget(against)
    targets = [_target(slug) for slug in dict.fromkeys(target or ())] or [opened.target]
    for one in targets:
        # Before any is timed: a target that cannot be used must not cost the others' answers.
        runtime = get_runtime(one.runtime)
        runtime.require(one)
        opened.networks(runtime.artefact_kind)
    found: dict[str, Verification] = {}
    most = round(most_gib * 2**30)
    with answers_only(), TerminalProgress(errors()) as progress:
        for one in targets:
            progress.stage("verify", one.slug)
            found[one.slug] = opened.verify(one, against=budget, seed=seed, progress=progress, most_bytes=most)
    verdict = worst(made.verdict for made in found.values())
    if as_json:
        answers = {slug: {"target": slug, **_verified(made)} for slug, made in found.items()}
        several = {"verdict": verdict, "targets": answers}
        print(json.dumps(several if len(answers) > 1 else answers[targets[0].slug]))  # noqa: T201
    else:
        console = terminal()
        for place, (slug, made) in enumerate(found.items()):
            if len(found) > 1:
                console.print(f"{chr(10) * bool(place)}[bold]{slug}[/]", highlight=False)
            _show_verification(console, made)
    return VERDICTS[verdict].exit_status


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
    measured = verification.measurement
    show_verdict(console, verification.verdict)
    for name in measured.names:
        interval = measured.seconds(name)
        text = "too few windows" if interval is None else format_interval(interval.median, interval.low, interval.high)
        console.print(f"{'unpruned' if name == BASELINE else name}: {text}", highlight=False)
    ratio = measured.ratio(SUBNET)
    if ratio is not None:
        low, high = format_percent(ratio.low), format_percent(ratio.high)
        console.print(f"paired ratio: {format_percent(ratio.median)} [{low}, {high}]", highlight=False, markup=False)
    for reason in verification.reasons:
        console.print(reason, highlight=False, markup=False, soft_wrap=True)


def _target(slug: str) -> Target:
    try:
        return Target.parse(slug)
    except ValueError as exc:
        raise ConfigError(str(exc)) from exc


def _read_budget(path: Path | None) -> Quantity | None:
    if path is None:
        return None
    try:
        found = parse_json(read_whole(path, MOST_JSON_BYTES))
        check_shape(found, {"budget": {"value": float, "kind": str}}, "it")
        return Quantity(found["budget"]["value"], found["budget"]["kind"])
    except (OSError, ValueError) as exc:
        raise BundleError(
            f"`--against` names a report.json with a budget, but reading {path} failed ({exc}): name another."
        ) from exc
