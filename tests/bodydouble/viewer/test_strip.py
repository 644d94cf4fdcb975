"""The strip of moments: person above robot, coloured by what is known, framed on what there is to see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.errors import DataError, FileExistsUsageError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget import Robot, RobotTrajectory
from bodydouble.viewer.capsule_mesh import CapsuleMesh, capsule_mesh
from bodydouble.viewer.strip import COLOURS, FOOTER, GAP, NOTES, UNMET, draw_strip, evenly_spaced, strip, unmet_at

FloatArray = npt.NDArray[np.float64]
FRAMES = 12
TIMES = np.arange(FRAMES) / 30.0


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("optimus")


@pytest.fixture(scope="module")
def trajectory(robot: Robot) -> RobotTrajectory:
    shape = (FRAMES, len(robot.joint_names))
    positions = np.tile(robot.rest, (FRAMES, 1))
    positions[:, robot.joint_names.index("left_shoulder_pitch")] = -np.linspace(0, 1.2, FRAMES)
    return RobotTrajectory(
        robot="optimus", times_s=TIMES, frame="room", joint_names=robot.joint_names, joint_groups=robot.groups, positions=positions,
        velocities=np.zeros(shape), torques=np.zeros(shape), joint_source=np.ones(shape, dtype=np.uint8),
        base_pose=np.tile([0.0, 0.0, robot.standing_height(), 0.0, 0.0, 0.0, 1.0], (FRAMES, 1)), lower=robot.lower, upper=robot.upper,
        velocity_limit=robot.velocity_limit, effort_limit=robot.effort_limit, flags={"task_unmet": np.zeros(FRAMES, np.uint8)},
    )  # fmt: skip


LIMBS = {"shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "hip": "thigh", "knee": "shank", "ankle": "foot", "heel": "heel"}
LIMBS |= {"foot_index": "toe_tip", "hand_wrist": "hand"}
JOINTS = {"cmc": "metacarpal", "mcp": "proximal", "pip": "middle", "ip": "distal", "dip": "distal", "tip": "tip"}


def human_point(landmark: str) -> str:
    side, _, part = landmark.partition("_")
    if part in LIMBS:
        return f"{side}_{LIMBS[part]}"
    if part.startswith("hand_"):
        finger, joint = part.removeprefix("hand_").split("_")
        return f"{side}_{finger}_{JOINTS[joint]}"
    return "head"


@pytest.fixture(scope="module")
def person(robot: Robot, trajectory: RobotTrajectory) -> HumanMotion:
    """A stick figure with the robot's own joints, everything observed but the legs, which are inferred."""
    links = {name: robot.file.skeleton[human_point(name)] for name in LANDMARK_NAMES}
    poses = robot.link_poses(trajectory.positions, trajectory.base_pose, tuple(links.values()))
    landmarks = np.stack([poses[:, list(links).index(name), :3, 3] for name in LANDMARK_NAMES], axis=1)
    source = np.full((FRAMES, 75), Source.OBSERVED, dtype=np.uint8)
    source[:, 25:33] = Source.INFERRED
    return HumanMotion(
        times_s=TIMES, frame="room", link_names=(), link_poses=np.empty((FRAMES, 0, 4, 4)), joint_names=(), joint_angles=np.empty((FRAMES, 0)),
        joint_source=np.empty((FRAMES, 0), np.uint8), base_pose=trajectory.base_pose, landmarks=landmarks, landmark_sigma=np.full((FRAMES, 75), 0.01),
        landmark_source=source, bone_lengths={}, stature=1.73, cameras=(), relabelled=np.empty((0, FRAMES), np.uint8), fit_error_px=np.zeros(FRAMES),
    )  # fmt: skip


def coloured(picture: Any, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    return (np.abs(picture.astype(int) - colour) <= 3).all(axis=2)


def cells(picture: Any, count: int, notes: int = 0) -> list[tuple[Any, Any]]:
    """Return (person, robot) of each moment; ``notes`` is the height of the words below."""
    width = (picture.shape[1] - GAP) // count - GAP
    height = (picture.shape[0] - 3 * GAP - notes - FOOTER) // 2
    lefts = [GAP + k * (width + GAP) for k in range(count)]
    return [(picture[GAP : GAP + height, x : x + width], picture[2 * GAP + height : 2 * (GAP + height), x : x + width]) for x in lefts]


def test_moments_are_evenly_spaced_in_true_time() -> None:
    times = np.array([0.0, 0.1, 0.2, 0.3, 2.0, 4.0])
    assert evenly_spaced(times, 3).tolist() == [0, 4, 5]
    assert evenly_spaced(times[:1], 10).tolist() == [0]
    with pytest.raises(DataError, match="no frames"):
        evenly_spaced(times[:0], 3)


def test_bones_have_the_colour_of_what_is_known_and_robots_are_below(
    person: HumanMotion, trajectory: RobotTrajectory, robot: Robot
) -> None:
    picture = strip(person, trajectory, robot, moments=2)
    (first, below), (last, _) = cells(picture, 2)
    assert coloured(first, COLOURS[Source.OBSERVED]).sum() > 300
    legs = np.flatnonzero(coloured(first, COLOURS[Source.INFERRED]).any(axis=1))
    assert legs[legs > 25].min() > 0.4 * first.shape[0]  # below the caption's grey
    assert not coloured(below, COLOURS[Source.OBSERVED]).any()
    assert below[:, :, 0].astype(int).std() > 20  # something stands there
    assert (first[60:200] != last[60:200]).any(axis=2).sum() > 200  # the arm was lifted


def test_a_moment_in_which_a_task_was_not_met_has_a_red_frame(person: HumanMotion, trajectory: RobotTrajectory, robot: Robot) -> None:
    unmet = np.repeat([0, 1], [FRAMES - 1, 1]).astype(np.uint8)
    errors = {"left_palm_position": np.where(unmet == 1, 0.2, 0.0), "right_palm_position": np.where(unmet == 1, 0.1, 0.0)}
    spoilt = replace(trajectory, flags={"task_unmet": unmet}, task_errors=errors)
    assert unmet_at(spoilt, robot, FRAMES - 1) == ["left_palm_position", "right_palm_position"]
    assert unmet_at(spoilt, robot, 0) == []
    (_, met), (_, marked) = cells(strip(person, spoilt, robot, moments=2), 2, NOTES)
    assert coloured(marked[:4], UNMET).all()
    assert not coloured(met[:4], UNMET).any()


def test_hands_alone_are_shown_large(person: HumanMotion, trajectory: RobotTrajectory, robot: Robot) -> None:
    source = np.full((FRAMES, 75), Source.INFERRED, dtype=np.uint8)
    source[:, 54:] = Source.OBSERVED
    hand = replace(person, landmark_source=source)
    first, below = cells(strip(hand, trajectory, robot, moments=2), 2)[0]
    rows = np.flatnonzero(coloured(first, COLOURS[Source.OBSERVED]).any(axis=1))
    assert np.ptp(rows) > 0.4 * first.shape[0]
    assert below[30:, :, 0].astype(int).std() > 15


@pytest.mark.parametrize("moments", [1, 3])
def test_gaps_and_single_frames_can_be_drawn(person: HumanMotion, trajectory: RobotTrajectory, robot: Robot, moments: int) -> None:
    landmarks, source = person.landmarks.copy(), person.landmark_source.copy()
    landmarks[0], source[0] = np.nan, Source.MISSING
    gap = replace(person, landmarks=landmarks, landmark_source=source)
    first = cells(strip(gap, trajectory, robot, moments=moments), moments)[0][0]
    assert not coloured(first, COLOURS[Source.OBSERVED]).any()
    nothing = replace(person, landmarks=np.full((FRAMES, 75, 3), np.nan))
    with pytest.raises(DataError, match="nothing of the person is known"):
        strip(nothing, trajectory, robot, moments=1)


def test_the_picture_is_written_whole_and_replaces_nothing_unasked(
    person: HumanMotion, trajectory: RobotTrajectory, robot: Robot, tmp_path: Path
) -> None:
    draw_strip(person, trajectory, robot, tmp_path / "s.png", moments=2)
    assert cv2.imread(str(tmp_path / "s.png")).shape[1] > 2 * 190
    with pytest.raises(FileExistsUsageError):
        draw_strip(person, trajectory, robot, tmp_path / "s.png", moments=2)
    assert [path.name for path in tmp_path.iterdir()] == ["s.png"]


def test_a_robot_without_meshes_is_drawn_as_its_capsules(
    person: HumanMotion, trajectory: RobotTrajectory, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(robot: Robot) -> None:
        raise DataError("no meshes")

    monkeypatch.setattr("bodydouble.viewer.robot_renderer.RobotMesh", missing)
    below = cells(strip(person, trajectory, robot, moments=1), 1)[0][1]
    assert below[30:, :, 0].astype(int).std() > 15


def test_a_capsule_is_a_closed_surface_at_its_radius(robot: Robot) -> None:
    a, b = np.array([0.1, 0.0, 0.2]), np.array([0.3, 0.4, 0.2])
    mesh = capsule_mesh(a, b, 0.05)
    along = np.clip((mesh.vertices - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    away = np.linalg.norm(mesh.vertices - a - along[:, None] * (b - a), axis=1)
    assert away.max() == pytest.approx(0.05, abs=1e-6)
    assert len(capsule_mesh(a, a, 0.05).vertices) < len(mesh.vertices)
    vertices, normals = CapsuleMesh(robot).posed(robot.rest, [0, 0, 1, 0, 0, 0, 1])
    assert vertices.shape == normals.shape
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-4)
