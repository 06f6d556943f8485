"""From a user's model to one flat graph of ATen calls that can be edited.

`torch.export` gives the graph; here it becomes a plain `torch.fx.GraphModule` with a dynamic batch, without nested
graphs, functional wherever that is provably the same, in one spelling, without assertions on types and without dead
code. The user's model and tensors are copied first and are never changed.
"""

from __future__ import annotations

import inspect
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram, export
from torch.utils import _pytree as pytree

from ...errors import ModelError, UserExitError
from ..module import copy_graph
from .calls import operator_name
from .canonical import canonicalise
from .dead import drop_dead
from .draws import seeded_draws
from .functional import make_functional, rename_reshapes
from .lines import user_line
from .modes import in_training, note_modes
from .outputs import accept_outputs
from .ready import copy_of, ready
from .regions import inline_regions
from .sharing import find_sharing, first_names, tie
from .states import right_states

_ASSERTIONS = frozenset({"_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size"})

_FRAMES = 20_000
"""Python frames that copying and exporting may use: both descend into nested modules several frames a level."""


Ran = tuple[tuple[tuple[Any, ...], dict[str, Any]], tuple[torch.Tensor, ...]]
"""Arguments that a model ran with, and the tensors in what it returned."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A model as an editable graph.

    Attributes:
        module: Plain graph module; parameters are copies of the user's.
        static_batch: Why the batch is fixed to the example's, or None where it is dynamic.
        example: The arguments that the graph was traced with (batch of at least 2 where the batch is dynamic).
        overlapping: Groups of parameters and buffers that share memory without being the same view of it.
        notes: What tracing changed or lost, one sentence each.
        outputs: The tensors that the user's own module returned for the example, in order; draws are `seeded_draws`.
    """

    module: fx.GraphModule
    static_batch: str | None
    example: tuple[Any, ...]
    example_kwargs: Mapping[str, Any]
    overlapping: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    outputs: tuple[torch.Tensor, ...] = ()


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
        model, prepared = made_ready(model, args, kwargs)
        sharing = find_sharing(model)
        twin = copy_of(model).eval()
        tie(twin, sharing.ties)
        ran_with, outputs = check_runs(twin, args, kwargs)
        if not _unchanged(twin, model):
            twin = copy_of(model).eval()
            tie(twin, sharing.ties)
        program, static, (positional, keywords) = exported(twin, args, kwargs)
        if _shapes(ran_with) != _shapes((positional, keywords)):
            outputs = _run(twin, positional, keywords, partial(copy_of, light=True))
        module, notes = _editable(program, twin, args, kwargs)
    if static is not None:
        notes = (f"The batch is fixed to {_batch(positional, keywords)}, as {static}.", *notes)
    notes = (*prepared, *notes)
    notes += tuple(
        f"The memory of {', '.join(names)} overlaps: the network trains and is cut with a copy for each."
        for names in sharing.overlapping
    )
    return Trace(module, static, positional, keywords, sharing.overlapping, notes, outputs)


@contextmanager
def deep_stack() -> Iterator[None]:
    """Allow the nesting of modules that networks really have; the limit is put back afterwards."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def made_ready(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a network that can be traced, and what was done to it for that: see `ready`."""
    return ready(model, lambda twin: _run_on_either(twin, args, kwargs, lambda network: network))


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


def _editable(
    program: ExportedProgram, twin: nn.Module, args: Any, kwargs: Mapping[str, Any] | None
) -> tuple[fx.GraphModule, tuple[str, ...]]:
    """Return an exported program as a plain graph module in its canonical form, and what users should know of it."""
    source, names = program.module(check_guards=False), first_names(twin)
    training = in_training(copy_of(twin, light=True))
    modes = note_modes(source, training, lambda: exported(training, args, kwargs)[0].module(check_guards=False))
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
    return module, (*notes, *modes, *_untrained(module))


def _untrained(module: fx.GraphModule) -> tuple[str, ...]:
    """Say which parameters are not trained."""
    parameters = list(module.named_parameters())
    names = [name for name, value in parameters if not value.requires_grad and value.is_floating_point()]
    if not names:
        return ()
    shown = f"{', '.join(names[:3])}{', ...' * (len(names) > 3)}"
    return (
        f"{len(names)} of {len(parameters)} parameters ({shown}) have requires_grad=False: they are cut like the "
        "others, and no training moves them.",
    )


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


def check_runs(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None) -> Ran:
    """Check that a copy of a model runs on its example, with the batch doubled or as it is, and returns tensors.

    Returns:
        The arguments that it ran with, and the tensors in what it returned, in order.

    Raises:
        ModelError: It does not.
    """
    return _run_on_either(model, args, kwargs, partial(copy_of, light=True))


def _run_on_either(
    model: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    taken: Callable[[nn.Module], nn.Module],
) -> Ran:
    doubled, given = example_of(args, kwargs), _copies(args, kwargs)
    try:
        return doubled, _run(model, *doubled, taken)
    except ModelError:
        if _shapes(doubled) == _shapes(given):
            raise
        return given, _run(model, *given, taken)


def _unchanged(twin: nn.Module, model: nn.Module) -> bool:
    """Tell whether a copy that ran has the model's parameters still: it may have written to them."""
    pairs = zip(twin.parameters(), model.parameters(), strict=True)
    return all(a.is_meta or torch.equal(a, b) for a, b in pairs if type(b) is nn.Parameter)


def _run(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    taken: Callable[[nn.Module], nn.Module],
) -> tuple[torch.Tensor, ...]:
    """Run what is taken of a model once, on copies: it may write to its buffers and inputs, and draw random numbers.

    Returns:
        The tensors in what it returns, in order.
    """
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (args, dict(kwargs)))
    twin = taken(model)
    try:
        with torch.no_grad(), seeded_draws():
            outputs = twin(*args, **kwargs)
    except SystemExit as exc:
        raise _ended(exc) from exc
    except Exception as exc:
        leaves = pytree.tree_leaves((args, kwargs))
        shapes = [list(x.shape[1:]) if isinstance(x, torch.Tensor) else type(x).__name__ for x in leaves]
        raise ModelError(
            f"The model must run on its example input, but with inputs of shape {shapes} (without the batch) it raised "
            f"{type(exc).__name__}: {first_line(exc)}{user_line(exc)}. {_remedy_of_run(model, leaves)}"
        ) from exc
    accept_outputs(outputs, type(model).__name__)
    returned = pytree.tree_leaves(outputs)
    return tuple(leaf.detach().clone() for leaf in returned if isinstance(leaf, torch.Tensor))


def _remedy_of_run(model: nn.Module, leaves: Sequence[Any]) -> str:
    """Say what to do where a model does not run: where its numbers and the example's are of different types, that."""
    own = {p.dtype for p in model.parameters() if p.is_floating_point()}
    given = {x.dtype for x in leaves if isinstance(x, torch.Tensor) and x.is_floating_point()}
    if len(own) == 1 and given and given != own:
        name, other = (str(min(kinds, key=str)).removeprefix("torch.") for kinds in (own, given))
        return (
            f"The network computes in {name} and the example is {other}: return the network in {other}, or write the "
            f"type behind the shape, such as `--input 3,8,8:{name}`."
        )
    return "Check `input` in [model], or `--input`."


def _ended(exc: SystemExit) -> UserExitError:
    return UserExitError(
        f"The model's `forward` ended the program (SystemExit: {exc}){user_line(exc)}: raise an error, or return."
    )


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
        with _quiet(), right_states():
            return _dynamic(model, *doubled), None, doubled
    except SystemExit as exc:
        raise _ended(exc) from exc
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
        with _quiet(), right_states():
            return export(model, args, dict(kwargs), strict=False)
    except SystemExit as exc:
        raise _ended(exc) from exc
    except Exception as exc:
        raise ModelError(
            f"A model must export with torch.export, but {type(model).__name__} does not: {type(exc).__name__}: "
            f"{first_line(exc)}{user_line(exc)}. {_remedy_of_export(exc)}"
        ) from exc


def _remedy_of_export(exc: Exception) -> str:
    """Say what to do where a model does not export, as far as the exception tells."""
    kinds = [cls.__name__ for cls in type(exc).__mro__]
    if any(word in kind for kind in kinds for word in ("DataDependent", "DynamicOutputShape")):
        return "Data-dependent control flow has to become tensor operations."
    return "`torch.export.export(model, args, strict=False)` raises the same and says all that torch knows of it."


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
