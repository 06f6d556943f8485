"""Train the network of this folder for its task and save the weights: python examples/own_task/train.py"""

import sys
from pathlib import Path

import torch
from net import make_net
from safetensors.torch import save_file
from task import make_task

from search.config import FinetuneSettings
from search.finetune import Duration, evaluate_module, fit
from search.tasks import OwnTask

OUT = Path(__file__).with_name("net.safetensors")


def main() -> None:
    task = OwnTask(make_task(), "task.py:make_task")
    torch.manual_seed(0)
    model = make_net()
    fit(model, task, Duration(epochs=10), settings=FinetuneSettings(lr=3e-3, distillation=0.0))
    save_file(model.state_dict(), OUT)
    sys.stderr.write(f"{task.metric_name}: {evaluate_module(model, task):.2%}\n")


if __name__ == "__main__":
    main()
