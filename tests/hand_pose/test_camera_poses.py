"""CameraPoses: static cameras stand still, worn ones go with their body, and a gap has no pose."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration import BodyMotion, PinholeCamera, Rig, RigMotion, preset_rig
from bodydouble.calibration.rig import MountedCamera
from bodydouble.calibration.transform import pose_from_rotvec
from bodydouble.errors import UnknownNameError, UsageError
from bodydouble.hand_pose.camera_poses import CameraPoses, T_body_head, project

TIMES = np.arange(10) / 30.0


def moved(times_s: np.ndarray) -> np.ndarray:
    return np.stack([pose_from_rotvec((0.0, 0.0, t), (t, 0.0, 1.6)) for t in times_s])


def motion_of(rig: Rig, lost: tuple[int, ...] = ()) -> RigMotion:
    good = np.ones(len(TIMES), dtype=bool)
    good[list(lost)] = False
    known = np.where(good[:, None, None], moved(TIMES), np.nan)
    covariance = np.where(good[:, None, None], 1e-8 * np.eye(6), np.nan)
    rate = np.where(good[:, None], np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0]), np.nan)
    body = BodyMotion(
        TIMES, known, covariance, rate, (1.0, 1.0), (0.0, 0.0), np.where(good, 0, 1), np.where(good, 8, 0), np.where(good, 2, 0)
    )
    return RigMotion(rig.name, "room", dict.fromkeys(rig.bodies, body), {}, ("pixels",))


def test_a_worn_camera_is_where_its_body_was_at_its_own_time():
    rig = preset_rig("optimus-helmet5")
    times = np.tile(TIMES[1:9], (5, 1))
    times[1] += 0.004
    poses = CameraPoses.of(rig, rig.names, times, motion_of(rig))
    for row, name in enumerate(rig.names):
        np.testing.assert_allclose(poses.of_camera(name), moved(times[row]) @ rig.camera(name).T_body_camera, atol=1e-5)
    assert poses.moving == rig.names
    assert poses.frame == "room"
    np.testing.assert_allclose(poses.T_world_body["helmet"], moved(times.mean(axis=0)), atol=1e-5)


def test_a_long_gap_and_a_dropped_frame_have_no_pose():
    rig = preset_rig("optimus-helmet5")
    times = np.tile(TIMES, (5, 1))
    times[2, 0] = np.nan
    poses = CameraPoses.of(rig, rig.names, times, motion_of(rig, lost=(4, 5, 6, 7)))
    assert not poses.known[2, 0]
    assert poses.known[[0, 1, 3, 4], 0].all()
    assert not poses.known[:, 4:8].any()
    assert np.isnan(poses.T_world_body["helmet"][4:8]).all()


def test_a_camera_in_the_room_stands_still_beside_worn_ones():
    rig = preset_rig("optimus-helmet5")
    wall = MountedCamera(
        "wall", PinholeCamera((640, 480), (500.0, 500.0), (319.5, 239.5)), "room", pose_from_rotvec((0.1, 0.0, 0.0), (1.0, 2.0, 3.0))
    )
    both = Rig(rig.name, (*rig.bodies, "room"), {**rig.cameras, "wall": wall})
    poses = CameraPoses.of(both, ("front", "wall"), np.tile(TIMES, (2, 1)), motion_of(rig))
    assert poses.moving == ("front",)
    np.testing.assert_array_equal(poses.of_camera("wall"), np.broadcast_to(wall.T_body_camera, (10, 4, 4)))
    assert poses.select(("wall",)).moving == ()
    with pytest.raises(UnknownNameError, match="wal"):
        poses.select(("wal",))


def test_without_a_map_one_body_is_the_world_and_two_are_an_error():
    rig = preset_rig("optimus-helmet5")
    poses = CameraPoses.relative_to_body(rig, rig.names, 3)
    assert poses.frame == "head"
    np.testing.assert_allclose(poses.of_camera("front")[2], rig.camera("front").T_body_camera)
    two = preset_rig("optimus-helmet-backpack5")
    with pytest.raises(UsageError, match=r"2 bodies.*tag_map\.toml.*--cameras left_side,right_side"):
        CameraPoses.relative_to_body(two, two.names, 3)


def test_the_head_in_a_body_of_another_name_looks_where_its_cameras_look():
    rig = preset_rig("optimus-helmet5")
    turn = pose_from_rotvec((0.3, -0.8, 0.2), (0.1, 0.2, -0.3))
    cameras = {name: MountedCamera(name, camera.model, "glasses", turn @ camera.T_body_camera) for name, camera in rig.cameras.items()}
    T = T_body_head(Rig("glasses", ("glasses",), cameras), "glasses")
    assert T[:3, 1] @ turn[:3, 1] > 0.99
    assert np.array_equal(T_body_head(rig, "helmet"), np.eye(4))


def test_static_poses_refuse_a_worn_camera():
    rig = preset_rig("optimus-helmet5")
    with pytest.raises(UsageError, match=r"'front' on 'helmet'.*tag map.*--cameras"):
        CameraPoses.static(rig, rig.names, 2)


def test_a_point_is_projected_at_each_frames_pose_and_not_without_one():
    model = PinholeCamera((640, 480), (500.0, 500.0), (319.5, 239.5))
    T = np.stack([np.eye(4), pose_from_rotvec((0.0, 0.0, 0.0), (0.1, 0.0, 0.0)), np.full((4, 4), np.nan)])
    pixels = project(model, T, np.tile([0.0, 0.0, 1.0], (3, 1, 1)))
    np.testing.assert_allclose(pixels[:2, 0], [(319.5, 239.5), (269.5, 239.5)])
    assert np.isnan(pixels[2]).all()
