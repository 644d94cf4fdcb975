"""Short gaps are filled, long ones stay."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.retarget.motions.gaps import fill_gaps

TIMES = np.arange(200) / 100.0
CURVE = np.stack([np.sin(4 * TIMES), np.cos(3 * TIMES), TIMES], axis=1) * 0.2


def test_a_gap_of_under_a_fifth_of_a_second_is_filled_by_a_smooth_curve() -> None:
    place = CURVE.copy()
    place[80:95] = np.nan
    filled, which = fill_gaps(TIMES, place)
    assert np.flatnonzero(which).tolist() == list(range(80, 95))
    assert np.abs(filled - CURVE).max() < 0.002  # m, where the point moves 12 cm meanwhile
    np.testing.assert_array_equal(filled[:80], CURVE[:80])


def test_a_longer_gap_and_the_ends_stay_missing() -> None:
    place = CURVE.copy()
    place[50:75] = np.nan
    place[:5] = np.nan
    place[-3:] = np.nan
    filled, which = fill_gaps(TIMES, place)
    assert not which.any()
    assert np.isnan(filled[50:75]).all()
    assert np.isnan(filled[:5]).all()
    assert np.isnan(filled[-3:]).all()


@pytest.mark.parametrize("length", [19, 20])
def test_a_gap_counts_from_the_frame_before_to_the_frame_after(length: int) -> None:
    place = CURVE.copy()
    place[50 : 50 + length] = np.nan
    assert fill_gaps(TIMES, place)[1].any() == (length == 19)


def test_a_point_with_one_coordinate_missing_is_missing() -> None:
    place = CURVE.copy()
    place[10, 1] = np.nan
    place[100:140, 2] = np.nan
    filled, which = fill_gaps(TIMES, place)
    assert which[10]
    assert np.isnan(filled[100:140]).all()


@pytest.mark.parametrize("known", [0, 1])
def test_points_seen_once_or_never_are_left_alone(known: int) -> None:
    place = np.full((10, 3), np.nan)
    place[:known] = 1.0
    filled, which = fill_gaps(TIMES[:10], place)
    assert not which.any()
    assert np.isfinite(filled).all(axis=1).sum() == known
