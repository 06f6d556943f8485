"""Torch-Pruning's steps on one model, after its own examples for timm.

Two variants: `recipe` is what its examples do for networks with attention (attention computed step by step, heads made
known to the pruner, sizes in attention modules mended afterwards, widths in eights), and `plain` is the pruner with
nothing but the classifier held. The recipe is taken further than published where that can only help: the classifier is
what timm says it is, whatever its name, and every attention module with one joint projection counts, not only those of
vision transformers. timm's attention reads its sizes from attributes by now, so mending those replaces the
example's own version of `forward`.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from torch import nn

from . import checks
from .memory import Peak
from .models import Case, build, inputs
from .record import Record

Variant = Literal["recipe", "plain"]

RATIO = 0.5
ROUND_TO = {"recipe": 8, "plain": None}

STEPS = (
    "build",
    "dependencies",
    "prune",
    "smaller",
    *(f"forward_{batch}" for batch in checks.BATCHES),
    "onnx",
    "same_shape",
    "backward",
)


def run(case: Case, record: Record, folder: Path, variant: Variant) -> None:
    """Take all steps; what is needed by the later ones ends the run where it fails."""
    if variant == "recipe":
        os.environ["TIMM_FUSED_ATTN"] = "0"  # timm reads it when it is imported
    with record.step("build", needed=True):
        model = build(case)
        import_module("torch_pruning")  # here, so that its import counts for nothing that is timed
        expected = checks.shapes(model, case)
        example, before = inputs(case, 1), checks.parameters(model)
    peak = Peak()
    heads = _heads(model) if variant == "recipe" else {}
    with record.step("dependencies", needed=True):
        pruner = _pruner(model, example, heads, ROUND_TO[variant])
    with record.step("prune", needed=True):
        for group in pruner.step(interactive=True):
            group.prune()
        _mend(model, pruner, heads)
    record.note(memory={"peak_bytes": peak.bytes()})
    with record.step("smaller"):
        checks.check_smaller(before, checks.parameters(model), record)
    for batch in checks.BATCHES:
        with record.step(f"forward_{batch}"):
            checks.check_forward(model, case, batch, None)
    with record.step("onnx"):
        difference, scale = checks.onnx_difference(model, case, folder / "pruned.onnx")
        record.note(onnx={"max_abs_diff": difference, "scale": scale})
        checks.check_onnx(difference, scale)
    with record.step("same_shape"):
        checks.check_forward(model, case, 1, expected)
    with record.step("backward"):
        checks.check_backward(model, case)


def _pruner(model: nn.Module, example: Any, heads: dict[nn.Module, int], round_to: int | None) -> Any:
    torch_pruning = import_module("torch_pruning")
    return torch_pruning.pruner.BasePruner(
        model,
        example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(),
        global_pruning=False,
        pruning_ratio=RATIO,
        iterative_steps=1,
        num_heads=heads,
        ignored_layers=_classifiers(model),
        round_to=round_to,
    )


def _classifiers(model: Any) -> list[nn.Module]:
    found = model.get_classifier()
    return list(found) if isinstance(found, tuple) else [found]


def _attentions(model: nn.Module) -> list[Any]:
    """Return the modules that split one layer's output into queries, keys and values of several heads."""
    joint = (nn.Linear, nn.Conv2d)
    return [m for m in model.modules() if isinstance(getattr(m, "qkv", None), joint) and hasattr(m, "num_heads")]


def _heads(model: nn.Module) -> dict[nn.Module, int]:
    return {attention.qkv: attention.num_heads for attention in _attentions(model)}


def _mend(model: nn.Module, pruner: Any, heads: dict[nn.Module, int]) -> None:
    """Write the pruned sizes into the attention modules that were made known."""
    for attention in _attentions(model):
        if attention.qkv not in heads:
            continue
        layer = attention.qkv
        width = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        attention.num_heads = pruner.num_heads[layer]
        for name, size in (("head_dim", width // (3 * attention.num_heads)), ("attn_dim", width // 3)):
            if hasattr(attention, name):
                setattr(attention, name, size)
