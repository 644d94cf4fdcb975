"""What cameras share, laid out for the drift check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from simulated_capture import standing_rig, with_clocks

from bodydouble.calibration.drift.points import SharedPoints, shared_points
from bodydouble.calibration.drift.settings import drift_settings
from bodydouble.calibration.rig import Rig

LIMITS = drift_settings().shared


def lay_out(rig: Rig, pixels: np.ndarray, confidence: np.ndarray | None = None, times: np.ndarray | None = None) -> SharedPoints:
    times = np.tile(np.arange(pixels.shape[1]) / 30, (len(pixels), 1)) if times is None else times
    return shared_points(rig, pixels, confidence, times, 1.0, None, None, LIMITS)


def flat(C: int, T: int, P: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(100, 600, (C, T, P, 2))


def test_a_point_counts_where_two_cameras_of_one_body_saw_it() -> None:
    rig, pixels = standing_rig(3), flat(3, 4)
    pixels[1:, 0], pixels[2, 1, 1] = np.nan, np.nan
    points = lay_out(rig, pixels)
    assert points.moment.tolist() == [1, 1, 2, 2, 3, 3]
    assert points.seen[:, :2, 0].tolist() == [[True, True], [True, True], [True, False]]
    other = {name: replace(camera, body="helmet" if name == "cam2" else "room") for name, camera in rig.cameras.items()}
    assert not lay_out(replace(rig, bodies=("room", "helmet"), cameras=other), pixels).seen[2].any()


def test_points_that_the_network_guessed_do_not_count() -> None:
    confidence = np.full((2, 4, 2), 0.9)
    confidence[1, 2:] = 0.2
    assert lay_out(standing_rig(2), flat(2, 4), confidence).moment.max() == 1


def test_pixels_are_brought_to_the_mean_time_of_their_moment() -> None:
    rig = with_clocks(standing_rig(2), {"cam1": 0.02})
    times = np.tile(np.arange(6) / 30, (2, 1))
    pixels = np.tile((300 + 60 * times)[:, :, None, None], (1, 1, 1, 2))  # 60 px/s by each camera's own stamp
    points = lay_out(rig, pixels, times=times)
    seen = points.pixels[:, points.moment == 3, 0, 0].ravel()
    np.testing.assert_allclose(seen, 300 + 60 * 3 / 30 + np.array([0.6, -0.6]), atol=1e-6)
    np.testing.assert_allclose(points.time_s[points.moment == 3], 3 / 30 + 0.01)
    assert (points.sigma[:, points.moment == 3] > 1).all()


def test_long_recordings_are_thinned_without_losing_a_camera_that_saw_little() -> None:
    pixels = flat(3, 3000, 40)
    pixels[2, :200], pixels[2, 220:] = np.nan, np.nan
    points = lay_out(standing_rig(3), pixels)
    assert points.blocks < 1.5 * LIMITS.most_points.value
    assert points.shared_moments()[2, 2] >= LIMITS.fewest_moments.value
    assert points.moment.min() < 100
    assert points.moment.max() > 2900
