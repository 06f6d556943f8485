from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwprofiles import Target
from search.config import FinetuneSettings, check_identity, config_template, differences
from search.engine import load_config, names
from search.errors import ConfigError, RunFolderError

from .conftest import Write


def test_reads_a_small_config_and_fills_in_the_defaults(write: Write, tmp_path: Path) -> None:
    config = load_config(write())
    assert config.model.inputs == (("input", (3, 32, 32)),)
    assert config.model.shape == (3, 32, 32)
    assert config.targets == (Target("onnxruntime"),)
    assert (config.budget.latency.kind, config.budget.latency.value) == ("fraction", 0.5)
    assert config.task.augment
    assert config.search.trials == 100
    assert config.finetune.epochs == 3
    assert config.finetune.settings == FinetuneSettings()
    assert config.run.out == tmp_path.resolve() / "runs/net"


def test_reads_every_key(write: Write) -> None:
    more = """
[space]
keep = ["head.*"]
only = ["blocks.*", "stem"]
least = { "blocks.*" = 8, stem = 4 }
[search]
trials = 7
sampler = "random"
calibration = 64
time_limit = "4min"
table_networks = 5
[finetune]
minutes = 2
lr = 1
optimizer = "sgd"
batch_size = 16
distillation = 0.5
temperature = 2
clip = 0
ema = 0
weight_decay = 0
warmup = 0.1
autocast = true
channels_last = true
[run]
seed = 3
out = "elsewhere"
proofs = false
"""
    config = load_config(write(('latency = "50 %"', 'latency = "4 ms"' + more)))
    assert config.budget.latency.value == pytest.approx(0.004)
    assert config.search.time_limit_s == 240
    assert (config.finetune.epochs, config.finetune.minutes, config.finetune.batch_size) == (None, 2, 16)
    assert config.finetune.settings.optimizer == "sgd"
    assert config.run.out.name == "elsewhere"
    assert config.space.keep == ("head.*",)
    assert config.space.only == ("blocks.*", "stem")
    assert config.space.least == {"blocks.*": 8, "stem": 4}
    assert not config.run.proofs


def test_reads_one_target_in_a_list_and_named_inputs_of_an_own_task(write: Write, tmp_path: Path) -> None:
    (tmp_path / "task.py").touch()
    path = write(
        ("[target]", "[[target]]"),
        ("input = [3, 32, 32]", "input = { image = [3, 32, 32], meta = [7] }"),
        ('"classification"\ntrain = "train.parquet"\nval = "val.parquet"', '"task.py:make_task"'),
    )
    config = load_config(path)
    assert len(config.targets) == 1
    assert config.model.inputs == (("image", (3, 32, 32)), ("meta", (7,)))
    with pytest.raises(ValueError, match="One input is needed here"):
        _ = config.model.shape


def test_the_template_loads_and_shows_the_defaults(write: Write, tmp_path: Path) -> None:
    write()
    path = tmp_path / "new.toml"
    path.write_text(config_template(names()))
    config = load_config(path)
    assert config.model.weights == "net.safetensors"
    # Every key that is commented out must be legal, and be the default where it says so.
    shown = [
        line.removeprefix("# ")
        for line in config_template(names()).splitlines()
        if line.startswith("# ") and " = " in line
    ]
    lines = config_template(names())
    for line in shown:
        lines = lines.replace(f"# {line}", line)
    path.write_text(lines)
    uncommented = load_config(path)
    assert uncommented.finetune == config.finetune
    assert uncommented.search.trials == config.search.trials
    assert uncommented.task.augment == config.task.augment
    assert uncommented.search.time_limit_s == 3600


BAD = {
    "unknown section": (("[budget]", "[budgets]"), "[budgets]", "Did you mean 'budget'?"),
    "missing section": (('[budget]\nlatency = "50 %"', ""), "[budget] is missing", "add it, with latency"),
    "not a section": (("[model]", "run = 3\n[model]"), "`run` is a section", "write [run]"),
    "unknown key": (("runtime =", "runtimes ="), "[target] has no key 'runtimes'", "Did you mean 'runtime'?"),
    "unknown far key": (("runtime =", "xyz ="), "[target] has no key 'xyz'", "Known are: runtime, device"),
    "missing key": (('source = "net.py:make_net"', ""), "[model] source is missing", "add it"),
    "missing data": (('val = "val.parquet"', ""), "`val` is missing", "class folders"),
    "missing mean": (("mean = [0.5]", ""), "`mean` is missing", "mean = [0.0]"),
    "unread key": (('"classification"', '"digits"'), "`train` is not read with `kind` = 'digits'", "remove it"),
    "two targets": (
        ("[target]", '[[target]]\nruntime = "torch"\n[[target]]'),
        "several targets in one run: not yet",
        "2",
    ),
    "no unit": (('"50 %"', '"50"'), "[budget] latency", "has no unit"),
    "metres": (('"50 %"', '"4 m"'), "[budget] latency", "4 ms"),
    "bare budget": (('"50 %"', "50"), "[budget] latency", 'such as "4 ms"'),
    "too much budget": (('"50 %"', '"120 %"'), "at most 100 %", "120 %"),
    "no budget": (('"50 %"', '"0 ms"'), "`latency` must be above 0", "[budget]"),
    "text for list": (("[3, 32, 32]", '"3,32,32"'), "[model] input", "such as [3, 224, 224]"),
    "zero size": (("[3, 32, 32]", "[3, 0, 32]"), "whole numbers above 0", "[3, 0, 32]"),
    "float size": (("[3, 32, 32]", "[3, 32.0, 32]"), "whole number", "32.0"),
    "no size": (("[3, 32, 32]", "[]"), "shape without the batch", "[]"),
    "unknown kind": (('"classification"', '"clasification"'), "`kind` is one of", "Did you mean 'classification'?"),
    "segmentation": (('"classification"', '"segmentation"'), "classification, digits", "task.py:make_task"),
    "means": (("mean = [0.5]", "mean = [0.5, 0.5]"), "3 channels", "`mean`"),
    "text for mean": (("mean = [0.5]", 'mean = ["a"]'), "[task] mean", "must be a number"),
    "zero std": (("std = [0.25]", "std = [0.0]"), "`std`", "above 0"),
    "unknown runtime": (('"onnxruntime"', '"onxruntime"'), "[target]", "did you mean 'onnxruntime'?"),
    "text for number": (("[budget]", '[search]\ntrials = "9"\n[budget]'), "[search] trials", "without quotes"),
    "true for number": (("[budget]", "[search]\ntrials = true\n[budget]"), "[search] trials", "whole number"),
    "no trials": (("[budget]", "[search]\ntrials = 0\n[budget]"), "`trials` must be above 0", "got 0"),
    "sampler": (("[budget]", '[search]\nsampler = "TPE "\n[budget]'), "`sampler` is one of tpe", "'TPE '"),
    "share for time": (("[budget]", '[search]\ntime_limit = "5 %"\n[budget]'), "must be a time", "4 min"),
    "lengths": (("[budget]", "[finetune]\nepochs = 3\nminutes = 3\n[budget]"), "both are set", "remove one"),
    "no epochs": (("[budget]", "[finetune]\nepochs = 0\n[budget]"), "`epochs` must be above 0", "got 0"),
    "lr": (("[budget]", "[finetune]\nlr = -0.1\n[budget]"), "`lr` must be above 0", "-0.1"),
    "nan": (("[budget]", "[finetune]\nlr = nan\n[budget]"), "[finetune] lr: must be a finite number", "nan"),
    "ema": (("[budget]", "[finetune]\nema = 1.0\n[budget]"), "`ema`", "below 1"),
    "clip": (("[budget]", "[finetune]\nclip = -1\n[budget]"), "`clip` must be at least 0", "-1"),
    "share": (("[budget]", "[finetune]\ndistillation = 2\n[budget]"), "between 0 and 1", "2"),
    "optimizer": (("[budget]", '[finetune]\noptimizer = "adam"\n[budget]'), "`optimizer`", "Did you mean 'adamw'?"),
    "seed": (("[budget]", "[run]\nseed = -1\n[budget]"), "`seed`", "-1"),
    "only": (("[budget]", "[space]\nonly = [3]\n[budget]"), "[space] only", "list of texts"),
    "least": (("[budget]", "[space]\nleast = 8\n[budget]"), "[space] least", "table of whole numbers"),
    "least-kind": (("[budget]", '[space]\nleast = { a = "8" }\n[budget]'), "[space] least", "without quotes"),
    "least-0": (("[budget]", "[space]\nleast = { a = 0 }\n[budget]"), "[space]", "'a' has 0"),
    "no-name": (("[budget]", '[space]\nkeep = [""]\n[budget]'), "[space]", "one of them is empty"),
    "lest": (("[budget]", "[space]\nlest = { a = 8 }\n[budget]"), "[space] has no key 'lest'", "'least'"),
    "proofs": (("[budget]", "[run]\nproofs = 1\n[budget]"), "[run] proofs", "true or false"),
    "keep": (("[budget]", '[space]\nkeep = "head"\n[budget]'), "[space] keep", "list of texts"),
    "augment": (("std =", 'augment = "no"\nstd ='), "[task] augment", "true or false"),
    "options": (("[budget]", "options = { a = 1 }\n[budget]"), "[target] options", "table of texts"),
    "no TOML": (("[model]", "[model"), "not TOML", "line 1"),
    "no weights": (("input =", 'weights = "missing.pt"\ninput ='), "[model] weights", "missing.pt does not exist"),
    "no source": (("net.py", "nett.py"), "[model] source", "nett.py does not exist"),
    "no train": (("train.parquet", "tran.parquet"), "[task] train", "tran.parquet does not exist"),
    "no loader": (('"val.parquet"', '"data.py:val"'), "[task] val", "data.py does not exist"),
    "empty text": (('"net.py:make_net"', '" "'), "[model] source", "text in quotes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configs_are_refused_with_rule_value_and_remedy(write: Write, name: str) -> None:
    swap, *parts = BAD[name]
    path = write(swap)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.exit_code == 2
    for part in (str(path), *parts):
        assert part in str(caught.value)


def test_a_missing_config_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no config file .*lathe init"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "binary.toml")


def test_identity_is_json_and_independent_of_the_place(write: Write, tmp_path: Path) -> None:
    path = write()
    identity = load_config(path).identity()
    assert json.loads(json.dumps(identity)) == identity
    assert str(tmp_path) not in json.dumps(identity)
    check_identity(identity, load_config(path))


def test_limits_of_the_space_are_part_of_the_identity_where_they_are_set(write: Write) -> None:
    before = load_config(write()).identity()
    assert before["space"] == {"keep": []}, "a run folder that was begun before these keys existed still goes on"
    limited = load_config(write(("[budget]", '[space]\nonly = ["conv"]\nleast = { fc = 2 }\n[budget]')))
    assert differences(before, limited.identity()) == (
        "space.only: 'absent', now ['conv']",
        "space.least.fc: 'absent', now 2",
    )
    assert load_config(write(("[budget]", "[run]\nproofs = false\n[budget]"))).identity() == before


def test_another_config_is_told_from_the_run_folders_and_the_difference_named(write: Write, tmp_path: Path) -> None:
    weights = ("input =", 'weights = "net.safetensors"\ninput =')
    before = load_config(write(weights)).identity()
    config = load_config(write(weights, ("50 %", "40 %")))
    with pytest.raises(RunFolderError, match=r"budget\.latency_fraction: 0\.5, now 0\.4") as caught:
        check_identity(before, config)
    assert caught.value.exit_code == 2
    assert "another folder" in str(caught.value)
    (tmp_path / "net.safetensors").write_bytes(b"retrained")
    assert [line.split(":")[0] for line in differences(before, load_config(write(weights)).identity())] == [
        "model.weights_sha256"
    ]
