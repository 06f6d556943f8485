"""docs/config.md says what the code says, of every key."""

import re
from dataclasses import dataclass

import pytest

from scripts import write_config_docs
from scripts.write_config_docs import BEGIN, END, PAGE, described, page, rendered
from search.config.load import SECTIONS

KEYS = [(section, key) for section, keys in SECTIONS.items() for key in keys]


def _rows(section: str, text: str) -> dict[str, list[str]]:
    """Return key -> the other cells of its row in a section's table."""
    _, _, rest = text.partition(f"\n### [{section}]\n")
    lines = rest.partition("\n### ")[0].splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in cells}


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_has_a_row_with_form_default_and_meaning(section: str, key: str) -> None:
    row = _rows(section, PAGE.read_text(encoding="utf-8")).get(key)
    assert row is not None, f"docs/config.md says nothing of [{section}] {key}: run `make docs`."
    assert len(row) == 3
    assert all(row)


@pytest.mark.parametrize("section", SECTIONS)
def test_no_row_is_of_a_key_that_is_not_read(section: str) -> None:
    assert list(_rows(section, PAGE.read_text(encoding="utf-8"))) == list(SECTIONS[section])


def test_the_page_is_what_the_code_would_write_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "docs/config.md is stale: run `make docs`."


def test_names_of_tables_in_the_code_are_written_out() -> None:
    assert re.findall(r"`[A-Z_]{2,}`", rendered()) == []


def test_a_new_key_without_a_description_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    readers = {**SECTIONS["search"], "patience": SECTIONS["search"]["trials"]}
    monkeypatch.setattr(write_config_docs, "SECTIONS", {"search": readers})
    with pytest.raises(KeyError, match="patience"):
        rendered()


def test_a_field_without_a_description_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Undescribed:
        """How the run goes.

        Attributes:
            seed: Seed of everything random.
        """

        seed: int = 0
        out: str = "runs"

    monkeypatch.setattr(write_config_docs, "SECTIONS", {"run": SECTIONS["run"]})
    monkeypatch.setattr(write_config_docs, "CLASSES", {"run": (Undescribed,)})
    with pytest.raises(KeyError, match="out"):
        rendered()


def test_descriptions_of_several_lines_are_put_on_one() -> None:
    class Described:
        """Something.

        Attributes:
            first: One line
                and another.
            second: Half: the rest.

        Raises:
            ValueError: Never.
        """

    assert described(Described)["first"] == "One line and another."
    assert described(Described)["second"] == "Half: the rest."


@pytest.mark.parametrize("text", ["", BEGIN, f"{BEGIN}\n{END}\n{BEGIN}\n"])
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="each of these lines once"):
        page(text)
