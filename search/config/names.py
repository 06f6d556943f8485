"""Names of what a config can choose: tables of other parts, given to whoever checks or shows a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hwprofiles import shown

from .near import near_match
from .sections import is_source

Described = Mapping[str, str]
"""Name -> one line that describes it."""


@dataclass(frozen=True, slots=True)
class Names:
    """What there is to choose from.

    Attributes:
        tasks: For [task] `kind`.
        samplers: For [search] `sampler`.
        optimizers: For [finetune] `optimizer`.
    """

    tasks: Described
    samplers: Described
    optimizers: Described

    def complaints(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        """Yield section and sentence for each name that is in no table.

        Args:
            told: Section -> key -> value, as a config says it; what it leaves out is not looked at.
        """
        for section, key, known in (
            ("task", "kind", self.tasks),
            ("search", "sampler", self.samplers),
            ("finetune", "optimizer", self.optimizers),
        ):
            name = told[section].get(key)
            if name is None or name in known or (section == "task" and is_source(name)):
                continue
            own = ', or "task.py:make_task" for a task of your own' if section == "task" else ""
            yield section, f"`{key}` is one of {', '.join(known)}{own}, but got {shown(name)}.{near_match(name, known)}"
