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
        source: `file.py:function`, `package.module:function` or `timm:NAME`. The function takes no arguments and
            returns the network; it may build it in any way.
        inputs: Shape of each input by its name, without the batch, such as `{ image = [3, 32, 32], meta = [7] }`. A
            single one needs no name in a config and is called "input".
        weights: Safetensors file, or a `.pt` or `.pth` file that holds a state dict, alone or in a checkpoint. Left
            out, the network keeps the weights that it is returned with.
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
        kind: One of `TASKS`, or `task.py:make_task` for a task of your own.
        train: Parquet file with a column of encoded images, folder of class folders, or `data.py:make_loader`. Needed
            for classification; other kinds bring their own data.
        val: The same for the held-out data that the score is measured on.
        mean: What is taken off the pixels, which lie in [0, 1]: one value, or one for each channel. Write what the
            network was trained with; needed wherever images are read from files.
        std: What the pixels are divided by then, in the same form.
        classes: Number of classes. Left out, it is the number of class folders, or else of the network's outputs.
        image_column: Column of a Parquet file that holds the encoded images. Left out, the only one that fits is taken,
            or the one called `image`.
        label_column: Column that holds the classes, as whole numbers from 0 or as texts, which are names of classes.
            Left out, the one called `label` is taken, or the only one that fits; where several do, none is guessed.
            The one that is used is told.
        train_limit: Number of training rows that are used, drawn once with a fixed seed. Left out, all are.
        val_limit: The same for the held-out data.
        augment: Shift and mirror training images. True suits photographs; false suits text and signs. The embedded
            digits are never augmented; tasks and loaders of your own augment for themselves.
        resize: Scale images of another size to the input's. Where this is false, another size is an error.
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
    """What the network must meet on the target.

    Attributes:
        latency: A time, or a share of the unpruned network's latency, up to 100 %.
    """

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
    """What the search may cut; all names are shell globs on module names, and a module covers its children.

    Attributes:
        keep: Modules that keep their sizes, such as `["head.*"]`.
        only: The only modules whose sizes may change, such as `["blocks.*"]`; an empty list is no limit.
        least: Modules -> fewest units that each dim of them keeps, such as `{ "blocks.*" = 8 }`; elsewhere 1.
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
        sampler: What proposes candidates: one of `SAMPLERS`.
        calibration: Training examples by which candidates are compared and batch-norm statistics are computed anew.
        time_limit_s: Time after which the search ends with what it has found. Left out, nothing ends it early.
        table_networks: Random subnets that are timed to fill the latency table.
    """

    trials: int = 100
    sampler: str = "tpe"
    calibration: int = 256
    time_limit_s: float | None = None
    table_networks: int = 40

    def __post_init__(self) -> None:
        _require_positive(self, "trials", "calibration", "time_limit_s", "table_networks")


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How one training goes, apart from its length.

    Attributes:
        lr: Highest learning rate; a short warm-up leads to it, a cosine from it to zero.
        optimizer: One of `OPTIMIZERS`.
        weight_decay: Weight decay of weights with two axes and more; norms and biases have none.
        warmup: Fraction of the training that warms up, from 0 to below 1.
        distillation: Share of the teacher's soft targets in the loss, 0 to 1; the labels have the rest. The teacher
            is the unpruned network.
        temperature: What softens teacher and student alike (Hinton et al. 2015).
        clip: Largest norm of the gradient over all parameters; 0 does not clip.
        ema: Decay per step of the moving average of the weights that is handed back, from 0 to below 1; 0 hands back
            the last weights.
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
        epochs: Passes over the training data; may be a fraction. This or `minutes` is given, not both.
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
        seed: Seed of everything random.
        out: Folder that the run writes to; it belongs to one config.
        proofs: Whether each delivered cut is proven: silenced, exported and reloaded networks compute the same. The
            permutation proof of the combing, which is quick, is always made.
    """

    seed: int = 0
    out: Path = Path("runs/run")
    proofs: bool = True

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**32, f"`seed` must be at least 0 and below 2**32, but got {shown(self.seed)}.")
