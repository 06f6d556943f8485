"""Each kind of thing that Lathe has several of is added by one file and one row: a dummy of each is, here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from optuna.samplers import BaseSampler, RandomSampler
from torch import nn
from typer.testing import CliRunner

from hwprofiles import RUNTIMES, Kind, NullRuntime, RuntimeEntry, Target, available_targets, get_runtime
from search.bundle import Report
from search.cli import COMMANDS, GROUPS, make_app
from search.commands.prune import settings_of
from search.config import SearchConfig, TaskConfig, config_template
from search.engine import load_config, names
from search.engine.naming import check_names
from search.errors import ConfigError
from search.finetune import OPTIMIZERS
from search.finetune.optimizers import OptimizerEntry
from search.graph import Blueprint, analyse, full, trace, uniform
from search.graph.rules import RULES, Axes, Call
from search.importance import CRITERIA, Scores, select
from search.pages import Section
from search.report import render_page
from search.report.content import SECTIONS, sections
from search.study import SAMPLERS, make_sampler
from search.study.samplers import SamplerEntry
from search.tasks import TASKS, load_task
from search.tasks.load import TaskEntry
from search.verdicts import VERDICTS, Verdict, worst
from tests.report_tests.samples import sample
from tests.run_tests.small import config_of


class DummyRuntime(NullRuntime):
    """Another runtime by its class."""

    name = "dummy"


def test_a_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        Target("dummy")
    kind = Kind("a dummy")
    row = RuntimeEntry("tests.house_tests.test_additions:DummyRuntime", (kind,), frozenset({"speed"}))
    monkeypatch.setitem(RUNTIMES, "dummy", row)
    target = Target.parse("cpu-dummy-fp32-b1-t1-speed=high")
    assert isinstance(get_runtime(target.runtime), DummyRuntime)
    assert "a dummy" in {status.description for status in available_targets()}


def test_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 6), nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.b(torch.special.i1e(self.a(x)))
            return out

    traced = trace(Net(), (torch.rand(2, 3),))
    assert "special_i1e" not in RULES

    def elementwise(call: Call) -> list[Axes]:
        call.taken.update(("self", axis) for axis in range(call.rank("self")))
        return [call.tensors["self"]]

    monkeypatch.setitem(RULES, "special_i1e", elementwise)
    assert {dim.name: dim.size for dim in analyse(traced).dims} == {"a.weight:0": 6}


def test_a_criterion(monkeypatch: pytest.MonkeyPatch) -> None:
    blueprint = analyse(trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (torch.rand(2, 3),)))
    with pytest.raises(ConfigError, match="`--importance` is one of"):
        settings_of(0.5, "last-first", (), (), ())

    def last_first(blueprint: Blueprint) -> Scores:
        return {dim.name: np.tile(np.arange(dim.size, dtype=float), (dim.outer, 1)) for dim in blueprint.dims}

    monkeypatch.setitem(CRITERIA, "last-first", last_first)
    assert settings_of(0.5, "last-first", (), (), ()).importance == "last-first"
    selection = select(blueprint, uniform(blueprint, 0.5), "last-first")
    assert [rows.tolist() for rows in map(np.asarray, selection.keep.values())] == [[[2, 3]]]
    assert full(blueprint).dims == {"0.weight:0": 4}


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text("def make_net(): ...\n", encoding="utf-8")
    path = tmp_path / "net.toml"
    text = config_template(names()).replace('weights = "net.safetensors"', "#")
    for name in ("train.parquet", "val.parquet"):
        (tmp_path / name).touch()
    path.write_text(text, encoding="utf-8")
    return path


def _choose(path: Path, old: str, new: str) -> Any:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return load_config(path)


def _last(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed + 1)


def test_a_sampler(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"\[search\]: `sampler` is one of tpe, random, but got 'dummy'"):
        _choose(config_file, '# sampler = "tpe"', 'sampler = "dummy"')
    monkeypatch.setitem(SAMPLERS, "dummy", SamplerEntry("a dummy", _last))
    assert load_config(config_file).search == SearchConfig(sampler="dummy")
    assert isinstance(make_sampler("dummy", 0), RandomSampler)
    assert "dummy" in config_template(names())


def test_an_optimizer(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = OptimizerEntry("a dummy", lambda groups, lr: torch.optim.RMSprop(groups, lr=lr))
    monkeypatch.setitem(OPTIMIZERS, "dummy", entry)
    assert _choose(config_file, '# optimizer = "adamw"', 'optimizer = "dummy"').finetune.settings.optimizer == "dummy"


def test_a_task_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(tmp_path)
    digits = load_task(config)
    monkeypatch.setitem(TASKS, "dummy", TaskEntry("a dummy", lambda config, tell: digits))
    assert names().tasks["dummy"] == "a dummy"
    object.__setattr__(config, "task", TaskConfig("dummy"))
    assert load_task(config) is digits
    check_names(config)
    monkeypatch.delitem(TASKS, "dummy")
    with pytest.raises(ConfigError, match="`kind` is one of classification, digits"):
        check_names(config)


def test_a_report_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.report.content.SECTIONS", [*SECTIONS, lambda report: Section("dummy", "A dummy")])
    report = Report.from_json(sample("met"))
    assert sections(report)[-1].title == "A dummy"
    assert "A dummy" in render_page(report)


def test_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERDICTS, "dummy", Verdict("Dummy", "It is a dummy.", "A dummy of {budget}.", 1, "red"))
    assert worst(["dummy", "missed", "met"]) == "dummy"


def test_a_command() -> None:
    def greet() -> int:
        """Say hello."""
        typer.echo("hello")
        return 1

    app = make_app({**COMMANDS, "greet": greet}, GROUPS)
    answer = CliRunner().invoke(app, ["greet"])
    assert (answer.exit_code, answer.output) == (1, "hello\n")
    assert "Say hello." in CliRunner().invoke(app, ["--help"]).output
