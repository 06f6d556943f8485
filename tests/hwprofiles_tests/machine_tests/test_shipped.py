from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hwprofiles import HardwareProfile, ShippedProfile, Steadiness, shipped_profiles

ENTRY = Steadiness(
    target="cpu-onnxruntime-fp32-b1-t1",
    date="2026-11-20T12:00:00+00:00",
    versions={"onnxruntime": "1.31.1"},
    network="a CNN",
    run_s=5e-3,
    windows=100,
    window_s=0.3,
    seconds_cv=0.09,
    ratio_cv=0.02,
)
PROFILE = ShippedProfile(hardware=HardwareProfile(cpu_model="Some CPU", logical_cores=4), steadiness=(ENTRY,))


def test_those_that_are_shipped_are_read() -> None:
    found = shipped_profiles()
    assert found
    for fingerprint, profile in found.items():
        assert profile.hardware.fingerprint == fingerprint
        assert profile.steadiness


def test_json_round_trip() -> None:
    assert ShippedProfile.from_json(json.loads(json.dumps(PROFILE.to_json()))) == PROFILE


def store(folder: Path, data: Any, name: str = f"{PROFILE.hardware.fingerprint}.json") -> Path:
    (folder / name).write_text(json.dumps(data))
    return folder


def test_profiles_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("not a profile")
    assert shipped_profiles(store(tmp_path, PROFILE.to_json())) == {PROFILE.hardware.fingerprint: PROFILE}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 1"),
        ({"colour": "red"}, "colour"),
        ({"steadiness": [{"target": "cpu"}]}, "missing or unknown"),
        ({"steadiness": [{**PROFILE.to_json()["steadiness"][0], "ratio_cv": 0.0}]}, "ratio_cv"),
        ({"steadiness": [{**PROFILE.to_json()["steadiness"][0], "windows": 1}]}, "2 windows"),
        ({"steadiness": [{**PROFILE.to_json()["steadiness"][0], "target": "cpu"}]}, "target is written"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        shipped_profiles(store(tmp_path, {**PROFILE.to_json(), **change}))
    assert PROFILE.hardware.fingerprint in str(caught.value)


def test_a_file_is_named_after_its_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rename it"):
        shipped_profiles(store(tmp_path, PROFILE.to_json(), "mine.json"))
