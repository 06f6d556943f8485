"""What can be cut of a network, what cannot and why, and where its time goes."""

from .command import doctor
from .content import examine
from .latency import Latency, look_up
from .show import show

__all__ = ["Latency", "doctor", "examine", "look_up", "show"]
