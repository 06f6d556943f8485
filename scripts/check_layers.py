"""Check what no linter knows: import layers, public names, and the size of files and functions.

Packages:  search -> latency_tables -> hwprofiles, and only through the names that a package exports.
In search: cli -> commands -> demo -> engine -> study | report -> pages | bundle -> bench -> deploy | solve ->
           finetune, tasks | surgery -> space -> importance -> graph -> folder -> config, errors | progress | stopping |
           streams.

Everything is read from the syntax tree, so nothing is imported and no dependency need be installed.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    (("config", "errors"), ("progress",), ("stopping",), ("streams",)),
)

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
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


def size_complaints(path: Path, source: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the file and its functions that are longer than they may be, and names that say nothing."""
    if path.stem in VAGUE_NAMES or path.parent.name in VAGUE_NAMES:
        yield 1, "the file's name says nothing: name it after what it holds"
    if (length := len(source.splitlines())) > MAX_FILE_LINES:
        yield 1, f"the file has {length} lines, at most {MAX_FILE_LINES} are allowed: split it by idea"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield node.lineno, f"`{node.name}` has {length} lines, at most {MAX_FUNCTION_LINES} are allowed"


def complaints(root: Path) -> list[str]:
    """List everything that breaks a rule below `root`, as `path:line: sentence`, in order of path and line."""
    found: list[tuple[str, int, str]] = []
    for folder in MEASURED_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source, filename=str(path))
            here = list(size_complaints(path, source, tree))
            if folder in PACKAGES:
                here += [*import_complaints(root, path, tree), *type_checking_complaints(tree)]
            found += [(path.relative_to(root).as_posix(), line, sentence) for line, sentence in here]
    return [f"{path}:{line}: {sentence}" for path, line, sentence in sorted(found)]


def main(root: Path) -> int:
    """Print what is wrong below `root` and return the exit status."""
    found = complaints(root)
    print("\n".join(found) if found else "Import layers, public names and sizes are as they should be.")
    return 1 if found else 0


def _is_part(package: Path, name: str) -> bool:
    return (package / f"{name}.py").is_file() or (package / name).is_dir()


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[1]))
