"""From a user's model to one flat graph of ATen calls that can be edited.

`torch.export` gives the graph; here it becomes a plain `torch.fx.GraphModule` with a dynamic batch, without nested
graphs, functional wherever that is provably the same, in one spelling, without assertions on types and without dead
code. The user's model and tensors are copied first and are never changed.
"""

from __future__ import annotations

import copy
import inspect
import io
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram, export
from torch.utils import _pytree as pytree

from ...errors import ModelError
from ..module import copy_graph
from .calls import operator_name
from .canonical import canonicalise
from .dead import drop_dead
from .functional import make_functional, rename_reshapes
from .lines import user_line
from .regions import inline_regions
from .sharing import find_sharing, first_names, tie

_ASSERTIONS = frozenset({"_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size"})

_FRAMES = 20_000
"""Python frames that copying and exporting may use: both descend into nested modules several frames a level."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A model as an editable graph.

    Attributes:
        module: Plain graph module; parameters are copies of the user's.
        static_batch: Why the batch is fixed to the example's, or None where it is dynamic.
        example: The arguments that the graph was traced with (batch of at least 2 where the batch is dynamic).
        overlapping: Groups of parameters and buffers that share memory without being the same view of it.
        notes: What tracing changed or lost, one sentence each.
    """

    module: fx.GraphModule
    static_batch: str | None
    example: tuple[Any, ...]
    example_kwargs: Mapping[str, Any]
    overlapping: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def trace(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None = None) -> Trace:
    """Export a copy of `model` in eval mode and make the result editable.

    Args:
        model: Any module that `torch.export` takes.
        args: A tensor or a tuple of positional arguments; axis 0 of each tensor is the batch.
        kwargs: Keyword arguments.

    Raises:
        ModelError: The model cannot be copied, does not run on these inputs, or does not export; the message names
            the user's line at fault.
    """
    with deep_stack():
        sharing = find_sharing(model)
        twin = copy_of(model).eval()
        tie(twin, sharing.ties)
        _check_runs(twin, args, kwargs)
        if not _unchanged(twin, model):
            twin = copy_of(model).eval()
            tie(twin, sharing.ties)
        program, static, (positional, keywords) = exported(twin, args, kwargs)
        module, notes = _editable(program, first_names(twin))
    if static is not None:
        notes = (f"The batch is fixed to {_batch(positional, keywords)}, as {static}.", *notes)
    notes += tuple(
        f"The memory of {', '.join(names)} overlaps: the network trains and is cut with a copy for each."
        for names in sharing.overlapping
    )
    return Trace(module, static, positional, keywords, sharing.overlapping, notes)


@contextmanager
def deep_stack() -> Iterator[None]:
    """Allow the nesting of modules that networks really have; the limit is put back afterwards."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def copy_of(model: nn.Module, *, light: bool = False) -> nn.Module:
    """Return a copy of a model.

    Args:
        model: The model.
        light: Whether the copy's parameters are to lie in the model's own memory, which may be too small for many
            copies. What is run on numbers is then the model of nobody else, as it may write to them.

    Raises:
        ModelError: It cannot be copied.
    """
    plain = [p for p in model.parameters() if light and type(p) is nn.Parameter]
    try:
        return copy.deepcopy(model, {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in plain})
    except Exception as exc:
        raise ModelError(
            f"A model is copied before it is analysed, but copying {type(model).__name__} failed: "
            f"{type(exc).__name__}: {first_line(exc)}"
        ) from exc


def example_of(args: Any, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return copies of a model's example arguments, with a batch of at least 2.

    Export takes sizes 0 and 1 for constants, so a batch of 1 is doubled.
    """

    def double(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x]) if x.dim() and x.shape[0] == 1 else x

    return pytree.tree_map_only(torch.Tensor, double, _copies(args, kwargs))  # type: ignore[no-any-return]


def _copies(args: Any, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    positional = args if isinstance(args, tuple) else (args,)
    return pytree.tree_map_only(  # type: ignore[no-any-return]
        torch.Tensor, lambda x: x.detach().clone(), (positional, dict(kwargs or {}))
    )


def _editable(program: ExportedProgram, names: Mapping[str, str]) -> tuple[fx.GraphModule, tuple[str, ...]]:
    """Return an exported program as a plain graph module in its canonical form, and what users should know of it."""
    source = program.module(check_guards=False)
    graph = copy_graph(source.graph)[0]
    for node in graph.nodes:
        if node.op == "get_attr":
            # Export reads a tied tensor by the last of its names; users know it by the first.
            node.target = names.get(str(node.target), node.target)
    module = fx.GraphModule(source, graph)
    _note_inputs(module.graph)
    _drop_assertions(module.graph)
    notes = inline_regions(module)
    rename_reshapes(module.graph)
    notes += canonicalise(module.graph)
    make_functional(module.graph)
    drop_dead(module)
    return module, notes


def _note_inputs(graph: fx.Graph) -> None:
    """Write the shape (without the batch) and type of each input tensor where copies of the graph keep them."""
    for node in graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and isinstance(value, torch.Tensor):
            node.meta["input"] = (tuple(value.shape[1:]), value.dtype)


def _drop_assertions(graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if operator_name(node) in _ASSERTIONS and not node.users:
            graph.erase_node(node)


def _check_runs(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None) -> None:
    """Check that a model runs on its example, with the batch doubled or as it is.

    Raises:
        ModelError: It does not.
    """
    doubled, given = example_of(args, kwargs), _copies(args, kwargs)
    try:
        _run(model, *doubled)
    except ModelError:
        if _shapes(doubled) == _shapes(given):
            raise
        _run(model, *given)


def _unchanged(twin: nn.Module, model: nn.Module) -> bool:
    """Tell whether a copy that ran has the model's parameters still: it may have written to them."""
    pairs = zip(twin.parameters(), model.parameters(), strict=True)
    return all(a.is_meta or torch.equal(a, b) for a, b in pairs if type(b) is nn.Parameter)


def _run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Run a model once on copies of all but its parameters: it may write to buffers and inputs, and draw numbers."""
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (args, dict(kwargs)))
    twin = copy_of(model, light=True)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            twin(*args, **kwargs)
    except Exception as exc:
        leaves = pytree.tree_leaves((args, kwargs))
        shapes = [list(x.shape[1:]) if isinstance(x, torch.Tensor) else type(x).__name__ for x in leaves]
        raise ModelError(
            f"The model must run on its example input, but with inputs of shape {shapes} (without the batch) it raised "
            f"{type(exc).__name__}: {first_line(exc)}{user_line(exc)}. Check `input` in [model], or `--input`."
        ) from exc


def exported(
    model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None
) -> tuple[ExportedProgram, str | None, tuple[tuple[Any, ...], dict[str, Any]]]:
    """Export a model in the mode that it is in, with a dynamic batch where it allows that.

    Where it does not, the batch is the user's own; or twice that, where it was 1 and the model does not take it.

    Returns:
        The program; why the batch is fixed, where it is; and the arguments that it was exported with.

    Raises:
        ModelError: It does not export.
    """
    doubled, given = example_of(args, kwargs), _copies(args, kwargs)
    try:
        with _quiet():
            return _dynamic(model, *doubled), None, doubled
    except Exception as exc:
        reason = f"the model fixes its batch: {first_line(exc)}"
    if _shapes(doubled) == _shapes(given):
        return _static(model, *given), reason, given
    try:
        return _static(model, *given), f"{reason} (seen with a batch of 2)", given
    except ModelError:
        return _static(model, *doubled), reason, doubled


def _dynamic(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ExportedProgram:
    return export(model, args, dict(kwargs), dynamic_shapes=dynamic_batch(model, args, kwargs), strict=False)


def _static(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ExportedProgram:
    try:
        with _quiet():
            return export(model, args, dict(kwargs), strict=False)
    except Exception as exc:
        raise ModelError(
            f"A model must export with torch.export, but {type(model).__name__} does not: {type(exc).__name__}: "
            f"{first_line(exc)}{user_line(exc)}. Data-dependent control flow has to become tensor operations."
        ) from exc


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from printing half a graph where a model does not export: the error says what there is to say."""
    log = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level, printed, graph = log.level, io.StringIO(), ""
    log.setLevel(logging.ERROR)
    try:
        with redirect_stderr(printed), warnings.catch_warnings():
            # Of modules that cache their parameters (recurrent ones) and the like: what is exported here is a copy.
            warnings.simplefilter("ignore")
            yield
    except Exception as exc:
        graph = str(getattr(exc, "partial_fx_graph", ""))
        raise
    finally:
        log.setLevel(level)
        told = printed.getvalue().replace(graph, "") if graph else printed.getvalue()
        sys.stderr.write(told if told.strip() else "")


def dynamic_batch(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `torch.export` wants to be told of inputs whose axis 0 is the batch, parameter by parameter.

    By name, as the structure has to be the one that `forward` sees: it may gather its arguments in one.
    """
    batch = Dim("batch", min=1)
    bound = inspect.signature(model.forward).bind(*args, **kwargs).arguments
    return {name: pytree.tree_map(lambda x: _batch_axis(x, batch), value) for name, value in bound.items()}


def _batch_axis(value: Any, batch: Any) -> Any:
    return {0: batch} if isinstance(value, torch.Tensor) and value.dim() else None


def _shapes(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> list[torch.Size]:
    return [leaf.shape for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, torch.Tensor)]


def _batch(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | str:
    sizes = {x.shape[0] for x in pytree.tree_leaves((args, dict(kwargs))) if isinstance(x, torch.Tensor) and x.dim()}
    return sizes.pop() if len(sizes) == 1 else "the example's"


def first_line(exc: BaseException) -> str:
    """Return what an exception says first, without its full stop; of torch's on a fixed batch, how it was fixed."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Constraints violated"):
        return lines[1].removeprefix("- ").split(". ")[0]
    return lines[0].rstrip(".") if lines else type(exc).__name__
