"""What all cameras saw: points in, views out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.calibration.boards.board import Targets, join_targets
from bodydouble.calibration.observations import NO_FRAME, Observations, views_of

GRID = np.stack(np.meshgrid(np.arange(4), np.arange(3), [0]), axis=-1).reshape(-1, 3) * 0.1
TAG = np.array([[0.0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]]) * 0.16
TARGETS = join_targets(
    [Targets(("board",), GRID, np.zeros(12, int)), Targets(("tag_3", "tag_5"), np.tile(TAG, (2, 1)), np.repeat([0, 1], 4))]
)
BOARD, TAG_3, TAG_5 = (TARGETS.points_of(g) for g in range(3))


def empty(cameras: int = 2, moments: int = 5) -> npt.NDArray[np.float64]:
    return np.full((cameras, moments, 20, 2), np.nan)


def observations(pixels: npt.NDArray[np.float64]) -> Observations:
    cameras, moments = pixels.shape[:2]
    frames = np.tile(np.arange(moments), (cameras, 1))
    times = frames / 10 + 0.01 * np.arange(cameras)[:, None]
    return Observations(tuple(f"cam{c}" for c in range(cameras)), ((640, 480),) * cameras, TARGETS, frames, times, pixels)


def test_there_is_one_view_for_each_camera_moment_and_target() -> None:
    pixels = empty()
    pixels[1, 3, BOARD] = np.arange(24).reshape(12, 2)
    pixels[0, 3, TAG_5] = 7.0
    pixels[0, 3, TAG_3] = 5.0
    pixels[0, 1, TAG_5] = 6.0
    views = views_of(observations(pixels))
    assert list(zip(views.moment.tolist(), views.camera.tolist(), views.target.tolist(), strict=True)) == [
        (1, 0, 2), (3, 0, 1), (3, 0, 2), (3, 1, 0)
    ]  # fmt: skip
    assert views.time_s.tolist() == pytest.approx([0.1, 0.3, 0.3, 0.31])
    assert views.seen.sum(axis=1).tolist() == [4, 4, 4, 12]
    assert np.array_equal(views.point[0][:4], TAG_5)
    assert np.allclose(views.points[0][:4], TAG)
    assert np.array_equal(views.pixels[3], pixels[1, 3, BOARD])
    assert np.isnan(views.pixels[0][4:]).all()


def test_points_that_say_too_little_about_a_pose_make_no_view() -> None:
    pixels = empty()
    pixels[0, 0, BOARD[:3]] = 1.0  # three points
    pixels[0, 1, BOARD[:4]] = 1.0  # one row
    pixels[0, 2, BOARD[[0, 1, 2, 3, 4]]] = 1.0  # a row and one beside it
    pixels[0, 3, BOARD[[0, 4, 8]]] = 1.0
    pixels[0, 3, TAG_3[:1]] = 1.0  # four points, but of two targets
    assert views_of(observations(pixels)).moment.tolist() == [2]


def test_nothing_seen_makes_no_views() -> None:
    views = views_of(observations(empty()))
    assert len(views) == 0
    assert views.points.shape == (0, 12, 3)


def test_moments_are_shared_where_two_cameras_see_the_same_target() -> None:
    pixels = empty(3)
    pixels[0, [0, 1, 2], TAG_3[0]] = 1.0
    pixels[1, [1, 2, 3], TAG_3[1]] = 1.0
    pixels[2, [0, 1], TAG_5[0]] = 1.0
    assert observations(pixels).shared_moments().tolist() == [[3, 2, 0], [2, 3, 0], [0, 0, 2]]


def test_some_moments_or_some_frames_can_be_taken() -> None:
    pixels = empty()
    pixels[:, :, TAG_3] = 1.0
    seen = observations(pixels)
    some = seen.at(np.array([1, 4]))
    assert some.moments == 2
    assert some.frame_index.tolist() == [[1, 4]] * 2
    assert some.times_s[1].tolist() == pytest.approx([0.11, 0.41])
    odd = seen.where(seen.frame_index % 2 == 1)
    assert odd.seen.any(axis=-1).tolist() == [[False, True, False, True, False]] * 2
    assert odd.frame_index.tolist() == seen.frame_index.tolist(), "the frames were there, and looked at"


def test_the_time_of_a_moment_is_the_mean_of_the_frames_that_there_are() -> None:
    seen = observations(empty())
    times = seen.times_s.copy()
    times[1, 2] = np.nan
    times[:, 3] = np.nan
    frames = np.where(np.isfinite(times), seen.frame_index, NO_FRAME)
    there = Observations(seen.cameras, seen.image_size, TARGETS, frames, times, empty())
    assert there.moment_s.tolist() == pytest.approx([0.005, 0.105, 0.2, 0.0, 0.405])


def test_arrays_cannot_be_changed_and_have_one_shape() -> None:
    seen = observations(empty())
    with pytest.raises(ValueError, match="read-only"):
        seen.pixels[0, 0, 0] = 1.0
    with pytest.raises(ValueError, match=r"Observations.pixels has shape \(2, 5, 19, 2\); expected \(2, 5, 20, 2\)"):
        observations(empty()[:, :, 1:])
