import pytest

from latency_tables import UnitKey


def test_key_round_trips_and_names_its_class() -> None:
    key = UnitKey("conv2d k3x3 s1", (16, 32))
    assert UnitKey.from_json(key.to_json()) == key
    assert key.kind == "conv2d"


def test_keys_are_ordered_and_hashable() -> None:
    keys = [UnitKey("b", (1, 1)), UnitKey("a", (2, 1)), UnitKey("a", (1, 9))]
    assert sorted(keys) == keys[::-1]
    assert len({*keys, UnitKey("a", (2, 1))}) == 3


@pytest.mark.parametrize("family", ["", " ", "two  spaces", " a", "a\n"])
def test_family_must_be_words(family: str) -> None:
    with pytest.raises(ValueError, match="A family is words"):
        UnitKey(family, (1, 1))


@pytest.mark.parametrize("widths", [(0, 1), (1, -3), (1.0, 2), (True, 2), (1,), (1, 2, 3), [1, 2]])
def test_widths_must_be_two_integers_of_at_least_one(widths: object) -> None:
    with pytest.raises(ValueError, match="Widths are two plain integers"):
        UnitKey("conv2d", widths)  # type: ignore[arg-type]


def test_an_operation_is_a_family_without_sizes_and_followers() -> None:
    key = UnitKey("conv2d k3x3 s2x2 dense in8x8 out4x4 +add +relu", (8, 16))
    assert key.operation == "conv2d k3x3 s2x2 dense"
    assert UnitKey("linear at16x16 +gelu", (8, 16)).operation == "linear"


@pytest.mark.parametrize(
    ("family", "positions"),
    [
        ("conv2d k3x3 s2x2 dense in8x6 out4x3 +add +relu", (48, 12)),
        ("conv1d k3 s1 dense in100 out50", (100, 50)),
        ("linear at7x16 +gelu", (112, 112)),
        ("matmul 3x64xw wx64", (1, 1)),
    ],
)
def test_positions_are_the_sizes_that_a_family_says(family: str, positions: tuple[int, int]) -> None:
    assert UnitKey(family, (8, 16)).positions == positions
