"""Begin a journal for a target on a machine, or check that it is theirs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from hwprofiles import Target

from ..errors import ForeignTableError
from .reading import check_machine
from .record import Header
from .store import Writer


def claim(
    writer: Writer, target: Target, fingerprint: str, versions: Mapping[str, str], *, allow_foreign: bool
) -> Header:
    """Check the header of a locked journal, or write one where it has none.

    Raises:
        ForeignTableError: It is of another target, or of another machine and `allow_foreign` does not hold.
    """
    header = writer.contents.header
    if header is None:
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        header = Header(target, fingerprint, versions, created)
        writer.begin(header)
    if header.target != target:
        raise ForeignTableError(
            f"A table belongs to one target, but this one is of {header.target.slug!r} and {target.slug!r} is asked "
            "for: write into another file."
        )
    check_machine(header, fingerprint, allow_foreign)
    return header
