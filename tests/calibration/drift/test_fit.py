"""The linear problem of the drift check against finite differences of what it is the slope of."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_capture import charuco, hand_held, simulate, standing_rig
from simulated_person import see_person

from bodydouble.calibration.drift.fit import costs, fit, linearise
from bodydouble.calibration.drift.placement import POSE, Placement, first_places, moved_by
from bodydouble.calibration.drift.points import SharedPoints, shared_points
from bodydouble.calibration.drift.settings import drift_settings


def shared(kind: str) -> SharedPoints:
    rig, limits = standing_rig(3), drift_settings().shared
    if kind == "person":
        person = see_person(rig, seconds=1, bias_px=0, noise_px=1)
        return shared_points(rig, person.pixels[:, ::6], person.confidence[:, ::6], person.times_s[:, ::6], 1.0, None, None, limits)
    board = charuco()
    seen, _ = simulate(rig, board.targets, np.full((1, 4, 4), np.nan), {"board": hand_held()}, seconds=1, rate_hz=6)
    return shared_points(rig, seen.pixels, None, seen.times_s, 0.2, board.targets, None, limits)


def settled(points: SharedPoints, change: np.ndarray, start: Placement | None = None) -> Placement:
    """Points or boards placed as well as they can be, with the cameras held."""
    zeros, nobody = np.zeros(points.blocks, dtype=np.int64), np.zeros(len(points.models), dtype=bool)
    motion = moved_by(change)[None]
    place = Placement(motion, first_places(points, motion, zeros) if start is None else start.place)
    for _ in range(4):
        place = fit(points, place, zeros, nobody, 1.0, widen=False)
    return place


@pytest.mark.parametrize("kind", ["person", "board"])
def test_scores_are_the_slope_of_the_cost_once_points_follow_the_cameras(kind: str) -> None:
    points = shared(kind)
    points = points.select(settled(points, np.zeros((3, POSE))).placed)
    zeros = np.zeros(points.blocks, dtype=np.int64)
    change = np.array([[2e-3, -1e-3, 3e-3, 4e-3, 2e-3, -5e-3], [0, 0, 0, 0, 0, 0], [0.02, 0.03, -0.01, 0.02, -0.03, 0.01]])
    place = settled(points, change)
    score = linearise(points, place, zeros, 1.0).score.sum(axis=(0, 1))
    for term in (0, 2, 4, 12, 13, 14, 15, 17):
        step = np.zeros(3 * POSE)
        step[term] = 1e-5
        up, down = (costs(points, settled(points, change + sign * step.reshape(3, POSE), place), zeros, 1.0).sum() for sign in (1, -1))
        assert score[term] == pytest.approx((up - down) / 2e-5, rel=0.02, abs=0.02 * np.abs(score).max() * 0.1)


def test_a_camera_that_alone_is_free_goes_back_to_where_it_was_seen_from() -> None:
    points = shared("board")
    zeros = np.zeros(points.blocks, dtype=np.int64)
    start = moved_by(np.array([[0.0] * 6, [0.02, -0.03, 0.01, 0.02, 0.0, -0.03], [0.0] * 6]))[None]
    placed = fit(points, Placement(start, first_places(points, start, zeros)), zeros, np.array([False, True, False]), 1.0)
    assert np.abs(placed.change[0, 1, :3]).max() < 2e-3
    assert np.abs(placed.change[0, 1, 3:]).max() < 4e-3
    assert (placed.change[0, [0, 2]] == 0).all()
