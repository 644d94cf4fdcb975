"""read_motion as a whole: every kind of file, what is noted, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.retarget import Robot
from bodydouble.retarget.mapping import HUMAN_LINKS
from bodydouble.retarget.motions import ReadMotion, read_motion, world_axes
from bodydouble.retarget.targets import make_targets

CMU, OPTITRACK = "mocap/cmu_playground.amc", "mocap/optitrack_climb_seq1.npy"
QUALISYS, HAND = "mocap/qualisys_hand_arm_part1.tsv", "hands/dexretarget_hand_joints.npy"


@pytest.fixture(scope="module")
def cmu(shared_data: Path) -> ReadMotion:
    return read_motion(shared_data / CMU)


@pytest.fixture(scope="module")
def optitrack(shared_data: Path) -> ReadMotion:
    return read_motion(shared_data / OPTITRACK, rate_hz=120)


@pytest.fixture(scope="module")
def qualisys(shared_data: Path) -> ReadMotion:
    return read_motion(shared_data / QUALISYS)


@pytest.fixture(scope="module")
def hand(shared_data: Path) -> ReadMotion:
    return read_motion(shared_data / HAND, rate_hz=30)


def test_every_motion_has_all_links_and_proper_rotations(
    cmu: ReadMotion, optitrack: ReadMotion, qualisys: ReadMotion, hand: ReadMotion
) -> None:
    for read, frames in ((cmu, 2751), (optitrack, 2423), (qualisys, 3000), (hand, 621)):
        motion = read.motion
        assert motion.link_names == HUMAN_LINKS
        assert (motion.frames, motion.frame) == (frames, "room")
        turns = motion.link_poses[:, :, :3, :3]
        known = np.isfinite(turns).all(axis=(2, 3))
        assert (known == np.isfinite(turns).any(axis=(2, 3))).all()
        np.testing.assert_allclose(
            turns[known] @ np.swapaxes(turns[known], 1, 2), np.broadcast_to(np.eye(3), (known.sum(), 3, 3)), atol=1e-9
        )
        assert (np.linalg.det(turns[known]) > 0).all()
        missing = motion.landmark_source == Source.MISSING
        assert np.isnan(motion.landmarks[missing]).all()
        assert np.isfinite(motion.landmarks[~missing]).all()


def test_cmus_rate_is_assumed_and_said_so_and_its_inches_are_metres(cmu: ReadMotion) -> None:
    motion = cmu.motion
    assert cmu.kind == "amc"
    assert motion.times_s[-1] == pytest.approx(2750 / 120)
    assert motion.assumed["rate_hz"]["value"] == 120
    assert any(note.startswith("rate: 120 Hz assumed") for note in cmu.notes)
    assert motion.bone_lengths["thigh"] == pytest.approx((7.1578 + 7.43386) / 2 / 0.45 * 0.0254, rel=1e-6)
    assert motion.stature == pytest.approx(1.78, abs=0.1)
    head, toes = motion.link("head")[:, 2, 3], motion.landmark("left_foot_index")[:, 2]
    assert 1.2 < np.median(head - toes) < 1.6
    assert np.percentile(toes, 2) == pytest.approx(0.0, abs=0.06)


def anatomical(motion: HumanMotion) -> dict[str, np.ndarray]:
    """Return flexions and the like of both sides (rad), positive as the joint is meant to bend."""

    def seen(a: str, b: str) -> np.ndarray:
        return np.swapaxes(motion.link(a)[:, :3, :3], 1, 2) @ motion.link(b)[:, :3, :3]

    found = {}
    for side in ("left", "right"):
        elbow, knee = seen(f"{side}_upper_arm", f"{side}_forearm"), seen(f"{side}_thigh", f"{side}_shank")
        found[f"{side} elbow"] = np.arctan2(-elbow[:, 0, 2], elbow[:, 2, 2])
        found[f"{side} elbow aside"] = np.arcsin(elbow[:, 1, 2].clip(-1, 1))
        found[f"{side} knee"] = np.arctan2(knee[:, 0, 2], knee[:, 2, 2])
        found[f"{side} knee aside"] = np.arcsin(knee[:, 1, 2].clip(-1, 1))
        wrist, ankle = seen(f"{side}_forearm", f"{side}_hand"), seen(f"{side}_shank", f"{side}_foot")
        found[f"{side} wrist"] = np.arctan2(wrist[:, 2, 1], wrist[:, 1, 1])
        found[f"{side} ankle"] = -np.arctan2(ankle[:, 0, 2], ankle[:, 2, 2])
    return found


@pytest.mark.parametrize("which", ["cmu", "optitrack"])
def test_joints_of_real_people_bend_as_joints_can(which: str, request: pytest.FixtureRequest) -> None:
    angles = anatomical(request.getfixturevalue(which).motion)
    for side in ("left", "right"):
        elbow, knee = np.degrees(angles[f"{side} elbow"]), np.degrees(angles[f"{side} knee"])
        assert np.percentile(elbow, 1) > -10
        assert np.percentile(elbow, 99) < 150
        assert np.percentile(knee, 1) > -15
        assert np.percentile(knee, 99) < 165
        assert np.percentile(np.abs(np.degrees(angles[f"{side} elbow aside"])), 99) < 3
        assert np.percentile(np.abs(np.degrees(angles[f"{side} knee aside"])), 99) < 5
        assert np.percentile(np.abs(np.degrees(angles[f"{side} wrist"])), 99) < 75
        ankle = np.degrees(np.percentile(angles[f"{side} ankle"], [1, 99]))
        assert ankle[0] > -60
        assert ankle[1] < 60


@pytest.mark.parametrize("which", ["cmu", "optitrack"])
def test_left_is_left_and_feet_that_stand_are_flat(which: str, request: pytest.FixtureRequest) -> None:
    motion = request.getfixturevalue(which).motion
    left = motion.landmark("left_shoulder") - motion.landmark("right_shoulder")
    toes = (
        motion.landmark("left_foot_index")
        - motion.landmark("left_heel")
        + motion.landmark("right_foot_index")
        - motion.landmark("right_heel")
    )
    facing = np.cross(left, [0.0, 0.0, 1.0])
    assert np.mean(np.sum(facing * toes, axis=1) > 0) > 0.95
    assert np.mean(np.sum(motion.link("pelvis")[:, :3, 0] * facing, axis=1) > 0) > 0.99
    for side in ("left", "right"):
        place, foot = motion.link(f"{side}_toes")[:, :3, 3], motion.link(f"{side}_foot")
        speed = np.linalg.norm(np.gradient(place, motion.times_s, axis=0), axis=1)
        standing = (speed < 0.1) & (place[:, 2] < np.percentile(place[:, 2], 5) + 0.03)
        assert standing.sum() > 50
        assert np.median(np.degrees(np.arccos(foot[standing, 2, 2]))) < 8


def test_optitracks_measured_points_are_untouched(optitrack: ReadMotion, shared_data: Path) -> None:
    raw = np.load(shared_data / OPTITRACK).astype(np.float64)
    np.testing.assert_array_equal(optitrack.motion.link("left_hand")[:, :3, 3], raw[:, 8])
    np.testing.assert_array_equal(optitrack.motion.link("right_foot")[:, :3, 3], raw[:, 49])
    assert "fingers: those of the left and right hand never move; beyond the knuckles they count as inferred" in optitrack.notes


def test_the_qualisys_hand_is_in_its_place_without_a_flag(qualisys: ReadMotion) -> None:
    motion = qualisys.motion
    assert motion.times_s[-1] == pytest.approx(29.99)
    palm, ahead = motion.link("right_hand")[:, :3, 1], -motion.link("right_hand")[:, :3, 2]
    assert palm[:, 2].mean() < -0.7  # it works palm down, reaching along the lab's x
    assert ahead[:, 0].mean() > 0.7
    assert (motion.link("right_hand")[:, :3, 0] @ [0, 1, 0]).mean() > 0.5  # the thumb is on the left of a right hand that reaches ahead
    tip = LANDMARK_NAMES.index("right_hand_thumb_tip")
    counts = {source: int((motion.landmark_source[:, tip] == source).sum()) for source in Source}
    assert counts[Source.OBSERVED] == 3000 - 175
    assert counts[Source.INTERPOLATED] == 19  # the one gap of 0.2 s or less
    assert counts[Source.MISSING] == 175 - 19
    knuckle = LANDMARK_NAMES.index("right_hand_index_mcp")
    assert (motion.landmark_source[:, knuckle] == Source.INFERRED).all()
    forearm = np.linalg.norm(motion.link("right_hand")[:, :3, 3] - motion.link("right_forearm")[:, :3, 3], axis=1)
    assert forearm.std() < 0.008
    assert motion.landmark_sigma[0, LANDMARK_NAMES.index("right_wrist")] == pytest.approx(0.01)


def test_the_hand_sequence_is_a_right_hand_in_its_own_axes(hand: ReadMotion) -> None:
    notes = " ".join(hand.notes)
    assert "hand: right, by the way its fingers curl" in notes
    assert "the file's axes are the hand's own" in notes
    assert hand.motion.landmark("right_hand_wrist")[:, 2].mean() == pytest.approx(1.05)


@pytest.mark.parametrize("which", ["cmu", "optitrack", "qualisys", "hand"])
def test_the_robot_is_asked_for_finite_targets_of_all_that_was_observed(which: str, request: pytest.FixtureRequest) -> None:
    motion = request.getfixturevalue(which).motion
    targets = make_targets(motion, Robot.load("optimus"))
    for task, value, weight in zip(targets.tasks, targets.values, targets.weights.T, strict=True):
        assert np.isfinite(value[weight > 0]).all(), task.name
    asked = {task.name for task, weight in zip(targets.tasks, targets.weights.T, strict=True) if (weight > 0).mean() > 0.9}
    assert {"right_palm_position", "right_palm_orientation", "right_forearm_direction", "pelvis_position", "torso_orientation"} <= asked
    if which in ("cmu", "optitrack"):
        assert {"left_foot_position", "left_foot_orientation", "head_direction", "left_shank_direction"} <= asked
    else:
        assert {"right_index_tip_position", "right_thumb_tip_position"} <= asked
    assert np.isfinite(targets.base).all()


def test_2751_frames_take_less_than_two_seconds(cmu: ReadMotion, shared_data: Path) -> None:
    start = time.process_time()
    read_motion(shared_data / CMU)
    assert time.process_time() - start < 2.0


def test_a_saved_motion_comes_back_as_it_was(optitrack: ReadMotion, tmp_path: Path) -> None:
    optitrack.motion.save(tmp_path / "m.h5")
    read = read_motion(tmp_path / "m.h5")
    assert read.kind == "human_motion"
    np.testing.assert_array_equal(read.motion.link_poses, optitrack.motion.link_poses)
    (tmp_path / "n.h5").write_bytes(b"no")
    with pytest.raises(DataError, match="not a human motion file"):
        read_motion(tmp_path / "n.h5")


def test_files_that_are_none_and_options_that_do_not_fit_are_one_sentence(tmp_path: Path, bvh: Any, walking: Any, t_pose: Any) -> None:
    with pytest.raises(UsageError, match=r"gone\.bvh does not exist"):
        read_motion(tmp_path / "gone.bvh")
    with pytest.raises(UsageError, match=r"is no motion file; expected one of \.h5, \.hdf5, \.bvh, \.amc, \.asf, \.tsv, \.npy"):
        read_motion(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(UsageError, match="is no motion file"):
        read_motion(tmp_path / "a.mp4")
    path = bvh(walking, t_pose)
    with pytest.raises(UsageError, match=r"--markers says nothing about .*: it is for \.tsv files"):
        read_motion(path, markers=tmp_path / "x.toml")
    with pytest.raises(UsageError, match=r"--asf says nothing about .*: it is for \.amc, \.asf files"):
        read_motion(path, asf=tmp_path / "x.asf")
    walking_h5 = tmp_path / "w.h5"
    read_motion(path).motion.save(walking_h5)
    with pytest.raises(UsageError, match="--rate-hz says nothing about"):
        read_motion(walking_h5, rate_hz=30)


@pytest.mark.parametrize("rate", [0.0, 1e9, float("nan")])
def test_rates_that_cannot_be_are_refused_for_every_kind(rate: float, shared_data: Path) -> None:
    for name in (CMU, OPTITRACK, QUALISYS, HAND):
        with pytest.raises(UsageError, match="1 to 2000 Hz can be"):
            read_motion(shared_data / name, rate_hz=rate)


def test_a_skeleton_stands_for_the_motion_of_its_name(shared_data: Path, cmu: ReadMotion) -> None:
    np.testing.assert_array_equal(read_motion(shared_data / "mocap/cmu_playground.asf").motion.landmarks, cmu.motion.landmarks)


def test_a_unit_that_the_json_names_wrongly_is_refused_and_one_not_named_is_found(npy: Any, walking: Any) -> None:
    millimetres = {link: walking.place(link) * 1000 for link in HUMAN_LINKS}
    with pytest.raises(
        DataError,
        match=r"walk\.npy: it says m, but then its body would be 1\.73e\+03 m tall; it looks like mm\. Give \"units\": \"mm\" in the JSON",
    ):
        read_motion(npy(millimetres, units="m", axes="z up"), rate_hz=60)
    read = read_motion(npy(millimetres), rate_hz=60)
    assert "unit: mm, by the size of the body (1.73 m)" in read.notes
    np.testing.assert_allclose(read.motion.link("head")[:, :3, 3], walking.place("head"), atol=1e-9)


def test_short_gaps_are_interpolated_and_long_ones_stay_missing(npy: Any, walking: Any) -> None:
    points = {link: walking.place(link).copy() for link in HUMAN_LINKS}
    points["left_hand"][10:18] = np.nan
    points["left_forearm"][50:90] = np.nan
    motion = read_motion(npy(points, units="m", axes="z up"), rate_hz=60).motion
    wrist, elbow = (motion.landmark_source[:, LANDMARK_NAMES.index(f"left_{name}")] for name in ("wrist", "elbow"))
    assert (wrist[10:18] == Source.INTERPOLATED).all()
    assert np.abs(motion.landmark("left_wrist") - walking.place("left_hand")).max() < 0.01
    assert (elbow[50:90] == Source.MISSING).all()
    assert np.isnan(motion.link("left_upper_arm")[50:90, :3, :3]).all()
    assert np.isfinite(motion.link("right_upper_arm")).all()


@pytest.mark.parametrize("hidden", ["left_hand", "left_thigh", "neck", "right_toes", "right_thumb_metacarpal", "pelvis"])
def test_a_point_that_is_missing_in_the_first_half_takes_nothing_down(npy: Any, walking: Any, hidden: str) -> None:
    points = {link: walking.place(link).copy() for link in HUMAN_LINKS}
    points[hidden][:60] = np.nan
    motion = read_motion(npy(points, units="m", axes="z up"), rate_hz=60).motion
    assert np.isfinite(motion.link_poses[70:]).all()
    targets = make_targets(motion, Robot.load("optimus"))
    for task, value, weight in zip(targets.tasks, targets.values, targets.weights.T, strict=True):
        assert np.isfinite(value[weight > 0]).all(), task.name


def test_one_frame_of_points_is_a_motion(npy: Any, someone_moving: Any) -> None:
    one = someone_moving(1)
    motion = read_motion(npy({link: one.place(link) for link in HUMAN_LINKS}, units="m", axes="z up")).motion
    assert motion.frames == 1
    assert np.isfinite(motion.link_poses).all()


def test_too_few_known_names_are_refused(npy: Any, walking: Any) -> None:
    with pytest.raises(DataError, match="too few of known name"):
        read_motion(npy({"a": walking.place("head"), "b": walking.place("neck")}), rate_hz=60)


def test_markers_in_another_unit_than_their_sets_are_refused_with_the_unit_they_look_like_and_where_to_give_it(
    shared_data: Path, tmp_path: Path
) -> None:
    lines = (shared_data / "mocap/qualisys_hand_arm_part1.tsv").read_text().splitlines()
    first = next(row for row, line in enumerate(lines) if line.split("\t")[0].strip().isdigit())
    names = next(line for line in lines if line.startswith("MARKER_NAMES")).split("\t")[1:]
    columns = 3 * len([name for name in names if name.strip()])
    rows = [line.rstrip("\t").split("\t") for line in lines[first : first + 40]]
    metres = ["\t".join([*row[:-columns], *(f"{float(cell) / 1000:.6f}" for cell in row[-columns:])]) for row in rows]
    head = [line for line in lines[:first] if not line.startswith("NO_OF_FRAMES")]
    path = tmp_path / "metres.tsv"
    path.write_text("\n".join([*head, *metres]) + "\n")
    with pytest.raises(
        DataError,
        match=r'it looks like m\. Export it in mm, or pass --markers with a copy of .*qualisys_hand_arm\.toml that says unit = "m"',
    ):
        read_motion(path)
    own = tmp_path / "own.toml"
    own.write_text(
        (Path(world_axes.__file__).parents[1] / "markers/qualisys_hand_arm.toml").read_text().replace('unit = "mm"', 'unit = "m"')
    )
    assert read_motion(path, markers=own).motion.frames == 40
