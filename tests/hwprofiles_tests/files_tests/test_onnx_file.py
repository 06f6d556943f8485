"""An ONNX file that reaches outside itself, or calls what nobody knows, is refused before a runtime sees it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwprofiles import ArtefactError, Target, check_onnx, get_runtime, read_onnx
from hwprofiles.files import onnx_file
from hwprofiles.files.onnx_file import onnx_content, operators
from tests.limits import within

from ..onnx_files import conv_file, file_of

Change = Callable[[onnx.ModelProto], object]


def changed(change: Change) -> bytes:
    model = onnx.load_from_string(conv_file())
    change(model)
    return bytes(model.SerializeToString())


def external(tensor: onnx.TensorProto, location: str = "weights.bin") -> None:
    """Let a tensor lie in another file, as onnx writes it."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)


def outside(name: str = "outside") -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    external(tensor)
    return tensor


def graph_of(*nodes: onnx.NodeProto, tensors: list[onnx.TensorProto] | None = None) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "inner", [], [], tensors or [])


def constant(name: str, tensor: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=tensor)


def branch(model: onnx.ModelProto, inner: onnx.GraphProto) -> None:
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=graph_of()))


def sparse() -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=outside(), indices=TensorProto(data_type=TensorProto.INT64, dims=[1]))


def function(*nodes: onnx.NodeProto, name: str = "own") -> onnx.FunctionProto:
    return helper.make_function("my.domain", name, ["x"], ["y"], list(nodes), [helper.make_opsetid("", 18)])


EXTERNAL: dict[str, Change] = {
    "weight": lambda m: external(m.graph.initializer[0]),
    "address": lambda m: external(m.graph.initializer[0], "*/_ORT_MEM_ADDR_/*"),
    "elsewhere": lambda m: external(m.graph.initializer[0], "../../../etc/passwd"),
    "place without the mark": lambda m: m.graph.initializer[0].external_data.add(key="location", value="weights.bin"),
    "mark without a place": lambda m: setattr(m.graph.initializer[0], "data_location", TensorProto.EXTERNAL),
    "constant": lambda m: m.graph.node.append(constant("c", outside())),
    "constants": lambda m: m.graph.node.append(helper.make_node("Constant", [], ["c"], values=[outside()])),
    "sparse weight": lambda m: m.graph.sparse_initializer.append(sparse()),
    "sparse constant": lambda m: m.graph.node.append(helper.make_node("Constant", [], ["c"], sparse_value=sparse())),
    "inner weight": lambda m: branch(m, graph_of(tensors=[outside()])),
    "inner constant": lambda m: branch(m, graph_of(constant("c", outside()))),
    "function": lambda m: m.functions.append(function(constant("y", outside()))),
}


@pytest.mark.parametrize("kind", EXTERNAL)
def test_weights_in_another_file_are_refused(kind: str) -> None:
    content = changed(EXTERNAL[kind])
    with pytest.raises(ArtefactError, match="in another file"):
        check_onnx(content)


FOREIGN: dict[str, tuple[Change, str]] = {
    "vendor": (lambda m: setattr(m.graph.node[0], "domain", "some.vendor"), "'some.vendor.Conv'"),
    "other of ONNX Runtime": (lambda m: setattr(m.graph.node[0], "domain", "com.microsoft"), "'com.microsoft.Conv'"),
    "machine learning": (lambda m: setattr(m.graph.node[0], "domain", "ai.onnx.ml"), "'ai.onnx.ml.Conv'"),
    "training": (lambda m: setattr(m.graph.node[0], "domain", "ai.onnx.preview.training"), "preview.training.Conv"),
    "unknown": (lambda m: setattr(m.graph.node[1], "op_type", "Rleu"), "'Rleu'"),
    "image": (lambda m: setattr(m.graph.node[1], "op_type", "ImageDecoder"), "'ImageDecoder'"),
    "text": (lambda m: setattr(m.graph.node[1], "op_type", "RegexFullMatch"), "'RegexFullMatch'"),
    "inner": (lambda m: branch(m, graph_of(helper.make_node("Run", [], ["y"], domain="v"))), "'v.Run'"),
    "innermost": (
        lambda m: branch(m, graph_of(helper.make_node("If", ["c"], ["y"], then_branch=graph_of(
            helper.make_node("Run", [], ["y"], domain="v")), else_branch=graph_of()))),
        "'v.Run'",
    ),
    "function": (lambda m: m.functions.append(function(helper.make_node("Run", ["x"], ["y"], domain="v"))), "'v.Run'"),
    "training info": (lambda m: m.training_info.add().algorithm.node.append(constant("c", TensorProto())), "training"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_operators_that_are_not_on_the_list_are_refused_by_name(kind: str) -> None:
    change, words = FOREIGN[kind]
    with pytest.raises(ArtefactError, match=words):
        check_onnx(changed(change))


def test_a_long_name_is_cut_in_the_message() -> None:
    with pytest.raises(ArtefactError) as caught:
        check_onnx(changed(lambda m: setattr(m.graph.node[1], "op_type", "R" * 10_000)))
    assert len(str(caught.value)) < 1000


def called(*names: str) -> list[onnx.NodeProto]:
    nodes = [helper.make_node(name, ["x"], [f"y{i}"], domain="my.domain") for i, name in enumerate(names)]
    nodes[-1].output[0] = "y"
    return nodes


def test_a_file_may_call_its_own_functions() -> None:
    def call(model: onnx.ModelProto) -> None:
        model.functions.append(function(helper.make_node("Relu", ["x"], ["y"])))
        model.graph.node[1].CopyFrom(helper.make_node("own", ["stem"], ["stem_active"], domain="my.domain"))
        model.opset_import.append(helper.make_opsetid("my.domain", 1))

    check_onnx(changed(call))


@pytest.mark.parametrize("depth", [30, 200])
def test_functions_that_never_end_are_refused(depth: int) -> None:
    def doubling(model: onnx.ModelProto) -> None:
        for i in range(depth):
            model.functions.append(function(*called(f"f{i + 1}", f"f{i + 1}"), name=f"f{i}"))
        model.functions.append(function(helper.make_node("Relu", ["x"], ["y"]), name=f"f{depth}"))
        model.graph.node[1].CopyFrom(helper.make_node("f0", ["stem"], ["stem_active"], domain="my.domain"))

    with within(20), pytest.raises(ArtefactError, match="calls at most" if depth == 30 else "deep at most"):
        check_onnx(changed(doubling))


@pytest.mark.parametrize("length", [1, 3])
def test_functions_that_call_themselves_are_refused(length: int) -> None:
    def circle(model: onnx.ModelProto) -> None:
        for i in range(length):
            model.functions.append(function(*called(f"f{(i + 1) % length}"), name=f"f{i}"))
        model.graph.node[1].CopyFrom(helper.make_node("f0", ["stem"], ["stem_active"], domain="my.domain"))

    with pytest.raises(ArtefactError, match="must not call itself"):
        check_onnx(changed(circle))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no onnx file", "must be a valid one"),
        (b"", "must be a valid one"),
        (conv_file()[:-20], "must be a valid one"),
        (changed(lambda m: m.graph.node[0].ClearField("output")), "must be a valid one"),
        (changed(lambda m: m.graph.initializer[0].dims.append(7)), "must be a valid one"),
        (changed(lambda m: m.graph.node.append(m.graph.node[0])), "must be a valid one"),
    ],
)
def test_what_is_no_valid_file_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ArtefactError, match=words):
        check_onnx(content)


def test_a_file_beyond_the_formats_own_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = conv_file()
    monkeypatch.setattr(onnx_file, "MOST_ONNX_BYTES", len(content))
    check_onnx(content)
    with pytest.raises(ArtefactError, match="bytes at most"):
        check_onnx(content + b"\0")


RUNTIMES = pytest.mark.parametrize("name", ["onnxruntime", "openvino", "null", "tensorrt"])


@RUNTIMES
@pytest.mark.parametrize(
    ("kind", "in_memory"),
    # No runtime can follow a mark without a place, so that nobody looks for it in memory.
    [*((kind, False) for kind in EXTERNAL), *((kind, True) for kind in EXTERNAL if kind != "mark without a place")],
)
def test_no_runtime_sees_a_file_with_weights_elsewhere(
    name: str, kind: str, in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = get_runtime(name)
    target = Target(name, device="cuda") if name == "tensorrt" else Target(name)
    monkeypatch.setattr(type(runtime), "require", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    np.zeros(10_000, np.float32).tofile("weights.bin")
    content = changed(EXTERNAL[kind])
    Path("file.onnx").write_bytes(content)
    with pytest.raises(ArtefactError, match="in another file"):
        runtime.load(content if in_memory else Path("file.onnx"), target, np.random.default_rng(0))


def test_a_file_is_checked_in_full_and_content_in_memory_is_not(tmp_path: Path) -> None:
    content = changed(FOREIGN["vendor"][0])
    (tmp_path / "file.onnx").write_bytes(content)
    assert onnx_content(content, "It") == content
    for read in (read_onnx, lambda path: onnx_content(path, "It")):
        with pytest.raises(ArtefactError, match=r"some\.vendor"):
            read(tmp_path / "file.onnx")


def test_what_is_no_file_cannot_be_loaded(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(2**40)
    for name in ("pipe.onnx", "zero.onnx", "huge.onnx", "missing.onnx", "."):
        with within(5), pytest.raises(ArtefactError, match="It cannot read the file"):
            onnx_content(tmp_path / name, "It")
    (tmp_path / "real.onnx").write_bytes(conv_file())
    (tmp_path / "link.onnx").symlink_to("real.onnx")
    assert onnx_content(tmp_path / "link.onnx", "It") == conv_file()


def test_the_list_is_sorted_and_known_to_onnx() -> None:
    lines = (Path(onnx_file.__file__).parent / onnx_file.OPERATORS_FILE).read_text().splitlines()
    assert lines == sorted(set(lines))
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert {line for line in lines if "." not in line} <= known
    assert {line.rpartition(".")[0] for line in lines} == {"", "com.microsoft"}
    assert operators() >= {"Conv", "If", "com.microsoft.FusedConv"}


def test_files_of_onnx_runtimes_optimiser_pass() -> None:
    node = helper.make_node("FusedConv", ["x", "w"], ["y"], domain="com.microsoft", activation="Relu")
    model = onnx.load_from_string(
        file_of([node], {"x": [1, 3, 4, 4]}, {"y": [1, 2, 4, 4]}, {"w": np.ones((2, 3, 1, 1))})
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    check_onnx(model.SerializeToString())
