"""A subnet on disk comes back as it was, and a bad file is refused with a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn

from search.errors import BundleError
from search.graph import comb, full, sample, uniform
from search.importance import select
from search.surgery import Subnet, cut, load_subnet, to_bytes
from search.surgery.operators import resolve_operator
from search.surgery.stored import from_bytes
from tests.networks import EXAMPLE, residual

ROOT = Path(__file__).parents[2]
GRAPH, MODEL = "graph.json", "model.safetensors"


def stored(subnet: Subnet) -> Subnet:
    files = to_bytes(subnet)
    assert set(files) == {GRAPH, MODEL}
    return from_bytes(files[GRAPH], files[MODEL])


def subnet_of(model: nn.Module, *args: torch.Tensor) -> Subnet:
    blueprint = comb(model.eval(), args)
    return cut(blueprint, select(blueprint, full(blueprint)))


class Tied(nn.Module):
    """One weight under two names, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.wide, self.narrow = nn.Linear(6, 8), nn.Linear(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        out: torch.Tensor = self.narrow(torch.relu(self.wide(y)))
        return out


class Two(nn.Module):
    """Two inputs, and a dict of a tensor and a tuple as output."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 8))
        self.right = nn.Linear(3, 8)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
        a, b = self.left(x), self.right(y)
        return {"sum": a + b, "parts": (a, b)}


class Literal(nn.Module):
    """Calls with a dtype, a device, a memory format and an infinity among their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 4, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x).to(torch.float64).contiguous(memory_format=torch.channels_last)
        y = y.clamp(min=float("-inf"), max=2.5) + torch.ones(4, 1, 1, dtype=torch.float64, device="cpu")
        out: torch.Tensor = y.to(torch.float32)
        return out


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_network_comes_back_to_the_bit(seed: int) -> None:
    blueprint, x = comb(residual(), EXAMPLE), torch.randn(3, 3, 16, 16)
    subnet = cut(blueprint, select(blueprint, sample(blueprint, np.random.default_rng(seed))))
    again = stored(subnet)
    assert torch.equal(again(x), subnet(x))
    for name, value in subnet.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in subnet.named_parameters()]
    assert {n for n, _ in again.named_buffers()} == {n for n, _ in subnet.named_buffers()}
    assert to_bytes(again) == to_bytes(subnet), "what was read is written as it was"


def test_what_comes_back_trains_and_is_cut_again() -> None:
    blueprint, x = comb(residual(), EXAMPLE), torch.randn(4, 3, 16, 16)
    again = stored(cut(blueprint, select(blueprint, uniform(blueprint, 0.25))))
    assert not again.training
    again.train()
    again(x).square().sum().backward()
    assert all(p.grad is not None for p in again.parameters())
    second = comb(again.eval(), EXAMPLE)
    assert [d.name for d in second.dims] == [d.name for d in blueprint.dims]
    assert [b.name for b in second.blocks] == [b.name for b in blueprint.blocks]


def test_ties_stay_tied() -> None:
    subnet = subnet_of(Tied(), torch.zeros(2, 6))
    again, x = stored(subnet), torch.randn(3, 6)
    assert torch.equal(again(x), subnet(x))
    assert len(list(again.parameters())) == 7


def test_a_weight_of_two_names_is_stored_once() -> None:
    root, graph = nn.Module(), fx.Graph()
    root.first, root.second = nn.Linear(6, 6), nn.Linear(6, 6)
    root.second.weight = root.first.weight
    x = y = graph.placeholder("x")
    x.meta["input"] = ((6,), torch.float32)
    for name in ("first", "second"):
        weight, bias = (graph.get_attr(f"{name}.{part}") for part in ("weight", "bias"))
        y = graph.call_function(torch.ops.aten.linear.default, (y, weight, bias))
    graph.output(y)
    subnet = Subnet(root, graph).eval()
    files = to_bytes(subnet)
    assert json.loads(files[GRAPH])["ties"] == {"second.weight": "first.weight"}
    assert files[MODEL].count(b"second.weight") == 0
    again = from_bytes(files[GRAPH], files[MODEL])
    inputs = torch.randn(3, 6)
    assert x.name == "x"
    assert torch.equal(again(inputs), subnet(inputs))
    assert again.first.weight is again.second.weight  # type: ignore[union-attr]
    assert len(list(again.parameters())) == 3


def test_outputs_keep_their_structure() -> None:
    subnet = subnet_of(Two(), torch.zeros(2, 4), torch.zeros(2, 3))
    again, inputs = stored(subnet), (torch.randn(5, 4), torch.randn(5, 3))
    got, expected = again(*inputs), subnet(*inputs)
    assert list(got) == ["sum", "parts"]
    assert isinstance(got["parts"], tuple)
    assert torch.equal(got["sum"], expected["sum"])
    assert all(torch.equal(a, b) for a, b in zip(got["parts"], expected["parts"], strict=True))


def test_literals_of_torch_come_back() -> None:
    subnet = subnet_of(Literal(), torch.zeros(2, 3, 4, 4))
    again, x = stored(subnet), 3 * torch.randn(2, 3, 4, 4)
    text = to_bytes(subnet)[GRAPH].decode()
    assert all(kind in text for kind in ('"dtype"', '"memory_format"', '"float"'))
    assert torch.equal(again(x), subnet(x))
    assert again(x).dtype == torch.float32


def test_a_bundle_is_read_in_a_fresh_process_without_the_users_code(tmp_path: Path) -> None:
    blueprint = comb(residual(), EXAMPLE)
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    for name, data in to_bytes(subnet).items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import sys, torch; from pathlib import Path; from search import load_subnet; "
        "net = load_subnet(Path(sys.argv[1])); print(repr(net(torch.ones(1, 3, 16, 16)).double().sum().item())); "
        "sys.exit('tests.networks' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with torch.no_grad():
        assert float(answer) == pytest.approx(subnet(torch.ones(1, 3, 16, 16)).double().sum().item(), rel=1e-6)


Change = Callable[[dict[str, Any]], object]


def call_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(node for node in document["nodes"] if node["op"] == "call_function")
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=3), "reads graph format 2, but got 3"),
        (lambda d: call_of(d).update(target="os.system"), "it names 'os.system'"),
        (lambda d: call_of(d).update(target="aten.from_file.default"), "aten.from_file"),
        (lambda d: call_of(d).update(target="operator.call"), "operator.call"),
        (lambda d: call_of(d).update(target="aten.__class__.mro"), "__class__"),
        (lambda d: call_of(d).update(op="call_method"), "no nodes of kind 'call_method'"),
        (lambda d: call_of(d).update(op="call_module"), "no nodes of kind 'call_module'"),
        (lambda d: call_of(d).update(args=[{"dtype": "load"}]), "one of"),
    ],
)
def test_a_graph_that_calls_anything_else_is_refused(change: Change, message: str) -> None:
    files = to_bytes(subnet_of(Tied(), torch.zeros(2, 6)))
    document = json.loads(files[GRAPH])
    change(document)
    with pytest.raises(BundleError, match=message):
        from_bytes(json.dumps(document).encode(), files[MODEL])


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("nodes"),
        lambda d: call_of(d).pop("args"),
        lambda d: call_of(d).update(args=[{"node": "nowhere"}]),
        lambda d: call_of(d).update(args=[{"node": "x", "tuple": []}]),
        lambda d: call_of(d).update(args=[{"dtype": 3}]),
        lambda d: d["ties"].update({"second.weight": "nowhere"}),
        lambda d: d["nodes"].insert(0, d["nodes"][-1]),
    ],
)
def test_a_graph_that_makes_no_sense_is_refused(change: Change) -> None:
    files = to_bytes(subnet_of(Tied(), torch.zeros(2, 6)))
    document = json.loads(files[GRAPH])
    change(document)
    with pytest.raises(BundleError):
        from_bytes(json.dumps(document).encode(), files[MODEL])


@pytest.mark.parametrize("name", [GRAPH, MODEL])
def test_damaged_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    files = to_bytes(subnet_of(Tied(), torch.zeros(2, 6)))
    for file, data in files.items():
        (tmp_path / file).write_bytes(data[: len(data) // 2] if file == name else data)
    with pytest.raises(BundleError, match="reading failed"):
        load_subnet(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match=f"reading .*{name} failed"):
        load_subnet(tmp_path)


def test_a_list_instead_of_a_graph_is_refused() -> None:
    with pytest.raises(BundleError):
        from_bytes(b"[]", to_bytes(subnet_of(Tied(), torch.zeros(2, 6)))[MODEL])


@pytest.mark.parametrize("name", ["aten.relu.default", "aten.add.Tensor", "operator.mul"])
def test_listed_operators_are_found(name: str) -> None:
    assert callable(resolve_operator(name))
