"""Attention over more or fewer axes than the exporter takes."""

from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from search.deploy import export
from search.graph import comb, full
from search.importance import select
from search.surgery import cut


class Windows(nn.Module):
    """Attention inside windows: tensors of five axes, or of three."""

    def __init__(self, heads: int | None, mask: str) -> None:
        super().__init__()
        self.heads, self.mask = heads, mask
        self.qkv, self.out = nn.Linear(6, 36), nn.Linear(12, 4)
        self.bias = nn.Parameter(torch.randn(5, 5))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.heads is not None:
            q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for t in (q, k, v))
        masks = {"none": None, "float": self.bias, "bool": self.bias > 0}
        y = nn.functional.scaled_dot_product_attention(
            q, k, v, masks.get(self.mask), is_causal=self.mask == "causal", scale=0.7
        )
        out: Tensor = self.out(y.transpose(-2, -3).flatten(-2) if self.heads is not None else y)
        return out


@pytest.mark.parametrize("mask", ["none", "float", "bool", "causal"])
@pytest.mark.parametrize(("heads", "shape"), [(3, (2, 3, 5, 6)), (None, (2, 5, 6))])
def test_attention_of_any_number_of_axes_is_exported(
    heads: int | None, shape: tuple[int, ...], mask: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    x = torch.randn(shape)
    with torch.no_grad():
        model = Windows(heads, mask).eval()
        model.bias[0, 0] = 1.0  # No row of the mask is all false.
        model.bias.abs_() if mask == "bool" else None
        model.bias[1, 3] = -1.0
    blueprint = comb(model, x)
    whole = cut(blueprint, select(blueprint, full(blueprint)))
    export(whole, tmp_path / "net.onnx", x)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(got), model(x), atol=1e-5)
