"""The most memory that a stretch of code makes resident above what was there before it (Linux)."""

import ctypes
import gc
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


class Peak:
    """Measures from its making on.

    What earlier steps have freed is given back first: otherwise the stretch could live in it and seem to need nothing.
    """

    def __init__(self) -> None:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
        self._before = _status("VmRSS")

    def bytes(self) -> int:
        """Return the highest level so far, above the first."""
        return max(0, _status("VmHWM") - self._before)


def _status(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"Memory is read from {_STATUS}, but it has no field {field}: run this on Linux.")
    return int(found[1]) * 1024
