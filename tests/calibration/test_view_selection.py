"""Views that differ, and moments in runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_capture import charuco
from test_pnp import seen_from

from bodydouble.calibration import PinholeCamera
from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.observations import Observations, views_of
from bodydouble.calibration.transform import apply
from bodydouble.calibration.view_selection import sharpness, spread_moments, spread_views

FloatArray = npt.NDArray[np.float64]

BOARD = charuco(7, 5, 0.05)
CAMERA = PinholeCamera((1280, 960), (900.0, 900.0), (639.5, 479.5))
MIDDLE = BOARD.targets.points - BOARD.targets.points.mean(axis=0)


def observed(poses: list[FloatArray], times_s: FloatArray | None = None) -> Observations:
    count = len(poses)
    pixels = np.stack([CAMERA.project(apply(T, MIDDLE)) for T in poses])[None]
    times = np.arange(count) / 10 if times_s is None else times_s
    return Observations(("c",), (CAMERA.image_size,), BOARD.targets, np.arange(count)[None], times[None], pixels)


def facing(x: float, y: float, *, distance: float = 1.0, tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> FloatArray:
    return seen_from(np.array([x, y, 1.0]), distance, np.array(tilt))


def chosen(poses: list[FloatArray], count: int, sharp: FloatArray | None = None) -> list[int]:
    return spread_views(views_of(observed(poses)), CAMERA.image_size, count, sharp).tolist()


def test_a_board_that_does_not_move_gives_one_view() -> None:
    assert len(chosen([facing(0.1, 0.1)] * 30, 10)) == 1


def test_places_and_tilts_that_differ_are_taken_before_those_that_do_not() -> None:
    ends = [facing(x, y) for x in (-0.5, 0.5) for y in (-0.35, 0.35)]
    tilted = [facing(0, 0, tilt=tilt) for tilt in ((0.6, 0, 0), (-0.6, 0, 0), (0, 0.6, 0), (0, -0.6, 0))]
    middle = [facing(0.001 * k, 0.0) for k in range(40)]
    taken = chosen(middle[:20] + ends + middle[20:] + tilted, 9)
    assert set(range(20, 24)) | set(range(44, 48)) < set(taken)
    assert taken == sorted(taken)
    assert len(taken) == 9


def test_a_sharp_view_is_taken_instead_of_a_blurred_one_like_it() -> None:
    poses = [facing(x, 0) for x in (-0.4, -0.39, 0.39, 0.4)]
    sharp = np.array([0.1, 1.0, 1.0, 0.1])
    assert chosen(poses, 2, sharp) == [1, 2]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 30), views=st.integers(0, 25))
def test_never_more_than_asked_for_and_each_once(seed: int, count: int, views: int) -> None:
    rng = np.random.default_rng(seed)
    poses = [facing(*rng.uniform(-0.4, 0.4, 2), tilt=tuple(rng.uniform(-0.5, 0.5, 3))) for _ in range(views)]
    taken = chosen(poses, count) if poses else spread_views(no_views(), CAMERA.image_size, count).tolist()
    assert len(taken) <= min(count, views)
    assert len(set(taken)) == len(taken)
    assert bool(taken) == bool(poses)


def no_views() -> Views:
    return views_of(observed([facing(0, 0)])).select(np.zeros(1, dtype=bool))


def test_a_board_in_motion_is_not_sharp() -> None:
    still, moving = [facing(0.0, 0.0)] * 3, [facing(0.2 * k, 0.0) for k in range(1, 4)]
    sharp = sharpness(observed(still + moving), 0, np.arange(6))
    assert sharp[:2].tolist() == [1.0, 1.0]
    assert (sharp[2:] < 0.3).all(), "180 px a frame at 10 Hz is 18 px in a hundredth of a second"
    assert sharpness(observed(still + moving), 0, np.array([4, 0])).tolist() == [sharp[4], sharp[0]]


def test_what_cannot_be_told_counts_as_sharp() -> None:
    poses = [facing(0.2 * k, 0.0) for k in range(3)]
    assert sharpness(observed(poses, np.full(3, np.nan)), 0, np.arange(3)).tolist() == [1.0] * 3, "stills have no times"
    assert sharpness(observed(poses[:1]), 0, np.array([0])).tolist() == [1.0]
    seen = observed(poses)
    assert sharpness(seen.where(np.zeros((1, 3), dtype=bool)), 0, np.zeros(0, dtype=np.int64)).tolist() == []


def test_frames_in_which_nothing_was_seen_do_not_hide_a_motion() -> None:
    seen = observed([facing(0.2 * k, 0.0) for k in range(4)])
    assert (sharpness(seen.where(seen.frame_index % 2 == 0), 0, np.array([0, 2])) < 0.3).all()


def moments_of(points: list[int]) -> Views:
    """One view a moment, with so many points."""
    count, most = len(points), max(points)
    number = np.where(np.arange(most) < np.array(points)[:, None], np.arange(most), -1)
    zero = np.zeros(count, dtype=np.int64)
    return Views(zero, 3 * np.arange(count), zero, np.arange(count) / 10, np.zeros((count, most, 3)), np.zeros((count, most, 2)), number)


def test_few_moments_are_all_taken() -> None:
    assert spread_moments(moments_of([4] * 10), 10).tolist() == list(range(0, 30, 3))


def test_of_many_moments_runs_of_neighbours_are_taken_where_most_was_seen() -> None:
    points = [4] * 40
    points[10:14] = points[31:35] = [12] * 4
    assert spread_moments(moments_of(points), 8).tolist() == [3 * k for k in (10, 11, 12, 13, 31, 32, 33, 34)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 50])
def test_no_more_moments_than_asked_for_unless_less_than_one_run(count: int) -> None:
    taken = spread_moments(moments_of([4] * 100), count)
    assert 0 < len(taken) <= max(count, 4)
    assert (np.diff(taken) > 0).all()
