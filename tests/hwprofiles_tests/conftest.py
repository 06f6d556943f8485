from __future__ import annotations

from hypothesis import settings

# A busy machine must not fail a property: no deadline for single examples.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
