"""The config of a run, and the network that it names."""

from .identity import check_identity, differences
from .load import load_config
from .model import load_model
from .near import near_match
from .run import RunConfig
from .sections import (
    OPTIMIZERS,
    SAMPLERS,
    TASK_KINDS,
    BudgetConfig,
    FinetuneConfig,
    FinetuneSettings,
    ModelConfig,
    RunSettings,
    SearchConfig,
    SpaceConfig,
    TaskConfig,
    is_source,
)
from .source import UserFunction, load_function
from .template import config_template

__all__ = [
    "OPTIMIZERS",
    "SAMPLERS",
    "TASK_KINDS",
    "BudgetConfig",
    "FinetuneConfig",
    "FinetuneSettings",
    "ModelConfig",
    "RunConfig",
    "RunSettings",
    "SearchConfig",
    "SpaceConfig",
    "TaskConfig",
    "UserFunction",
    "check_identity",
    "config_template",
    "differences",
    "is_source",
    "load_config",
    "load_function",
    "load_model",
    "near_match",
]
