"""Every figure against an answer that is known: the robot's own motion as its target, and one thing made wrong by a known amount."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget import Robot, RobotTrajectory
from bodydouble.retarget.comparison import angles_between
from bodydouble.retarget.quality import figure_limits, judge, quality_figures, unmet_tasks

FloatArray = npt.NDArray[np.float64]

FEET = ("left_heel", "left_toe_tip", "right_heel", "right_toe_tip")


@dataclass
class Case:
    """A robot that does exactly what is asked of it, to be spoilt."""

    robot: Robot
    motion: HumanMotion
    trajectory: RobotTrajectory
    targets: Any
    figures: dict[str, float] = field(default_factory=dict)

    def measured(self, **changes: Any) -> dict[str, float]:
        return quality_figures(replace(self.trajectory, **changes), self.motion, self.robot, self.targets)


@pytest.fixture
def case(robot: Robot, sway: Callable[..., FloatArray], person: Callable[..., HumanMotion]) -> Case:
    times = np.arange(90) / 60.0 + np.random.default_rng(3).uniform(-0.002, 0.002, 90)
    positions = sway(robot, times)
    positions[:, [robot.joint_names.index(f"{side}_{joint}") for side in ("left", "right") for joint in LEG]] = 0.0
    base = np.tile([0.0, 0.0, robot.standing_height(), 0.0, 0.0, 0.0, 1.0], (90, 1))
    skeleton = robot.file.skeleton
    poses = robot.link_poses(positions, base, tuple(skeleton.values()))
    places = {human: poses[:, i, :3, 3].copy() for i, human in enumerate(skeleton)}
    shape = positions.shape
    trajectory = RobotTrajectory(
        robot=robot.name, times_s=times, frame="room", joint_names=robot.joint_names, joint_groups=robot.groups, positions=positions,
        velocities=np.zeros(shape), torques=np.tile(0.25 * robot.effort_limit, (90, 1)), joint_source=np.ones(shape, dtype=np.uint8), base_pose=base,
        lower=robot.lower, upper=robot.upper, velocity_limit=robot.velocity_limit, effort_limit=robot.effort_limit,
        flags={"task_unmet": np.zeros(90, np.uint8)}, acceleration_limit=robot.acceleration,
    )  # fmt: skip
    targets = SimpleNamespace(
        points=places, unscaled={name: place.copy() for name, place in places.items()}, floor_m=0.0, together=np.zeros(90),
        rotations={human: poses[:, i, :3, :3].copy() for i, human in enumerate(skeleton)}, planted={name: np.ones(90, dtype=bool) for name in FEET},
    )  # fmt: skip
    return Case(robot, person(times, positions, base), trajectory, targets)


LEG = ("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle_pitch", "ankle_roll", "toe")


def test_a_robot_that_does_what_is_asked_has_no_error(case: Case) -> None:
    figures = case.measured()
    for name in (
        "palm_position_mm",
        "palm_position_unscaled_mm",
        "palm_orientation_deg",
        "fingertip_mm",
        "bone_direction_deg",
        "elbow_angle_deg",
    ):
        assert figures[name] == pytest.approx(0.0, abs=1e-9), name
        assert figures[f"{name}_p95"] == pytest.approx(0.0, abs=1e-9), name
    for name in ("foot_skate_mm_per_s", "foot_floating_mm", "foot_penetration_mm", "unmet_fraction"):
        assert figures[name] == pytest.approx(0.0, abs=1e-6), name
    assert figures["jerk_ratio"] == pytest.approx(1.0)
    assert figures["smoothness_sparc"] == pytest.approx(figures["smoothness_sparc_source"])
    assert figures["joint_limit_violations"] == figures["velocity_limit_violations"] == figures["acceleration_limit_violations"] == 0.0
    assert np.isnan([figures["pinch_mm"], figures["between_hands_mm"], figures["out_of_balance_pct"]]).all()  # nothing of the kind happens


def test_every_figure_is_described_and_judged(case: Case) -> None:
    figures = case.measured()
    assert set(figures) == set(figure_limits())
    for name, limits in figure_limits().items():
        assert limits.reason, name
        assert limits.remedy or limits.pass_limit is None, name
    gates = judge(figures)
    assert {name for name, gate in gates.items() if gate.verdict not in ("PASS", "INFO")} <= {"self_penetration_mm"}  # it sways as it likes
    assert gates["pinch_mm"].verdict == "INFO"
    assert judge({})["joint_limit_violations"].verdict == "WARN"


def test_palms_are_measured_against_scaled_and_unscaled_targets(case: Case) -> None:
    case.targets.points["left_hand"] = case.targets.points["left_hand"] + [0.0, 0.003, 0.004]
    case.targets.points["right_hand"] = case.targets.points["right_hand"] + [0.005, 0.0, 0.0]
    case.targets.unscaled["left_hand"] = case.targets.unscaled["left_hand"] + [0.0, 0.0, 0.1]
    case.targets.unscaled["right_hand"] = case.targets.unscaled["right_hand"] + [0.0, 0.0, 0.1]
    figures = case.measured()
    assert figures["palm_position_mm"] == pytest.approx(5.0)
    assert figures["palm_position_unscaled_mm"] == pytest.approx(100.0)
    assert judge({"palm_position_mm": 5.0})["palm_position_mm"].verdict == "PASS"


def test_frames_that_were_not_observed_do_not_count_and_unmet_ones_do(case: Case) -> None:
    off = case.targets.points["left_hand"].copy()
    off[:60] += [0.0, 0.0, 0.2]
    case.targets.points["left_hand"] = off
    case.trajectory = replace(case.trajectory, flags={"task_unmet": np.repeat([1, 0], [60, 30]).astype(np.uint8)})
    figures = case.measured()
    assert figures["palm_position_mm_p95"] == pytest.approx(200.0)
    assert figures["unmet_fraction"] == pytest.approx(60 / 90)
    source = case.motion.landmark_source.copy()
    source[:60, [LANDMARK_NAMES.index(name) for name in ("left_wrist", "left_hand_wrist")]] = Source.INFERRED
    case.motion = replace(case.motion, landmark_source=source)
    assert case.measured()["palm_position_mm_p95"] == pytest.approx(0.0, abs=1e-9)


def test_a_body_without_fingers_still_has_palms(case: Case) -> None:
    source = case.motion.landmark_source.copy()
    source[:, 33:] = Source.INFERRED
    case.motion = replace(case.motion, landmark_source=source)
    figures = case.measured()
    assert figures["palm_position_mm"] == pytest.approx(0.0, abs=1e-9)
    assert figures["palm_orientation_deg"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(figures["fingertip_mm"])


@pytest.mark.parametrize(("cameras", "known"), [((), True), (("cam1",), False)])
def test_motion_capture_knows_how_a_hand_is_turned_without_its_knuckles(case: Case, cameras: tuple[str, ...], known: bool) -> None:
    source = case.motion.landmark_source.copy()
    source[:, [i for i, name in enumerate(LANDMARK_NAMES) if name.endswith(("index", "pinky", "mcp"))]] = Source.INFERRED
    case.motion = replace(case.motion, landmark_source=source, cameras=cameras, relabelled=np.zeros((len(cameras), 90), np.uint8))
    assert np.isfinite(case.measured()["palm_orientation_deg"]) == known


def test_without_a_planted_foot_nobody_knows_where_the_floor_is(case: Case) -> None:
    base = case.trajectory.base_pose.copy()
    base[:, 2] -= 0.5
    free = {name: np.zeros(90, np.uint8) for name in FEET}
    assert case.measured(base_pose=base)["foot_penetration_mm"] == pytest.approx(500.0)
    assert np.isnan(case.measured(base_pose=base, contacts=free)["foot_penetration_mm"])


def test_a_turned_palm_is_measured_as_an_angle_and_moves_no_fingertip(case: Case) -> None:
    turn = Rotation.from_euler("x", 1.5, degrees=True).as_matrix()
    for palm in ("left_hand", "right_hand"):
        case.targets.rotations[palm] = case.targets.rotations[palm] @ turn
    assert case.measured()["palm_orientation_deg"] == pytest.approx(1.5)


def test_fingertips_are_measured_from_the_palm(case: Case) -> None:
    for name in case.targets.points:
        if name.startswith("left_") and (name.endswith("_tip") or name == "left_hand"):
            case.targets.points[name] = case.targets.points[name] + [0.1, 0.0, 0.0]  # the whole hand is elsewhere
    figures = case.measured()
    assert figures["palm_position_mm_p95"] == pytest.approx(100.0)
    assert figures["fingertip_mm_p95"] == pytest.approx(0.0, abs=1e-9)
    for name in [n for n in case.targets.points if n.endswith("_tip") and "toe" not in n]:
        case.targets.points[name] = case.targets.points[name] + [0.0, 0.006, 0.0]
    assert case.measured()["fingertip_mm"] == pytest.approx(6.0)


def test_a_pinch_is_the_robots_gap_where_the_persons_fingers_touch(case: Case) -> None:
    gap = np.linalg.norm(case.targets.points["left_index_tip"] - case.targets.points["left_thumb_tip"], axis=1)
    theirs = case.targets.unscaled
    theirs["left_index_tip"][10:20] = theirs["left_thumb_tip"][10:20] + np.array([0.0, 0.0, 0.009])
    theirs["right_index_tip"][10:20] = theirs["right_thumb_tip"][10:20] + np.array([0.0, 0.0, 0.011])  # not closed
    assert case.measured()["pinch_mm"] == pytest.approx(1e3 * np.median(gap[10:20]))


def test_bones_and_elbows_are_compared_with_the_persons_own(case: Case) -> None:
    turn = Rotation.from_euler("y", 7.0, degrees=True).as_matrix()
    for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shank"), ("shank", "foot")):
        for side in ("left", "right"):
            places = case.targets.unscaled
            places[f"{side}_{b}_"] = (
                places[f"{side}_{a}"] + (case.targets.points[f"{side}_{b}"] - case.targets.points[f"{side}_{a}"]) @ turn.T
            )
    # a person turned by 7 degrees as a whole: bones that lie along y do not change, the others by at most 7
    for name in list(case.targets.points):
        case.targets.unscaled[name] = 1.3 * case.targets.points[name] @ turn.T
    figures = case.measured()
    assert 3.0 < figures["bone_direction_deg"] <= 7.0 + 1e-9
    assert figures["elbow_angle_deg_p95"] == pytest.approx(0.0, abs=1e-9)
    elbow = case.targets.unscaled["left_forearm"]
    case.targets.unscaled["left_hand"] = elbow + (elbow - case.targets.unscaled["left_upper_arm"])  # stretched
    bend = np.degrees(_bend(*(case.targets.points[f"left_{part}"] for part in ("upper_arm", "forearm", "hand"))))
    assert case.measured()["elbow_angle_deg_p95"] == pytest.approx(np.percentile(np.concatenate([bend, 0 * bend]), 95))


def _bend(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    u, v = b - a, c - b
    return np.arccos((u * v).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1))


def test_between_hands_counts_while_both_work_on_one_object(case: Case) -> None:
    case.targets.points["right_hand"] = case.targets.points["right_hand"] + [0.0, 0.012, 0.0]
    assert np.isnan(case.measured()["between_hands_mm"])
    case.targets.together[30:40] = 1.0
    assert case.measured()["between_hands_mm"] == pytest.approx(12.0)


def test_feet_that_slide_sink_and_float_show_by_how_much(case: Case) -> None:
    base = case.trajectory.base_pose.copy()
    base[:, 0] += 0.02 * case.trajectory.times_s
    assert case.measured(base_pose=base)["foot_skate_mm_per_s"] == pytest.approx(20.0)
    free = {name: np.zeros(90, np.uint8) for name in FEET}
    assert np.isnan(case.measured(base_pose=base, contacts=free)["foot_skate_mm_per_s"])
    base = case.trajectory.base_pose.copy()
    base[:, 2] += np.where(np.arange(90) == 50, -0.013, 0.004)
    figures = case.measured(base_pose=base)
    assert figures["foot_floating_mm"] == pytest.approx(4.0)
    assert figures["foot_penetration_mm"] == pytest.approx(13.0)
    base[:, 2] += 0.3  # on a box: the target is as high
    for name in FEET:
        case.targets.points[name] = case.targets.points[name] + [0.0, 0.0, 0.3]
    assert case.measured(base_pose=base)["foot_floating_mm"] == pytest.approx(4.0)


def test_a_joint_beyond_its_range_is_counted_and_margins_are_given(case: Case, robot: Robot) -> None:
    positions = case.trajectory.positions.copy()
    positions[5, 0] = robot.upper[0] + 0.01
    figures = case.measured(positions=positions)
    assert figures["joint_limit_violations"] == 1.0
    assert figures["velocity_limit_violations"] > 0
    assert judge(figures)["joint_limit_violations"].verdict == "FAIL"
    middle = np.tile((robot.lower + robot.upper) / 2, (90, 1))
    assert case.measured(positions=middle)["range_margin_deg"] == pytest.approx(np.degrees(np.median((robot.upper - robot.lower) / 2)))
    assert case.measured(positions=middle)["speed_share_p95"] == 0.0


def test_speed_and_acceleration_are_shares_of_their_limits(case: Case, robot: Robot) -> None:
    t = case.trajectory.times_s
    rising = (0.5 * robot.acceleration * 0.1 * ((t - t[0]) ** 2)[:, None]) + robot.lower
    figures = case.measured(positions=rising)
    assert figures["acceleration_share_p95"] == pytest.approx(0.1, rel=1e-6)
    assert case.measured(acceleration_limit=None)["acceleration_limit_violations"] != 0  # NaN: nobody knows
    steady = 0.3 * robot.velocity_limit * (t - t[0])[:, None] + robot.lower
    assert case.measured(positions=steady)["speed_share_p95"] == pytest.approx(0.3)


def test_torque_is_that_on_the_feet_where_they_are_planted(case: Case, robot: Robot) -> None:
    assert case.measured()["torque_share_p95"] == pytest.approx(0.25)
    supported = np.full_like(case.trajectory.positions, np.nan)
    supported[:45] = 0.75 * robot.effort_limit
    flags = {
        **case.trajectory.flags,
        "out_of_balance": np.repeat([1, 0], [9, 81]).astype(np.uint8),
        "effort_exceeded": np.ones(90, np.uint8),
    }
    margin = np.concatenate([np.full(45, 0.02), np.full(45, np.nan)])
    figures = case.measured(supported_torques=supported, flags=flags, support_margin=margin)
    assert figures["torque_share_p95"] == pytest.approx(0.75)
    assert figures["out_of_balance_pct"] == pytest.approx(20.0)
    assert figures["support_margin_mm"] == pytest.approx(20.0)
    assert figures["effort_exceeded_pct"] == pytest.approx(100.0)


def test_shaking_shows_in_the_jerk_and_not_in_still_targets(case: Case, robot: Robot) -> None:
    shaken = case.trajectory.positions.copy()
    shaken[:, robot.joint_names.index("left_elbow")] += 0.02 * np.sin(2 * np.pi * 6.0 * case.trajectory.times_s)
    figures = case.measured(positions=shaken)
    assert figures["jerk_ratio"] > 2.0
    assert figures["smoothness_sparc"] < figures["smoothness_sparc_source"]
    assert judge(figures)["jerk_ratio"].verdict in ("WARN", "FAIL")


def test_unmet_tasks_are_named_with_their_share(case: Case, robot: Robot) -> None:
    bound = {task.name: task.unmet_above for task in robot.file.tasks if task.unmet_above is not None}
    late = np.where(np.arange(90) < 30, 2.0, 0.5)
    errors = {name: 0.0 * late for name in bound} | {"left_palm_position": late * bound["left_palm_position"]}
    errors["right_palm_position"] = np.where(np.arange(90) < 9, 2.0, np.nan) * bound["right_palm_position"]
    met = unmet_tasks(replace(case.trajectory, task_errors=errors), robot)
    assert met == {"left_palm_position": pytest.approx(30 / 90), "right_palm_position": pytest.approx(0.1)}
    assert unmet_tasks(case.trajectory, robot) == {}


def test_small_and_large_angles_between_rotations_are_exact() -> None:
    angles = np.array([0.0, 1e-9, 1e-4, 1.0, np.pi - 1e-6, np.pi])
    turns = Rotation.from_rotvec(np.outer(angles, [0.6, 0.0, 0.8])).as_matrix()
    np.testing.assert_allclose(angles_between(turns, np.tile(np.eye(3), (6, 1, 1))), angles, rtol=1e-6, atol=1e-12)
    assert np.isnan(angles_between(turns[:1] * np.nan, turns[:1])).all()


def test_one_frame_has_errors_but_no_rates(case: Case) -> None:
    def first(value: Any) -> Any:
        return value[:1]

    trajectory = replace(
        case.trajectory, **{n: first(getattr(case.trajectory, n)) for n in ("times_s", "positions", "velocities", "torques", "joint_source", "base_pose")},
        flags={"task_unmet": np.zeros(1, np.uint8)},
    )  # fmt: skip
    arrays = (
        "times_s", "link_poses", "joint_angles", "joint_source", "base_pose", "landmarks", "landmark_sigma", "landmark_source", "fit_error_px",
    )  # fmt: skip
    motion = replace(case.motion, **{name: first(getattr(case.motion, name)) for name in arrays}, relabelled=case.motion.relabelled[:, :1])
    targets = SimpleNamespace(
        **{name: {key: first(value) for key, value in getattr(case.targets, name).items()} for name in ("points", "unscaled", "rotations", "planted")},
        floor_m=0.0, together=np.zeros(1),
    )  # fmt: skip
    figures = quality_figures(trajectory, motion, case.robot, targets)
    assert figures["palm_position_mm"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan([figures["jerk_ratio"], figures["speed_share_p95"], figures["foot_skate_mm_per_s"]]).all()


def test_a_robot_of_which_nothing_was_asked_has_not_met_its_tasks(case: Case) -> None:
    idle = {"task_unmet": np.zeros(90, np.uint8), "not_driven": np.ones(90, np.uint8)}
    figures = case.measured(flags=idle)
    assert np.isnan(figures["unmet_fraction"])
    assert judge(figures)["unmet_fraction"].verdict == "WARN"
    idle["not_driven"][3] = 0
    assert case.measured(flags=idle)["unmet_fraction"] == 0.0
