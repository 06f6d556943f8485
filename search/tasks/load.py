"""Put together the task that a config describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from ..config import RunConfig, is_source, load_function
from ..errors import ConfigError, DataError
from ._base import Examples, Task
from .classification import ClassificationTask
from .digits import CLASSES, MEAN, SIDE, STD, read_digits
from .images import ImageExamples, Images
from .loaders import LoaderExamples
from .own import OwnTask
from .readers import ImageRequest, read_images


def load_task(config: RunConfig) -> Task:
    """Read the data of a config and return its task.

    Raises:
        ConfigError: The task does not fit the network's input.
        DataError: The data cannot be read, or a label, size or column of them is wrong.
    """
    if config.task.own:
        make_task = load_function(config.task.kind, config.task.folder, DataError)
        task = make_task()
        return task if isinstance(task, Task) else OwnTask(task, config.task.kind, make_task.translating)
    return TASKS[config.task.kind](config)


def load_digits_task(config: RunConfig) -> Task:
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


def load_classification_task(config: RunConfig) -> Task:
    """Return image classification on the user's files, folders or loaders."""
    task, batch = config.task, config.finetune.batch_size
    if task.train is None or task.val is None:
        raise ConfigError("[task] train and val are missing: name the data.")
    names: tuple[str, ...] | None = None
    sides: list[Examples] = []
    for data, limit in ((task.train, task.train_limit), (task.val, task.val_limit)):
        if is_source(data):
            sides.append(LoaderExamples(load_function(data, task.folder, DataError), config.model.shape))
            continue
        images = read_images(task.folder / data, _request(config, limit, names))
        names = names or images.class_names
        sides.append(ImageExamples(images, task.mean or (), task.std or (), batch, task.augment))
    return ClassificationTask(sides[0], sides[1], config.search.calibration, task.classes)


TASKS: Mapping[str, Callable[[RunConfig], Task]] = {
    "classification": load_classification_task,
    "digits": load_digits_task,
}
"""Kind -> what makes it. `search.config.TASK_KINDS` says what each is."""


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
