"""What this machine is, how busy it is, and the profiles of machines that were measured.

Counters of the machine's conditions lie here and not with the timing that they are taken for, since runtimes read
them, too, and timing stands upon runtimes.
"""

from .conditions import Counters, conditions_between, read_counters
from .load import LoadMeter
from .probe import memory_bytes, probe
from .profile import HardwareProfile
from .shipped import ShippedProfile, Steadiness, shipped_profiles

__all__ = [
    "Counters",
    "HardwareProfile",
    "LoadMeter",
    "ShippedProfile",
    "Steadiness",
    "conditions_between",
    "memory_bytes",
    "probe",
    "read_counters",
    "shipped_profiles",
]
