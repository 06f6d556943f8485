"""Find and call a function of the user's: `file.py:function` or `package.module:function`.

The user's folder is on `sys.path` only while their code is imported or called, so that their files find each other and
nothing of ours is shadowed: our packages are imported before, and a file is loaded under a name that no import uses.
Whatever their code raises becomes one of our errors that names their own line.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hwprofiles import LatheError

from ..errors import UserExitError
from .near import near_match

_OURS = ("hwprofiles", "latency_tables", "search")


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function without arguments of the user's.

    Attributes:
        source: How the user named it.
        folder: The folder that the user's imports start from.
        function: The function itself.
        error: What is raised in place of whatever the user's code raises.
    """

    source: str
    folder: Path
    function: Callable[[], Any]
    error: type[LatheError]

    def __call__(self) -> Any:
        """Call it, with their folder to import from."""
        with self.translating():
            return self.function()

    def translating(self) -> AbstractContextManager[None]:
        """Run more of the user's code (an iterator that the function returned) by the same rules."""
        return _calling(self.source, self.folder, self.error)


def load_function(source: str, folder: Path, error: type[LatheError]) -> UserFunction:
    """Import the user's code and return their function.

    Args:
        source: `file.py:function` or `package.module:function`; a file is found from `folder`.
        folder: The folder that the user's imports start from.
        error: What is raised, here and by the returned function, when the user's code cannot be found or raises.
    """
    place, _, name = source.rpartition(":")
    if not place or not name.isidentifier():
        raise error(
            f"A source is 'file.py:function' or 'package.module:function', but got {source!r}: write the name of a "
            "function without arguments after the colon."
        )
    folder = folder.resolve()
    root = (folder / place).parent if place.endswith(".py") else folder
    for ours in _OURS:
        importlib.import_module(ours)
    _forget_namesakes(root)
    importlib.invalidate_caches()
    with _calling(source, root, error):
        module = _load_file(folder / place, error) if place.endswith(".py") else _load_module(place, folder, error)
    return UserFunction(source, root, _attribute(module, name, source, error), error)


def _load_file(path: Path, error: type[LatheError]) -> ModuleType:
    if not path.is_file():
        near = near_match(path.name, [other.name for other in path.parent.glob("*.py")])
        raise error(
            f"The file {path} does not exist.{near} A relative name starts from the config file's folder, on the "
            "command line from the present one."
        )
    # The content is in the name: an unchanged file is one module, so that its classes stay themselves.
    digest = hashlib.sha256(str(path).encode() + b"\0" + path.read_bytes()).hexdigest()
    name = f"_lathe_{path.stem}_{digest[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise error(f"The file {path} cannot be imported: it must be a Python source file.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and type hints look their module up by name while the file runs.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_module(name: str, folder: Path, error: type[LatheError]) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise error(
            f"There is no module {exc.name!r} for {name!r}, neither in {folder} nor installed: install it, or write "
            "'file.py:function'."
        ) from exc


def _attribute(module: ModuleType, name: str, source: str, error: type[LatheError]) -> Callable[[], Any]:
    functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if not hasattr(module, name):
        known = ", ".join(
            sorted(key for key in functions if getattr(vars(module)[key], "__module__", None) == module.__name__)
        )
        raise error(
            f"{source.rpartition(':')[0]} holds no function {name!r}.{near_match(name, functions)} "
            f"It defines: {known or 'none'}."
        )
    function = getattr(module, name)
    if not callable(function) or (hasattr(function, "state_dict") and not isinstance(function, type)):
        raise error(
            f"{source!r} must be a function without arguments, but it is a {type(function).__name__}: write a function "
            "that returns it."
        )
    result: Callable[[], Any] = function
    return result


@contextmanager
def _calling(source: str, folder: Path, error: type[LatheError]) -> Iterator[None]:
    with _importing_from(folder):
        try:
            yield
        except LatheError:
            raise
        # A user's sys.exit() must not end the run without a word.
        except SystemExit as exc:
            raise UserExitError(
                f"{source!r} ended the program (SystemExit: {exc}) instead of returning ({_own_line(exc, folder)}): "
                "raise an error, or return."
            ) from exc
        except Exception as exc:
            raise error(f"{source!r} raised {type(exc).__name__}: {exc} ({_own_line(exc, folder)})") from exc


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _forget_namesakes(folder: Path) -> None:
    """Drop modules that an earlier load brought from another folder and that have a namesake here."""
    here = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    on_path = {Path(entry).resolve() for entry in sys.path}
    for name in here - set(_OURS):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None:
            continue
        path = Path(file).resolve()
        home = path.parent.parent if path.name == "__init__.py" else path.parent
        if home != folder and home not in on_path:
            for key in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
                del sys.modules[key]


def _own_line(exc: BaseException, folder: Path) -> str:
    """Return where in the user's own files `exc` came from, as `"net.py, line 12, in make_net: return 1 / 0"`."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{Path(exc.filename).name}, line {exc.lineno}: {(exc.text or '').strip()}"
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    frame = (own or list(frames))[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}: {frame.line}"
