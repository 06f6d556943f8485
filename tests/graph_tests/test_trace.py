"""From all kinds of models to graphs that compute the same."""

import copy
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from search.errors import ModelError
from search.graph.module import copy_graph, copy_module
from search.graph.tracing import operator_name, source_line, trace

from .tracing import Forward, check_equal, operators, traced

# ---- what models take and return -------------------------------------------------------------------------------------


def test_outputs_of_all_kinds_are_kept() -> None:
    def forward(_: Any, x: torch.Tensor) -> Any:
        return {"a": x + 1, "b": [x * 2, None, (3, x)], "none": None, "n": 7}

    check_equal(Forward(forward), traced(forward, torch.randn(2, 4)), torch.randn(3, 4))


class Masked(nn.Module):
    def forward(self, x: torch.Tensor, *more: torch.Tensor, scale: float, mask: dict[str, Any]) -> torch.Tensor:
        out: torch.Tensor = (x + sum(more)) * mask["values"][0] * scale
        return out


def test_arguments_of_all_kinds_are_taken_in_any_order() -> None:
    def arguments(batch: int) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
        mask = {"values": [torch.rand(batch, 4)], "unused": None}
        return tuple(torch.randn(batch, 4) for _ in range(3)), {"mask": mask, "scale": 2.0}

    args, kwargs = arguments(1)
    found = trace(Masked(), args, kwargs)
    assert found.static_batch is None
    assert found.example_kwargs["mask"]["values"][0].shape[0] == 2
    args, kwargs = arguments(3)
    check_equal(Masked(), found, *args, kwargs=kwargs)


@torch.library.custom_op("lathe_tests::halve", mutates_args=())
def halve(x: torch.Tensor) -> torch.Tensor:
    return x / 2


@halve.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("lathe_tests::halve_into", mutates_args=("x",))
def halve_into(x: torch.Tensor) -> None:
    x.div_(2)


def test_custom_operators_are_calls_like_others() -> None:
    model = Forward(lambda _, x: halve(x + 1) * 3)
    found = traced(model.function, torch.randn(2, 4))
    assert operators(found) == ["add", "halve", "mul"]
    check_equal(model, found, torch.randn(3, 4))


def test_custom_operators_that_write_stay_as_they_are() -> None:
    def forward(_: Any, x: torch.Tensor) -> Any:
        y = x + 1
        v = y[:, 1:]
        halve_into(v)
        return y.relu_()

    found = traced(forward, torch.randn(2, 4))
    assert "halve_into" in operators(found)
    check_equal(Forward(forward), found, torch.randn(3, 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_are_kept(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 2)).to(dtype)
    found = trace(model, torch.randn(1, 4, dtype=dtype))
    assert {parameter.dtype for parameter in found.module.parameters()} == {dtype}
    check_equal(model, found, torch.randn(3, 4, dtype=dtype))


def test_a_type_that_the_model_cannot_compute_in_is_named() -> None:
    with pytest.raises(ModelError, match=r"must run on its example input.*(dtype|type)"):
        trace(nn.Linear(4, 4).half(), torch.randn(1, 4))


# ---- what cannot be traced, or only in part --------------------------------------------------------------------------


def test_a_batch_that_the_model_fixes_is_kept_with_the_reason() -> None:
    model = Forward(lambda _, x: x.reshape(2, 3) + int(x.shape[0]))
    found = trace(model, torch.randn(1, 3))
    assert found.static_batch is not None
    assert "constant (2)" in found.static_batch
    assert found.notes[0].startswith("The batch is fixed to 2, as the model fixes its batch")
    check_equal(model, found, torch.randn(2, 3))
    assert trace(nn.Linear(4, 2), torch.randn(1, 4)).notes == ()


@pytest.mark.parametrize(
    "body",
    [lambda _, x: x.reshape(1, 3), lambda _, x: x.reshape(2, -1) if len(x) == 2 else x.reshape(1, 1, -1)],
    ids=["takes no other", "takes others apart"],
)
def test_a_batch_of_one_stays_where_the_batch_is_fixed(body: Callable[..., torch.Tensor]) -> None:
    model, x = Forward(body), torch.randn(1, 3)
    found = trace(model, x)
    assert str(found.static_batch).endswith("(seen with a batch of 2)")
    assert found.notes[0].startswith("The batch is fixed to 1, as the model fixes its batch")
    assert found.example[0].shape == (1, 3)
    check_equal(model, found, x)


def test_of_inputs_with_and_without_a_batch_each_keeps_its_size() -> None:
    model = Forward(lambda _, x, table: x @ table.reshape(4, 3) if len(x) == 1 else x.view(1))
    found = trace(model, (torch.randn(1, 4), torch.randn(12)))
    assert [tuple(value.shape) for value in found.example] == [(1, 4), (12,)]


def test_control_flow_on_data_is_refused_with_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    class Loop(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            print("the user's own", file=sys.stderr)
            while x.abs().max() > 1:
                x = x / 2
            return x

    with pytest.raises(ModelError, match=r"Loop does not: .*x\.abs\(\)\.max\(\) > 1.*has to become tensor operations"):
        trace(Loop(), torch.full((1, 4), 3.0))
    assert set(capfd.readouterr().err.split("\n")) == {"the user's own", ""}


def test_a_refusal_prints_nothing_and_has_one_full_stop(capfd: pytest.CaptureFixture[str]) -> None:
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x

    with pytest.raises(ModelError) as caught:
        trace(Forward(forward), torch.randn(1, 4))
    assert capfd.readouterr().err == ""

    class Wordy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("One sentence.")

    with pytest.raises(ModelError) as told:
        trace(Wordy(), torch.randn(1, 4))
    assert "One sentence (at" in str(told.value)
    assert ".. " not in str(caught.value) + str(told.value)


def test_what_export_cannot_follow_is_refused() -> None:
    class Outside(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.detach().numpy() + 1)

    with pytest.raises(ModelError, match=r"must export with torch\.export, but Outside does not"):
        trace(Outside(), torch.randn(1, 4))


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    model = nn.Linear(2, 2)
    model.lines = (line for line in "ab")  # type: ignore[assignment]
    with pytest.raises(ModelError, match="copying Linear failed: TypeError"):
        trace(model, torch.randn(1, 2))


# ---- nothing of the user's changes -----------------------------------------------------------------------------------


class Busy(nn.Module):
    """Writes to its input, its buffer and itself, draws random numbers, and fails on request."""

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.fails, self.calls = fails, 0
        self.linear = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.count += 1  # type: ignore[operator, assignment]
        x.mul_(2)
        x.add_(torch.rand(4))
        if self.fails == "running":
            raise RuntimeError("on purpose")
        if self.fails == "exporting" and x.sum() > -1e9:
            x = x + 1
        out: torch.Tensor = self.linear(x) + self.count
        return out


@pytest.mark.parametrize("fails", ["", "running", "exporting"])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_users_model_and_tensors_are_untouched_to_the_bit(fails: str, batch: int) -> None:
    model, x = Busy(fails), torch.randn(batch, 4)
    before, given, state = copy.deepcopy(model.state_dict()), x.clone(), torch.random.get_rng_state()
    limit = sys.getrecursionlimit()
    try:
        found = trace(model, x)
    except ModelError:
        assert fails
    else:
        assert not fails
        assert found.example[0] is not x
        found.module(*found.example)
        assert found.module.get_buffer("count") == 1, "the graph starts from the user's state"
    assert torch.equal(x, given)
    assert (model.calls, model.training) == (0, True)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert sys.getrecursionlimit() == limit
    if fails:
        assert torch.equal(torch.random.get_rng_state(), state)


# ---- large and deep networks -----------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv(x))
        y += x
        out: torch.Tensor = self.relu(y)
        return out


@pytest.mark.slow
def test_a_thousand_blocks_are_traced() -> None:
    model = nn.Sequential(*(Residual() for _ in range(1000))).eval()
    found = trace(model, torch.randn(2, 2, 2, 2))
    assert operators(found) == ["conv2d", "batch_norm", "add", "relu"] * 1000
    check_equal(model, found, torch.randn(3, 2, 2, 2))


def test_deeply_nested_modules_are_traced() -> None:
    """As deep as Python lets a user run them: copying and exporting need several frames for each of theirs."""
    model: nn.Module = nn.Linear(2, 2)
    for _ in range(150):
        model = nn.Sequential(model)
    limit = sys.getrecursionlimit()
    found = trace(model, torch.randn(2, 2))
    assert sys.getrecursionlimit() == limit
    check_equal(model, found, torch.randn(3, 2))


# ---- where a call comes from -----------------------------------------------------------------------------------------


def test_a_call_knows_the_users_line_and_its_copies_do_too() -> None:
    found = trace(Residual(), torch.randn(2, 2, 2, 2))
    module = copy_module(found.module)
    for graph in (found.module.graph, module.graph, copy_graph(module.graph)[0]):
        lines = {operator_name(node): source_line(node) for node in graph.nodes if node.op == "call_function"}
        assert str(lines["add"]).startswith("graph_tests/test_trace.py:")
        assert str(lines["add"]).endswith(": `y += x`")
        assert str(lines["conv2d"]).endswith(": `y = self.norm(self.conv(x))`")
        assert str(lines["relu"]).endswith(": `out: torch.Tensor = self.relu(y)`")


def test_calls_without_a_users_line_say_so() -> None:
    found = trace(nn.Sequential(nn.Linear(2, 2)), torch.randn(2, 2))
    assert [source_line(node) for node in found.module.graph.nodes] == [None] * len(found.module.graph.nodes)


def stack(*frames: tuple[str, int, str]) -> Iterator[str]:
    for file, line, code in frames:
        yield f'  File "{file}", line {line}, in forward\n    {code}\n'


def test_lines_are_read_from_the_deepest_frame_of_the_users() -> None:
    node = torch.fx.Graph().placeholder("x")
    assert source_line(node) is None
    inside = f"{torch.__path__[0]}/nn/functional.py"
    node.meta["stack_trace"] = "".join(
        stack(("/home/me/nets/a.py", 3, "x = self.b(x)"), ("/home/me/nets/b.py", 12, "y += x"), (inside, 9, "return"))
    )
    assert source_line(node) == "nets/b.py:12: `y += x`"
    node.meta["stack_trace"] = '  File "net.py", line 4, in forward\n'
    assert source_line(node) == "net.py:4"


def test_parameters_that_a_forward_writes_to_are_those_of_the_model() -> None:
    layer = nn.Linear(3, 2)

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        if not torch.compiler.is_compiling():
            self.a.weight.data.mul_(0.5)
        y: torch.Tensor = self.a(x)
        return y

    before = layer.weight.detach().clone()
    found = trace(Forward(forward, a=layer), torch.randn(2, 3))
    assert torch.equal(layer.weight, before)
    assert torch.equal(found.module.get_parameter("a.weight"), before)
