"""Every reader of files that Lathe has: how a good file is made, and what reads it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from rich.console import Console
from torch import nn

from hwprofiles import MOST_JSON_BYTES, Target, check_shape, get_runtime, parse_json, read_whole
from latency_tables import Store, merge, read_table
from search.bundle import Bundle, Report
from search.bundle import stored as shapes
from search.commands.profile.folder import claim
from search.commands.table.content import describe
from search.commands.table.opening import open_table
from search.commands.terminal import show_report
from search.commands.verify import _read_budget
from search.config.weights import load_weights
from search.engine import load_config, stage_seconds
from search.engine.finish import _read_timing
from search.engine.folder import open_folder
from search.engine.rounds import _stored_starts
from search.errors import RunFolderError
from search.finetune.checkpoint import read_checkpoint, write_checkpoint
from search.folder import Folder
from search.graph import Candidate
from search.report import write_pages
from search.study import StudySettings, run_study
from search.study.objective import _read as read_objectives
from search.surgery import load_subnet

from ..config_tests.conftest import CONFIG, NET
from ..engine_tests.worker import objective_of, starts_of, worker_budget, worker_space
from ..hwprofiles_tests.onnx_files import conv_file
from ..latency_tables_tests.journal_tests.test_merge import base, journal, record

TESTS = Path(__file__).resolve().parents[1]
CPU = Target("onnxruntime")


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        file: Name of the file that is spoilt, in the folder of the case.
        make: Fills a folder with good files.
        read: Reads it.
        misuse: Built-in exceptions that the reader's documentation names, beside errors of Lathe's own.
    """

    file: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    misuse: tuple[type[Exception], ...] = ()


def _write_config(folder: Path) -> None:
    for name in ("train.parquet", "val.parquet", "net.safetensors"):
        (folder / name).touch()
    (folder / "net.py").write_text(NET)
    more = '[space]\nkeep = ["head.*"]\nleast = { "a.*" = 8 }\n[search]\ntrials = 7\ntime_limit = "4 min"\n'
    (folder / "net.toml").write_text(f"{CONFIG}\n{more}\n[finetune]\nlr = 0.1\nepochs = 2\n[run]\nseed = 3\n")


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def _write_weights(folder: Path) -> None:
    torch.save({"model": _network().state_dict(), "epoch": 3}, folder / "w.pt")
    safetensors.torch.save_file(_network().state_dict(), folder / "w.safetensors")


def _read_weights(path: Path) -> object:
    load_weights(_network(), path, lambda _: None)
    return None


def _write_table(folder: Path) -> None:
    stairs = (TESTS / "latency_tables_tests/assets/format_2.jsonl").read_bytes().splitlines(keepends=True)[1:]
    path = journal(folder / "table.jsonl", base(), record("z", 0.7, 2), record("y", 0.5, 3))
    journal(folder / "other.jsonl", base(), record("x", 0.6, 4))
    swept = [line for line in stairs if b'"kind":"stairs"' in line or b'"kind": "stairs"' in line]
    path.write_bytes(path.read_bytes() + b"".join(swept))


def _read_table(path: Path) -> object:
    Store(path).read()
    read_table(path, fingerprint="m", allow_foreign=True)
    return json.dumps(describe(open_table(path, allow_foreign=True)), allow_nan=False)


def _merge_tables(path: Path) -> object:
    """Whatever a merge writes, a reader reads: nothing that this raises after the merge is allowed."""
    out = path.with_name("merged.jsonl")
    out.unlink(missing_ok=True)
    merge(path, path.with_name("other.jsonl"), out, allow_foreign=True)
    try:
        found = Store(out).read()
        assert found.notes == ()
        json.dumps(describe(open_table(out, allow_foreign=True)), allow_nan=False)
    except Exception as exc:
        raise AssertionError(f"A merge wrote what cannot be read: {exc}") from exc
    return found


def _append_to_table(path: Path) -> object:
    with Store(path).writing() as writer:
        if writer.contents.header is not None:
            writer.append(record("new", 0.4, 5))
    return Store(path).read()


SPACE = worker_space()
BUDGET_S = worker_budget(SPACE)
STARTS = starts_of(SPACE, BUDGET_S)
TRIALS = 4


def _study(path: Path) -> object:
    settings = StudySettings(TRIALS, "random", 0, "fuzz")
    return run_study(SPACE, BUDGET_S, objective_of, path=path, settings=settings, starts=STARTS)


def _write_study(folder: Path) -> None:
    _study(folder / "study.log")


def _write_run(folder: Path) -> None:
    _write_config(folder)
    config = load_config(folder / "net.toml")
    config = replace(config, run=replace(config.run, out=folder))
    report = Report.from_json(json.loads((TESTS / "report_tests/assets/met.json").read_text())).to_json()
    measurement = (TESTS / "hwprofiles_tests/assets/measurement_3.json").read_text()
    timing = json.loads(measurement)
    names = {timing["canary"]: "baseline"}
    names |= {name: "subnet" for name in list(timing["windows"]) if name != timing["canary"]}
    for key in ("windows", "runs_per_turn", "runs_s"):
        timing[key] = {names[name]: value for name, value in timing[key].items()}
    timing["canary"] = "baseline"
    candidate = Candidate({"a": 3, "b": 4}, {"x": "keep"})
    files = {
        "run.json": config.identity(),
        "stages.json": {"analyse": 1.5, "table": 3.25},
        "starts-0.json": [candidate.to_json()],
        "finetune.json": {"history": [{"epoch": 0, "steps": 3, "loss": 0.5, "lr": 0.1}], "seconds": 3.5},
        "proofs.json": {
            "silenced": {"max_abs_diff": 1e-7, "tolerance": 1e-5, "passed": True, "exact": True, "note": ""}
        },
        "accuracy.json": {"accuracy": {"baseline": 0.9, "subnet": 0.8}, "export_difference": 1e-6},
        "verify.json": {"hashes": {"baseline": "0" * 64, "subnet": "1" * 64}, "measurement": timing},
        "report.json": report,
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, indent=1))
    rows = [{"candidate": candidate.digest, "objective": 0.5}, {"candidate": "b" * 16, "objective": 1.5}]
    (folder / "objectives.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_older(folder: Path) -> None:
    """Write a report of format 1, as it lies among the samples."""
    _write_run(folder)
    shutil.copy(TESTS / "report_tests/assets/met.json", folder / "report.json")


def _read_identity(path: Path) -> object:
    config = load_config(path.with_name("net.toml"))
    with open_folder(replace(config, run=replace(config.run, out=path.parent))) as folder:
        return folder.path


def _claim(path: Path) -> object:
    return claim(path.parent, {"command": "profile", "inputs": {"input": [3]}})


def _stored(shape: object) -> Callable[[Path], object]:
    return lambda path: Folder(path.parent).read_json(path.name, shape)


def _read_verify(path: Path) -> object:
    found = Folder(path.parent).read_json(path.name, shapes.TIMED)
    if found is None:
        raise RunFolderError("There is nothing.")
    measured = _read_timing(found["measurement"], path)
    return [measured.seconds("subnet"), measured.ratio("subnet"), measured.judgement]


def _read_bundle(path: Path) -> object:
    bundle = Bundle.open(path.parent)
    write_pages(bundle)
    show_report(Console(file=io.StringIO()), bundle.report)
    json.dumps(bundle.report.to_json(), allow_nan=False)
    assert bundle.target.slug
    assert bundle.budget.kind
    return bundle.networks("onnx")


def _write_graph(folder: Path) -> None:
    for name in ("graph.json", "model.safetensors"):
        shutil.copy(TESTS / "formats_tests/assets" / name, folder / name)


def _write_checkpoint(folder: Path) -> None:
    content = {"plan": {"epochs": 3.0}, "model": _network().state_dict(), "step": 3, "history": [{"loss": 0.5}]}
    write_checkpoint(folder / "train.ckpt", content)


def _write_onnx(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(conv_file())


def _load_onnx(runtime: str) -> Callable[[Path], object]:
    def load(path: Path) -> object:
        with get_runtime(runtime).load(path, replace(CPU, runtime=runtime), np.random.default_rng(0)):
            return None

    return load


def _read_document(path: Path) -> object:
    found = parse_json(read_whole(path, MOST_JSON_BYTES))
    check_shape(found, shapes.REPORT)
    return found


READERS: dict[str, Reader] = {
    "config": Reader("net.toml", _write_config, load_config),
    "weights (.pt)": Reader("w.pt", _write_weights, _read_weights),
    "weights (.safetensors)": Reader("w.safetensors", _write_weights, _read_weights),
    "table": Reader("table.jsonl", _write_table, _read_table),
    "table merge": Reader("table.jsonl", _write_table, _merge_tables),
    "table, to go on": Reader("table.jsonl", _write_table, _append_to_table),
    "study journal": Reader("study.log", _write_study, _study),
    "run.json": Reader("run.json", _write_run, _read_identity),
    "run.json of a profile": Reader("run.json", _write_run, _claim),
    "stages.json": Reader("stages.json", _write_run, lambda path: stage_seconds(Folder(path.parent), {"a": 1.0})),
    "starts-0.json": Reader("starts-0.json", _write_run, lambda p: _stored_starts(Folder(p.parent), p.name, [])),
    "finetune.json": Reader("finetune.json", _write_run, _stored(shapes.TUNED)),
    "proofs.json": Reader("proofs.json", _write_run, _stored(shapes.PROOFS)),
    "accuracy.json": Reader("accuracy.json", _write_run, _stored(shapes.SCORES)),
    "verify.json": Reader("verify.json", _write_run, _read_verify),
    "objectives.jsonl": Reader("objectives.jsonl", _write_run, read_objectives),
    "report.json": Reader("report.json", _write_run, _read_bundle),
    "report.json of format 1": Reader("report.json", _write_older, _read_bundle),
    "report.json of another": Reader("report.json", _write_run, _read_budget),
    "graph.json": Reader("graph.json", _write_graph, lambda path: load_subnet(path.parent)),
    "model.safetensors": Reader("model.safetensors", _write_graph, lambda path: load_subnet(path.parent)),
    "checkpoint": Reader("train.ckpt", _write_checkpoint, lambda path: read_checkpoint(path, {"epochs": 3.0})),
    "ONNX, null": Reader("net.onnx", _write_onnx, _load_onnx("null")),
    "ONNX, onnxruntime": Reader("net.onnx", _write_onnx, _load_onnx("onnxruntime")),
    "JSON": Reader("report.json", _write_run, _read_document, (ValueError,)),
}
"""Name -> reader."""
