"""A config may hold anything that TOML can say, and more: the answer is a sentence or a config, never a traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hwprofiles import Quantity, Target
from search.config import BudgetConfig, ModelConfig, RunConfig, near_match, parse_inputs
from search.config.load import SECTIONS
from search.engine import load_config
from search.errors import ConfigError

from .conftest import CONFIG, Write

DIGITS = "9" * 5000
VALUES = {
    "true": "true",
    "false": "false",
    "one": "1",
    "zero": "0",
    "negative": "-1",
    "whole number of 64 bits": str(2**63 - 1),
    "beyond 64 bits": str(2**63),
    "10^400": str(10**400),
    "more digits than Python reads": DIGITS,
    "more digits than Python writes": f"0x{'f' * 5000}",
    "fraction": "0.5",
    "infinity": "inf",
    "minus infinity": "-inf",
    "nan": "nan",
    "float that overflows": "1e400",
    "large float": "1e308",
    "small float": "5e-324",
    "empty text": '""',
    "text": '"a"',
    "NUL": '"a\\u0000b.py:f"',
    "escape": '"\\u001b[31mred.py:f"',
    "a long name": f'"{"a" * 300}.py:f"',
    "a longer name": f'"{"a" * 100000}"',
    "folders above": '"../../../..:f"',
    "a number in a text": f'"{DIGITS} ms"',
    "date": "1979-05-27",
    "time": "07:32:00",
    "empty list": "[]",
    "list": "[1]",
    "list of texts": '["a"]',
    "list of large numbers": f"[{10**400}, {2**63}]",
    "list of lists": "[[1], [2]]",
    "list of true": "[true, 1, 1]",
    "list of nan": "[nan, inf]",
    "nested list": "[" * 60 + "]" * 60,
    "empty table": "{}",
    "table": "{ x = 1 }",
    "table of texts": '{ x = "a" }',
    "table of lists": "{ x = [3, 32, 32] }",
    "table of large numbers": f"{{ x = {10**400} }}",
    "an odd name": '{ "a\\u0000b" = [1] }',
    "a long key": f'{{ "{"k" * 5000}" = [1] }}',
    "nested table": "{ x = { y = { z = 1 } } }",
}
KEYS = [(section, key) for section, readers in SECTIONS.items() for key in readers]


def with_value(section: str, key: str, value: str) -> str:
    """Return the config with one key set; whatever stood there goes."""
    lines = []
    for part in CONFIG.split("\n\n"):
        if part.startswith(f"[{section}]"):
            part = "\n".join(line for line in part.splitlines() if not line.startswith(f"{key} ="))
            part += f"\n{key} = {value}"
        lines.append(part)
    if f"[{section}]" not in CONFIG:
        lines.append(f"[{section}]\n{key} = {value}")
    return "\n\n".join(lines)


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message) < 2000
    return message


def assert_taken_or_refused(path: Path) -> None:
    try:
        found: RunConfig | str = load_config(path)
    except ConfigError as exc:
        found = str(exc)
    if isinstance(found, RunConfig):
        assert found.identity()
        return
    assert str(path) in found
    assert len(found) < 2000, "a message is read by a person"
    assert found.isprintable(), "a terminal must not be sent what stands in a file"


@pytest.mark.parametrize("value", VALUES)
def test_each_key_takes_or_refuses_each_value(write: Write, value: str) -> None:
    path = write()
    for section, key in KEYS:
        path.write_text(with_value(section, key, VALUES[value]))
        assert_taken_or_refused(path)


@pytest.mark.parametrize("value", VALUES)
def test_anything_may_stand_where_a_section_should(write: Write, value: str) -> None:
    path = write()
    for section in SECTIONS:
        start = CONFIG.find(f"[{section}]")
        end = CONFIG.find("\n[", start + 1)
        rest = CONFIG if start < 0 else CONFIG[:start] + (CONFIG[end:] if end > 0 else "")
        for text in (f"{section} = {VALUES[value]}\n", f"{section} = [{VALUES[value]}]\n", f"[[{section}]]\n"):
            path.write_text(text + rest)
            assert_taken_or_refused(path)


TOLD = {
    "digits": (f"[search]\ntrials = {DIGITS}", "4300 digits"),
    "10^400": (f"[search]\ntrials = {10**400}", "below 2^63, but got <whole number of about 400 digits>"),
    "10^400 for a number": (f"[finetune]\nlr = {10**400}", "below 2^63"),
    "hexadecimal": (f"[search]\ntrials = 0x{'f' * 5000}", "about 6021 digits"),
    "nested": (f"[space]\nkeep = {'[' * 100000}", "nested so deep"),
    "trials": ("[search]\ntrials = 1_000_000_000", "`trials` must be at most 1e+06, but got 1000000000"),
    "epochs": ("[finetune]\nepochs = 1e308", "`epochs` must be at most 1e+06, but got 1e+308"),
    "batch_size": ("[finetune]\nbatch_size = 1_000_000_000", "`batch_size` must be at most"),
    "control": ('[space]\nkeep = ["a\\u001b[31m"]', "without control characters, but got 'a\\x1b[31m'"),
    "long": (f'[space]\nkeep = ["{"a" * 5000}"]', "at most 4096 characters, but this one has 5000"),
    "long key": (f"[search]\n{'k' * 5000} = 1", "[search] has no key 'kkk"),
    "odd section": ('["\\u001b[31m"]', "but this one has ['\\x1b[31m']"),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told(write: Write, name: str) -> None:
    text, words = TOLD[name]
    path = write(('latency = "50 %"', f'latency = "50 %"\n{text}'))
    message = refused(path)
    assert words in message
    assert message.isprintable()


def test_a_list_of_targets_holds_tables(write: Write) -> None:
    for value in ("[1]", '["cpu"]', "[[1]]", "[true]"):
        path = write(('[target]\nruntime = "onnxruntime"\n', ""), ("[model]", f"target = {value}\n[model]"))
        assert "`target` is a section, but got" in refused(path)


@pytest.mark.parametrize(
    ("shape", "batch", "words"),
    [
        ("[3, 224, 224]", 10**9, "`batch` is at most 1048576, but got 1000000000"),
        ("[3, 224, 224]", 2**20, "takes 588 GiB of memory, and this machine has 8 GiB"),
        ("[9223372036854775807]", 1, "none above 2147483647"),
        ("[9223372036854775808]", 1, "below 2^63"),
        ("[2147483647, 2147483647]", 1, "takes 16 EiB of memory"),
        ("[2147483647, 2147483647, 2147483647, 2147483647]", 1, "takes over 1024 EiB of memory"),
        (f"[{', '.join(['1'] * 64)}]", 1, "fewer than 64 axes"),
        ("[-3, 224, 224]", 1, "whole numbers above 0"),
        ("[3, true, 224]", 1, "whole number, but got True"),
        ("{ x = [100_000], y = [100_000] }", 2**14, "takes 12.2 GiB of memory"),
    ],
)
def test_sizes_that_nothing_holds(
    write: Write, shape: str, batch: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.config.room.memory_bytes", lambda: 8 * 2**30)
    path = write(("[3, 32, 32]", shape), ('"onnxruntime"', f'"onnxruntime"\nbatch = {batch}'), ("mean = [0.5]", ""))
    text = path.read_text().replace("[0.25]", "[0.25]\nmean = [0.5]")
    if "{" in shape:
        text = text.replace('kind = "classification"\ntrain = "train.parquet"\nval = "val.parquet"', 'kind = "t.py:t"')
        text = text.replace("std = [0.25]\nmean = [0.5]\n", "")
        (path.parent / "t.py").touch()
    path.write_text(text)
    assert words in refused(path)


def test_memory_that_is_unknown_refuses_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.config.room.memory_bytes", lambda: None)
    assert load_config(write(("[3, 32, 32]", "[3, 2147483647]"))).model.shape == (3, 2147483647)


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000,
        str(2**63),
        "1," * 70 + "1",
        "2147483647,2147483647",
        "3,-1",
        "x=9,9999999999",
        "٣,٣",
        "0",
        "00",
        "1,,2",
    ],
)
def test_inputs_that_nothing_holds(text: str) -> None:
    with pytest.raises(ConfigError, match="An `--input` is") as caught:
        parse_inputs([text])
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("key", ["weights", "source", "train"])
def test_folders_and_names_that_cannot_be(write: Write, key: str, tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    name = {"weights": "folder.py", "source": "folder.py:f", "train": "folder.py:f"}[key]
    old = {"weights": 'source = "', "source": "net.py:make_net", "train": "train.parquet"}[key]
    new = {"weights": f'weights = "{name}"\nsource = "'}.get(key, name)
    assert "a file is needed, but" in refused(write((old, new)))
    long = name.replace("folder", "f" * 300)
    assert "cannot be looked at (File name too long)" in refused(write((old, new.replace(name, long))))


def test_a_closed_folder_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stat = write(), Path.stat

    def closed(self: Path, *, follow_symlinks: bool = True) -> object:
        if self.name == "val.parquet":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", closed)
    assert "[task] val:" in (said := refused(path))
    assert "cannot be looked at (Permission denied)" in said


@pytest.mark.parametrize(
    "slug", ["cpu-torch-fp32-b1048577-t1", "cpu-torch-fp32-b1-t4097", f"cpu-torch-fp32-b{DIGITS}-t1"]
)
def test_slugs_of_targets_that_cannot_be(slug: str) -> None:
    with pytest.raises(ValueError, match=r"is at most|is written") as caught:
        Target.parse(f"cpu-torch-fp32-{slug}")
    assert len(str(caught.value)) < 400


def test_comparing_names_takes_no_time() -> None:
    assert near_match("k" * 10**7, ["kernel"]) == ""
    with pytest.raises(ValueError, match="must be one of"):
        Target("x" * 10**7)


def test_values_made_in_python_obey_the_same_rules() -> None:
    with pytest.raises(ValueError, match="none above"):
        ModelConfig("net.py:f", (("input", (2**31,)),))
    with pytest.raises(ValueError, match="finite"):
        BudgetConfig(Quantity(float("inf"), "time"))
