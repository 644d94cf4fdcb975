"""The BVH export: the person comes back where they were, and what is held is masked."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.datasets.exports.bvh import BVH_NAMES, FORMAT, euler_angles, skeleton_of, verify
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import check_settings, delete_episodes, merge_exports
from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human import BONES, LINKS, Human, angle_names, joint_angles
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS
from bodydouble.retarget.motions import read_motion
from bodydouble.retarget.motions.bvh import read_bvh
from bodydouble.retarget.motions.rotations import product_about

NO_JOINT = ("nose", "eye", "ear", "mouth", "heel")
"""Landmarks that no joint of a BVH is."""


@pytest.fixture
def exported(exported_as: Callable[..., Any]) -> Callable[..., Any]:
    """Export episodes as BVH."""
    return functools.partial(exported_as, "bvh")


@pytest.fixture
def person(simulated_episode: Callable[..., Any]) -> Any:
    """Give an episode of a whole person of unusual bones, who turns and bends all joints, fingers too, more every frame."""
    episode = simulated_episode()
    lengths = np.array([TYPICAL_LENGTHS[name] for name in BONES]) * np.random.default_rng(3).uniform(0.9, 1.1, len(BONES))
    human = Human(lengths)
    step = np.random.default_rng(4).uniform(0.05, 0.3, human.nv)
    step[:3] = [0.2, -0.3, 0.9]
    step[3:6] = [0.05, 0.1, 0.6]
    turns = [human.integrate(human.rest, step * (0.4 + 0.2 * frame)) for frame in range(4)]
    motion = HumanMotion(
        times_s=episode.times_s, frame="room", link_names=LINKS, link_poses=np.stack([human.link_poses(q) for q in turns]),
        joint_names=angle_names(), joint_angles=np.stack([joint_angles(human, q) for q in turns]),
        joint_source=np.ones((4, len(angle_names()))), base_pose=np.stack([q[:7] for q in turns]),
        landmarks=np.stack([human.landmarks(q) for q in turns]), landmark_sigma=np.full((4, 75), 0.01), landmark_source=np.ones((4, 75)),
        bone_lengths=dict(zip(BONES, lengths.tolist(), strict=True)), stature=1.73, cameras=episode.motion.cameras,
        relabelled=episode.motion.relabelled, fit_error_px=np.full(4, 3.0),
    )  # fmt: skip
    return replace(episode, motion=motion, poses=type(episode.poses)(), camera_track=None)


def without_person(episode: Any, frames: list[int]) -> Any:
    """Give the episode with the person missing in some frames."""
    motion = episode.motion
    gone: dict[str, Any] = {}
    for name in ("link_poses", "joint_angles", "base_pose", "landmarks", "landmark_sigma"):
        gone[name] = getattr(motion, name).copy()
        gone[name][frames] = np.nan
    for name in ("joint_source", "landmark_source"):
        gone[name] = getattr(motion, name).copy()
        gone[name][frames] = Source.MISSING
    return replace(episode, motion=replace(motion, **gone), poses=type(episode.poses)(), camera_track=None)


def mask_of(folder: Path) -> tuple[list[str], np.ndarray]:
    with (folder / "episode_000000.mask.csv").open() as file:
        rows = list(csv.reader(file))
    return rows[0], np.array(rows[1:], dtype=float)


def test_read_motion_gives_the_person_back(exported: Any, person: Any) -> None:
    folder, _ = exported(person)
    read = read_motion(folder / "episode_000000.bvh")
    assert read.motion.frames == 4
    np.testing.assert_allclose(read.motion.times_s, person.times_s, atol=1e-9)
    for link in LINKS:
        np.testing.assert_allclose(read.motion.link(link)[:, :3, 3], person.motion.link(link)[:, :3, 3], atol=1e-5, err_msg=link)
    for name in LANDMARK_NAMES:
        if not any(part in name for part in NO_JOINT):
            np.testing.assert_allclose(read.motion.landmark(name), person.motion.landmark(name), atol=1e-5, err_msg=name)


def test_the_reader_sees_centimetres_and_y_up_and_left_on_the_left(exported: Any, person: Any) -> None:
    folder, _ = exported(person)
    notes = " ".join(read_motion(folder / "episode_000000.bvh").notes)
    assert "named as by Mixamo" in notes
    assert "unit: cm" in notes
    assert "up: y" in notes
    assert "left-handed" not in notes
    assert "fingers" not in notes, "the fingers move"


def test_joints_of_the_file_are_turned_as_the_links(exported: Any, person: Any) -> None:
    folder, _ = exported(person)
    capture = read_bvh(folder / "episode_000000.bvh")
    assert capture.rotations is not None
    to_world = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # the file's z, x, y are the world's x, y, z
    for link in LINKS:
        turned = to_world @ capture.rotations[:, capture.names.index(BVH_NAMES[link])] @ to_world.T
        np.testing.assert_allclose(turned, person.motion.link(link)[:, :3, :3], atol=1e-6, err_msg=link)


def test_bones_stay_as_long_between_two_frames(person: Any) -> None:
    skeleton = skeleton_of(person.motion, np.linspace(0.0, person.times_s[-1], 13))
    elbow, wrist = skeleton.links.index("left_forearm"), skeleton.links.index("left_hand")
    assert skeleton.parents[wrist] == elbow
    assert np.linalg.norm(skeleton.offsets[wrist]) == pytest.approx(person.motion.bone_lengths["forearm"], abs=1e-9)
    np.testing.assert_allclose(
        skeleton.turns @ np.swapaxes(skeleton.turns, -1, -2), np.broadcast_to(np.eye(3), skeleton.turns.shape), atol=1e-9
    )


def test_another_rate_is_resampled_from_the_true_times(exported: Any, person: Any) -> None:
    folder, index = exported(person, rate_hz=30.0)
    assert index["episodes"][0]["samples"] == 2
    assert "Frame Time: 0.0333333333333" in (folder / "episode_000000.bvh").read_text()
    read = read_motion(folder / "episode_000000.bvh").motion
    np.testing.assert_allclose(read.landmark("left_wrist")[1], person.motion.landmark("left_wrist")[2], atol=1e-5)


def test_a_person_who_is_missing_is_held_and_masked(exported: Any, person: Any) -> None:
    folder, index = exported(without_person(person, [0, 2]))
    header, mask = mask_of(folder)
    assert header[:3] == ["time_s", "Hips", "Spine"]
    np.testing.assert_allclose(mask[:, 0], person.times_s, atol=1e-6)
    assert mask[:, 1:].all(axis=1).tolist() == [False, True, False, True]
    assert not mask[[0, 2], 1:].any()
    assert index["episodes"][0]["stored"]["held_frames"] == 2
    lines = (folder / "episode_000000.bvh").read_text().splitlines()[-4:]
    assert lines[0] == lines[1] == lines[2] != lines[3], "the first known pose before it, the last one after it"


def test_a_mask_says_how_the_angles_of_a_joint_are_known(exported: Any, person: Any) -> None:
    source = person.motion.joint_source.copy()
    source[1, person.motion.joint_names.index("left_forearm_pronation")] = Source.INFERRED
    source[1, person.motion.joint_names.index("left_elbow_flexion")] = Source.INTERPOLATED
    landmark_source = person.motion.landmark_source.copy()
    landmark_source[2, LANDMARK_NAMES.index("left_hip")] = Source.INFERRED
    episode = replace(person, motion=replace(person.motion, joint_source=source, landmark_source=landmark_source))
    header, mask = mask_of(exported(episode)[0])
    assert mask[:, header.index("LeftForeArm")].tolist() == [1, 3, 1, 1]
    assert mask[:, header.index("LeftArm")].tolist() == [1, 1, 1, 1]
    assert mask[:, header.index("Hips")].tolist() == [1, 1, 3, 1]


def test_a_person_who_is_nowhere_is_an_error_that_says_so(exported: Any, person: Any) -> None:
    with pytest.raises(DataError, match=r"out_0\.h5: the person's pelvis is known in no frame"):
        exported(without_person(person, [0, 1, 2, 3]))


def test_an_episode_without_an_observed_frame_is_left_out(exported: Any, person: Any) -> None:
    trajectory = replace(person.trajectory, joint_source=np.zeros((4, 3), np.uint8))
    with pytest.raises(DataError, match="no frame of it was observed"):
        exported(replace(person, trajectory=trajectory))


def test_a_tree_with_few_links_is_written_with_those(exported: Any, simulated_episode: Any) -> None:
    folder, index = exported(simulated_episode())
    assert index["episodes"][0]["stored"]["joints"] == 2
    assert read_bvh(folder / "episode_000000.bvh").names == ("Hips", "LeftArm", "LeftArm_end")


def test_one_frame_is_enough(exported: Any, person: Any, first_frame: Any) -> None:
    folder, index = exported(first_frame(person), rate_hz=60.0)
    assert index["episodes"][0]["samples"] == 1
    read = read_motion(folder / "episode_000000.bvh").motion
    np.testing.assert_allclose(read.landmark("right_ankle")[0], person.motion.landmark("right_ankle")[0], atol=1e-5)


def test_one_frame_alone_has_no_rate(exported: Any, person: Any, first_frame: Any) -> None:
    with pytest.raises(UsageError, match="--rate-hz"):
        exported(first_frame(person))


def test_angles_of_a_turning_joint_do_not_jump() -> None:
    spins = np.linspace(0, 4 * np.pi, 200)
    turned = Rotation.from_rotvec(np.outer(spins, [1.0, 0.2, 0.0])).as_matrix()[
        :, None
    ]  # through 90 degrees about x, where both triples meet
    angles = euler_angles(turned)
    np.testing.assert_allclose(product_about("zxy", angles), turned, atol=1e-9)
    assert np.abs(np.diff(angles, axis=0)).max() < 0.5


def test_merged_exports_have_the_bytes_of_one_export_of_all(exported: Any, person: Any, simulated_episode: Any, tmp_path: Path) -> None:
    other = without_person(person, [3])
    other = replace(other, trajectory=replace(other.trajectory, positions=other.trajectory.positions + 0.1))
    both, _ = exported(person, other, out="both")
    exported(person, out="first")
    exported(other, out="second")
    merge_exports([tmp_path / "first", tmp_path / "second"], tmp_path / "merged")
    names = sorted(path.name for path in both.iterdir() if path.name.startswith("episode"))
    assert names == [f"episode_00000{n}{suffix}" for n in range(2) for suffix in (".bvh", ".mask.csv")]
    for name in (*names, "bvh.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (both / name).read_bytes(), name
    delete_episodes(both, ["0"])
    assert (both / "episode_000000.mask.csv").read_bytes() == (tmp_path / "second" / "episode_000000.mask.csv").read_bytes()
    assert not (both / "episode_000001.bvh").exists()


def test_verify_finds_what_is_damaged(exported: Any, person: Any) -> None:
    folder, index = exported(person)
    bvh, mask = folder / "episode_000000.bvh", folder / "episode_000000.mask.csv"
    verify(folder, index)
    whole = mask.read_text()
    mask.write_text(whole.replace(",1,", ",7,", 1))
    with pytest.raises(DataError, match="is not the mask of 4 frames"):
        verify(folder, index)
    mask.write_text(whole)
    text = bvh.read_text()
    bvh.write_text(text.replace("Frame Time: 0.0166", "Frame Time: 0.0266"))
    with pytest.raises(DataError, match="frames a second"):
        verify(folder, index)
    bvh.write_text(text[: len(text) // 2])
    with pytest.raises(DataError):
        verify(folder, index)
    bvh.unlink()
    with pytest.raises(DataError, match=r"has no \.bvh file"):
        verify(folder, index)


def test_settings_that_say_nothing_here_are_refused() -> None:
    with pytest.raises(UsageError, match="--joints"):
        check_settings(FORMAT, ExportSettings(joints=("neck",)))
    check_settings(FORMAT, ExportSettings(rate_hz=30.0))
