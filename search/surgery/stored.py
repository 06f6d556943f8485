"""A subnet on disk: `graph.json` and `model.safetensors`, read without running anything but listed operators.

A graph that is read becomes Python source, and torch's reader of nested structures imports what they name. So every
name in the file has to be a plain one, and every structure made of plain containers, before either sees them.

Format history of graph.json: 1 (2026-11): nodes, inputs, outputs, ties. 2 (2026-11): `modes` of each node, the
literals that follow the mode, argument -> [in evaluation, in training]; `untrained`, parameters that are not trained.
"""

from __future__ import annotations

import copy
import json
import keyword
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import fx, nn
from torch.fx.graph import _PyTreeCodeGen, _PyTreeInfo
from torch.utils import _pytree as pytree

from hwprofiles import check_plain, check_shape, excerpt, parse_json, read_whole, shown

from ..errors import BundleError
from ..graph.module import held, place
from ..graph.tracing import MODES, conventional
from .allocation import MOST_RUN_BYTES, run_bytes
from .arguments import Kind, kind_of
from .operators import operator_text, resolve_operator
from .structure import plain
from .subnet import Subnet

GRAPH_FORMAT = 2
GRAPH_FILE = "graph.json"
MODEL_FILE = "model.safetensors"

MOST_GRAPH_BYTES = 256 * 2**20
"""Size of a stored graph that is read, at most; a network of a thousand calls takes about half a megabyte."""

MOST_WEIGHTS_BYTES = 4 * 2**30
"""Size of a file of weights that is written or read, at most."""

CONTAINERS = frozenset({"builtins.dict", "builtins.list", "builtins.tuple", "collections.OrderedDict"})
"""Structures that inputs and outputs may have."""

_SHAPE: Mapping[str, Any] = {
    "inputs": ({"names": [str], "spec": str}, None),
    "outputs": (str, None),
    "buffers": [str],
    "untrained?": [str],
    "ties": {str: str},
    "nodes": [
        {
            "name": str,
            "op": str,
            "target": str,
            "args": [object],
            "kwargs": {str: object},
            "path": (str, None),
            "input": ([object], None),
        }
    ],
}

_PATH = re.compile(r'[^"\\\x00-\x1f\x7f]+')
"""Names of tensors: what can stand between quotes in Python source."""

_TORCH_VALUES: dict[str, type] = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
}


def to_bytes(subnet: Subnet) -> dict[str, bytes]:
    """Return a subnet as the contents of its two files, by file name.

    Raises:
        BundleError: The graph calls something that is not on the list of operators, or does not say what its inputs
            are like, or the weights are more than a file may hold.
    """
    unsaid = [n.name for n in subnet.graph.nodes if n.op == "placeholder" and n.users and n.meta.get("input") is None]
    if unsaid:
        raise BundleError(f"A stored graph says of which shape and type its inputs are, but {unsaid[0]!r} does not.")
    if subnet.device is not None and subnet.device.type not in ("cpu", "meta"):
        # A file is read on machines that lack the device, so no call in it may name that.
        subnet = copy.deepcopy(subnet).cpu()
    tensors, ties, first = dict[str, torch.Tensor](), dict[str, str](), dict[int, str]()
    for name, value in held(subnet, subnet.graph).items():
        if not isinstance(value, torch.Tensor):
            raise BundleError(f"A stored graph holds plain operators only, but {name!r} is a nested graph.")
        if id(value) in first:
            ties[name] = first[id(value)]
        else:
            first[id(value)] = name
            tensors[name] = value.detach()
    held_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if held_bytes > MOST_WEIGHTS_BYTES:
        raise BundleError(
            f"A stored network has {MOST_WEIGHTS_BYTES:,} bytes of weights at most, but this one has {held_bytes:,}: "
            "take a smaller network, or one in half precision."
        )
    kept = held(subnet, subnet.graph)
    buffers = sorted(name for name, value in kept.items() if not isinstance(value, nn.Parameter))
    info = getattr(subnet.graph._codegen, "pytree_info", None)
    document = {
        "format": GRAPH_FORMAT,
        "inputs": None if info is None else {"names": info.orig_args, "spec": _structure(info.in_spec)},
        "outputs": None if info is None or info.out_spec is None else _structure(info.out_spec),
        "buffers": buffers,
        "untrained": sorted(n for n, v in kept.items() if isinstance(v, nn.Parameter) and not v.requires_grad),
        "ties": ties,
        "nodes": [_node_to_json(node) for node in subnet.graph.nodes],
    }
    _check_names(document, tensors)
    weights = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    return {GRAPH_FILE: json.dumps(document, indent=1).encode(), MODEL_FILE: weights}


def from_bytes(graph: bytes, model: bytes, *, most_bytes: int = MOST_RUN_BYTES, batch: int | None = None) -> Subnet:
    """Read what `to_bytes` wrote; in eval mode.

    Args:
        graph: Content of the graph's file.
        model: Content of the file of weights.
        most_bytes: Memory that the network may ask for when it runs, its weights apart.
        batch: That it will be run at.

    Raises:
        BundleError: A file is damaged, of another format, names an operator that is not on the list or hands it what
            it does not take, or the network asks for more memory.
    """
    try:
        document = parse_json(graph)
        check_shape(document, {"format": int}, "a graph")
        tensors = load(model)
    # A library may refuse what a damaged file says in any way.
    except Exception as exc:
        raise BundleError(
            f"A bundle's graph is JSON and its weights are safetensors, but reading failed ({excerpt(exc)}): "
            "restore the file, or run the config again."
        ) from exc
    found = document["format"]
    if found not in (1, GRAPH_FORMAT):
        raise BundleError(
            f"This version reads graph format {GRAPH_FORMAT}, but got {shown(found)}: use the one it is of."
        )
    try:
        check_shape(document, _SHAPE, "a graph")
        _check_names(document, tensors)
        subnet = _subnet(document, tensors)
        run_bytes(subnet, batch=batch, most=most_bytes)
        return subnet
    except BundleError:
        raise
    # It becomes Python source and tensors, which may fail in any way.
    except Exception as exc:
        raise BundleError(
            f"A bundle's graph is made of known nodes whose tensors are stored beside it, but reading it raised "
            f"{type(exc).__name__}: {excerpt(exc)}: restore both files, or run the config again."
        ) from exc


def _subnet(document: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Subnet:
    root, made = nn.Module(), dict[str, Any]()
    for name, value in tensors.items():
        made[name] = value if name in document["buffers"] else nn.Parameter(value, _is_trained(name, value, document))
    for alias, name in document["ties"].items():
        made[alias] = made[name]
    for name, value in made.items():
        place(root, name, value)
    return Subnet(root, _graph_from_json(document)).eval()


def _is_trained(name: str, value: torch.Tensor, document: Mapping[str, Any]) -> bool:
    return (value.is_floating_point() or value.is_complex()) and name not in document.get("untrained", ())


def load_subnet(folder: Path, *, most_bytes: int = MOST_RUN_BYTES) -> Subnet:
    """Read a subnet from a bundle's folder.

    Args:
        folder: The bundle.
        most_bytes: Memory that the network may ask for when it runs, its weights apart.

    Raises:
        BundleError: A file is missing, damaged, of another format, names an operator that is not on the list or hands
            it what it does not take, or the network asks for more memory.
        UnfitFileError: A file is a link, no regular one, or too large.
    """
    try:
        check_plain(folder / GRAPH_FILE, folder / MODEL_FILE, folders=False)
        graph = read_whole(folder / GRAPH_FILE, MOST_GRAPH_BYTES)
        return from_bytes(graph, read_whole(folder / MODEL_FILE, MOST_WEIGHTS_BYTES), most_bytes=most_bytes)
    except OSError as exc:
        raise BundleError(
            f"A bundle holds {GRAPH_FILE} and {MODEL_FILE}, but reading {exc.filename} failed: {exc.strerror}."
        ) from exc


# ---- names -----------------------------------------------------------------------------------------------------------


def _check_names(document: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Refuse names that could be read as code, and structures that could bring some.

    Raises:
        BundleError: There is one.
    """
    stored, inputs = {*tensors, *document["ties"]}, document["inputs"]
    for entry in document["nodes"]:
        _check_plain("nodes and arguments", entry["name"], *entry["kwargs"])
        if entry["op"] == "placeholder":
            _check_plain("inputs", entry["target"])
        if entry["op"] == "get_attr" and (entry["target"] not in stored or not _PATH.fullmatch(entry["target"])):
            raise BundleError(
                f"A stored graph reads tensors that are stored beside it, under plain names, but it names "
                f"{shown(entry['target'])}."
            )
    if inputs is not None:
        _check_plain("inputs", *inputs["names"])
    for spec in (None if inputs is None else inputs["spec"], document["outputs"]):
        if spec is not None:
            _check_structure(spec)


def _check_plain(what: str, *names: str) -> None:
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BundleError(f"The names of {what} in a stored graph are plain identifiers, but got {shown(name)}.")


def _structure(spec: pytree.TreeSpec) -> str:
    return pytree.treespec_dumps(plain(spec))


def _check_structure(spec: str) -> None:
    """Check a serialised tree of torch's: [protocol, {type, context, children_spec}]."""
    pending = [json.loads(spec)[1]]
    while pending:
        entry = pending.pop()
        pending += entry["children_spec"]
        keys = None if entry["context"] is None else json.loads(entry["context"])
        plain = keys is None or (isinstance(keys, list) and all(isinstance(key, str | int) for key in keys))
        if entry["type"] is not None and (entry["type"] not in CONTAINERS or not plain):
            raise BundleError(
                f"Inputs and outputs of a stored graph are tensors in {', '.join(sorted(CONTAINERS))}, but one is of "
                f"{shown(entry['type'])} with {shown(entry['context'])}."
            )


# ---- nodes -----------------------------------------------------------------------------------------------------------


def _node_to_json(node: fx.Node) -> dict[str, Any]:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return {
        "name": node.name,
        "op": node.op,
        "target": _target_to_json(node),
        "args": [_to_json(a) for a in node.args],
        "kwargs": {k: _to_json(v) for k, v in node.kwargs.items()},
        "path": str(stack[-1][0]) if stack else None,
        "input": [list(found[0]), _to_json(found[1])] if (found := node.meta.get("input")) is not None else None,
        "modes": {name: list(values) for name, values in node.meta.get(MODES, {}).items()},
    }


def _target_to_json(node: fx.Node) -> str:
    if node.op != "call_function":
        return str(node.target)
    name = operator_text(node)
    resolve_operator(name)
    return name


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple):
        return {"tuple": [_to_json(item) for item in value]}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, torch.device):
        return {"device": str(value)}
    for kind, cls in _TORCH_VALUES.items():
        if isinstance(value, cls):
            return {kind: str(value).removeprefix("torch.")}
    raise BundleError(
        f"A stored graph's arguments are numbers, names and tensors, but got {type(value).__name__}: {shown(value)}."
    )


def _from_json(value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_from_json(item, nodes) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "node":
        return nodes[content]
    if kind == "tuple":
        return tuple(_from_json(item, nodes) for item in content)
    if kind == "float":
        return float(content)
    if kind == "device":
        return torch.device(content)
    found = getattr(torch, content, None) if kind in _TORCH_VALUES else None
    if found is None or not isinstance(found, _TORCH_VALUES[kind]):
        raise BundleError(f"A stored argument is one of {sorted(_TORCH_VALUES)}, but got {shown(value)}.")
    return found


def _modes(stored: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Read which literals of a call follow the mode.

    Raises:
        BundleError: One is neither a flag nor a rate.
    """
    for name, values in stored.items():
        if len(values) != 2 or not all(isinstance(value, (bool, float)) for value in values):
            raise BundleError(f"A mode is a flag or a rate in evaluation and one in training, but {name} is {values}.")
    return {name: (values[0], values[1]) for name, values in stored.items()}


def _graph_from_json(document: Mapping[str, Any]) -> fx.Graph:
    graph, nodes, kinds = fx.Graph(), dict[str, fx.Node](), dict[fx.Node, Kind]()
    for entry in document["nodes"]:
        args = tuple(_from_json(a, nodes) for a in entry["args"])
        kwargs = {k: _from_json(v, nodes) for k, v in entry["kwargs"].items()}
        if entry["op"] not in ("placeholder", "get_attr", "call_function", "output"):
            raise BundleError(f"A stored graph has no nodes of kind {shown(entry['op'])}.")
        target = resolve_operator(entry["target"]) if entry["op"] == "call_function" else entry["target"]
        if entry["name"] in nodes:
            raise BundleError(f"Each node of a stored graph has a name of its own, but two are {shown(entry['name'])}.")
        node = graph.create_node(entry["op"], target, args, kwargs, name=entry["name"])
        if entry["path"] is not None:
            node.meta["nn_module_stack"] = {entry["path"]: (entry["path"], "")}
        if entry["input"] is not None:
            node.meta["input"] = (tuple(entry["input"][0]), _from_json(entry["input"][1], nodes))
        if "modes" in entry:
            node.meta[MODES] = _modes(entry["modes"])
        else:
            conventional(node)
        nodes[entry["name"]], kinds[node] = node, kind_of(node, kinds)
    if document["inputs"] is not None:
        spec = pytree.treespec_loads(document["inputs"]["spec"])
        out = None if document["outputs"] is None else pytree.treespec_loads(document["outputs"])
        graph.set_codegen(_PyTreeCodeGen(_PyTreeInfo(document["inputs"]["names"], spec, out)))
    graph.lint()
    return graph
