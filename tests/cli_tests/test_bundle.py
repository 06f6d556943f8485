"""A bundle is whole in itself: it says what it is, it can be moved, and reading it runs nothing but its operators."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from search import load_subnet
from search.errors import BundleError
from search.graph import Candidate
from search.verdicts import worst

from .conftest import Lathe
from .project import write_config

FILES = {
    "baseline.onnx",
    "baseline.safetensors",
    "baseline_graph.json",
    "graph.json",
    "model.onnx",
    "model.safetensors",
    "report.html",
    "report.json",
    "report.md",
    "structure.json",
}

READ = """
import sys
import numpy, torch
from pathlib import Path
from search import load_subnet

inputs = torch.from_numpy(numpy.load(sys.argv[2]))
with torch.no_grad():
    outputs = torch.cat([load_subnet(Path(sys.argv[1]))(x[None]) for x in inputs])
numpy.save(sys.argv[3], outputs.numpy())
"""


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def test_contents(finished: Path) -> None:
    bundle = finished / "run/bundle"
    assert {path.name for path in bundle.iterdir()} == FILES
    structure, report = _json(bundle / "structure.json"), _json(bundle / "report.json")
    assert structure["format"] == 1
    assert structure.keys() == {"format", "candidate", "selection", "hashes", "config"}
    assert structure["hashes"] == report["hashes"]
    assert structure["config"]["budget"] == {"latency_fraction": 0.6}
    widths = Candidate.from_json(structure["candidate"]).dims
    assert {dim["name"]: dim["subnet"] for dim in report["dims"] if dim["subnet"]} == widths


def test_no_place_of_this_machine_is_in_it(finished: Path) -> None:
    places = [str(place).encode() for place in (finished, Path.home(), Path(__file__).parents[2], Path(sys.prefix))]
    for path in (finished / "run/bundle").iterdir():
        content = path.read_bytes()
        assert [place for place in places if place in content] == [], path.name


def test_network_is_read_back_in_a_fresh_process(finished: Path, tmp_path: Path) -> None:
    bundle = (finished / "run/bundle").rename(tmp_path / "moved")
    inputs = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "inputs.npy", inputs)
    command: list[str | Path] = [sys.executable, "-c", READ, bundle, tmp_path / "inputs.npy", tmp_path / "outputs.npy"]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    expected = np.concatenate([session.run(None, {name: x[None]})[0] for x in inputs])
    assert np.abs(np.load(tmp_path / "outputs.npy") - expected).max() < 1e-4 * np.abs(expected).max()


Change = Callable[[dict[str, Any]], object]


def _first(graph: dict[str, Any], op: str) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in graph["nodes"] if node["op"] == op)
    return found


def _operator(name: str) -> Change:
    return lambda graph: _first(graph, "call_function").update(target=name)


def _structure(kind: str, context: str) -> Change:
    tree = {"type": kind, "context": context, "children_spec": []}
    return lambda graph: graph.update(outputs=json.dumps([1, tree]))


CODE = "__import__('pathlib').Path('ran').touch()"
ENUM = '{"__enum__": true, "fqn": "this:d", "name": "x"}'

FOREIGN: list[Any] = [
    *(
        pytest.param(_operator(name), "calls ATen operators and arithmetic", id=name)
        for name in (
            "aten.from_file",
            "aten.from_file.default",
            "aten.save",
            "aten.__class__",
            "os.system",
            "operator.methodcaller",
            "operator.attrgetter",
            "builtins.eval",
            "torch.load",
            "prim.Print",
            "aten",
            "",
        )
    ),
    pytest.param(lambda g: g["inputs"].update(names=[f"x={CODE}"]), "plain identifiers", id="input"),
    pytest.param(lambda g: _first(g, "placeholder").update(target=f"x={CODE}"), "plain identifiers", id="placeholder"),
    pytest.param(lambda g: _first(g, "call_function").update(name="x; y"), "plain identifiers", id="node"),
    pytest.param(lambda g: _first(g, "call_function")["kwargs"].update({f"a={CODE}, b": 1}), "plain", id="argument"),
    pytest.param(lambda g: _first(g, "get_attr").update(target=f'x"+{CODE}+"'), "stored beside it", id="tensor"),
    pytest.param(lambda g: _first(g, "get_attr").update(target="__class__"), "stored beside it", id="class"),
    pytest.param(lambda g: _first(g, "call_function").update(op="call_method"), "no nodes of kind", id="method"),
    pytest.param(lambda g: _first(g, "call_function").update(op="call_module"), "no nodes of kind", id="module"),
    pytest.param(_structure("builtins.dict", ENUM), "tensors in builtins.dict", id="enum"),
    pytest.param(_structure("collections.defaultdict", "[]"), "tensors in builtins.dict", id="defaultdict"),
    pytest.param(lambda g: g.update(format=3), "reads graph format 2, but got 3", id="format"),
    pytest.param(lambda g: g.pop("nodes"), "a graph must have 'nodes'", id="no-nodes"),
    pytest.param(lambda g: _first(g, "call_function").update(args=[{"node": "none"}]), "KeyError", id="no-node"),
    pytest.param(lambda g: _first(g, "call_function").update(args=[{"dtype": "load"}]), "is one of", id="value"),
]


@pytest.mark.parametrize(("change", "words"), FOREIGN)
def test_graph_that_names_something_else_is_refused(
    finished: Path, monkeypatch: pytest.MonkeyPatch, change: Change, words: str
) -> None:
    bundle = finished / "run/bundle"
    graph = _json(bundle / "graph.json")
    changed = copy.deepcopy(graph)
    change(changed)
    assert changed != graph
    (bundle / "graph.json").write_text(json.dumps(changed))
    monkeypatch.chdir(finished)
    with pytest.raises(BundleError) as caught:
        load_subnet(bundle)
    assert words in str(caught.value)
    assert not (finished / "ran").exists()
    assert "this" not in sys.modules


@pytest.mark.parametrize("name", ["graph.json", "model.safetensors"])
def test_damaged_network(finished: Path, name: str) -> None:
    path = finished / "run/bundle" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BundleError, match="but reading failed"):
        load_subnet(path.parent)
    path.unlink()
    with pytest.raises(BundleError, match=f"reading .*{name} failed"):
        load_subnet(path.parent)


def test_verify(lathe: Lathe, finished: Path) -> None:
    for place in (finished / "run", finished / "run/bundle"):
        answer = lathe("verify", place, "--json")
        assert answer.status == 0, answer.err
        found = json.loads(answer.out)
        assert found["verdict"] == "met"
        assert found["hashes"] == _json(finished / "run/bundle/report.json")["hashes"]
        assert found["ratio"]["high"] <= found["budget"]["value"] == 0.6
    text = lathe("verify", finished / "run", "--target", "cpu-null-fp32-b1-t1")
    assert text.status == 0
    assert text.out.startswith("met  The budget is met")
    assert "paired ratio: " in text.out


def test_verify_on_several_targets(lathe: Lathe, finished: Path) -> None:
    slugs = ("cpu-null-fp32-b1-t1", "cpu-null-fp32-b1-t2")
    named = [word for slug in (*slugs, slugs[0]) for word in ("--target", slug)]
    answer = lathe("verify", finished / "run", *named, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert found["verdict"] == "met"
    assert list(found["targets"]) == list(slugs)
    for slug, one in found["targets"].items():
        assert (one["target"], one["verdict"]) == (slug, "met")
        assert one["ratio"]["high"] <= 0.6
    text = lathe("verify", finished / "run", *named)
    assert text.out.count("met  The budget is met") == 2
    assert [line for line in text.out.splitlines() if line.startswith("cpu-")] == list(slugs)


def test_no_target_is_timed_where_one_cannot_be(lathe: Lathe, finished: Path) -> None:
    weights = finished / "run/bundle/model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"\0")
    for slug, status, words in (
        ("cpu-tensorrt-fp32-b1-t1", 3, "TensorRT serves the device cuda only"),
        ("cpu-torch-fp32-b1-t1", 2, "model.safetensors must be the file that the report speaks of"),
    ):
        answer = lathe("verify", finished / "run", "--target", "cpu-null-fp32-b1-t1", "--target", slug, "--json")
        assert (answer.status, answer.out) == (status, "")
        assert words in answer.words


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [(("met", "missed", "unstable"), "missed"), (("unstable", "met"), "unstable"), (("unneeded", "met"), "met")],
)
def test_one_target_that_says_no_decides(verdicts: tuple[str, ...], expected: str) -> None:
    assert worst(verdicts) == expected


def test_verify_against_another_budget(lathe: Lathe, finished: Path, tmp_path: Path) -> None:
    other = tmp_path / "report.json"
    for budget, status, verdict in (
        ({"value": 0.5, "kind": "fraction"}, 0, "met"),
        ({"value": 1e-6, "kind": "time"}, 1, "missed"),
    ):
        other.write_text(json.dumps({"budget": budget}))
        answer = lathe("verify", finished / "run", "--against", other, "--json")
        assert (answer.status, json.loads(answer.out)["verdict"]) == (status, verdict)
    for content in ("{}", "[]", "no json", '{"budget": {"value": "x", "kind": "time"}}', '{"budget": {"value": 1}}'):
        other.write_text(content)
        answer = lathe("verify", finished / "run", "--against", other, "--json")
        assert (answer.status, answer.out) == (2, "")
        assert "`--against` names a report.json with a budget" in answer.words


def test_verify_refuses_changed_files(lathe: Lathe, finished: Path) -> None:
    model = finished / "run/bundle/model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    answer = lathe("verify", finished / "run", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "model.onnx must be the file that the report speaks of (SHA-256 " in answer.words
    model.unlink()
    assert "it is missing in" in lathe("verify", finished / "run").words


def test_verify_on_a_target_that_takes_no_onnx(lathe: Lathe, finished: Path) -> None:
    report = finished / "run/bundle/report.json"
    answer = lathe("verify", finished / "run", "--target", "cpu-torch-fp32-b1-t1", "--json")
    found = json.loads(answer.out)
    assert found["verdict"] in ("met", "missed", "unstable"), answer.err
    assert 0 < found["latency_s"]["subnet"]["median"] < 1
    assert found["hashes"] != _json(report)["hashes"]
    older = _json(report)
    del older["files"]
    report.write_text(json.dumps(older))
    assert lathe("verify", finished / "run", "--json").status == 0
    answer = lathe("verify", finished / "run", "--target", "cpu-torch-fp32-b1-t1", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "this bundle was made before bundles held it" in answer.words


def test_verify_needs_a_network(lathe: Lathe, project: Path) -> None:
    lathe("run", write_config(project, ("60 %", "1 %")))
    answer = lathe("verify", project / "run", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "Only a bundle with a network can be timed, but this run ended with 'infeasible'" in answer.words
    assert lathe("report", project / "run").status == 0


def test_verify_on_a_target_that_is_none(lathe: Lathe, finished: Path) -> None:
    answer = lathe("verify", finished / "run", "--target", "cpu-nul", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "A target is written <device>-<runtime>" in answer.words


@pytest.mark.parametrize("command", ["verify", "report"])
def test_no_bundle(lathe: Lathe, tmp_path: Path, command: str) -> None:
    answer = lathe(command, tmp_path, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert f"A bundle is a folder with a report.json, but {tmp_path} has none" in answer.words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "must hold JSON"),
        ("[]", "report formats 1 and 2"),
        ('{"format": 3}', "report formats 1 and 2"),
        ('{"format": 1, "verdict": "met", "hashes": {}}', "a report must have 'target'"),
        ('{"format": 2, "verdict": "met", "hashes": {}}', "a report must have 'target'"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "report"])
def test_damaged_report(lathe: Lathe, finished: Path, command: str, content: str, words: str) -> None:
    (finished / "run/bundle/report.json").write_text(content)
    answer = lathe(command, finished / "run", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words


def test_report(lathe: Lathe, finished: Path) -> None:
    bundle = finished / "run/bundle"
    page = (bundle / "report.html").read_bytes()
    (bundle / "report.html").unlink()
    answer = lathe("report", finished / "run")
    assert answer.status == 0
    assert f"wrote {bundle / 'report.html'}" in answer.out
    assert (bundle / "report.html").read_bytes() == page
    as_json = lathe("report", bundle, "--json")
    assert as_json.status == 0
    assert json.loads(as_json.out) == _json(bundle / "report.json")
