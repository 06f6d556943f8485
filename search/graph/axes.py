"""The algebra of tensor axes: products, concatenations, and what must be cut together.

An **axis** is a product of terms, outermost first. A **term** is an atom or a concatenation of axes. An **atom** is a
size that has not been taken apart (yet). Unifying two axes says that they count the same things in the same order;
the algebra then refines atoms until both read alike:

    [768] = [12, 64]             the atom 768 is bound to the product
    [a + b] = [g, k]             a = [ga, k], b = [gb, k], g = ga + gb          (distributive law)
    [6] + [2] = [4] + [4]        the parts are cut at each other's boundaries

Where no common refinement exists, both sides are frozen: this costs freedom and never correctness.

Atoms form a union-find forest. A root may be bound (it turned out to be a product or a concatenation) or frozen,
with the reason kept for whoever asks. Factors of size 1 vanish. Sizes are monomials, an integer times batch symbols;
a symbol is never split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .sizes import ONE, Size

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Concat:
    """A term: axes laid one behind the other (an empty product among them is one position that always stays)."""

    parts: tuple[Axis, ...]


Term = int | Concat
"""An atom's number, or a concatenation."""

Axis = tuple[Term, ...]
"""A product of terms, outermost first; the empty product has size 1."""


class Algebra:
    """The union-find forest of atoms and the operations on axes.

    Axes handed out earlier stay valid: `resolve` gives their present reading.
    """

    def __init__(self) -> None:
        self._size: list[Size] = []
        self._parent: list[int] = []
        self._bound: dict[int, Axis] = {}
        self._frozen: dict[int, str] = {}

    def atom(self, size: Size | int, frozen: str | None = None) -> Axis:
        """Return a new axis of one fresh atom (the empty product for size 1)."""
        size = Size(size) if isinstance(size, int) else size
        if size == ONE:
            return ()
        self._size.append(size)
        self._parent.append(len(self._parent))
        if frozen is not None:
            self._frozen[len(self._parent) - 1] = frozen
        return (len(self._parent) - 1,)

    def root(self, atom: int) -> int:
        """Return the representative of an atom."""
        while self._parent[atom] != atom:
            self._parent[atom] = self._parent[self._parent[atom]]
            atom = self._parent[atom]
        return atom

    def size(self, axis: Axis) -> Size:
        """Return the size of an axis."""
        size = ONE
        for term in axis:
            size = size * self.term_size(term)
        return size

    def term_size(self, term: Term) -> Size:
        """Return the size of one term."""
        if isinstance(term, int):
            return self._size[self.root(term)]
        return Size(sum(self._count(part) for part in term.parts))

    def _count(self, axis: Axis) -> int:
        size = self.size(axis)
        if size.symbols:
            raise ValueError(f"A part of a concatenation has an integer size, but got {size}.")
        return size.count

    def resolve(self, axis: Axis) -> Axis:
        """Return the canonical present reading of an axis: roots only, products and concatenations flattened."""
        terms: list[Term] = []
        for term in axis:
            terms.extend(self._resolve_term(term))
        return tuple(terms)

    def _resolve_term(self, term: Term) -> Axis:
        if isinstance(term, int):
            root = self.root(term)
            if root not in self._bound:
                return (root,)
            reading = self.resolve(self._bound[root])
            self._bound[root] = reading
            return reading
        parts: list[Axis] = []
        for part in term.parts:
            resolved = self.resolve(part)
            inner = resolved[0] if len(resolved) == 1 else None
            parts.extend(inner.parts if isinstance(inner, Concat) else (resolved,))
        return parts[0] if len(parts) == 1 else _factor_out(tuple(parts))

    def leaves(self, axis: Axis) -> Iterator[int]:
        """Yield the root atoms of an axis, outermost and first part first (an atom may come more than once)."""
        for term in self.resolve(axis):
            if isinstance(term, int):
                yield term
            else:
                for part in term.parts:
                    yield from self.leaves(part)

    def frozen(self, atom: int) -> str | None:
        """Return why a root atom is frozen, or None where it is free."""
        return self._frozen.get(self.root(atom))

    def freeze(self, axis: Axis, reason: str) -> None:
        """Freeze all atoms of an axis; a reason that is there already stays."""
        for leaf in self.leaves(axis):
            self._frozen.setdefault(leaf, reason)

    def is_free(self, axis: Axis) -> bool:
        """Tell whether any atom of an axis is still free."""
        return any(leaf not in self._frozen for leaf in self.leaves(axis))

    # ---- unification ---------------------------------------------------------------------------------------------

    def unify(self, a: Axis, b: Axis, reason: str = "axes that do not line up") -> None:
        """State that two axes count the same things in the same order.

        Args:
            a: One axis.
            b: The other.
            reason: Why both are frozen where they have no common refinement.

        Raises:
            ValueError: The sizes differ.
        """
        if self.size(a) != self.size(b):
            raise ValueError(f"Only axes of one size can be unified, but got {self.size(a)} and {self.size(b)}.")
        pending = [(a, b)]
        while pending:
            left, right = (self.resolve(axis) for axis in pending.pop())
            if left != right:
                pending.extend(reversed(self._align(left, right, reason)))

    def _align(self, a: Axis, b: Axis, reason: str) -> list[tuple[Axis, Axis]]:
        """Match the outermost terms of two different axes; return the pairs that are left to unify."""
        x, y = a[0], b[0]
        size_x, size_y = self.term_size(x), self.term_size(y)
        if size_x == size_y:
            pairs = self._unify_terms(x, y, reason)
            return [*pairs, (a[1:], b[1:])]
        if (inner := size_y.over(size_x)) is not None and (split := self._split_term(y, inner, reason)) is not None:
            return [((x,), split[0]), (a[1:], split[1] + b[1:])]
        if (inner := size_x.over(size_y)) is not None and (split := self._split_term(x, inner, reason)) is not None:
            return [(split[0], (y,)), (split[1] + a[1:], b[1:])]
        return self._give_up(a, b, reason)

    def _give_up(self, a: Axis, b: Axis, reason: str) -> list[tuple[Axis, Axis]]:
        """Freeze the shortest leading stretches of equal size; what follows them is still unified."""
        i = j = 1
        while (left := self.size(a[:i])) != (right := self.size(b[:j])):
            ahead = left.over(right) is not None or (right.over(left) is None and left.count > right.count)
            if (ahead and j < len(b)) or i == len(a):
                j += 1
            else:
                i += 1
        self.freeze(a[:i], reason)
        self.freeze(b[:j], reason)
        return [(a[i:], b[j:])]

    def _unify_terms(self, x: Term, y: Term, reason: str) -> list[tuple[Axis, Axis]]:
        if isinstance(x, int) and isinstance(y, int):
            self._union(x, y)
            return []
        if isinstance(x, int):
            self._bind(x, (y,))
            return []
        if isinstance(y, int):
            self._bind(y, (x,))
            return []
        return self._align_parts(list(x.parts), list(y.parts), reason)

    def _align_parts(self, xs: list[Axis], ys: list[Axis], reason: str) -> list[tuple[Axis, Axis]]:
        """Match two concatenations of equal size part by part, cutting each at the other's boundaries."""
        pairs: list[tuple[Axis, Axis]] = []
        whole_x, whole_y = tuple(xs), tuple(ys)
        while xs and ys:
            size_x, size_y = self._count(xs[0]), self._count(ys[0])
            longer, at = (xs, size_y) if size_x > size_y else (ys, size_x)
            if size_x != size_y:
                cut = self.cut(longer[0], at)
                if cut is None:
                    for part in whole_x + whole_y:
                        self.freeze(part, reason)
                    return pairs
                longer[:1] = cut
            pairs.append((xs.pop(0), ys.pop(0)))
        return pairs

    def _union(self, x: int, y: int) -> None:
        x, y = self.root(x), self.root(y)
        if x == y:
            return
        keep, drop = min(x, y), max(x, y)
        self._parent[drop] = keep
        reason = self._frozen.pop(drop, None)
        if reason is not None:
            self._frozen.setdefault(keep, reason)

    def _bind(self, atom: int, reading: Axis) -> None:
        """Record that an atom turned out to be a product or a concatenation; frozen atoms freeze their parts."""
        atom = self.root(atom)
        self._bound[atom] = reading
        reason = self._frozen.pop(atom, None)
        if reason is not None:
            self.freeze(reading, reason)

    def _split_term(self, term: Term, inner: Size, reason: str) -> tuple[Axis, Axis] | None:
        """Read a term as a product [outer, inner]; None where that is not possible."""
        if isinstance(term, int):
            outer = self._size[self.root(term)].over(inner)
            if outer is None:
                return None
            reading = (self.atom(outer), self.atom(inner))
            self._bind(term, reading[0] + reading[1])
            return reading
        return self._distribute(term, inner, reason)

    def _distribute(self, concat: Concat, inner: Size, reason: str) -> tuple[Axis, Axis] | None:
        """Apply the distributive law: a + b = [ga + gb, k] where k divides every part."""
        counts = [self._count(part) for part in concat.parts]
        if inner.symbols or any(count % inner.count for count in counts):
            return None
        common = self.atom(inner)
        outers = []
        for part, count in zip(concat.parts, counts, strict=True):
            outer = self.atom(count // inner.count)
            self.unify(part, outer + common, reason)
            outers.append(outer)
        return (Concat(tuple(outers)),), common

    # ---- taking axes apart ---------------------------------------------------------------------------------------

    def cut(self, axis: Axis, at: int) -> tuple[Axis, Axis] | None:
        """Cut an axis into a first part of size `at` and the rest; None where no boundary can lie there."""
        axis = self.resolve(axis)
        size = self.size(axis)
        if size.symbols or not 0 < at < size.count:
            return None
        if len(axis) > 1:
            return self._cut_product(axis, at)
        term = axis[0]
        if isinstance(term, int):
            left, right = self.atom(at), self.atom(size.count - at)
            self._bind(term, (Concat((left, right)),))
            return left, right
        return self._cut_concat(term.parts, at)

    def _cut_product(self, axis: Axis, at: int) -> tuple[Axis, Axis] | None:
        """Cut [g, k] between two stretches of k, or inside one where g is a concatenation already."""
        inner = self.size(axis[1:]).count
        if at % inner == 0:
            split = self.cut(axis[:1], at // inner)
            return None if split is None else (split[0] + axis[1:], split[1] + axis[1:])
        if isinstance(axis[0], Concat):
            return self._cut_concat(tuple(part + axis[1:] for part in axis[0].parts), at)
        return None

    def _cut_concat(self, parts: tuple[Axis, ...], at: int) -> tuple[Axis, Axis] | None:
        before, i = 0, 0
        while before + self._count(parts[i]) <= at:
            before += self._count(parts[i])
            i += 1
        left, right = list(parts[:i]), list(parts[i:])
        if before < at:
            split = self.cut(parts[i], at - before)
            if split is None:
                return None
            left, right = [*left, split[0]], [split[1], *right[1:]]
        return _concatenated(left), _concatenated(right)

    def concat(self, axes: Sequence[Axis]) -> Axis:
        """Return the axis that lays `axes` one behind the other.

        It is flat: each layer of a dense network adds to what is there, however many layers there are.
        """
        return self.resolve(_concatenated(list(axes)))

    def regroup(self, axes: Sequence[Axis], sizes: Sequence[Size], reason: str) -> list[Axis]:
        """Read the product of `axes` as axes of the given sizes (what a reshape does).

        Returns:
            One axis a size. Where boundaries fall inside something that cannot be split, the axes concerned are frozen
            and fresh frozen ones are returned.

        Raises:
            ValueError: The sizes do not multiply to the product of the axes.
        """
        fresh = [self.atom(size) for size in sizes]
        source = tuple(term for axis in axes for term in axis)
        self.unify(source, tuple(term for axis in fresh for term in axis), reason)
        return [self.resolve(axis) for axis in fresh]

    # ---- sizes and places ------------------------------------------------------------------------------------------

    def everywhere(self, axis: Axis) -> frozenset[int]:
        """Return the root atoms that are a factor of every position of an axis (of all parts of a concatenation)."""
        found: set[int] = set()
        for term in self.resolve(axis):
            found |= self._everywhere_term(term)
        return frozenset(found)

    def _everywhere_term(self, term: Term) -> frozenset[int]:
        if isinstance(term, int):
            return frozenset((term,))
        return frozenset.intersection(*(self.everywhere(part) for part in term.parts))

    def owners(self, axis: Axis, atom: int) -> Indices:
        """Return for each position of an axis which unit of a root atom it belongs to, or -1 where to none."""
        found = self.all_owners(axis).get(atom)
        return np.full(self.size(axis).count, -1, dtype=np.int64) if found is None else found

    def all_owners(self, axis: Axis) -> dict[int, Indices]:
        """Return root atom -> for each position of an axis which of its units that belongs to, or -1 where to none."""
        units: dict[int, Indices] = {}
        length = 1
        for term in self.resolve(axis):
            size = self.term_size(term).count
            units = {atom: np.repeat(outer, size) for atom, outer in units.items()}
            for atom, inner in self._term_owners(term, size).items():
                tiled = np.tile(inner, length)
                units[atom] = np.where(tiled >= 0, tiled, units[atom]) if atom in units else tiled
            length *= size
        return units

    def _term_owners(self, term: Term, size: int) -> dict[int, Indices]:
        if isinstance(term, int):
            return {term: np.arange(size, dtype=np.int64)}
        units: dict[int, Indices] = {}
        start = 0
        for part in term.parts:
            stop = start + self._count(part)
            for atom, inner in self.all_owners(part).items():
                units.setdefault(atom, np.full(size, -1, dtype=np.int64))[start:stop] = inner
            start = stop
        return units

    def width(self, axis: Axis, widths: Mapping[int, int]) -> Size:
        """Return the size of an axis once the root atoms in `widths` have the widths given there."""
        size = ONE
        for term in self.resolve(axis):
            if isinstance(term, int):
                size = size * (Size(widths[term]) if term in widths else self._size[term])
            else:
                size = size * Size(sum(self.width(part, widths).count for part in term.parts))
        return size


def _concatenated(parts: list[Axis]) -> Axis:
    return parts[0] if len(parts) == 1 else (Concat(tuple(parts)),)


def _factor_out(parts: tuple[Axis, ...]) -> Axis:
    """Read [ga, k] + [gb, k] as [ga + gb, k], so that equal axes have one canonical form.

    A part that is just k leaves the empty product behind, a part of size 1 that always stays.
    """
    if all(parts) and len({part[-1] for part in parts}) == 1:
        return (*_factor_out(tuple(part[:-1] for part in parts)), parts[0][-1])
    return (Concat(parts),)
