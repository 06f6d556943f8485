"""What one process finds out, step by step, in a file that loses nothing when the process is killed."""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OK = "ok"
NOT_REACHED = "not reached"
TIMEOUT = "timeout"
LONGEST = 300


class WrongError(Exception):
    """A check came out wrong; the message is the outcome."""


class StopError(Exception):
    """A step failed that all later ones need."""


class Record:
    """Appends one line when a step begins, one when it ends, and one for each set of facts."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def note(self, **facts: Any) -> None:
        self._write({"facts": facts})

    @contextmanager
    def step(self, name: str, *, needed: bool = False) -> Iterator[None]:
        """Time what happens inside and write down how it ended; an error ends this step, and all if it is needed."""
        self._write({"step": name})
        began = time.perf_counter()
        try:
            yield
        except Exception as exc:
            self._write({"step": name, "outcome": describe(exc), "seconds": time.perf_counter() - began})
            if needed:
                raise StopError(name) from exc
        else:
            self._write({"step": name, "outcome": OK, "seconds": time.perf_counter() - began})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read(path: Path, steps: Sequence[str], ending: str) -> dict[str, Any]:
    """Return a process's facts and the outcome of each of its steps.

    Args:
        path: What `Record` wrote.
        steps: All that should have been taken; those without a line were not reached.
        ending: How the process ended: the outcome of a step that began and did not end.
    """
    facts: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {name: {"outcome": NOT_REACHED} for name in steps}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        entry = json.loads(line)
        if "facts" in entry:
            facts |= entry["facts"]
        else:
            found[entry.pop("step")] = entry if "outcome" in entry else {"outcome": ending}
    return {"steps": found, **facts}


def describe(exc: BaseException) -> str:
    """Return an error's type and first line, without the folders of this machine."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    first = _without_folders(lines[0] if lines else "")
    text = first if isinstance(exc, WrongError) else ": ".join(filter(None, (type(exc).__name__, first)))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _without_folders(text: str) -> str:
    for folder in sorted({str(Path(p).resolve()) for p in sys.path if p}, key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    return re.sub(r"(?<![\w.])/[\w.+-]+(?:/[\w.+-]+)*/([\w.+-]+)", r"\1", text)
