import dataclasses

import pytest

from latency_tables import Family, PieceKey


def test_key_round_trips_and_names_its_class() -> None:
    key = PieceKey.of("conv2d k3x3 s1", (16, 32))
    assert PieceKey.from_json(key.to_json()) == key
    assert key.kind == "conv2d"


def test_keys_are_ordered_and_hashable() -> None:
    keys = [PieceKey.of("b", (1, 1)), PieceKey.of("a", (2, 1)), PieceKey.of("a", (1, 9))]
    assert sorted(keys) == keys[::-1]
    assert len({*keys, PieceKey.of("a", (2, 1))}) == 3


@pytest.mark.parametrize("family", ["", " ", "two  spaces", " a", "a\n"])
def test_family_must_be_words(family: str) -> None:
    with pytest.raises(ValueError, match="A family is words"):
        PieceKey.of(family, (1, 1))


@pytest.mark.parametrize("widths", [(0, 1), (1, -3), (1.0, 2), (True, 2), (1,), (1, 2, 3), [1, 2]])
def test_widths_must_be_two_integers_of_at_least_one(widths: object) -> None:
    with pytest.raises(ValueError, match="Widths are two plain integers"):
        PieceKey.of("conv2d", widths)  # type: ignore[arg-type]


def test_an_operation_is_a_family_without_sizes_and_followers() -> None:
    key = PieceKey.of("conv2d k3x3 s2x2 dense in8x8 out4x4 +add +relu", (8, 16))
    assert key.operation == "conv2d k3x3 s2x2 dense"
    assert PieceKey.of("linear at16x16 +gelu", (8, 16)).operation == "linear"


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
    assert PieceKey.of(family, (8, 16)).positions == positions


SPELLINGS = [
    "conv2d k3x3 s1x1 dense in16x16 out16x16 +relu",
    "conv2d k5x5 s2x2 depthwise d2x2 in32x32 out16x16",
    "conv1d k3 s1 grouped4 in100 out98 +add +gelu",
    "conv_transpose2d k2x2 s2x2 grouped4 in8x8 out16x16",
    "linear at196 +gelu",
    "linear at4x49",
    "lstm at3x1 both",
    "matmul 1x5xw 1xwx5 1x5x5 +softmax",
    "einsum bhid,bhjd->bhij 1x4x5xw 1x4xwx5 1x4x5x5",
    "attention 1x4x17x6 1x4x17x6 1x4x17x6 1x4x17x6 mask causal +transpose",
    "conv2d k3x3 s1 p1 dense in8x8 out8x8 +relu",
    "softmax",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_is_read_and_written_as_it_was(spelling: str) -> None:
    family = Family.parse(spelling)
    assert str(family) == spelling
    # Written from its fields, not merely kept.
    again = dataclasses.replace(family, spelling="")
    assert (str(again), again, hash(again)) == (spelling, family, hash(family))
    for name in ("traits", "modes", "followers", "kernel", "at", "reads", "makes", "grouping", "inside"):
        assert getattr(again, name) == getattr(family, name)


def test_a_family_has_typed_fields() -> None:
    family = Family.parse("conv2d k5x3 s2x1 grouped4 d2x2 in32x30 out16x30 +add +relu")
    assert (family.operator, family.kernel, family.stride, family.dilation) == ("conv2d", (5, 3), (2, 1), (2, 2))
    assert (family.grouping, family.inside, family.taps) == ("grouped", 4, 15)
    assert (family.reads, family.makes, family.at) == ((32, 30), (16, 30), ())
    assert family.followers == ("add", "relu")
    assert str(family.followed_by("gelu")) == "conv2d k5x3 s2x1 grouped4 d2x2 in32x30 out16x30 +gelu"
    assert Family.parse("lstm at7 both").modes == ("both",)
    assert Family.parse("einsum ab,bc->ac 5xw wx5 5x5").traits == ("ab,bc->ac", "5xw", "wx5", "5x5")
    assert Family(operator="linear", at=(7,)) == Family.parse("linear at7")
    assert Family(operator="linear", at=(7,)) != "linear at7"


def test_words_in_another_order_are_kept_as_they_were_stored() -> None:
    odd = "conv2d in8x8 k3x3 k5x5 dense dense +relu out4x4"
    family = Family.parse(odd)
    assert str(family) == odd
    assert PieceKey.from_json(PieceKey(family, (8, 8)).to_json()).family == family
    assert (family.positions, family.kernel, family.followers) == ((64, 16), (3, 3), ("relu",))


def test_families_are_ordered_as_their_spellings_are() -> None:
    spellings = sorted(SPELLINGS)
    assert list(map(str, sorted(map(Family.parse, reversed(spellings))))) == spellings


def test_what_cannot_be_a_family_is_refused() -> None:
    with pytest.raises(ValueError, match="Only groups of several channels"):
        Family(operator="conv2d", grouping="dense", inside=4)
    with pytest.raises(ValueError, match="Only groups of several channels"):
        Family(operator="conv2d", grouping="grouped")
    with pytest.raises(ValueError, match="A family is words"):
        Family(operator="two words ", at=(1,))
