"""A folder that appears whole or not at all: it is filled beside its place and renamed into it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwprofiles import sync_folder

from ..errors import RunFolderError
from .names import BUNDLE_FILES, STRUCTURE_FILE


class Staged:
    """A folder in the making.

    Attributes:
        path: Where it is filled.
    """

    def __init__(self, path: Path, out: Path) -> None:
        self.path, self._out = path, out

    def commit(self) -> None:
        """Put the folder in its place; what was there goes."""
        old = _beside(self._out)
        if self._out.exists():
            self._out.rename(old)
        self.path.rename(self._out)
        sync_folder(self._out.parent)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def staged(out: Path, *, force: bool = False) -> Iterator[Staged]:
    """Fill a bundle's folder beside its place; unless `commit` is called, nothing is left of it.

    Args:
        out: Where the bundle will be.
        force: Whether it may take the place of a bundle that is there.

    Raises:
        RunFolderError: Something is there already, or the folder cannot be made or written.
    """
    out = out.absolute()
    _check_free(out, force=force)
    path = _beside(out)
    try:
        path.mkdir(parents=True)
        yield Staged(path, out)
    except OSError as exc:
        if not _concerns(exc, path):
            raise
        raise RunFolderError(
            f"A bundle's folder must be writable, but {exc.filename or path} is not ({exc.strerror}): name another "
            "with `--out`, make room, or change its permissions."
        ) from exc
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _beside(out: Path) -> Path:
    """Return a name in the same folder that nobody can foresee."""
    return out.with_name(f".lathe-{secrets.token_hex(8)}")


def _concerns(exc: OSError, path: Path) -> bool:
    """Tell whether an error is about the folder in the making, and not about some file of the user's code."""
    if not isinstance(exc.filename, str):
        return exc.filename is None
    named = Path(exc.filename).absolute()
    return named.is_relative_to(path) or path.is_relative_to(named)


def _check_free(out: Path, *, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise RunFolderError(f"A bundle is a folder, but {out} is a file or a link: name another with `--out`.")
    found = sorted(entry.name for entry in out.iterdir()) if out.is_dir() else []
    if not found:
        return
    if not force:
        raise RunFolderError(
            f"A bundle is written into a folder that is new or empty, but {out} holds {', '.join(found[:5])}: name "
            "another with `--out`, or replace that bundle with `--force`."
        )
    # What is replaced is lost, so it has to be a bundle and nothing but a bundle.
    odd = [name for name in found if name not in BUNDLE_FILES]
    if odd or STRUCTURE_FILE not in found:
        what = f"holds {', '.join(odd[:5])} besides" if odd else f"has no {STRUCTURE_FILE}"
        raise RunFolderError(f"`--force` replaces a bundle and nothing else, but {out} {what}: name another folder.")
