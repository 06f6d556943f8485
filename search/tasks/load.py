"""Put together the task that a config describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ..config import RunConfig, is_source, load_function
from ..errors import ConfigError, DataError
from ._base import Examples, Task
from .classification import ClassificationTask
from .digits import CLASSES, MEAN, SIDE, STD, read_digits
from .images import ImageExamples, Images
from .labels import some
from .loaders import LoaderExamples
from .own import OwnTask
from .readers import ImageRequest, read_images

Tell = Callable[[str], None]
"""Takes a sentence that the user should read."""


def load_task(config: RunConfig, tell: Tell = lambda text: None) -> Task:
    """Read the data of a config and return its task.

    Args:
        config: Names the task and its data.
        tell: Told what was found out that the config does not say, such as the column of the labels.

    Raises:
        ConfigError: The task does not fit the network's input.
        DataError: The data cannot be read, or a label, size or column of them is wrong.
    """
    if config.task.own:
        make_task = load_function(config.task.kind, config.task.folder, DataError)
        return OwnTask(make_task(), config.task.kind, make_task.translating)
    return TASKS[config.task.kind].load(config, tell)


def load_digits_task(config: RunConfig, tell: Tell) -> Task:
    """Return the demo's task on the embedded digits."""
    if config.model.shape != (1, SIDE, SIDE):
        raise ConfigError(
            f"The digits are images [1, {SIDE}, {SIDE}], but [model] input is {list(config.model.shape)}: change it."
        )
    train, val = read_digits()
    batch = config.finetune.batch_size
    parts = [
        ImageExamples(_limited(images, limit), MEAN, STD, batch, augmented=False)
        for images, limit in ((train, config.task.train_limit), (val, config.task.val_limit))
    ]
    return ClassificationTask(parts[0], parts[1], config.search.calibration, CLASSES)


def load_classification_task(config: RunConfig, tell: Tell) -> Task:
    """Return image classification on the user's files, folders or loaders."""
    task, batch = config.task, config.finetune.batch_size
    if task.train is None or task.val is None:
        raise ConfigError("[task] train and val are missing: name the data.")
    read: list[Images] = []
    sides: list[Examples] = []
    for data, limit in ((task.train, task.train_limit), (task.val, task.val_limit)):
        if is_source(data):
            sides.append(LoaderExamples(load_function(data, task.folder, DataError), config.model.shape))
            continue
        images = read_images(task.folder / data, _request(config, limit, read[0].class_names if read else None))
        read.append(images)
        tell(_told(images))
        sides.append(ImageExamples(images, task.mean or (), task.std or (), batch, task.augment))
    _check_names(read)
    return ClassificationTask(sides[0], sides[1], config.search.calibration, task.classes)


def _told(images: Images) -> str:
    """Say where the labels of some images come from."""
    names = f" ({some(images.class_names)})" if images.class_names else ""
    place = "the folders are" if images.label_column is None else f"column {images.label_column!r} holds"
    return f"{len(images.labels)} images of {images.origin}; {place} the classes{names}."


def _check_names(sides: Sequence[Images]) -> None:
    """Refuse names on one side and numbers on the other: which name has which number would be a guess.

    Raises:
        DataError: They are of two kinds.
    """
    named = [images for images in sides if images.class_names is not None]
    numbered = [images for images in sides if images.class_names is None]
    if named and numbered:
        raise DataError(
            f"Classes are named on both sides or numbered on both, but those of {named[0].origin} have names "
            f"({some(named[0].class_names or ())}) and those of {numbered[0].origin} are numbers: name the same column "
            "of both with `label_column`, or write the labels of one as the other's."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class TaskEntry:
    """One row of the table.

    Attributes:
        description: One line for the reader.
        load: Reads the data of a config and returns its task; told what it found out.
    """

    description: str
    load: Callable[[RunConfig, Tell], Task]


TASKS: Mapping[str, TaskEntry] = {
    "classification": TaskEntry("images and one class each; accuracy", load_classification_task),
    "digits": TaskEntry(
        "the embedded demo data: scikit-learn's handwritten digits as 1x32x32 images; accuracy", load_digits_task
    ),
}
"""Kind -> what it is, and what makes it."""


def _request(config: RunConfig, limit: int | None, names: tuple[str, ...] | None) -> ImageRequest:
    task = config.task
    try:
        return ImageRequest(config.model.shape, task.image_column, task.label_column, limit, task.resize, names)
    except ValueError as exc:
        raise ConfigError(f"[task] does not fit [model] input: {exc}") from exc


def _limited(images: Images, limit: int | None) -> Images:
    picked = ImageRequest((1, SIDE, SIDE), limit=limit).pick(len(images.labels))
    rows = [images.rows[index] for index in picked]
    return dataclasses.replace(images, pixels=images.pixels[picked], labels=images.labels[picked], rows=rows)
