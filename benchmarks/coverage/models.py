"""The list of models, and how one is built."""

import json
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

LIST = Path(__file__).with_name("models.json")
SEED = 0

# torchvision and timm go in without their dependencies, so that neither replaces the torch that is there.
NEEDED = {"timm": "1.0.31", "torchvision": "0.28.0", "torch-pruning": "1.6.1"}
REMEDY = (
    f"python -m pip install --no-deps {' '.join(f'{name}=={number}' for name, number in NEEDED.items())} && "
    "python -m pip install huggingface_hub safetensors pyyaml tqdm matplotlib"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One model of the list: timm's name for it, its family, parameters in all, and its input without the batch."""

    model: str
    family: str
    parameters: int
    input: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def cases(path: Path = LIST) -> list[Case]:
    """Read a list of models, small ones first."""
    rows = json.loads(path.read_text(encoding="utf-8"))["models"]
    found = [Case(r["model"], r["family"], int(r["parameters"]), tuple(r["input"])) for r in rows]
    return sorted(found, key=lambda case: case.parameters)


def versions() -> dict[str, str]:
    """Return the versions of what is compared and of what both run on.

    Raises:
        SystemExit: Something is not installed; the message names the remedy.
    """
    try:
        return {name: version(name) for name in ("lathe", "torch", "onnx", "onnxscript", "onnxruntime", *NEEDED)}
    except PackageNotFoundError as exc:
        raise SystemExit(f"The benchmark needs the package {exc.name}, which is not installed. Do: {REMEDY}") from exc


def build(case: Case) -> nn.Module:
    """Return a model with random weights, in eval mode."""
    allow_torchvision()
    import timm

    torch.manual_seed(SEED)
    model: nn.Module = timm.create_model(case.model, pretrained=False)
    return model.eval()


def inputs(case: Case, batch: int) -> torch.Tensor:
    return torch.randn(batch, *case.input, generator=torch.Generator().manual_seed(SEED + batch))


def allow_torchvision() -> None:
    """Let timm import torchvision where its compiled operators do not load, as beside a CPU build of torch.

    timm uses torchvision's Python only. What fails is a file that describes the compiled operators to torch's
    compiler; an empty module in its place is enough, since none of those operators is ever called.
    """
    try:
        import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        name = "torchvision._meta_registrations"
        sys.modules[name] = ModuleType(name)
        import_module("torchvision")
