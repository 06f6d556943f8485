"""`lathe profile`: a latency table of a network on a target, its own error, and a page that shows both."""

from .command import profile
from .content import describe
from .page import render_profile
from .work import Measured, measure

__all__ = ["Measured", "describe", "measure", "profile", "render_profile"]
