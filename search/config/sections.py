"""What a run is told: one frozen value for each section of the config file.

Defaults stand here and nowhere else; `config_template` shows them to the user. Values are checked where they are made,
so that a config built in Python obeys the same rules as one read from a file. Seconds and fractions inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hwprofiles import Quantity, shown

from .near import near_match

TASK_KINDS = {
    "classification": "images and one class each; accuracy",
    "digits": "the embedded demo data: scikit-learn's handwritten digits as 1x32x32 images; accuracy",
}

SAMPLERS = {
    "tpe": "tree-structured Parzen estimator (Optuna's default)",
    "random": "no model at all: the yardstick for the others",
}

OPTIMIZERS = {
    "adamw": "Adam with decoupled weight decay",
    "sgd": "stochastic gradient descent with Nesterov momentum 0.9",
}

MOST = {
    "classes": 2**24,
    "train_limit": 2**40,
    "val_limit": 2**40,
    "trials": 10**6,
    "calibration": 2**24,
    "time_limit_s": 1e9,
    "table_networks": 10**5,
    "epochs": 1e6,
    "minutes": 1e7,
    "batch_size": 2**20,
    "lr": 1e6,
    "temperature": 1e6,
}
"""Key -> the largest value that is taken. More never ends, never fits, or overflows on the way: it is a slip."""

LONGEST_AXIS = 2**31 - 1
"""Largest extent of one axis of an input."""

MOST_AXES = 64
"""Axes of an input; PyTorch and NumPy take no more."""

Shape = tuple[int, ...]


def is_source(text: str) -> bool:
    """Return whether `text` has the form `file.py:function` or `package.module:function`."""
    place, colon, function = text.rpartition(":")
    return bool(colon) and bool(place) and function.isidentifier()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_known(key: str, value: str, names: dict[str, str]) -> None:
    known = ", ".join(names)
    _require(value in names, f"`{key}` is one of {known}, but got {shown(value)}.{near_match(value, names)}")


def _require_positive(owner: object, *keys: str) -> None:
    for key in keys:
        value = getattr(owner, key)
        if value is not None:
            name, most = key.removesuffix("_s"), MOST.get(key, math.inf)
            _require(value > 0, f"`{name}` must be above 0, but got {shown(value)}.")
            _require(
                value <= most and value != math.inf,
                f"`{name}` must be at most {most:g}, but got {shown(value)}: write a smaller one.",
            )


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Where the network comes from.

    Attributes:
        source: `file.py:function`, `package.module:function` or `timm:NAME`; the function takes no arguments and
            returns the network.
        inputs: (name, shape without batch) of each input; a single unnamed input is called "input".
        weights: Safetensors file, or .pt/.pth file that holds a state dict; None keeps what the function returns.
        folder: What relative names start from.
    """

    source: str
    inputs: tuple[tuple[str, Shape], ...]
    weights: str | None = None
    folder: Path = Path()

    def __post_init__(self) -> None:
        _require(len(self.inputs) > 0, "`input` names at least one shape, such as [3, 224, 224], but it is empty.")
        for name, shape in self.inputs:
            _require(
                len(shape) > 0 and min(shape) >= 1,
                f"`input` is a shape without the batch, of whole numbers above 0, such as [3, 224, 224], but "
                f"{shown(name)} has {shown(list(shape))}.",
            )
            _require(
                max(shape) <= LONGEST_AXIS and len(shape) < MOST_AXES,
                f"`input` has fewer than {MOST_AXES} axes and none above {LONGEST_AXIS}, but {shown(name)} has "
                f"{shown(list(shape))}: write the shape of one example.",
            )

    @property
    def shape(self) -> Shape:
        """Shape of the only input, without batch.

        Raises:
            ValueError: There are several inputs.
        """
        _require(len(self.inputs) == 1, f"One input is needed here, but there are {[name for name, _ in self.inputs]}.")
        return self.inputs[0][1]

    @property
    def weights_path(self) -> Path | None:
        """Path of the weights, or None."""
        return None if self.weights is None else self.folder / self.weights


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """What the network is for, and the data that say how well it does.

    Attributes:
        kind: A name in `TASK_KINDS`, or `task.py:make_task` for an own task.
        train: Parquet file, folder of class folders, or `data.py:make_loader`.
        val: The same for the held-out data that the score is measured on.
        mean: Normalisation of pixels in [0, 1], one value or one for each channel.
        std: The same; `(pixel - mean) / std` is what the network sees.
        classes: Number of classes; None takes the class folders, or else the network's outputs.
        image_column: Column of a Parquet file that holds the encoded images; None finds the only one.
        label_column: Column that holds the class indices; None finds the only one.
        train_limit: Use this many rows for training, drawn once with a fixed seed; None is all.
        val_limit: The same for the held-out data.
        augment: Shift and mirror training images. True suits photographs; False text and signs. The embedded digits
            are never augmented, own tasks and loaders augment for themselves.
        resize: Scale images of another size to the input's; False calls them an error.
        folder: What relative names start from.
    """

    kind: str
    train: str | None = None
    val: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    classes: int | None = None
    image_column: str | None = None
    label_column: str | None = None
    train_limit: int | None = None
    val_limit: int | None = None
    augment: bool = True
    resize: bool = False
    folder: Path = Path()

    def __post_init__(self) -> None:
        if self.kind == "segmentation":
            raise ValueError("`kind` = 'segmentation': not yet; write an own task, `kind = \"task.py:make_task\"`.")
        if not self.own:
            _require_known("kind", self.kind, TASK_KINDS)
        _require_positive(self, "classes", "train_limit", "val_limit")
        if self.kind == "classification":
            self._check_classification()
        else:
            self._check_unused()
        _require(
            all(math.isfinite(value) for value in self.mean or ()),
            f"`mean` holds finite numbers, but got {shown(list(self.mean or ()))}.",
        )
        _require(
            all(math.isfinite(value) and value > 0 for value in self.std or ()),
            f"`std` divides the pixels, so each value must be above 0, but got {shown(list(self.std or ()))}.",
        )

    def _check_classification(self) -> None:
        for key in ("train", "val"):
            _require(
                getattr(self, key) is not None,
                f"`{key}` is missing: name a Parquet file, a folder of class folders, or 'data.py:make_loader'.",
            )
        files = [data for data in (self.train, self.val) if data is not None and not is_source(data)]
        for key in ("mean", "std"):
            _require(
                not files or bool(getattr(self, key)),
                f"`{key}` is missing: write what the network was trained with (mean = [0.0] and std = [1.0] if that "
                "was pixels in [0, 1] as they are); a guess would spoil every accuracy silently.",
            )

    def _check_unused(self) -> None:
        unused = ["train", "val", "image_column", "label_column"]
        unused += ["train_limit", "val_limit", "classes"] if self.own else ["mean", "std", "classes"]
        for key in unused:
            _require(
                getattr(self, key) is None,
                f"`{key}` is not read with `kind` = {shown(self.kind)}, which brings its own data, but it is "
                f"{shown(getattr(self, key))}: remove it.",
            )

    @property
    def own(self) -> bool:
        """Whether the task is the user's own, `task.py:make_task`."""
        return is_source(self.kind)


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What the network must meet on the target: seconds, or a fraction of the unpruned network's latency."""

    latency: Quantity

    def __post_init__(self) -> None:
        value = self.latency.value
        _require(math.isfinite(value) and value > 0, f"`latency` must be above 0, but got {value}.")
        _require(
            self.latency.kind == "time" or value <= 1,
            f"`latency` in % is a share of the unpruned network's latency, at most 100 %, but got {100 * value:g} %.",
        )


@dataclass(frozen=True, slots=True)
class SpaceConfig:
    """What the search may change; all names are shell globs on module names, and a module covers its children.

    Attributes:
        keep: Modules that keep their sizes.
        only: The only modules whose sizes may change; empty is no limit.
        least: Glob -> fewest units that each dim of these modules keeps.
    """

    keep: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    least: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for glob, width in self.least.items():
            _require(width >= 1, f"`least` is a number of units of at least 1, but {shown(glob)} has {shown(width)}.")
        for key in ("keep", "only", "least"):
            _require(all(getattr(self, key)), f"`{key}` holds names of modules, but one of them is empty: remove it.")


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How the search is run.

    Attributes:
        trials: Candidates that are cut and scored.
        sampler: A name in `SAMPLERS`.
        calibration: Training examples that score importance, reset norm statistics and compare networks with.
        time_limit_s: Stop the search after this long, in seconds, with what was found; None never does.
        table_networks: Random subnets timed to fill the latency table.
    """

    trials: int = 100
    sampler: str = "tpe"
    calibration: int = 256
    time_limit_s: float | None = None
    table_networks: int = 40

    def __post_init__(self) -> None:
        _require_positive(self, "trials", "calibration", "time_limit_s", "table_networks")
        _require_known("sampler", self.sampler, SAMPLERS)


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How one training goes, apart from its length.

    Attributes:
        lr: Highest learning rate; a short warm-up leads to it, a cosine from it to zero.
        optimizer: A name in `OPTIMIZERS`.
        weight_decay: Applied to weights of two axes and more, not to norms and biases.
        warmup: Fraction of the training that warms up.
        distillation: Share of the teacher's soft targets in the loss, 0 to 1; the labels have the rest.
        temperature: Softens teacher and student alike (Hinton et al. 2015).
        clip: Largest norm of the gradient over all parameters; 0 does not clip.
        ema: Decay per step of the moving average of the weights that is handed back; 0 hands back the last weights.
        autocast: Compute in bfloat16 where torch finds it safe.
        channels_last: Lay images and weights out channels last while training.
    """

    lr: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    warmup: float = 0.05
    distillation: float = 0.9
    temperature: float = 4.0
    clip: float = 1.0
    ema: float = 0.99
    autocast: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        _require_positive(self, "lr", "temperature")
        _require_known("optimizer", self.optimizer, OPTIMIZERS)
        for key in ("weight_decay", "clip"):
            value = getattr(self, key)
            _require(math.isfinite(value) and value >= 0, f"`{key}` must be at least 0, but got {value}.")
        for key in ("warmup", "ema"):
            value = getattr(self, key)
            _require(0 <= value < 1, f"`{key}` must be at least 0 and below 1, but got {value}.")
        _require(
            0 <= self.distillation <= 1,
            f"`distillation` is a share of the loss, between 0 and 1, but got {self.distillation}.",
        )


@dataclass(frozen=True, slots=True)
class FinetuneConfig:
    """How the cut network is trained: its length in `epochs` or in `minutes`, and the rest.

    Attributes:
        epochs: Passes over the training data; may be a fraction. 3 where `minutes` is not given either.
        minutes: Wall time instead; a run that is stopped and resumed then ends at another step than one that is not.
        batch_size: Examples a step.
        settings: Everything else.
    """

    epochs: float | None = None
    minutes: float | None = None
    batch_size: int = 128
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)

    def __post_init__(self) -> None:
        if self.epochs is None and self.minutes is None:
            object.__setattr__(self, "epochs", 3.0)
        _require(
            self.epochs is None or self.minutes is None,
            f"The length is given by `epochs` or by `minutes`, but both are set ({self.epochs}, {self.minutes}): "
            "remove one.",
        )
        _require_positive(self, "epochs", "minutes", "batch_size")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the run goes.

    Attributes:
        seed: Of everything random.
        out: The folder that the run writes to.
        proofs: Whether each delivered cut is proven: silenced, exported and reloaded networks compute the same. The
            permutation proof of the combing, which is quick, is always made.
    """

    seed: int = 0
    out: Path = Path("runs/run")
    proofs: bool = True

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**32, f"`seed` must be at least 0 and below 2**32, but got {shown(self.seed)}.")
