"""The commented config that `lathe init` writes."""

from __future__ import annotations

from .names import Names
from .sections import FinetuneConfig, FinetuneSettings, RunSettings, SearchConfig, TaskConfig

_TEMPLATE = """\
# What a run of Lathe is told. Names of files are relative to this file. Times and shares are texts with a unit:
# ns us ms s min h %. Keys that are commented out show their default.

[model]
source = "net.py:make_net"          # file.py:function | package.module:function | timm:NAME
weights = "net.safetensors"         # or a .pt that holds a state dict; leave out if the function loads its own
input = [3, 32, 32]                 # without the batch; several inputs: {{ image = [3, 32, 32], meta = [7] }}

[task]
kind = "classification"             # or "task.py:make_task" for your own loaders, loss and metric; or "digits"
train = "train.parquet"             # Parquet with an image column, a folder of class folders, or "data.py:make_loader"
val = "val.parquet"
mean = [0.49, 0.48, 0.45]           # normalisation of pixels in [0, 1], as in the network's training
std = [0.25, 0.24, 0.26]
# image_column = "image"            # needed where there are several
# label_column = "label"
# classes = 10                      # by default the class folders, or else the network's outputs
# train_limit = 10000               # use a subset of the rows
# val_limit = 1000
# augment = {augment}                   # shift and mirror training images; false for digits, text, signs
# resize = {resize}                    # scale images of another size to the input's

[target]                            # what the network will run on; `lathe targets` lists what this machine can time
runtime = "onnxruntime"
device = "cpu"
precision = "fp32"
batch = 1
threads = 1

[budget]
latency = "50 %"                    # of the unpruned network's latency, or a time such as "4 ms"

[space]
# keep = ["head.*"]                 # what keeps its size: shell globs on module names; a module covers its children
# only = ["blocks.*"]               # cut nothing but these; no limit by default
# least = {{ "blocks.*" = 8 }}        # fewest units that each dim of these modules keeps; 1 by default

[search]
# trials = {trials}                      # candidates that are cut and scored
# sampler = "{sampler}"                   # {samplers}
# calibration = {calibration}                 # training examples that score importance and compare networks
# time_limit = "1 h"                # end the search after this long; no limit by default
# table_networks = {table_networks}               # random subnets timed to fill the latency table

[finetune]
epochs = {epochs:g}                          # or: minutes = 10
# batch_size = {batch_size}
# lr = {lr}
# optimizer = "{optimizer}"               # {optimizers}
# weight_decay = {weight_decay}
# distillation = {distillation}                # share of the unpruned network's soft targets in the loss, 0 to 1
# temperature = {temperature}
# clip = {clip}                        # largest gradient norm; 0 does not clip
# ema = {ema}                        # decay of the moving average of the weights; 0 is off
# warmup = {warmup}                     # fraction of the training
# autocast = {autocast}                  # bfloat16 while training
# channels_last = {channels_last}

[run]
seed = 0
out = "runs/net"
# proofs = {proofs}                     # prove each delivered cut; false saves some seconds
"""


def config_template(names: Names) -> str:
    """Return the config that `lathe init` writes: a working example in which every default can be read.

    Args:
        names: What there is to choose from; it is told.
    """
    finetune, settings, search, task = FinetuneConfig(), FinetuneSettings(), SearchConfig(), TaskConfig("digits")
    values = {
        **{key: getattr(task, key) for key in ("augment", "resize")},
        **{key: getattr(search, key) for key in ("trials", "sampler", "calibration", "table_networks")},
        **{key: getattr(finetune, key) for key in ("epochs", "batch_size")},
        **{key: getattr(settings, key) for key in FinetuneSettings.__dataclass_fields__},
        "proofs": RunSettings().proofs,
        "samplers": ", ".join(names.samplers),
        "optimizers": ", ".join(names.optimizers),
    }
    text = {key: str(value).lower() if isinstance(value, bool) else value for key, value in values.items()}
    return _TEMPLATE.format(**text)
