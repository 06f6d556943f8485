"""Bounds that are tensors, which torch's exporter fuses wrongly: the file is whole all the same."""

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from search.deploy import export


class Clipped(nn.Module):
    """A linear layer between bounds that are buffers."""

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4, bias=False)
        self.register_buffer("low", torch.tensor(-0.5))
        self.register_buffer("high", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(self.linear(torch.clamp(x, self.low, self.high)), self.low, self.high)


class Shared(nn.Module):
    """Two such layers that read one value."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = Clipped(), Clipped(), Clipped()

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        gated = y * torch.sigmoid(y)
        out: Tensor = self.b(gated) + self.c(gated)
        return out


def test_fused_bounds_of_two_readers_are_written_soundly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = Shared().eval(), torch.randn(3, 4)
    export(model, tmp_path / "net.onnx", x)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(got), model(x), atol=1e-6)
