"""What a table is measured on, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from hwprofiles import Runtime, Target, probe

from .journal import Store


@dataclass(frozen=True)
class Rig:
    """A runtime on a machine, with the journal of what was timed there.

    Attributes:
        runtime: Runs the artefacts and owns the clock.
        target: What the table is for.
        store: The journal.
        fingerprint: The machine; by default this one.
        allow_foreign: Whether to go on with another machine's table.
    """

    runtime: Runtime
    target: Target
    store: Store
    fingerprint: str | None = None
    allow_foreign: bool = False

    @property
    def machine(self) -> str:
        """Fingerprint of the machine, or of its GPU where that is the target's device."""
        return self.fingerprint if self.fingerprint is not None else probe().fingerprint_for(self.target.device)
