"""The room frame from a board on the floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig, Targets, join_targets
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.room.board_on_floor import align_to_board
from bodydouble.calibration.room.room_frame import FrameChange
from bodydouble.calibration.transform import apply, pose_distance, pose_from, pose_from_rotvec
from bodydouble.errors import DataError, UnknownNameError, UsageError

T_ROOM_BOARD = pose_from_rotvec([0.0, 0.0, 0.6], [0.3, -0.2, 0.0])
ELSEWHERE = FrameChange(pose_from_rotvec([0.7, -1.9, 0.4], [2.0, -3.0, 0.7]))
"""From the true room to the frame that the rig was calibrated in."""


def board(name: str = "board") -> Targets:
    x, y = np.meshgrid(np.arange(1, 6), np.arange(1, 5))
    return Targets((name,), np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3) * 0.06, np.zeros(20, dtype=np.int64))


def filmed(rig: Rig, T_room_board: np.ndarray = T_ROOM_BOARD, *, targets: Targets | None = None, moments: int = 3, noise_px: float = 0.0):
    """What the cameras see of a board that lies still in the true room."""
    targets = targets or board()
    random = np.random.default_rng(0)
    pixels = [camera.model.project(apply(camera.T_camera_body @ T_room_board, targets.points)) for camera in rig.cameras.values()]
    pixels = np.stack(pixels)[:, None] + noise_px * random.normal(size=(len(rig.cameras), moments, len(targets.points), 2))
    times = np.tile(np.arange(moments) / 30, (len(rig.cameras), 1))
    sizes = tuple(camera.model.image_size for camera in rig.cameras.values())
    return Observations(rig.names, sizes, targets, np.tile(np.arange(moments), (len(rig.cameras), 1)), times, pixels)


@pytest.fixture
def true_rig(simulated_room) -> Rig:
    return simulated_room(seed=7)[0]


@pytest.mark.parametrize(("forward", "turn"), [("x", 0.0), ("y", 90.0), ("-x", 180.0), ("-y", -90.0)])
def test_the_room_is_where_the_board_lies(true_rig, forward, turn):
    found = align_to_board(ELSEWHERE.rig(true_rig), filmed(true_rig), forward=forward, origin=(0.18, 0.12, -0.01))
    T_room_new = T_ROOM_BOARD @ pose_from(pose_from_rotvec([0, 0, np.radians(turn)], [0, 0, 0])[:3, :3], [0.18, 0.12, -0.01])
    for name, camera in found.rig.cameras.items():
        angle, distance = pose_distance(T_room_new @ camera.T_body_camera, true_rig.camera(name).T_body_camera)
        assert angle < 1e-6
        assert distance < 1e-6
    assert found.change.scale == 1.0
    assert found.scale_found == pytest.approx(1.0, abs=1e-6)
    assert found.warnings == found.outliers == ()


def test_noise_is_averaged(true_rig):
    found = align_to_board(ELSEWHERE.rig(true_rig), filmed(true_rig, noise_px=0.2, moments=20))
    T = found.change.T_new_old @ ELSEWHERE.T_new_old
    angle, distance = pose_distance(np.linalg.inv(T_ROOM_BOARD), T)
    assert angle < 5 * found.sigma_rotation_rad < 0.02
    assert distance < 0.002
    assert found.sigma_position_m < 0.001


def test_one_camera_that_saw_it_is_enough(true_rig):
    seen = filmed(true_rig)
    pixels = seen.pixels.copy()
    pixels[1:] = np.nan
    found = align_to_board(ELSEWHERE.rig(true_rig), replace(seen, pixels=pixels))
    assert pose_distance(np.linalg.inv(T_ROOM_BOARD), found.change.T_new_old @ ELSEWHERE.T_new_old)[1] < 1e-5
    assert np.isnan(found.scale_found)


def test_a_board_of_another_size_than_the_rig_knows_is_told(true_rig):
    larger = FrameChange(ELSEWHERE.T_new_old, 1.05).rig(true_rig)
    found = align_to_board(larger, filmed(true_rig))
    assert "may be wrong by -4.8 %" in found.warnings[0]


def test_worn_cameras_do_not_count(true_rig):
    worn = MountedCamera("worn", PinholeCamera((640, 480), (500, 500), (320, 240)), "helmet", true_rig.camera("cam0").T_body_camera)
    both = Rig("both", ("room", "helmet"), {"cam1": true_rig.camera("cam1"), "cam2": true_rig.camera("cam2"), "worn": worn})
    found = align_to_board(both, filmed(both))
    assert found.rig.camera("worn") is not None
    assert np.array_equal(found.rig.camera("worn").T_body_camera, worn.T_body_camera)
    assert found.scene.cameras == ("cam1", "cam2")
    with pytest.raises(DataError, match=r"none of the cameras that filmed \(worn\) stands in the room"):
        align_to_board(both, filmed(both.select(["worn"])))


def test_a_board_that_was_moved_is_refused(true_rig):
    seen = filmed(true_rig, moments=4)
    pixels = seen.pixels.copy()
    pixels[:, 2:] += 60.0
    with pytest.raises(
        DataError, match=r"board 'board' did not lie still: its corners are up to \d+ px from where they are most of the time"
    ):
        align_to_board(true_rig, replace(seen, pixels=pixels))


def test_a_board_on_a_wall_is_warned_of(true_rig):
    upright = pose_from(np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), [0.0, 0.0, 0.0])
    seen = filmed(true_rig, upright)
    front = [c for c, camera in enumerate(true_rig.cameras.values()) if camera.T_body_camera[0, 3] > 1.0]
    pixels = np.full_like(seen.pixels, np.nan)
    pixels[front] = seen.pixels[front]
    found = align_to_board(true_rig, replace(seen, pixels=pixels))
    assert "board 'board' does not seem to lie on the floor" in found.warnings[0]
    assert len(found.warnings) == 1


def test_what_cannot_be_is_one_sentence(true_rig):
    seen = filmed(true_rig)
    with pytest.raises(UnknownNameError, match="axis 'z' is not in the board's axes that can be forward; valid: x, y, -x, -y"):
        align_to_board(true_rig, seen, forward="z")
    with pytest.raises(UsageError, match="is not three numbers"):
        align_to_board(true_rig, seen, origin=(1.0, 2.0))  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="board 'bord' is not in what was looked for; valid: board"):
        align_to_board(true_rig, seen, target="bord")
    with pytest.raises(DataError, match="the board was not seen well enough by any camera of the room: 0 points at most"):
        align_to_board(true_rig, replace(seen, pixels=np.full_like(seen.pixels, np.nan)))


def test_of_several_boards_one_must_be_named(true_rig):
    seen = filmed(true_rig, targets=join_targets([board("left"), board("right")]))
    with pytest.raises(UsageError, match="several boards or tags were seen: left, right; say which"):
        align_to_board(true_rig, seen)
    found = align_to_board(ELSEWHERE.rig(true_rig), seen, target="right")
    assert pose_distance(np.linalg.inv(T_ROOM_BOARD), found.change.T_new_old @ ELSEWHERE.T_new_old)[1] < 1e-6
