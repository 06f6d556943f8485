"""Break each operator's rule in every generic way, and see whether the rule's test networks notice.

    python benchmarks/mutations.py [OPERATOR ...]

A mutant is one deviation of one rule: a tie that is not made, an axis that is not accounted for, a literal that is not
written anew, and so on. It is killed when a check of `tests/graph_tests/test_operators.py` fails on a network of that
operator. Those that cannot be killed because they change nothing stand in `EQUIVALENT`, with the reason. Writes
benchmarks/results/mutations.json: for each operator the mutants, which check killed how many, and who survived.
"""

import argparse
import json
import linecache
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import torch  # noqa: E402

from search.graph import Algebra, Axis, Size, analyse  # noqa: E402
from search.graph.rules import POINTWISE, RULES, Axes, Call, Rule, pointwise  # noqa: E402
from tests.graph_tests.operators import CASES, Case  # noqa: E402
from tests.graph_tests.operators.checks import check, operators, traced  # noqa: E402

Mutant = tuple[str, str, int]
"""What is done, at which line of the rule (or to which argument or output), at the how-manieth time in one call."""

RULE_FILES = str(Path("search") / "graph" / "rules")

EQUIVALENT: tuple[tuple[str, str, str, str], ...] = (
    ("slice", "concatenate in reverse", "_write_end", "only the size of this axis is used, and that is a sum"),
    *(
        (name, "do not keep apart", "call.contracts(last", "what the product before contracts is kept apart from both")
        for name in ("linalg_multi_dot", "chain_matmul")
    ),
    *(
        ("*embedding_bag*", what, where, "nothing reads what else it returns: a call that does has no rule")
        for what, where in (
            ("freeze a free axis", "unread"),
            ("return a fresh axis", "output 1"),
            ("return a fresh axis", "output 2"),
            ("return a fresh axis", "output 3"),
        )
    ),
)
"""(operator (a glob), what is done, part of the line, why it changes nothing)."""


class Deviation:
    """Notes at which points a rule could deviate, and lets it do so at one of them."""

    def __init__(self, chosen: Mutant | None = None) -> None:
        self.chosen = chosen
        self.seen: dict[Mutant, None] = {}
        self._times: Counter[tuple[str, str]] = Counter()

    def start(self) -> None:
        """Begin a call."""
        self._times.clear()

    def here(self, what: str, where: str | None = None) -> bool:
        """Tell whether to deviate now."""
        where = where or _line_of_rule()
        mutant = (what, where, self._times[what, where])
        self._times[what, where] += 1
        self.seen[mutant] = None
        return mutant == self.chosen


def _line_of_rule() -> str:
    """Return the innermost line under way that stands in a rule, as it is written."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if str(path.parent).endswith(RULE_FILES) and path.name != "_base.py":
            return linecache.getline(str(path), frame.f_lineno).strip()
        frame = frame.f_back
    raise RuntimeError("A rule is under way, but none is on the stack.")


class DeviantAlgebra:
    """The algebra, as a deviating rule uses it."""

    def __init__(self, algebra: Algebra, deviation: Deviation) -> None:
        self._algebra, self._deviation = algebra, deviation

    def __getattr__(self, name: str) -> object:
        return getattr(self._algebra, name)

    def atom(self, size: Size | int, frozen: str | None = None) -> Axis:
        if size in (0, 1, Size(0), Size(1)):
            return self._algebra.atom(size, frozen)
        if frozen is None:
            return self._algebra.atom(size, "mutated" if self._deviation.here("freeze a free axis") else None)
        return self._algebra.atom(size, None if self._deviation.here("free a frozen axis") else frozen)

    def freeze(self, axis: Axis, reason: str) -> None:
        if not self._deviation.here("do not freeze"):
            self._algebra.freeze(axis, reason)

    def concat(self, axes: Sequence[Axis]) -> Axis:
        reverse = len(axes) > 1 and self._deviation.here("concatenate in reverse")
        return self._algebra.concat(list(reversed(axes)) if reverse else axes)


class DeviantCall(Call):
    """A call whose rule deviates."""

    deviation: Deviation

    def tie(self, *axes: Axis) -> Axis:
        for other in axes[1:]:
            terms = self.algebra.resolve(other)
            if self.deviation.here("do not tie"):
                continue
            if len(terms) > 1 and self.deviation.here("tie in reverse"):
                other = tuple(reversed(terms))
            super().tie(axes[0], other)
        return axes[0]

    def sums(self, *axes: Axis) -> None:
        for axis in axes:
            if self.deviation.here("blend what is summed"):
                super().blends(axis)
            elif not self.deviation.here("do not sum"):
                super().sums(axis)

    def blends(self, *axes: Axis) -> None:
        for axis in axes:
            if self.deviation.here("sum what is blended"):
                super().sums(axis)
            elif not self.deviation.here("do not blend"):
                super().blends(axis)

    def apart(self, axis: Axis, *others: Axis) -> None:
        if others and not self.deviation.here("do not keep apart"):
            super().apart(axis, *others)


def deviating(rule: Rule, deviation: Deviation) -> Rule:
    """Return a rule that deviates."""

    def run(call: Call) -> list[Axes]:
        deviation.start()
        values = {field.name: getattr(call, field.name) for field in fields(Call)}
        deviant = DeviantCall(**{**values, "algebra": DeviantAlgebra(call.algebra, deviation)})
        deviant.deviation = deviation
        outputs = rule(deviant)
        _deviate_in_taken(deviant, deviation)
        _deviate_in_literals(deviant, deviation)
        for k in reversed(range(len(call.groupings))):
            if deviation.here("do not count groups", "groupings"):
                del call.groupings[k]
        return [_deviate_in_axes(call.algebra, axes, f"output {k}", deviation) for k, axes in enumerate(outputs)]

    return run


def _deviate_in_taken(call: Call, deviation: Deviation) -> None:
    for name, i in sorted(call.taken):
        # What is frozen, or of size 1, has nothing to lose or win.
        if call.algebra.is_free(call.tensors[name][i]) and deviation.here("do not take an axis", f"{name}:{i}"):
            call.taken.discard((name, i))
    free = {(name, i) for name, axes in call.tensors.items() for i, a in enumerate(axes) if call.algebra.is_free(a)}
    untaken = free - call.taken
    for name, i in sorted(untaken):
        if deviation.here("take an axis that the rule leaves", f"{name}:{i}"):
            call.taken.add((name, i))
    if len(untaken) > 1 and deviation.here("take all axes that the rule leaves", "all"):
        call.taken.update(untaken)


def _deviate_in_literals(call: Call, deviation: Deviation) -> None:
    for name, literal in list(call.literals.items()):
        if isinstance(literal, tuple):
            if deviation.here("do not write a literal", name):
                del call.literals[name]
            continue
        for i, axis in enumerate(literal):
            if axis and call.algebra.resolve(axis) and deviation.here("do not write a literal", f"{name}[{i}]"):
                call.literals[name] = [None if k == i else kept for k, kept in enumerate(literal)]


def _deviate_in_axes(algebra: Algebra, axes: Axes, where: str, deviation: Deviation) -> Axes:
    axes = list(axes)
    for i, axis in enumerate(axes):
        terms = algebra.resolve(axis)
        if terms and deviation.here("return a fresh axis", f"{where}:{i}"):
            axes[i] = algebra.atom(algebra.size(axis))
        if len(terms) > 1 and deviation.here("return an axis in reverse", f"{where}:{i}"):
            axes[i] = tuple(reversed(terms))
        for j in range(i):
            alike = algebra.size(axes[j]) == algebra.size(axis) and algebra.resolve(axes[j]) != terms
            alike = alike and (algebra.is_free(axis) or algebra.is_free(axes[j]))
            if alike and deviation.here("swap axes of one size", f"{where}:{j},{i}"):
                axes[i], axes[j] = axes[j], axes[i]
    return axes


@contextmanager
def broken(operator: str, deviation: Deviation) -> Iterator[None]:
    """Run with the rule of one operator deviating."""
    if operator in POINTWISE:
        good = pointwise.pointwise
        bad = deviating(good, deviation)
        pointwise.pointwise = lambda call: (bad if call.operator == operator else good)(call)
        try:
            yield
        finally:
            pointwise.pointwise = good
    else:
        rule = RULES[operator]
        RULES[operator] = deviating(rule, deviation)
        try:
            yield
        finally:
            RULES[operator] = rule


def mutants_of(operator: str, cases: Sequence[Case]) -> dict[Mutant, list[Case]]:
    """Return each mutant of an operator's rule, with the networks in which it deviates."""
    found: dict[Mutant, list[Case]] = {}
    for case in cases:
        deviation = Deviation()
        with broken(operator, deviation):
            analyse(traced(case))
        for mutant in deviation.seen:
            found.setdefault(mutant, []).append(case)
    return found


def killer(operator: str, mutant: Mutant, cases: Sequence[Case]) -> str | None:
    """Return which check notices a mutant; None where none does."""
    with broken(operator, Deviation(mutant)):
        for case in cases:
            try:
                check(case)
            except Exception as exc:
                names = [entry.name for entry in traceback.extract_tb(exc.__traceback__)]
                return next((name for name in names if name.startswith("check_")), "analyse")
    return None


def check_unbroken(names: Sequence[str]) -> None:
    """Check each network with the rules as they are: a check that always fails would kill every mutant."""
    for case in CASES:
        if not operators(case).isdisjoint(names):
            try:
                check(case)
            except Exception as exc:
                raise SystemExit(f"{case.name!r} fails with no rule broken, so that it can judge none: {exc}") from exc


def why_equivalent(operator: str, mutant: Mutant) -> str | None:
    what, where, _ = mutant
    return next((why for o, w, part, why in EQUIVALENT if fnmatch(operator, o) and w == what and part in where), None)


def cases_of(operator: str) -> list[Case]:
    """Return the networks with an operator, those that are named after it first."""
    cases = [case for case in CASES if operator in operators(case)]
    return sorted(cases, key=lambda case: not case.name.startswith(operator))


def examine(operator: str) -> dict:
    kills: Counter[str] = Counter()
    survivors = []
    mutants = mutants_of(operator, cases_of(operator))
    for mutant, cases in mutants.items():
        by = killer(operator, mutant, cases)
        if by is None:
            what, where, times = mutant
            survivors.append({"what": what, "where": where, "time": times, "why": why_equivalent(operator, mutant)})
        else:
            kills[by] += 1
    return {"mutants": len(mutants), "killed": sum(kills.values()), "by": dict(kills), "survivors": survivors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operators", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    seen = {name for case in CASES for name in operators(case)}
    names = arguments.operators or [*RULES, *sorted(seen & POINTWISE)]
    check_unbroken(names)
    found = {}
    for name in names:
        found[name] = examine(name)
        report(name, found[name])
    mutants, killed = (sum(result[key] for result in found.values()) for key in ("mutants", "killed"))
    equivalent = sum(s["why"] is not None for result in found.values() for s in result["survivors"])
    score = killed / (mutants - equivalent)
    print(f"{killed} of {mutants} killed, {equivalent} change nothing: {score:.4f}", file=sys.stderr)
    if not arguments.operators:
        result = {
            "seconds": round(time.monotonic() - began),
            "mutants": mutants,
            "killed": killed,
            "equivalent": equivalent,
            "score": score,
            "operators": found,
        }
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "mutations.json").write_text(json.dumps(result, indent=1) + "\n")


def report(name: str, result: dict) -> None:
    print(f"{name:32} {result['killed']:4} of {result['mutants']:4}", file=sys.stderr, flush=True)
    for survivor in result["survivors"]:
        print("    {what}, {where} ({time}): {why}".format(**survivor), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
