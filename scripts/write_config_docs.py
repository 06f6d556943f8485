"""Write the tables of docs/config.md from what the code says of each key.

    python -m scripts.write_config_docs

What each key means stands in the docstring of the class that holds it, how it is read in `SECTIONS`, and its default in
the class. Only the part of docs/config.md between two marks is written; the rest is written by hand.
"""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hwprofiles import RUNTIMES, Target
from hwprofiles.target import MOST as MOST_OF_TARGET
from hwprofiles.target import PRECISION_NAMES
from search.config import (
    BudgetConfig,
    FinetuneConfig,
    FinetuneSettings,
    ModelConfig,
    RunSettings,
    SearchConfig,
    SpaceConfig,
    TaskConfig,
    values,
)
from search.config.load import REQUIRED, SECTIONS
from search.config.sections import MOST
from search.engine import names
from search.tasks.own import OPTIONAL as OPTIONAL_OF_TASK
from search.tasks.own import REQUIRED as REQUIRED_OF_TASK

PAGE = Path(__file__).resolve().parents[1] / "docs" / "config.md"
BEGIN = "<!-- From here on written by scripts/write_config_docs.py. -->"
END = "<!-- Up to here written by scripts/write_config_docs.py. -->"

CLASSES: Mapping[str, tuple[type, ...]] = {
    "model": (ModelConfig,),
    "task": (TaskConfig,),
    "target": (Target,),
    "budget": (BudgetConfig,),
    "space": (SpaceConfig,),
    "search": (SearchConfig,),
    "finetune": (FinetuneConfig, FinetuneSettings),
    "run": (RunSettings,),
}
"""Section -> the classes whose fields are its keys; the first one's docstring introduces it."""

FIELDS = {("model", "input"): "inputs", ("search", "time_limit"): "time_limit_s"}
"""(Section, key) -> the field that holds it, where that has another name."""

FORMS: Mapping[Callable[[object], Any], str] = {
    values.text: "text",
    values.integer: "whole number",
    values.number: "number",
    values.boolean: "true or false",
    values.texts: "list of texts",
    values.numbers: "list of numbers",
    values.options: "table of texts",
    values.widths: "table of whole numbers",
    values.quantity: 'time or share, such as `"4 ms"` or `"50 %"`',
    values.seconds: 'time, such as `"4 min"`',
    values.shapes: "shape, such as `[3, 224, 224]`, or a table of them",
}
"""Reader -> what it takes, in words."""

NAMES: Mapping[str, Mapping[str, str]] = {
    "TASKS": names().tasks,
    "SAMPLERS": names().samplers,
    "OPTIMIZERS": names().optimizers,
    "RUNTIMES": dict.fromkeys(RUNTIMES, ""),
    "PRECISION_NAMES": dict.fromkeys(PRECISION_NAMES, ""),
}
"""Name of a table in the code, as docstrings write it -> the names in it, with what each is where that is said."""

_DEFAULTS: Mapping[type, object] = {
    TaskConfig: TaskConfig("digits"),
    Target: Target("null"),
    SpaceConfig: SpaceConfig(),
    SearchConfig: SearchConfig(),
    FinetuneConfig: FinetuneConfig(),
    FinetuneSettings: FinetuneSettings(),
    RunSettings: RunSettings(),
}
"""Class -> a value of it in which nothing is given that need not be."""

_TOLD_DEFAULTS = {("run", "out"): '`"runs/NAME"` for a config `NAME.toml`'}

_ENTRY = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def described(cls: type) -> dict[str, str]:
    """Return field -> what the `Attributes:` of a class's docstring say of it, on one line."""
    _, _, attributes = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(attributes)}


def rendered() -> str:
    """Return the part of docs/config.md that the code decides: a heading and a table for each section.

    Raises:
        KeyError: A key of the config is held by no field, has no description, or is read in a way that has no words.
    """
    return "\n".join(_section(name) for name in SECTIONS)


def page(text: str) -> str:
    """Return a page with the part between the marks written anew.

    Raises:
        ValueError: The page has not each mark once.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"The page must hold each of these lines once: {BEGIN!r} and {END!r}.")
    return f"{text.partition(BEGIN)[0]}{BEGIN}\n\n{rendered()}\n{END}{text.partition(END)[2]}"


def _section(name: str) -> str:
    first = (CLASSES[name][0].__doc__ or "").split("\n", 1)[0]
    lines = [f"### [{name}]", "", first, "", "| key | form | default | meaning |", "|---|---|---|---|"]
    for key, reader in SECTIONS[name].items():
        cls, field = _holder(name, key)
        meaning = _named(described(cls)[field], key)
        lines.append(f"| `{key}` | {FORMS[reader]} | {_default(name, key, cls, field)} | {meaning} |")
    return "\n".join([*lines, "", *_notes(name)])


def _holder(section: str, key: str) -> tuple[type, str]:
    field = FIELDS.get((section, key), key)
    for cls in CLASSES[section]:
        if field in cls.__dataclass_fields__:  # type: ignore[attr-defined]
            return cls, field
    raise KeyError(f"[{section}] {key} is no field of {[cls.__name__ for cls in CLASSES[section]]}.")


def _named(meaning: str, key: str) -> str:
    """Write the names of a table, and largest values, where a docstring names what holds them."""
    for table, known in NAMES.items():
        meaning = meaning.replace(f"`{table}`", ", ".join(f"`{name}`" for name in known))
    return meaning.replace("`MOST`", f"{MOST_OF_TARGET.get(key, 0):,}").replace("|", "\\|")


def _default(section: str, key: str, cls: type, field: str) -> str:
    if key in REQUIRED.get(section, {}):
        return f"*required*, such as `{REQUIRED[section][key]}`"
    if (section, key) in _TOLD_DEFAULTS:
        return _TOLD_DEFAULTS[section, key]
    value = getattr(_DEFAULTS.get(cls), field, None)
    if value is None:
        return "not set"
    if FORMS[SECTIONS[section][key]].startswith(("list", "table")):
        if value:
            raise ValueError(f"[{section}] {key} is {value!r} by default: say here how a config writes that.")
        return "empty"
    return f"`{_as_toml(value)}`"


def _as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else f'"{value}"'


def _notes(section: str) -> list[str]:
    """Return what is said below a section's table: what each name means, and the largest values."""
    lines = []
    for key in SECTIONS[section]:
        cls, field = _holder(section, key)
        for table in re.findall(r"`([A-Z_]+)`", described(cls)[field]):
            means = {name: text for name, text in NAMES.get(table, {}).items() if text}
            if means:
                lines += [f"Names for `{key}`:", "", *(f"- `{name}`: {text}" for name, text in means.items()), ""]
    lines += _OWN_NOTES.get(section, list)()
    limits = {key: MOST.get(FIELDS.get((section, key), key)) for key in SECTIONS[section]}
    told = [f"`{key}` {most:,.0f}{' s' * (key == 'time_limit')}" for key, most in limits.items() if most is not None]
    return [*lines, f"Largest values: {', '.join(told)}.", ""] if told else lines


def _notes_on_options() -> list[str]:
    known = {
        name: ", ".join(f"`{key}`" for key in sorted(keys)) for name, row in RUNTIMES.items() if (keys := row.options)
    }
    told = ", ".join(f"{keys} of `{name}`" for name, keys in known.items())
    return [f"The options that there are: {told}; [docs/runtimes.md](runtimes.md#the-targets) says what they do.", ""]


def _notes_on_own_tasks() -> list[str]:
    needed = [f"- {_member(name, text)}" for name, text in REQUIRED_OF_TASK.items()]
    allowed = [f"- {_member(name, text)}" for name, text in OPTIONAL_OF_TASK.items()]
    return ["What `task.py:make_task` returns has", "", *needed, "", "and may have", "", *allowed, ""]


def _member(name: str, text: str) -> str:
    """Write `(a, b) returns c` of a method f as `f(a, b)` returns c."""
    arguments, _, rest = text.partition(") ") if text.startswith("(") else ("", "", text)
    return f"`{name}{arguments}{')' * bool(arguments)}` {rest}"


_OWN_NOTES: Mapping[str, Callable[[], list[str]]] = {"target": _notes_on_options, "task": _notes_on_own_tasks}


def main() -> int:
    """Write the page and return the exit status."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
