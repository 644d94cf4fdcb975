"""Where a worn rig was by what it saw of a room without a map, all of it simulated by projection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_sights import Simulated, head_at, room_points, simulate

from bodydouble.calibration import rotation
from bodydouble.calibration.localization.rig_motion import BodyMotion, Outcome, RigMotion
from bodydouble.calibration.odometry import rig_odometry
from bodydouble.calibration.odometry.carried_points import carried_points
from bodydouble.calibration.odometry.level import levelled
from bodydouble.calibration.odometry.rig_odometry import ODOMETRY, SCALE_SIGMA, solve_motion
from bodydouble.calibration.transform import invert, pose_distance, pose_from
from bodydouble.errors import DataError


def solved(made: Simulated) -> RigMotion:
    return solve_motion(made.rig, made.sights, made.times_s, made.camera_times_s)


def off(body: BodyMotion, made: Simulated) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors in rad and m of the located moments against the first of them."""
    at = np.flatnonzero(body.observed & np.isin(body.times_s, made.times_s))
    truth = np.searchsorted(made.times_s, body.times_s[at])
    return pose_distance(
        invert(made.T_world_body[truth[0]]) @ made.T_world_body[truth], invert(body.T_room_body[at[0]]) @ body.T_room_body[at]
    )


def test_a_head_that_looks_about_is_located_to_millimetres():
    made = simulate()
    motion = solved(made)
    turned, away = off(motion.body("helmet"), made)
    assert motion.room == ODOMETRY
    assert motion.body("helmet").observed.all()
    assert turned.max() < 1e-3
    assert away.max() < 3e-3
    assert motion.noise_px["front"] == pytest.approx(0.2, abs=0.05)


def test_the_scale_is_that_of_the_distances_between_the_cameras():
    made = simulate(moments=30, noise_px=0.05)
    body = solved(made).body("helmet")
    way = np.linalg.norm(np.diff(body.T_room_body[:, :3, 3], axis=0), axis=1).sum()
    assert way == pytest.approx(np.linalg.norm(np.diff(made.T_world_body[:, :3, 3], axis=0), axis=1).sum(), rel=0.02)


def test_hands_a_chest_and_wrong_matches_do_not_vote():
    made = simulate(moving=150, carried=120, outliers=0.05)
    turned, away = off(solved(made).body("helmet"), made)
    assert turned.max() < 2e-3
    assert away.max() < 6e-3


def test_points_that_move_with_the_rig_are_known_by_staying_in_the_image():
    made = simulate(carried=120, noise_px=0.1)
    found = carried_points(made.sights)
    numbers = np.arange(made.sights.points)
    assert not found[numbers < 900].any()
    seen = np.bincount(made.sights.point) > 20
    assert found[(numbers >= 900) & seen].all()


def test_nothing_is_carried_along_while_the_head_is_still():
    made = simulate(moments=20, carried=50, motion=lambda t: np.broadcast_to(head_at(0.0), (*np.shape(t), 4, 4)))
    assert not carried_points(made.sights).any()


def test_a_gap_whose_features_come_back_is_bridged_and_stays_a_gap():
    made = simulate(blind=(14, 20))
    body = solved(made).body("helmet")
    assert (body.outcome[14:20] == Outcome.UNSEEN).all()
    assert np.isnan(body.T_room_body[14:20]).all()
    assert body.observed.sum() == 34
    turned, away = off(body, made)
    assert turned.max() < 1e-3
    assert away.max() < 4e-3


def test_pieces_that_nothing_ties_together_are_not_joined():
    made = simulate(blind=(10, 12), forgets=True)
    body = solved(made).body("helmet")
    assert (body.outcome[:10] == Outcome.DETACHED).all()
    assert np.isnan(body.T_room_body[:12]).all()
    assert body.observed[12:].all()
    assert max(off(body, made)[1]) < 4e-3


def test_cameras_out_of_step_count_at_their_own_time_and_all_their_frames_have_poses():
    late = (0.0, 0.012, -0.008, 0.005, 0.015)
    made = simulate(late_s=late, noise_px=0.1)
    body = solved(made).body("helmet")
    turned, away = off(body, made)
    assert turned.max() < 2e-3
    assert away.max() < 4e-3
    assert np.isfinite(body.pose_at(made.camera_times_s.ravel()).T_room_body).all()


def test_the_covariance_grows_from_the_start_and_holds_the_truth():
    shares = []
    for seed in range(3):
        made = simulate(moments=60, seed=seed)
        body = solved(made).body("helmet")
        assert body.sigma[0, 1] < body.sigma[1, 1] < body.sigma[-1, 1]
        _, away = off(body, made)
        shares.append(np.mean(away[1:] < 2.8 * np.sqrt(np.trace(body.covariance[1:, 3:, 3:], axis1=1, axis2=2) / 3)))
    assert np.mean(shares) > 0.9


def test_points_at_infinity_tell_the_turn_while_near_ones_tell_the_shift():
    far = room_points(500) * 1e4
    made = simulate(points=np.concatenate([room_points(400), far]), noise_px=0.1)
    turned, away = off(solved(made).body("helmet"), made)
    assert turned.max() < 1e-3
    assert away.max() < 5e-3


def test_cameras_that_share_no_view_tell_no_scale():
    made = simulate(moments=12, cameras=("front",))
    with pytest.raises(DataError, match="too little in common"):
        solved(made)


def test_nothing_seen_is_an_error_and_no_pose():
    made = simulate(moments=6, blind=(0, 5), points=room_points(5))
    with pytest.raises(DataError, match="found no motion"):
        solved(made)


def test_the_world_is_level_with_the_head_on_average_and_starts_at_its_first_pose():
    made = simulate(moments=30)
    T_body_head = pose_from(np.eye(3)[[1, 2, 0]], [0.1, 0.0, 0.2])
    motion = solved(made)
    world = levelled(motion, T_body_head)
    heads = world.body("helmet").T_room_body @ T_body_head
    assert np.allclose(heads[0, :3, 3], 0, atol=1e-9)
    mean = heads[:, :3, :3].mean(axis=0)
    assert np.allclose(mean, mean.T, atol=1e-6)
    assert np.linalg.eigvalsh(mean).min() > 0
    before, after = motion.body("helmet"), world.body("helmet")
    assert np.allclose(np.linalg.eigvalsh(before.covariance), np.linalg.eigvalsh(after.covariance), atol=1e-12)
    assert np.allclose(np.linalg.norm(before.rate[:, 3:], axis=1), np.linalg.norm(after.rate[:, 3:], axis=1))


def test_a_long_take_is_adjusted_in_parts_that_hang_together(monkeypatch):
    monkeypatch.setattr(rig_odometry, "_CHUNK", 12)
    monkeypatch.setattr(rig_odometry, "_LAP", 6)
    made = simulate(moments=60, keyframe_every=2, points=room_points(400))
    body = solved(made).body("helmet")
    turned, away = off(body, made)
    assert body.observed.all()
    assert turned.max() < 3e-3
    assert away.max() < 0.01
    assert (np.diff(body.sigma[::20, 1]) > -1e-3).all()


def test_a_rig_that_has_bent_since_its_calibration_puts_the_scale_in_doubt():
    made = simulate(moments=24)
    sound = solved(made)
    front = made.rig.camera("front")
    bent = replace(front, T_body_camera=front.T_body_camera @ pose_from(rotation.exp([0.01, 0.005, 0.0]), np.zeros(3)))
    doubted = solve_motion(
        replace(made.rig, cameras={**made.rig.cameras, "front": bent}), made.sights, made.times_s, made.camera_times_s
    )  # fmt: skip
    assert float(sound.provenance[SCALE_SIGMA]) < 0.01
    assert float(doubted.provenance[SCALE_SIGMA]) > 0.02
    assert doubted.body("helmet").sigma[-1, 1] > 2 * sound.body("helmet").sigma[-1, 1]
