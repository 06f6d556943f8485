"""What the doctor says of a network, as a plain dictionary: what `--json` prints and the terminal shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import fx

from ...graph import Blueprint, Cause, Dim, Scope, causes, lines_of, module_path, scopes, source_line
from .elements import Elements
from .latency import Latency

FORMAT = 1
"""Of the dictionary. 1 (2026-11): the first."""


def examine(blueprint: Blueprint, latency: Latency | None = None) -> dict[str, Any]:
    """Describe a combed network.

    Args:
        blueprint: The combed network.
        latency: Where its time goes; without it no entry has `latency_s` and `latency_share`.
    """
    return _Examination(blueprint, latency).content()


class _Examination:
    def __init__(self, blueprint: Blueprint, latency: Latency | None) -> None:
        self._blueprint = blueprint
        self._latency = latency
        self._elements = Elements(blueprint)
        self._nodes: Mapping[str, fx.Node] = {node.name: node for node in blueprint.graph.nodes}
        self._dims = {dim.name: dim for dim in blueprint.dims}
        self._scopes = scopes(blueprint)

    def content(self) -> dict[str, Any]:
        blueprint, elements = self._blueprint, self._elements
        on_dims = elements.on({dim.atom for dim in blueprint.dims})
        in_blocks = elements.of(name for block in blueprint.blocks for name in block.parameters)
        content = {
            "format": FORMAT,
            "parameters": elements.total,
            "shares": {
                "on_dims": elements.share(on_dims),
                "in_blocks": elements.share(in_blocks),
                "frozen": elements.share(elements.total - on_dims),
            },
            "scopes": [self._scope(scope) for scope in self._scopes],
            "dims": self._all_dims(),
            "blocks": self._blocks(),
            "not_removable": [
                {"name": item.name, "reason": item.reason, "line": source_line(self._nodes[item.addition])}
                for item in blueprint.not_removable
            ],
            "frozen": [self._cause(cause) for cause in causes(blueprint.graph, blueprint.frozen)],
            "unknown": self._unknown(),
            "static_batch": blueprint.trace.static_batch,
            "notes": list(blueprint.trace.notes),
        }
        return content if self._latency is None else content | {"latency": _told(self._latency)}

    def _scope(self, scope: Scope) -> dict[str, Any]:
        dims = [self._dims[name] for name in scope.dims]
        return {
            "name": scope.name,
            "dims": list(scope.dims),
            "sizes": sorted({dim.size for dim in dims}),
            "outer": sorted({dim.outer for dim in dims}),
            "by_stage": scope.by_stage,
            **self._on(dims),
        }

    def _all_dims(self) -> list[dict[str, Any]]:
        scope_of = {name: scope.name for scope in self._scopes for name in scope.dims}
        hiding: dict[str, list[str]] = {}
        for block in self._blueprint.blocks:
            for name in block.hides:
                hiding.setdefault(name, []).append(block.name)
        return [
            {
                "name": dim.name,
                "size": dim.size,
                "outer": dim.outer,
                "least": dim.least,
                "counts_groups": dim.counts_groups,
                "scope": scope_of[dim.name],
                "blocks": hiding.get(dim.name, []),
                "carriers": [{"name": name, "axis": axis} for name, axis in dim.carriers],
                **self._on([dim]),
            }
            for dim in (self._dims[name] for scope in self._scopes for name in scope.dims)
        ]

    def _on(self, dims: Collection[Dim]) -> dict[str, Any]:
        atoms = {dim.atom for dim in dims}
        return self._sized(self._elements.on(atoms, (name for dim in dims for name, _ in dim.carriers))) | self._timed(
            None if self._latency is None else self._latency.on(atoms)
        )

    def _blocks(self) -> list[dict[str, Any]]:
        return [
            {
                "name": block.name,
                "line": source_line(self._nodes[block.addition]),
                "tensors": list(block.parameters),
                "dims": list(block.hides),
                **self._sized(self._elements.of(block.parameters)),
                **self._timed(None if self._latency is None else self._latency.of(set(block.parameters))),
            }
            for block in self._blueprint.blocks
        ]

    def _cause(self, cause: Cause) -> dict[str, Any]:
        carriers = (name for item in cause.frozen for name, _ in item.carriers)
        return {
            "reason": cause.reason,
            "operator": cause.operator,
            "lines": list(cause.lines),
            "modules": self._modules(cause.nodes),
            "axes": [item.dim for item in cause.frozen],
            **self._sized(self._elements.on({item.atom for item in cause.frozen}, carriers)),
        }

    def _unknown(self) -> list[dict[str, Any]]:
        return [
            {
                "operator": operator,
                "calls": len(nodes),
                "lines": list(lines_of(self._nodes[node] for node in nodes)),
                "modules": self._modules(nodes),
            }
            for operator, nodes in self._blueprint.unknown.items()
        ]

    def _modules(self, nodes: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(module_path(self._nodes[node]) or "model" for node in nodes))

    def _sized(self, elements: int) -> dict[str, Any]:
        return {"parameters": elements, "share": self._elements.share(elements)}

    def _timed(self, seconds: float | None) -> dict[str, Any]:
        if self._latency is None:
            return {}
        return {"latency_s": seconds, "latency_share": None if seconds is None else seconds / self._latency.known_s}


def _told(latency: Latency) -> dict[str, Any]:
    return {
        "target": latency.target,
        "known_s": latency.known_s,
        "units": len(latency.seconds),
        "unknown": [{"unit": name, "family": latency.families[name]} for name in latency.unknown],
        "mape": latency.mape,
        "notes": list(latency.notes),
    }
