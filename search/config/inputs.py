"""Read `--input` into example tensors: `[name=]3,224,224[:dtype]`, without the batch.

A shape may be empty where there is a name or a type: `step=:int64` is one number for each example.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from hwprofiles import shown

from ..errors import ConfigError
from .near import near_match
from .room import lack_of_room
from .sections import LONGEST_AXIS, MOST_AXES

BATCH = 1
"""Examples in a batch: every network can be given one, and combing doubles it where the batch may be any."""

DTYPES: Mapping[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32,
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
        torch.complex64,
    )
}
"""Name -> type of an input's elements."""

_TEXT = re.compile(r"(?:(?P<name>[^=]*)=)?(?P<shape>[^:=]*)(?::(?P<dtype>.*))?")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Example arguments of a network, a batch of `BATCH`.

    Attributes:
        args: Those without a name, in the order given.
        kwargs: Those with one: parameter of `forward` -> example.
    """

    args: tuple[torch.Tensor, ...] = ()
    kwargs: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, list[int]]:
        """Name of each input (unnamed ones are "input", "input2", ...) -> its shape without the batch."""
        named = {f"input{i or ''}": x for i, x in zip((0, *range(2, len(self.args) + 1)), self.args, strict=False)}
        return {name: list(x.shape[1:]) for name, x in (named | dict(self.kwargs)).items()}


def parse_inputs(texts: Sequence[str], dtype: torch.dtype = torch.float32) -> Inputs:
    """Read the texts of `--input`; each is `[name=]3,224,224[:dtype]`.

    Examples hold random numbers of a fixed seed; integers are 0, which is a legal index of anything, and bools True.

    Args:
        texts: At least one.
        dtype: Type of the inputs that are given without one.

    Raises:
        ConfigError: There is none, one cannot be read, or a name is given twice.
    """
    if not texts:
        raise ConfigError(
            "A network is analysed with an example of its input, but no `--input` was given: write its shape without "
            "the batch, such as --input 3,224,224, or --input tokens=128:int64 for a named one."
        )
    generator = torch.Generator().manual_seed(0)
    args: list[torch.Tensor] = []
    kwargs: dict[str, torch.Tensor] = {}
    for text in texts:
        name, shape, own = _parse(text)
        if name in kwargs:
            raise ConfigError(f"Each `--input` has a name of its own, but {name!r} is given twice: remove one.")
        example = _example(shape, own or dtype, generator)
        if name is None:
            args.append(example)
        else:
            kwargs[name] = example
    return Inputs(tuple(args), kwargs)


def inputs_of(texts: Sequence[str], source: str, model: nn.Module) -> Inputs:
    """Read the texts of `--input`; where there are none, take the size that a timm model says it was made for.

    Inputs without a type have that of the network's parameters.

    Args:
        texts: Of `--input`; may be empty for `timm:NAME`.
        source: How the user named the model.
        model: The model itself.

    Raises:
        ConfigError: See `parse_inputs`.
    """
    if not texts and source.startswith("timm:"):
        settings = getattr(model, "pretrained_cfg", None)
        size = settings.get("input_size") if isinstance(settings, Mapping) else None
        if size:
            texts = [",".join(str(extent) for extent in size)]
    return parse_inputs(texts, _type_of(model))


def _type_of(model: nn.Module) -> torch.dtype:
    """Return the one type of a network's floating-point parameters; float32 where there are several or none."""
    found = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


def _parse(text: str) -> tuple[str | None, tuple[int, ...], torch.dtype | None]:
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise _wrong(text, "it cannot be read")
    name, dtype = (None if part is None else part.strip() for part in match.group("name", "dtype"))
    shape = match["shape"].strip()
    if name is not None and not name.isidentifier():
        raise _wrong(text, f"{shown(name)} is no name of a parameter of `forward`")
    alone = name is None and dtype is None
    extents = [extent.strip() for extent in shape.split(",")] if shape or alone else []
    if not all(re.fullmatch(r"0*[1-9][0-9]*", extent) for extent in extents):
        raise _wrong(text, f"{shown(shape)} is no list of whole numbers above 0")
    if len(extents) >= MOST_AXES or any(len(extent) > 10 or int(extent) > LONGEST_AXIS for extent in extents):
        raise _wrong(text, f"{shown(shape)} has {MOST_AXES} axes or more, or one above {LONGEST_AXIS}")
    if dtype is not None and dtype not in DTYPES:
        raise _wrong(text, f"{shown(dtype)} is none of the types {', '.join(DTYPES)}{near_match(dtype, DTYPES)}")
    sizes, kind = tuple(int(extent) for extent in extents), None if dtype is None else DTYPES[dtype]
    lack = lack_of_room([sizes], BATCH, (kind or torch.float32).itemsize)
    if lack is not None:
        raise _wrong(text, f"the example {lack}")
    return name, sizes, kind


def _wrong(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"An `--input` is [name=]shape[:dtype] with the shape without the batch, such as 3,224,224 or "
        f"tokens=128:int64, but in {shown(text)} {why}."
    )


def _example(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    if dtype == torch.bool:
        return torch.ones(BATCH, *shape, dtype=dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        return torch.zeros(BATCH, *shape, dtype=dtype)
    return torch.randn(BATCH, *shape, generator=generator, dtype=torch.float32).to(dtype)
