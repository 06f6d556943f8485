"""Run both contenders on every model of the list, each in a process of its own, and keep the figures."""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwprofiles import probe

from . import child, totals
from .models import LIST, Case, cases, versions
from .picture import draw
from .record import NOT_REACHED, OK, TIMEOUT, read

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "coverage.json"
PATIENCE = 5
"""Wall time that a process gets, as a multiple of its limit."""

CONTENDERS = {"ours": ("ours",), "rival": ("recipe", "plain")}


def attempt(case: Case, contender: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one contender on one model in a new process, and return what it found out."""
    load, used, began = os.getloadavg()[0], _processor_s(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ending = _start([contender, case.model, str(arguments.models), name], folder / "log", arguments)
        found = read(folder / "record.jsonl", child.STEPS[contender], ending)
        if all(step["outcome"] == NOT_REACHED for step in found["steps"].values()):
            raise SystemExit(f"{case.model}, {contender}: {(folder / 'log').read_text()}")
    limits = {"limit_s": arguments.limit_s, "memory_gib": arguments.memory_gib}
    spent = {"wall_s": time.monotonic() - began, "processor_s": _processor_s() - used, "load": load}
    return {"ending": ending, **limits, **spent, **found}


def _start(words: list[str], log: Path, arguments: argparse.Namespace) -> str:
    """Run a child to its end and say how it ended.

    The limit counts the process's own seconds on the processor, so that a busy machine fails nobody.
    """
    seconds = int(arguments.limit_s * arguments.threads)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (int(arguments.memory_gib * 2**30),) * 2)

    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    command = [sys.executable, "-m", "benchmarks.coverage.child", *words]
    try:
        with log.open("w") as file:
            done = subprocess.run(
                command,
                cwd=HERE.parents[1],
                env=environment,
                stdout=file,
                stderr=file,
                timeout=PATIENCE * arguments.limit_s,
                check=False,
                preexec_fn=limit,
            )
    except subprocess.TimeoutExpired:
        return TIMEOUT
    if done.returncode == -signal.SIGXCPU:
        return TIMEOUT
    return "ended" if done.returncode == 0 else f"the process ended with status {done.returncode}"


def _processor_s() -> float:
    """Return what all ended children have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def progress(case: Case, contender: str, entry: dict[str, Any]) -> str:
    bad = [f"{name}: {step['outcome']}" for name, step in entry["steps"].items() if step["outcome"] != OK]
    missing = [line for line in bad if not line.endswith(NOT_REACHED)]
    counts = entry.get("parameters")
    left = f", {counts['after'] / counts['before']:.1%} left" if counts else ""
    return f"{case.model} {contender}: {entry['wall_s']:.0f} s{left}; {'; '.join(missing) or 'all ok'}"


def selected(arguments: argparse.Namespace) -> list[Case]:
    found = cases(arguments.models)
    if unknown := set(arguments.only or ()) - {case.model for case in found}:
        raise SystemExit(f"--only takes models of {arguments.models.name}, but {sorted(unknown)} are not in it.")
    return [case for case in found if not arguments.only or case.model in arguments.only]


def facts(threads: int) -> dict[str, Any]:
    machine = probe()
    return {
        "machine": machine.architecture,
        "cpu": machine.cpu_model,
        "logical_cores": machine.logical_cores,
        "memory_bytes": machine.memory_bytes,
        "threads": threads,
        "python": machine.python,
        "versions": versions(),
    }


def save(path: Path, document: dict[str, Any]) -> None:
    document["totals"] = totals.totals(document["rows"])
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run what was asked for; rows of the results file that are not run again stay in it."""
    document: dict[str, Any] = {
        **facts(arguments.threads),
        "limit_s": arguments.limit_s,
        "memory_gib": arguments.memory_gib,
        "rows": [],
    }
    old = json.loads(arguments.out.read_text())["rows"] if arguments.out.exists() else []
    rows: dict[str, dict[str, Any]] = {row["model"]: row for row in old}
    order = [case.model for case in cases(arguments.models)]
    for case in selected(arguments):
        row = rows.setdefault(case.model, case.to_json())
        for contender in CONTENDERS[arguments.contender] if arguments.contender else sum(CONTENDERS.values(), ()):
            if arguments.resume and contender in row:
                continue
            row[contender] = attempt(case, contender, arguments)
            document["rows"] = [rows[name] for name in order if name in rows]
            save(arguments.out, document)
            print(progress(case, contender, row[contender]), file=sys.stderr, flush=True)
    document["rows"] = [rows[name] for name in order if name in rows]
    return document


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--models", type=lambda text: Path(text).resolve(), default=LIST, help="list of models")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these models only")
    parser.add_argument("--contender", choices=sorted(CONTENDERS), help="run this contender only")
    parser.add_argument("--resume", action="store_true", help="skip what the results file holds already")
    parser.add_argument("--limit-s", type=float, default=300.0, help="processor seconds for each process")
    parser.add_argument("--memory-gib", type=float, default=16.0, help="address space for each process")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--out", type=lambda text: Path(text).resolve(), default=RESULTS, help="results file")
    parser.add_argument("--table", action="store_true", help="run nothing; print and draw what the file holds")
    arguments = parser.parse_args(argv)
    if arguments.table:
        document = json.loads(arguments.out.read_text())
    else:
        document = run(arguments)
        save(arguments.out, document)
    totals.show(document["rows"])
    draw(document, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
