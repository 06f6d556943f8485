"""The command `lathe targets`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwprofiles import HardwareProfile, ShippedProfile, available_targets, format_percent, probe, shipped_profiles

from .options import Json
from .terminal import terminal


def targets(as_json: Json = False) -> int:
    """List what this machine can time, and why not the rest."""
    statuses, profile = available_targets(), probe()
    shipped = shipped_profiles().get(profile.fingerprint)
    if as_json:
        rows = [
            {
                "target": status.target.slug,
                "runtime": status.target.runtime,
                "description": status.description,
                "versions": status.state if isinstance(status.state, Mapping) else None,
                "unavailable": status.state if isinstance(status.state, str) else None,
            }
            for status in statuses
        ]
        answer = {
            "targets": rows,
            "hardware": profile.to_json(),
            "fingerprint": profile.fingerprint,
            "gpu_fingerprint": profile.gpu_fingerprint,
            "shipped": None if shipped is None else shipped.to_json(),
        }
        print(json.dumps(answer))  # noqa: T201
        return 0
    console = terminal()
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, fact in _facts(profile, shipped).items():
        facts.add_row(f"[dim]{name}[/]", escape(fact))
    console.print(facts, "", highlight=False)
    for status in statuses:
        here = isinstance(status.state, Mapping)
        state = ", ".join(f"{k} {v}" for k, v in status.state.items()) if here else status.state  # type: ignore[union-attr]
        console.print(f"[{'green' if here else 'dim'}]{status.target.slug}[/]", highlight=False, soft_wrap=True)
        for text, style in ((status.description, "dim"), (str(state), "")):
            console.print(Padding(Text(text, style), (0, 0, 0, 4)), highlight=False)
    return 0


def _facts(profile: HardwareProfile, shipped: ShippedProfile | None) -> dict[str, str]:
    """Return what is known of this machine, in words; what is not is called unknown."""

    def known(fact: object, text: str = "{}") -> str:
        return "unknown" if fact is None else text.format(fact)

    memory = None if profile.memory_bytes is None else round(profile.memory_bytes / 2**30)
    gpu_memory = None if profile.gpu_memory_bytes is None else round(profile.gpu_memory_bytes / 2**30)
    gpu = "none that nvidia-smi shows" if profile.gpu is None else f"{profile.gpu}, {known(gpu_memory, '{} GiB')}"
    measured = [
        f"{one.target}: windows vary by {format_percent(one.seconds_cv)} in seconds, {format_percent(one.ratio_cv)} as "
        "a paired ratio"
        for one in (shipped.steadiness if shipped else ())
    ]
    return {
        "CPU": known(profile.cpu_model),
        "cores": f"{known(profile.physical_cores)} physical, {known(profile.logical_cores)} logical",
        "flags": "unknown" if profile.cpu_flags is None else " ".join(profile.cpu_flags) or "none that matters",
        "memory": known(memory, "{} GiB"),
        "system": f"{known(profile.system)} on {known(profile.architecture)}, kernel {known(profile.kernel)}",
        "GPU": gpu,
        "fingerprint": profile.fingerprint,
        "measured before": "; ".join(measured) or "not in the profiles that Lathe comes with",
    }
