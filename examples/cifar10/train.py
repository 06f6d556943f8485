"""Train the network of this folder on CIFAR-10 and save its weights.

python examples/cifar10/train.py examples/cifar10/data --minutes 14

The same command goes on with a training that was stopped.
"""

import argparse
import sys
import time
import tomllib
from pathlib import Path

import torch
from net import make_net
from safetensors.torch import save_file

from search.config import FinetuneSettings
from search.finetune import Duration, FitStep, evaluate_module, fit
from search.tasks import ClassificationTask, ImageExamples, ImageRequest, read_images

FOLDER = Path(__file__).parent
SHAPE = (3, 32, 32)
BATCH_SIZE = 128
SETTINGS = FinetuneSettings(lr=4e-3, weight_decay=0.02, distillation=0.0, channels_last=True)


def read_task(data: Path) -> ClassificationTask:
    """Read both Parquet files, normalised as in the configs; training images are shifted and mirrored."""
    seen = tomllib.loads((FOLDER / "whole.toml").read_text())["task"]
    train, test = (
        ImageExamples(read_images(data / name, ImageRequest(SHAPE)), seen["mean"], seen["std"], BATCH_SIZE, True)
        for name in ("cifar10-train.parquet", "cifar10-test.parquet")
    )
    return ClassificationTask(train, test, calibration=256)


def train(data: Path, out: Path, seed: int, epochs: float | None, minutes: float | None) -> float:
    """Train for some epochs or minutes, save the weights, and return the accuracy on the test images."""
    task = read_task(data)
    torch.manual_seed(seed)
    model = make_net()
    start = time.monotonic()

    def show(step: FitStep) -> None:
        if step.step % 50 == 0:
            line = f"\repoch {step.epoch}, {step.fraction:.0%}, loss {step.loss:.3f}, {time.monotonic() - start:.0f} s"
            sys.stderr.write(line)

    result = fit(
        model,
        task,
        Duration(epochs, minutes),
        settings=SETTINGS,
        checkpoint=out.with_suffix(".ckpt"),
        seed=seed,
        progress=show,
    )
    sys.stderr.write(f"\n{result.steps} steps, {len(result.history)} epochs begun, {result.seconds:.0f} s\n")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, out)
    return evaluate_module(model, task)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the example's network on CIFAR-10.")
    parser.add_argument("data", type=Path, help="folder of cifar10-train.parquet and cifar10-test.parquet")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--epochs", type=float)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--out", type=Path, default=FOLDER / "net.safetensors")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    accuracy = train(given.data, given.out, given.seed, given.epochs, given.minutes)
    sys.stderr.write(f"accuracy on the test images: {accuracy:.2%}\n")


if __name__ == "__main__":
    main()
