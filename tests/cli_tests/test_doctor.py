"""`lathe doctor`: what it prints, what it answers to wrong use, and where a table says that time goes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from latency_tables import Predictor, read_table
from search.config import build_model
from search.graph import Blueprint, assemble, comb, full
from search.graph.pieces import pieces
from tests.doctor_tests import networks

from .conftest import Lathe
from .project import NET

MODULE = "tests.doctor_tests.networks"


def test_the_json_has_what_the_tables_show(lathe: Lathe) -> None:
    answer = lathe("doctor", f"{MODULE}:stages", "--input", "3,16,16", "--json")
    assert (answer.status, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert (found["model"], found["inputs"]) == (f"{MODULE}:stages", {"input": [3, 16, 16]})
    assert [scope["name"] for scope in found["scopes"]] == [
        "stem.0.weight:0",
        "stages.*.*.conv1.weight:0",
        "stages.1.0.conv2.weight:0",
        "stages.2.0.conv2.weight:0",
    ]
    assert "latency" not in found
    assert not any("latency_s" in entry for key in ("dims", "scopes", "blocks") for entry in found[key])
    shown = lathe("doctor", f"{MODULE}:stages", "--input", "3,16,16")
    assert (shown.status, shown.err) == (0, "")
    for text in (
        f"{found['parameters']:,}",
        f"{len(found['dims'])} in 4 scopes",
        *(scope["name"] for scope in found["scopes"]),
        "an axis of an input",
        "an axis of an output",
    ):
        assert text in shown.out
    assert "stages.0.1.conv1.weight:0" not in shown.out
    assert "time" not in shown.out


def test_all_lists_every_dim_and_block(lathe: Lathe) -> None:
    shown = lathe("doctor", f"{MODULE}:stages", "--input", "3,16,16", "--all")
    blueprint = comb(networks.stages(), torch.zeros(2, 3, 16, 16))
    for name in [*(dim.name for dim in blueprint.dims), *(block.name for block in blueprint.blocks)]:
        assert name in shown.out


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_terminal(lathe: Lathe, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = lathe("doctor", f"{MODULE}:deit", "--input", "3,32,32")
    assert max(map(len, shown.out.splitlines())) <= columns
    assert "…" not in shown.out
    assert "blocks.*.attn.qkv.weight:0.2" in shown.out


def test_what_only_training_does_is_told_unless_that_is_switched_off(lathe: Lathe) -> None:
    command = ("doctor", f"{MODULE}:auxiliary", "--input", "3,8,8")
    told = json.loads(lathe(*command, "--json").out)["training_only"]
    assert any("outputs differ in training" in sentence for sentence in told)
    shown = lathe(*command)
    assert "What only training does" in shown.out
    assert "outputs differ in training" in " ".join(shown.out.split())
    assert "training_only" not in json.loads(lathe(*command, "--no-train-export", "--json").out)
    assert "training" not in lathe(*command, "--no-train-export").out


def test_unknown_operators_and_what_the_user_keeps(lathe: Lathe) -> None:
    shown = lathe("doctor", f"{MODULE}:sorted_", "--input", "3,8,8", "--keep", "third")
    assert shown.status == 2
    assert "kept by the user (third)" in shown.words
    assert "renorm has no rule for this use (doctor_tests/networks.py" in shown.words
    only = lathe("doctor", f"{MODULE}:sorted_", "--input", "3,8,8", "--only", "second")
    assert only.status == 2
    plain = lathe("doctor", f"{MODULE}:sorted_", "--input", "3,8,8")
    assert plain.status == 0
    assert "Operators without a rule" in plain.out
    assert "renorm" in plain.out


def test_weights_are_loaded_from_the_present_folder(
    lathe: Lathe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    save_file({"head.bias": torch.zeros(4)}, tmp_path / "some.safetensors")
    assert lathe("doctor", "net.py:make_net", "--input", "3,8,8").status == 0
    wrong = lathe("doctor", "net.py:make_net", "--input", "3,8,8", "--weights", "some.safetensors")
    assert (wrong.status, wrong.out) == (2, "")
    assert "missing from the file: stem.0.weight" in wrong.words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no_such.py:make", "--input", "3,8,8"], "no_such.py does not exist"),
        (["no_such_package.nets:make", "--input", "3,8,8"], "no module 'no_such_package'"),
        ([f"{MODULE}:stagse", "--input", "3,8,8"], "Did you mean 'stages'?"),
        (["resnet18", "--input", "3,8,8"], "'file.py:function'"),
        ([f"{MODULE}:stages"], "no `--input` was given"),
        ([f"{MODULE}:stages", "--input", "3x8x8"], "but in '3x8x8'"),
        ([f"{MODULE}:stages", "--input", "4,8,8"], "or `--input`"),
        ([f"{MODULE}:stages", "--input", "3,8,8", "--keep", "nothing"], "A glob in `keep`"),
        ([f"{MODULE}:stages", "--input", "3,8,8", "--table", "none.jsonl"], "none.jsonl cannot be read"),
        ([f"{MODULE}:stages", "--input", "3,8,8", "--weights", "none.pt"], "none.pt does not exist"),
        ([f"{MODULE}:whole", "--input", "3,8,8"], "renorm has no rule for this use (doctor_tests/networks.py"),
        ([f"{MODULE}:untraceable", "--input", "3,8,8"], "return x.relu() if x.sum() > 0 else x"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use(
    lathe: Lathe, arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = lathe("doctor", *arguments, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words
    assert "Traceback" not in answer.err


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_timm_that_is_not_installed(lathe: Lathe) -> None:
    answer = lathe("doctor", "timm:resnet18")
    assert answer.status == 2
    assert "pip install timm" in answer.words


def test_a_table_says_where_the_time_goes(lathe: Lathe, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    command = ("doctor", "net.py:make_net", "--input", "3,8,8", "--table", "run/table.jsonl")
    answer = lathe(*command, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    latency = found["latency"]
    assert latency["unknown"] == []
    table = read_table(finished / "run/table.jsonl", allow_foreign=True)
    predictor = Predictor.fit(table, quantum=16)
    blueprint = _blueprint(finished)
    keys = list(pieces(blueprint, full(blueprint)).values())
    whole = predictor.estimate(keys).seconds
    assert latency["known_s"] == pytest.approx(whole)
    widths = full(blueprint).dims
    for block in found["blocks"]:
        rest = list(pieces(blueprint, assemble(blueprint, widths, [block["name"]])).values())
        part = 1 - predictor.summands(rest).sum() / predictor.summands(keys).sum()
        assert block["latency_s"] == pytest.approx(whole * part)
    for entry in found["dims"] + found["scopes"] + found["blocks"]:
        assert 0 < entry["latency_share"] <= 1
    shown = lathe(*command)
    assert "time" in shown.out
    assert "unknown" not in shown.out


def test_what_a_table_does_not_know_is_said_to_be_unknown(lathe: Lathe, finished: Path) -> None:
    command = ("doctor", f"{MODULE}:stages", "--input", "3,16,16", "--table", finished / "run/table.jsonl")
    found = json.loads(lathe(*command, "--json").out)
    unknown = {item["unit"] for item in found["latency"]["unknown"]}
    assert {"stem.0", "stages.0.0.conv1"} <= unknown
    assert found["latency"]["units"] >= len(unknown)
    assert found["dims"][0]["latency_s"] is None
    assert found["dims"][0]["latency_share"] is None
    shown = lathe(*command)
    assert shown.status == 0
    assert "unknown" in shown.out
    assert "which it does not know" in " ".join(shown.out.split())


def test_a_file_that_is_no_table(lathe: Lathe, finished: Path) -> None:
    answer = lathe("doctor", f"{MODULE}:stages", "--input", "3,8,8", "--table", finished / "net.py")
    assert (answer.status, answer.out) == (3, "")
    assert "Traceback" not in answer.err
    folder = lathe("doctor", f"{MODULE}:stages", "--input", "3,8,8", "--table", finished)
    assert folder.status == 2
    assert "regular files only" in folder.words
    assert "is a folder" in folder.words


def _blueprint(folder: Path) -> Blueprint:
    return comb(build_model("net.py:make_net", folder=folder), torch.zeros(2, 3, 8, 8))
