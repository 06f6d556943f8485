"""The bundle, a folder that a user takes away: its names, its shapes, how it is written whole and read."""

from .names import BUNDLE, FILES, REPORT_FILE, STORED_FILES, STRUCTURE_FILE, check_bundle, delivered, is_own
from .read import Bundle
from .staging import staged
from .stored import PROOFS, REPORT, ROUGH, SCORES, STARTS, TIMED, TUNED, check_report

__all__ = [
    "BUNDLE",
    "Bundle",
    "FILES",
    "PROOFS",
    "REPORT",
    "REPORT_FILE",
    "ROUGH",
    "SCORES",
    "STARTS",
    "STORED_FILES",
    "STRUCTURE_FILE",
    "TIMED",
    "TUNED",
    "check_bundle",
    "check_report",
    "delivered",
    "is_own",
    "staged",
]
