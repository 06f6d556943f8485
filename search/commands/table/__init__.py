"""`lathe table`: show, merge, compare and export the journals of latency tables."""

from .command import table

__all__ = ["table"]
