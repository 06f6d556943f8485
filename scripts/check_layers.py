"""Check what no linter knows: import layers, circles of imports, public names, and the size of files and functions.

Packages:  search -> latency_tables -> hwprofiles, and only through the names that a package exports.
In search: cli -> commands -> demo -> engine -> study | report -> pages | bundle -> bench -> deploy | solve ->
           finetune, tasks | surgery -> space -> importance -> graph -> folder -> config, errors | progress | stopping |
           streams | verdicts.

Everything is read from the syntax tree, so nothing is imported and no dependency need be installed.
"""

import ast
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# A package may import those to its right.
PACKAGES = ("search", "latency_tables", "hwprofiles")

# The rungs of `search`, highest first; a module may import those on lower rungs. A rung holds groups that do not know
# each other; within a group, a module may import those to its right.
LADDER: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("__main__",),),
    (("cli",),),
    (("commands",),),
    (("demo",),),
    (("engine",),),
    (("study",), ("report",)),
    (("pages",), ("bundle",)),
    (("bench",),),
    (("deploy",), ("solve",)),
    (("finetune", "tasks"), ("surgery",)),
    (("space",),),
    (("importance",),),
    (("graph",),),
    (("folder",),),
    (("config", "errors"), ("progress",), ("stopping",), ("streams",), ("verdicts",)),
)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
MAX_MEDIAN_LINES = 120
"""Lines of a package's median file, at most."""

COMMANDS = "search/commands/"
"""Where callbacks of commands lie. They may have any number of parameters: each is an option that users write."""

OWED: frozenset[str] = frozenset()
"""What is larger than it may be and still to be mended: a package, `path` or `path:function`. What offends no longer
must not stand here."""

OWED_CIRCLES: frozenset[tuple[str, str]] = frozenset()
"""Imports (importer, imported) that close a circle and are still to be mended; the same holds."""

MEASURED_FOLDERS = (*PACKAGES, "tests", "scripts", "examples", "benchmarks")
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "common", "misc"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name.

    Attributes:
        line: Where it stands.
        module: Absolute dotted name of the module that is named after `from` or `import`.
        name: The name taken from it; None for a plain `import`.
        relative: Whether it is written with leading dots.
    """

    line: int
    module: str
    name: str | None
    relative: bool


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[Import]:
    """Yield every import of a file that lies in `package`, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, None, relative=False)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, node.module) if node.module else base)
            for alias in node.names:
                yield Import(node.lineno, module, alias.name, relative=node.level > 0)


def exported(root: Path, package: str) -> frozenset[str]:
    """Read `__all__` of a package without importing it; empty where there is none."""
    for node in ast.parse((root / package / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def ladder_complaint(importer: str, imported: str) -> str | None:
    """Say why one part of `search` must not import another; None where it may."""
    if importer == imported:
        return None
    places = {
        module: (rung, group, place)
        for rung, groups in enumerate(LADDER)
        for group, modules in enumerate(groups)
        for place, module in enumerate(modules)
    }
    for module in (importer, imported):
        if module not in places:
            return f"`search.{module}` is on no rung: give it one in LADDER of scripts/check_layers.py"
    (rung, group, place), (other_rung, other_group, other_place) = places[importer], places[imported]
    if other_rung > rung or (other_rung == rung and other_group == group and other_place > place):
        return None
    return f"`search.{importer}` must not import `search.{imported}`, which is not below it"


def package_complaint(root: Path, importer: str, item: Import) -> str | None:
    """Say why an import from another of our packages is not allowed; None where it is."""
    package, _, inner = item.module.partition(".")
    if PACKAGES.index(package) < PACKAGES.index(importer):
        return f"`{importer}` must not import `{package}`: imports point {' -> '.join(PACKAGES)}"
    if inner:
        return f"`{item.module}` is inside `{package}`: import a public name from `{package}` itself"
    if item.name is not None and item.name not in exported(root, package):
        return f"`{item.name}` is not in `__all__` of `{package}`: export it there or do without it"
    return None


def inner_complaint(root: Path, path: Path, item: Import) -> str | None:
    """Say why an import within one package is not allowed; None where it is."""
    package, *rest = item.module.split(".")
    if not item.relative:
        return f"`{item.module}` is this package's own: import it relatively"
    if package != "search":
        return None
    importer = path.relative_to(root / package).with_suffix("").parts[0]
    if importer == "__init__":
        return None
    if rest:
        return ladder_complaint(importer, rest[0])
    if item.name is None or not _is_part(root / package, item.name):
        return "inside `search`, import from the file that has the name, not from `search` itself"
    return ladder_complaint(importer, item.name)


def import_complaints(root: Path, path: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and complaint for each import of a file of our packages that breaks a rule."""
    parts = path.relative_to(root).parts
    for item in imports(tree, parts[:-1]):
        target = item.module.partition(".")[0]
        if target == parts[0]:
            complaint = inner_complaint(root, path, item)
        elif target in PACKAGES:
            complaint = package_complaint(root, parts[0], item)
        else:
            complaint = None
        if complaint:
            yield item.line, complaint


def type_checking_complaints(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each use of TYPE_CHECKING, which would only hide a cycle of imports."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING") or (
            isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING"
        ):
            yield node.lineno, "`TYPE_CHECKING` hides a cycle of imports: move the shared value to a lower layer"


def modules(root: Path, package: str) -> dict[str, Path]:
    """Return dotted name -> file of each module of a package; a folder goes by its own name."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def edges(root: Path, package: str) -> dict[str, dict[str, int]]:
    """Return module -> module of the same package that is loaded before it can be used -> line of the import.

    An import inside a function counts as one at the top: it hides a circle and does not break it. A module in another
    folder loads the `__init__` of that folder, too; the folders that the importer lies in are being loaded already.
    """
    known = modules(root, package)
    found: dict[str, dict[str, int]] = {}
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        targets = found[name] = {}
        for item in imports(tree, path.relative_to(root).parts[:-1]):
            inner = f"{item.module}.{item.name}"
            target = inner if inner in known else item.module
            while target in known and target != name:
                targets.setdefault(target, item.line)
                target = target.rpartition(".")[0]
                if f"{name}.".startswith(f"{target}."):
                    break
    return found


def circle_through(module: str, target: str, loads: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """Return the shortest way from `target` back to `module`, both included; nothing where there is none."""
    before: dict[str, str] = {}
    waiting = deque([target])
    while waiting:
        here = waiting.popleft()
        if here == module:
            way = [here]
            while way[-1] != target:
                way.append(before[way[-1]])
            return tuple(reversed(way))
        for after in loads.get(here, ()):
            if after not in before and after != target:
                before[after] = here
                waiting.append(after)
    return ()


def circles(root: Path, package: str) -> Iterator[tuple[str, int, str, tuple[str, ...]]]:
    """Yield each circle of imports once: path and line of its first import, and the modules on the way round."""
    known, loads = modules(root, package), edges(root, package)
    seen: set[frozenset[str]] = set()
    for module, targets in loads.items():
        for target, line in targets.items():
            way = circle_through(module, target, loads)
            if way and frozenset(way) not in seen:
                seen.add(frozenset(way))
                yield known[module].relative_to(root).as_posix(), line, module, way


def circle_complaints(root: Path, owed: Set[tuple[str, str]]) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and complaint for each circle of imports, and for each owed import that closes none."""
    closing: set[tuple[str, str]] = set()
    for package in PACKAGES:
        for path, line, module, way in circles(root, package):
            ring = (module, *way)
            steps = set(zip(ring, way, strict=False)) & owed
            closing |= steps
            if not steps:
                names = " -> ".join(f"`{name}`" for name in ring)
                yield path, line, f"circle of imports {names}: move what both ends need into a file below them"
    for importer, imported in sorted(owed - closing):
        yield (
            "scripts/check_layers.py",
            1,
            f"`{importer}` -> `{imported}` closes no circle: take it out of OWED_CIRCLES",
        )


def is_command(path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function is the callback of a command: it bears the name of its file or folder in `commands`."""
    return path.startswith(COMMANDS) and node.name in Path(path).with_suffix("").parts


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of named parameters of a function, but for `self` and `cls`."""
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def size_complaints(path: str, source: str, tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Yield what of a file is larger than it may be (`path` or `path:function`), with line and complaint."""
    if (length := len(source.splitlines())) > MAX_FILE_LINES:
        yield path, 1, f"the file has {length} lines, at most {MAX_FILE_LINES} are allowed: split it by idea"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield (
                    f"{path}:{node.name}",
                    node.lineno,
                    f"`{node.name}` has {length} lines, at most {MAX_FUNCTION_LINES} are allowed",
                )
            if (count := parameters(node)) > MAX_PARAMETERS and not is_command(path, node):
                yield (
                    f"{path}:{node.name}",
                    node.lineno,
                    f"`{node.name}` has {count} parameters, at most {MAX_PARAMETERS} are allowed: "
                    "gather what belongs together in a frozen value",
                )


def median_complaints(root: Path) -> Iterator[tuple[str, int, str]]:
    """Yield each package whose files are too long in the middle."""
    for package in PACKAGES:
        lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules(root, package).values()]
        if lengths and (middle := median(lengths)) > MAX_MEDIAN_LINES:
            yield package, 1, f"the median file has {middle:g} lines, at most {MAX_MEDIAN_LINES} are allowed"


def name_complaints(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the name of a file or its folder that says nothing."""
    if path.stem in VAGUE_NAMES or path.parent.name in VAGUE_NAMES:
        yield 1, "the file's name says nothing: name it after what it holds"


def complaints(root: Path, owed: Set[str] = OWED, owed_circles: Set[tuple[str, str]] = OWED_CIRCLES) -> list[str]:
    """List everything that breaks a rule below `root`, as `path:line: sentence`, in order of path and line."""
    found = list(circle_complaints(root, owed_circles))
    large = list(median_complaints(root))
    for folder in MEASURED_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source, filename=str(path))
            name = path.relative_to(root).as_posix()
            large += size_complaints(name, source, tree)
            here = list(name_complaints(path))
            if folder in PACKAGES:
                here += [*import_complaints(root, path, tree), *type_checking_complaints(tree)]
            found += [(name, line, sentence) for line, sentence in here]
    found += [(what.partition(":")[0], line, sentence) for what, line, sentence in large if what not in owed]
    for what in sorted(owed - {what for what, *_ in large}):
        found.append(("scripts/check_layers.py", 1, f"`{what}` is not too large: take it out of OWED"))
    return [f"{path}:{line}: {sentence}" for path, line, sentence in sorted(found)]


def main(root: Path, owed: Set[str] = OWED, owed_circles: Set[tuple[str, str]] = OWED_CIRCLES) -> int:
    """Print what is wrong below `root` and return the exit status."""
    found = complaints(root, owed, owed_circles)
    print("\n".join(found) if found else "Import layers, circles, public names and sizes are as they should be.")
    return 1 if found else 0


def _is_part(package: Path, name: str) -> bool:
    return (package / f"{name}.py").is_file() or (package / name).is_dir()


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[1]))
