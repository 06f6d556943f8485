"""The pins fit the ranges, and no file names a place on somebody's machine."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:work|root|tmp|home|Users)/")


def _requirements() -> list[Requirement]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = f"{settings['options']['install_requires']}\n{settings['options.extras_require']['dev']}"
    return [Requirement(line) for line in lines.splitlines() if line.strip()]


def _pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in pins}


def _text_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so the files of the repository are not known")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name and not name.startswith("tests/")]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


@pytest.mark.parametrize("requirement", _requirements(), ids=lambda requirement: requirement.name)
def test_ranges_admit_the_pins(requirement: Requirement) -> None:
    pin = _pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin, prereleases=True)


def test_a_pin_names_no_build() -> None:
    assert {name: pin for name, pin in _pins().items() if pin.local} == {}


def test_no_file_names_a_place_on_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ["see /tmp/x", 'open("/root/a")', "path=/work/b"])
def test_a_place_on_a_machine_is_recognised(line: str) -> None:
    assert MACHINE_PATH.search(line)


def test_an_address_is_no_place_on_a_machine() -> None:
    assert not MACHINE_PATH.search("https://example.org/home/page and ./work/x")
