from __future__ import annotations

import json

import pytest

from hwprofiles import PROTOCOLS, TimingProtocol, verify_protocol


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_can_give_an_interval(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.min_windows >= 8
    assert TimingProtocol.from_json(json.loads(json.dumps(protocol.to_json()))) == protocol


def test_verify_in_seconds_is_spread() -> None:
    spread = verify_protocol(seconds=True)
    assert spread.min_windows >= 10
    assert spread.min_spread_s >= 30
    assert verify_protocol(seconds=False).min_spread_s == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lead_runs", -1),
        ("runs_per_turn", 0),
        ("turns_per_window", 0),
        ("min_windows", 0),
        ("max_windows", 7),
        ("turn_s", 0.0),
        ("relative_half_width", 0.0),
        ("time_limit_s", float("nan")),
        ("min_spread_s", -1.0),
        ("min_spread_s", 3.0),
        ("warmup_s", -1.0),
        ("confidence", 1.0),
        ("turn_quantile", 1.5),
    ],
)
def test_values_are_checked(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        TimingProtocol.from_json({field: value})


def test_unknown_field_is_named() -> None:
    with pytest.raises(ValueError, match="colour"):
        TimingProtocol.from_json({"colour": 1})


def test_protocols_of_files_before_there_were_leads_had_none() -> None:
    assert TimingProtocol.from_json({}).lead_runs == 0
    assert TimingProtocol().lead_runs == 3
