"""The null runtime: a latency law on a fake clock, for tests and trials."""

from .law import DEFAULT_LAW, StaircaseLaw
from .runtime import FakeClock, NullRuntime

__all__ = ["DEFAULT_LAW", "FakeClock", "NullRuntime", "StaircaseLaw"]
