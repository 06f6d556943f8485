"""Say which of torch's operators a stored network may call, and write them to the list that Lathe reads.

The list is a file and not a rule at run time, so that what may be called does not change with the version of torch
that happens to be installed. `python scripts/stored_operators.py` adds what the rule admits in this version and takes
away what it does not; operators that this version has not got stay as they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

LIST = Path(__file__).resolve().parents[1] / "search" / "surgery" / "operators.txt"

REFUSED: Mapping[str, str] = {
    r"(new_)?empty(_.*)?|resize.*": "hands out memory as whoever used it before left it",
    r"from_file|pin_memory": "reaches outside the memory of the process's own tensors",
    r"set|data|slice_inverse|lift": "takes over another tensor's memory",
    r"unsafe_.*|_unsafe_.*": "makes views that nobody looks after",
    r".*sparse.*|.*coalesce.*|(ccol_|col_|crow_|row_)?indices.*|values.*|dense_dim|to_dense.*|smm|hspmm|sspaddmm": (
        "is for tensors that are not laid out in strides"
    ),
    r".*nested.*|.*jagged.*|.*padded.*": "is for tensors of tensors",
    r"quantize_.*|quantized_.*|dequantize|int_repr|q_.*|choose_qparams.*|fbgemm_.*": "is for quantised tensors",
    r"(mkldnn|cudnn|miopen|mps|xnnpack|vulkan|cufft|to_mkldnn)(_.*)?|.*_overrideable|batch_norm_.+": (
        "is one library's own way of what another operator says"
    ),
    r".*backward.*|.*_jvp|get_gradients": "is for derivatives, and checks less of what it is handed",
    r"is_.*|get_device|output_nr|retains_grad|can_cast|promote_types|result_type": "tells of a tensor's state",
}
"""Names, without `aten.` and the overload, that are not on the list -> why."""

PRIVATE: Mapping[str, str] = {
    r"__(and|or|xor|lshift|rshift)__": "how Python's `&`, `|`, `^`, `<<` and `>>` on tensors are written",
    r"_to_copy": "how export may write a change of type",
    r"_upsample_(bilinear2d|bicubic2d)_aa": "interpolation with antialiasing has no other name",
    r"_upsample_nearest_exact[123]d": "nor has the mode nearest-exact",
    r"_weight_norm(_interface)?": "nor has weight normalisation",
}
"""Names that are on the list although they begin with an underscore -> why."""

_PLAIN = frozenset(
    {"Tensor", "int", "number", "float", "bool", "str", "ScalarType", "Layout", "Device", "MemoryFormat"}
)
_RETURNED = frozenset({"Tensor", "int", "number", "float", "bool", "List[Tensor]"})
_KERNELS = ("CPU", "CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")


def admitted() -> list[str]:
    """Return the operators of this version of torch that a stored network may call, sorted."""
    return sorted(name for name, overload in overloads() if refusal(name, overload) is None)


def overloads() -> Iterator[tuple[str, Any]]:
    """Yield name, such as `aten.add.Tensor`, and overload of every operator of ATen."""
    for full in torch._C._dispatch_get_all_op_names():
        space, _, rest = full.partition("::")
        packet, _, overload = rest.partition(".")
        if space == "aten":
            found = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
            if isinstance(found, torch._ops.OpOverload):
                yield str(found), found


def refusal(name: str, overload: Any) -> str | None:
    """Say why an operator is not on the list, or None where it is."""
    schema, packet = overload._schema, name.split(".")[1]
    if packet.startswith("_") and not any(re.fullmatch(pattern, packet) for pattern in PRIVATE):
        return "it is torch's own affair, as the underscore says"
    reason = next((why for pattern, why in REFUSED.items() if re.fullmatch(pattern, packet)), None)
    if reason is not None:
        return f"it {reason}"
    if schema.is_mutable or any(arg.alias_info is not None and arg.alias_info.is_write for arg in schema.arguments):
        return "it writes to what it is handed"
    if not schema.returns or any(str(found.type) not in _RETURNED for found in schema.returns):
        return "it returns nothing that a network computes with"
    odd = [argument.name for argument in schema.arguments if not _is_plain(argument) or argument.name == "unsafe"]
    if odd:
        return f"it takes {', '.join(odd)}"
    full = name.replace("aten.", "aten::", 1).removesuffix(".default")
    if not any(torch._C._dispatch_has_kernel_for_dispatch_key(full, key) for key in _KERNELS):
        return "it does not run on a CPU"
    return None


def _is_plain(argument: Any) -> bool:
    """Tell whether an argument can be stored. A generator cannot, but it may be left out."""
    kind = str(argument.real_type)
    inner = re.sub(r"Optional\[|List\[|\]", "", kind)
    return inner in _PLAIN or kind == "Optional[Generator]"


def renewed(lines: list[str]) -> list[str]:
    """Return the list after adding and taking away what this version of torch says."""
    here = {name for name, _ in overloads()}
    return sorted({line for line in lines if line not in here} | set(admitted()))


def main() -> int:
    """Write the list anew and say what changed."""
    old = LIST.read_text(encoding="ascii").split() if LIST.exists() else []
    new = renewed(old)
    LIST.write_text("".join(f"{line}\n" for line in new), encoding="ascii")
    print(f"{LIST}: {len(new)} operators, {len(set(new) - set(old))} new, {len(set(old) - set(new))} gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
