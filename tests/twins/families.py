"""One table: architecture -> how to make it, small for tests and full-size for the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .convnext import ConvNeXt, convnext_atto
from .deit import DeiT, deit_tiny
from .mobilenet import MobileNetV2, mobilenet_v2
from .network import Network
from .resnet import ResNet, bottlenecks, resnet18
from .swin import Swin, swin_tiny
from .unet import UNet, resized, unet32


@dataclass(frozen=True, slots=True)
class Family:
    """How to make a network, and the side of the images that it takes."""

    make: Callable[[], Network]
    image: int


SMALL: dict[str, Family] = {
    "resnet": Family(ResNet, 64),
    "resnet-bottleneck": Family(bottlenecks, 64),
    "mobilenet-v2": Family(MobileNetV2, 32),
    "convnext": Family(ConvNeXt, 64),
    "deit": Family(DeiT, 32),
    "swin": Family(Swin, 32),
    "unet": Family(UNet, 32),
    "unet-resized": Family(resized, 32),
}
"""Name -> network of a few thousand parameters."""

FULL: dict[str, Family] = {
    "ResNet-18": Family(resnet18, 224),
    "MobileNetV2": Family(mobilenet_v2, 224),
    "ConvNeXt-Atto": Family(convnext_atto, 224),
    "DeiT-Tiny": Family(deit_tiny, 224),
    "Swin-Tiny": Family(swin_tiny, 224),
    "U-Net": Family(unet32, 128),
}
"""Name -> network of the size that papers report."""
