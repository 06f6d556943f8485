"""What is timed on: device x runtime x precision x batch x threads, and its slug."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from .catalogue import RUNTIMES
from .texts import shown

PRECISION_NAMES = ("fp32", "tf32", "fp16", "bf16", "int8")

MOST = {"batch": 2**20, "threads": 2**12}
"""Field -> the largest number that is taken: more is a slip, and runtimes would start that many threads."""

_COMPARED = 100
"""Characters of a word that are compared with the known ones: comparing takes long where a word does."""

_DEVICE = re.compile(r"[a-z][a-z0-9_.]*")
_OPTION_VALUE = re.compile(r"[a-z0-9_.]+")
_COUNT = re.compile(r"([bt])([1-9][0-9]{0,17})")
_SLUG_RULE = "A target is written <device>-<runtime>-<precision>-b<batch>-t<threads>[-<option>=<value>...]"


@dataclass(frozen=True, slots=True)
class Target:
    """A device, a runtime on it, and how that runtime is used.

    Attributes:
        runtime: One of `RUNTIMES`.
        device: What computes, in lower case, such as `cpu` or `cuda`.
        precision: One of `PRECISION_NAMES`.
        batch: Examples in one run of the network, from 1 to `MOST`.
        threads: Threads that one run uses, from 1 to `MOST`.
        options: Options of the runtime that change its speed, each a name and a value; kept sorted by name.
    """

    runtime: str
    device: str = "cpu"
    precision: str = "fp32"
    batch: int = 1
    threads: int = 1
    options: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_one_of("runtime", self.runtime, tuple(RUNTIMES))
        _check_one_of("precision", self.precision, PRECISION_NAMES)
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(
                f"`device` must be a lower-case name without hyphens, such as 'cpu', but got {shown(self.device)}."
            )
        for field, count in (("batch", self.batch), ("threads", self.threads)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"`{field}` must be an integer of at least 1, but got {shown(count)}.")
            if count > MOST[field]:
                raise ValueError(f"`{field}` is at most {MOST[field]}, but got {shown(count)}: write a smaller one.")
        object.__setattr__(self, "options", tuple(sorted((str(name), str(value)) for name, value in self.options)))
        _check_options(self.runtime, self.options)

    @property
    def slug(self) -> str:
        """The target as one lower-case word, such as ``cpu-onnxruntime-fp32-b1-t1``."""
        words = [self.device, self.runtime, self.precision, f"b{self.batch}", f"t{self.threads}"]
        return "-".join(words + [f"{name}={value}" for name, value in self.options])

    @classmethod
    def parse(cls, slug: str) -> Target:
        """Read what `slug` wrote.

        Raises:
            ValueError: The text has not the form of a slug, or names something unknown.
        """
        words = slug.split("-")
        counts = [_COUNT.fullmatch(word) for word in words[3:5]]
        if len(words) < 5 or [match[1] for match in counts if match] != ["b", "t"]:
            raise ValueError(f"{_SLUG_RULE}, but got {shown(slug)}; write for example 'cpu-onnxruntime-fp32-b1-t1'.")
        batch, threads = (int(match[2]) for match in counts if match)
        options = words[5:]
        if any(option.count("=") != 1 for option in options):
            raise ValueError(f"{_SLUG_RULE}, but {shown(slug)} ends in {shown('-'.join(options))}.")
        pairs = tuple((name, value) for name, _, value in (option.partition("=") for option in options))
        return cls(words[1], words[0], words[2], batch, threads, pairs)

    def __str__(self) -> str:
        return self.slug


def near_match(word: str, known: tuple[str, ...]) -> str:
    """Return a remedy such as ``; did you mean 'cpu'?``, or nothing where no known word is near."""
    near = difflib.get_close_matches(word[:_COMPARED], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else "."


def _check_one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        near = near_match(value, known)
        raise ValueError(f"`{field}` must be one of {', '.join(known)}, but got {shown(value)}{near}")


def _check_options(runtime: str, options: tuple[tuple[str, str], ...]) -> None:
    names = [name for name, _ in options]
    if len(set(names)) < len(names):
        raise ValueError(f"Each option of a target is given once, but got {names}.")
    known = RUNTIMES[runtime].options
    for name, value in options:
        if name not in known:
            raise ValueError(
                f"An option must be one that the runtime knows ({', '.join(sorted(known)) or 'none'} for {runtime!r}), "
                f"but got {shown(name)}; leave it out."
            )
        if not _OPTION_VALUE.fullmatch(value):
            raise ValueError(
                f"The value of an option is made of a-z, 0-9, '_' and '.', but option {shown(name)} has {shown(value)}."
            )
