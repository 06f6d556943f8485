"""What a network is for: data, loss and metric."""

from ._base import Batch, Examples, Score, Task, total
from .classification import ClassificationTask
from .digits import read_digits
from .images import ImageExamples, Images
from .load import TASKS, load_task
from .loaders import LoaderExamples
from .own import OwnTask
from .readers import ImageRequest, read_images
from .seeding import seeded
from .soft import soft_divergence, soft_loss

__all__ = [
    "TASKS",
    "Batch",
    "ClassificationTask",
    "Examples",
    "ImageExamples",
    "ImageRequest",
    "Images",
    "LoaderExamples",
    "OwnTask",
    "Score",
    "Task",
    "load_task",
    "read_digits",
    "read_images",
    "seeded",
    "soft_divergence",
    "soft_loss",
    "total",
]
