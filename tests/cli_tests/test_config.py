"""Mistakes in the config end with status 2, before anything is written, and the message says what to do."""

import json
from pathlib import Path

import pytest

from .conftest import Lathe
from .project import write_config

MISTAKES = [
    pytest.param(("trials = 6", "trails = 6"), ["[search] has no key 'trails'", "Did you mean 'trials'?"], id="key"),
    pytest.param(("[finetune]", "[finetuning]"), ["but this one has [finetuning]", "'finetune'"], id="section"),
    pytest.param(("[budget]\nlatency", "[space]\nkeep"), ["section [budget] is missing", '"50 %"'], id="no-section"),
    pytest.param(('source = "net.py:make_net"', ""), ["[model] source is missing", "add it"], id="no-key"),
    pytest.param(("trials = 6", 'trials = "6"'), ["[search] trials", "'6'", "without quotes"], id="type"),
    pytest.param(("trials = 6", "trials = 6.0"), ["[search] trials", "whole number", "6.0"], id="float"),
    pytest.param(("60 %", "60 m"), ["[budget] latency", "60 m", "min"], id="m"),
    pytest.param(("60 %", "60 parsecs"), ["[budget] latency", "60 parsecs", "ms"], id="unit"),
    pytest.param(('"60 %"', "60"), ["[budget] latency", "text with a unit", "60"], id="bare-number"),
    pytest.param(("60 %", "160 %"), ["[budget]", "at most 100 %", "160 %"], id="share"),
    pytest.param(("net.py:make_net", "nett.py:make_net"), ["[model] source", "nett.py", "does not exist"], id="file"),
    pytest.param(('"val.parquet"', '"vall.parquet"'), ["[task] val", "vall.parquet", "does not exist"], id="data"),
    pytest.param(('"null"', '"nul"'), ["[target]", "'nul'", "did you mean 'null'"], id="runtime"),
    pytest.param(("trials = 6", "trials = = 6"), ["this is not TOML", "line"], id="toml"),
]


@pytest.mark.parametrize(("change", "words"), MISTAKES)
@pytest.mark.parametrize("option", [None, "--json", "--dry-run"])
def test_mistake_in_the_config(
    lathe: Lathe, project: Path, change: tuple[str, str], words: list[str], option: str | None
) -> None:
    answer = lathe("run", write_config(project, change), *([option] if option else []))
    assert answer.status == 2
    assert answer.out == ""
    assert answer.words.startswith(f"error: {project / 'net.toml'}: ")
    assert [word for word in words if word not in answer.words] == []
    assert not (project / "run").exists()


def test_no_config_at_all(lathe: Lathe, tmp_path: Path) -> None:
    answer = lathe("run", tmp_path / "none.toml", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "There is no config file" in answer.words
    assert "`lathe init`" in answer.words


def test_a_folder_is_no_config(lathe: Lathe, tmp_path: Path) -> None:
    answer = lathe("run", tmp_path)
    assert (answer.status, answer.out) == (2, "")
    assert "cannot be read" in answer.words


def test_runtime_that_is_not_here(lathe: Lathe, project: Path) -> None:
    answer = lathe("run", write_config(project, ('"null"', '"tensorrt"')), "--json")
    assert (answer.status, answer.out) == (3, "")
    assert "TensorRT serves the device cuda only" in answer.words


def test_limits_of_the_space_reach_the_search(lathe: Lathe, project: Path) -> None:
    limits = '[space]\nonly = ["blocks.0", "blocks.1"]\nleast = { "blocks.1" = 40 }\n\n[search]'
    answer = lathe("run", write_config(project, ("[search]", limits)), "--dry-run", "--json")
    assert answer.status == 0, answer.err
    dims = json.loads(answer.out)["dims"]
    assert set(dims) == {"blocks.0.conv1.weight:0", "blocks.1.conv1.weight:0"}
    assert min(dims["blocks.0.conv1.weight:0"]) < 40 <= min(dims["blocks.1.conv1.weight:0"])
