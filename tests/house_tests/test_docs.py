"""What the pages say can be followed: links lead somewhere, commands exist, examples load."""

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer

from search.cli import app
from search.engine import load_config

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "examples", "benchmarks")
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md") if "runs" not in page.parts),
    ]
)
MAX_README_LINES = 130

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """Return what can be linked in a page: a word for each heading, numbered where headings are equal."""
    found: Counter[str] = Counter()
    names = set()
    for title in re.findall(r"^#{1,6} +(.+?) *$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        names.add(slug if not found[slug] else f"{slug}-{found[slug]}")
        found[slug] += 1
    return names


def broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    broken = []
    for link in _LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists() or not place.is_relative_to(ROOT):
            broken.append(link)
            continue
        linked = text if place == page else place.read_text(encoding="utf-8") if anchor else ""
        if anchor and anchor not in anchors(linked):
            broken.append(link)
    return broken


def commands(text: str) -> list[str]:
    """Return what a page tells its reader to type to `lathe`, in blocks of code and between backticks."""
    blocks = "\n".join(block for kind, block in _FENCE.findall(text) if not kind)
    typed = [line.partition("  #")[0].strip() for line in blocks.splitlines() if line.startswith("lathe ")]
    return typed + [code.strip("`") for code in _CODE.findall(prose(text)) if code.startswith("`lathe ")]


def complaint(typed: str) -> str | None:
    """Return what is wrong with a command: a subcommand or an option that there is not; None where nothing is."""
    words = shlex.split(typed.partition("\\|")[0])[1:]
    command: Any = typer.main.get_command(app)
    names: list[str] = []
    while words and hasattr(command, "commands"):
        name, *words = words
        if name not in command.commands:
            return f"there is no command {' '.join([*names, name])!r}"
        names.append(name)
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    strange = [word for word in words if word.startswith("--") and word not in known]
    return f"{' '.join(names)!r} has no option {strange[0]!r}" if strange else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


# The changelog tells of commands as they were.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_commands_are_those_of_lathe(page: Path) -> None:
    found = {typed: complaint(typed) for typed in commands(page.read_text(encoding="utf-8"))}
    assert {typed: why for typed, why in found.items() if why} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_make_is_asked_for_is_in_the_makefile(page: Path) -> None:
    heads = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    targets = set(" ".join(heads).split())
    text = page.read_text(encoding="utf-8")
    asked = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert asked <= targets


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_README_LINES
    first = next(block for kind, block in _FENCE.findall(text) if not kind)
    assert [line.partition("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


def test_commands_are_found_in_blocks_and_between_backticks() -> None:
    text = "```\nlathe run a.toml  # do it\n$ ls\n```\n\nThen `lathe verify runs/a`, or `make demo`.\n"
    assert commands(text) == ["lathe run a.toml", "lathe verify runs/a"]
    assert len(commands((ROOT / "README.md").read_text(encoding="utf-8"))) >= 5


def test_every_command_has_a_section_in_its_manual() -> None:
    listed: Any = typer.main.get_command(app)
    known = anchors((ROOT / "docs/commands.md").read_text(encoding="utf-8"))
    assert {f"lathe-{name}" for name in listed.commands} <= known


def test_the_short_config_of_the_manual_loads(tmp_path: Path) -> None:
    text = (ROOT / "docs/config.md").read_text(encoding="utf-8")
    (config,) = [block for kind, block in _FENCE.findall(text) if kind == "toml"]
    for name in ("net.py", "net.safetensors", "train.parquet", "val.parquet"):
        (tmp_path / name).touch()
    (tmp_path / "net.toml").write_text(config)
    assert load_config(tmp_path / "net.toml").budget.latency.value == 0.5


def test_no_word_has_two_entries_in_the_glossary() -> None:
    _, _, glossary = (ROOT / "docs/design.md").read_text(encoding="utf-8").partition("\n## Glossary\n")
    words = [word for cell in re.findall(r"^\| ([^|]+) \|", glossary, re.MULTILINE) for word in cell.split(", ")]
    titles = glossary.count("\n### ")
    assert titles
    assert [word for word, times in Counter(words).items() if times > (titles if word == "word" else 1)] == []


PLANTED = {
    "no file": "see [it](docs/nothing.md)",
    "no picture": "![it](nothing.png)",
    "no heading": "see [it](docs/design.md#no-such-heading)",
    "no heading here": "# Here\n\nsee [it](#there)",
    "out of the repository": "see [it](../somewhere)",
    "behind brackets": "see [[it]](docs/nothing.md)",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_link_is_found(name: str) -> None:
    assert len(broken_links(ROOT / "README.md", PLANTED[name])) == 1


@pytest.mark.parametrize(
    "text",
    ["[a](https://example.org/x#y)", "# It's `a` b\n[a](#its-a-b)", "```\n[a](b)\n```\n", "# A\n# A\n[a](#a-1)"],
)
def test_what_leads_somewhere_is_left_alone(text: str) -> None:
    assert broken_links(ROOT / "README.md", text) == []


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("lathe runs net.toml", "no command 'runs'"),
        ("lathe table shows a.jsonl", "no command 'table shows'"),
        ("lathe run net.toml --dry", "'run' has no option '--dry'"),
        ("lathe table diff a b --tolerance '3 %'", None),
        ("lathe targets", None),
    ],
)
def test_a_command_that_there_is_not_is_found(typed: str, why: str | None) -> None:
    found = complaint(typed)
    assert found is None if why is None else why in str(found)
