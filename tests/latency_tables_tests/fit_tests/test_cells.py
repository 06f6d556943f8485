import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_tables.fit.cells import ORIGINS, FamilyCells
from latency_tables.fit.law import StairLaw

coefficients = st.lists(st.floats(1e-7, 1e-4), min_size=5, max_size=5)
widths = st.lists(st.tuples(st.integers(1, 256), st.integers(1, 256)), min_size=1, max_size=12, unique=True)


@given(coefficients, st.sampled_from([4, 8, 16]))
def test_the_law_recovers_itself_between_multiples_and_off_them(values: list[float], quantum: int) -> None:
    true = StairLaw(quantum, tuple(values))
    grid = np.array([(i, o) for i in (1, 7, 16, 33, 64, 100, 128) for o in (3, 8, 24, 48, 90, 128)], dtype=float)
    fitted = StairLaw.fit(grid[:, 0], grid[:, 1], true.seconds(grid[:, 0], grid[:, 1]), quantum)
    unseen = np.array([(12.0, 77.0), (128.0, 5.0), (50.0, 50.0)])
    np.testing.assert_allclose(
        fitted.seconds(unseen[:, 0], unseen[:, 1]), true.seconds(unseen[:, 0], unseen[:, 1]), rtol=1e-2
    )


def test_the_law_is_a_staircase() -> None:
    law = StairLaw(16, (0.0, 0.0, 0.0, 1e-6, 0.0))
    assert law.seconds([33, 40, 48], 16).tolist() == [law.seconds(48, 16).item()] * 3
    assert law.seconds(49, 16) > law.seconds(48, 16)


@given(widths, st.data())
def test_measured_cells_come_back_and_nothing_is_negative(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    seconds = data.draw(st.lists(st.just(0.0) | st.floats(1e-9, 1e-2), min_size=len(pairs), max_size=len(pairs)))
    cells = FamilyCells.fit(dict(zip(pairs, seconds, strict=True)), 8)
    for (width_in, width_out), measured in zip(pairs, seconds, strict=True):
        assert cells.seconds(width_in, width_out) == pytest.approx(measured, rel=1e-6, abs=1e-12)
        assert ORIGINS[int(cells.origins(width_in, width_out))] == "measured"
    probe = np.arange(1, 400, 7)
    assert np.all(cells.seconds(probe[:, None], probe) >= 0)
    assert np.all(np.isfinite(cells.seconds(probe[:, None], probe)))


def test_origins_say_how_far_a_cell_is_from_what_was_seen() -> None:
    cells = FamilyCells.fit({(16, 16): 1e-6, (16, 64): 2e-6, (64, 16): 3e-6}, 16)
    asked = {(16, 64): "measured", (64, 64): "interpolated", (32, 40): "interpolated"}
    asked |= {(8, 16): "extrapolated", (16, 65): "extrapolated", (128, 128): "extrapolated"}
    assert {pair: ORIGINS[int(cells.origins(*pair))] for pair in asked} == asked


def test_neighbours_correct_the_law_between_them() -> None:
    law = StairLaw(16, (0.0, 0.0, 0.0, 1e-6, 0.0))
    pairs = [(i, o) for i in (16, 32, 48, 64) for o in (16, 32, 48, 64)]
    # A corner that no law of the family can follow: four times slower there.
    truth = {pair: float(law.seconds(*pair)) * (4 if min(pair) >= 48 else 1) for pair in pairs}
    cells = FamilyCells.fit(truth, 16)
    halfway = {
        (56, 48): [(48, 48), (64, 48)],
        (48, 56): [(48, 48), (48, 64)],
        (40, 64): [(32, 64), (48, 64)],
        (56, 40): [(48, 32), (48, 48), (64, 32), (64, 48)],
    }
    for asked, corners in halfway.items():
        around = [float(cells.seconds(*pair) / cells.law.seconds(*pair)) for pair in corners]
        assert float(cells.seconds(*asked) / cells.law.seconds(*asked)) == pytest.approx(np.mean(around))


def test_one_cell_scales_with_blocks() -> None:
    cells = FamilyCells.fit({(32, 32): 4e-6}, 16)
    assert float(cells.seconds(64, 64)) == pytest.approx(16e-6, rel=1e-3)


def test_a_family_that_takes_no_time_takes_none_anywhere() -> None:
    cells = FamilyCells.fit({(16, 16): 0.0, (32, 32): 0.0}, 16)
    assert float(cells.seconds(64, 64)) == 0.0


@pytest.mark.parametrize(("quantum", "values"), [(0, (0.0,) * 5), (8, (0.0,) * 4), (8, (-1.0, 0.0, 0.0, 0.0, 0.0))])
def test_an_illegal_law_is_refused(quantum: int, values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"quantum|coefficients"):
        StairLaw(quantum, values)
