"""Files of all architecture families are sliced as they would be cut and exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from search.bench import OnnxSlicer
from search.deploy.export import to_onnx
from search.graph import comb, sample
from search.importance import select
from search.surgery import cut
from tests.twins import randomise

from .optimised import optimised

SHARED = Path(__file__).parents[3] / "shared"
CASES = SHARED / "cases" / "timm-families.json"


def models() -> list[str]:
    if not CASES.exists():
        return []
    return [str(model["model"]) for model in json.loads(CASES.read_text())["models"]]


@pytest.mark.slow
@pytest.mark.skipif(not CASES.exists(), reason=f"the list of families, {CASES.name}, is not in ../shared/cases")
@pytest.mark.parametrize("name", models())
def test_the_runtime_makes_of_a_sliced_file_what_it_makes_of_the_cut_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SHARED / "tools"))
    pytest.importorskip("timm_on_cpu_torch", reason="torchvision and timm are not installed", exc_type=ImportError)
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False)
    blueprint = comb(randomise(model).eval(), torch.randn(1, *model.default_cfg["input_size"]))
    slicer = OnnxSlicer(blueprint, 1)
    candidate = sample(blueprint, np.random.default_rng(0), removal=0.3)
    really_cut = cut(blueprint, select(blueprint, candidate))
    expected = optimised(to_onnx(really_cut, really_cut.example(1)))
    model_file = onnx.load_from_string(slicer.slice(candidate))
    assert optimised(model_file) == expected
    made = [value for node in model_file.graph.node for value in node.output]
    assert sorted(value for values in slicer.nodes(candidate).values() for value in values) == sorted(made)
