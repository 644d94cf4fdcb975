"""Jerk beside another motion's and spectral arc length, against values worked out by hand or published."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.retarget.smoothness import jerk_ratio, sparc, sparc_of_path

FloatArray = npt.NDArray[np.float64]

TIMES = np.arange(240) / 120.0


def swing(times_s: FloatArray, rate_hz: float = 1.0, size_m: float = 0.1) -> FloatArray:
    """Return a point (T, 1, 3) on a circle, whose jerk is size (2 pi rate)^3."""
    turn = 2 * np.pi * rate_hz * times_s
    return size_m * np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)[:, None]


def test_twice_the_size_is_twice_the_jerk_and_twice_the_rate_is_eight_times() -> None:
    assert jerk_ratio(TIMES, swing(TIMES), swing(TIMES)) == pytest.approx(1.0)
    assert jerk_ratio(TIMES, swing(TIMES, size_m=0.2), swing(TIMES)) == pytest.approx(2.0)
    assert jerk_ratio(TIMES, swing(TIMES, 2.0), swing(TIMES, 1.0)) == pytest.approx(8.0, rel=0.1)


@pytest.mark.parametrize("rate_hz", [60.0, 240.0])
def test_the_frame_rate_and_uneven_times_make_no_difference(rate_hz: float) -> None:
    times = np.arange(int(3 * rate_hz)) / rate_hz + np.random.default_rng(0).uniform(-0.1, 0.1, int(3 * rate_hz)) / rate_hz
    assert jerk_ratio(times, swing(times, 2.0), swing(times, 1.0)) == pytest.approx(8.0, rel=0.15)


def test_noise_above_the_shared_band_does_not_flatter_the_other() -> None:
    quick = TIMES.copy()
    noisy = swing(TIMES) + 1e-4 * np.sin(2 * np.pi * 50.0 * quick)[:, None, None]
    assert jerk_ratio(TIMES, swing(TIMES), noisy) > 0.9
    shaken = swing(TIMES) + 1e-4 * np.sin(2 * np.pi * 12.0 * quick)[:, None, None]  # inside the band
    assert jerk_ratio(TIMES, shaken, swing(TIMES)) > 1.5


def test_gaps_are_left_out_and_stillness_has_no_ratio() -> None:
    other = swing(TIMES)
    other[100:120] = np.nan
    mine = swing(TIMES)
    mine[105] += 10.0  # inside the gap
    assert jerk_ratio(TIMES, mine, other) == pytest.approx(1.0)
    assert np.isnan(jerk_ratio(TIMES, swing(TIMES), np.zeros((240, 1, 3))))
    assert np.isnan(jerk_ratio(TIMES, swing(TIMES), np.full((240, 1, 3), np.nan)))
    assert np.isnan(jerk_ratio(TIMES[:2], swing(TIMES)[:2], swing(TIMES)[:2]))


def test_the_spectral_arc_length_is_that_of_the_authors() -> None:
    t = np.arange(-1, 1, 0.01)
    assert sparc(np.exp(-5 * t**2), 100.0) == pytest.approx(-1.41403, abs=1e-5)  # the example of the authors' own program


def test_more_stops_are_less_smooth_whatever_the_rate() -> None:
    def reaches(count: int, rate: float) -> FloatArray:
        t = np.arange(0, 2, 1 / rate)
        return 0.3 * np.stack([t / 2 - np.sin(np.pi * count * t) / (np.pi * count), 0 * t, 0 * t], axis=1)

    once, thrice = (sparc_of_path(np.arange(0, 2, 0.01), reaches(count, 100.0)) for count in (1, 3))
    assert -2.5 < once < 0
    assert thrice < once - 0.5
    assert sparc_of_path(np.arange(0, 2, 0.005), reaches(3, 200.0)) == pytest.approx(thrice, abs=0.05)


def test_what_does_not_move_has_no_smoothness() -> None:
    assert np.isnan(sparc_of_path(TIMES, np.zeros((240, 3))))
    assert np.isnan(sparc_of_path(TIMES, np.full((240, 3), np.nan)))
