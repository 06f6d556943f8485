"""The exported graph and the meaning of each axis of each tensor in it."""

from .candidate import Candidate, Selection

__all__ = ["Candidate", "Selection"]
