"""The config of a run, and the network that it names."""

from .identity import check_identity, differences, listed
from .inputs import Inputs, inputs_of, parse_inputs
from .load import load_config
from .model import build_model, load_model, tell_nobody
from .names import Names
from .near import near_match
from .run import RunConfig
from .sections import (
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
from .weights import Tell
from .wrapped import COMPILED, inner_of, unwrapped

__all__ = [
    "COMPILED",
    "BudgetConfig",
    "FinetuneConfig",
    "FinetuneSettings",
    "Inputs",
    "ModelConfig",
    "Names",
    "RunConfig",
    "RunSettings",
    "SearchConfig",
    "SpaceConfig",
    "TaskConfig",
    "Tell",
    "UserFunction",
    "build_model",
    "check_identity",
    "config_template",
    "differences",
    "inner_of",
    "inputs_of",
    "is_source",
    "listed",
    "load_config",
    "load_function",
    "load_model",
    "near_match",
    "parse_inputs",
    "tell_nobody",
    "unwrapped",
]
