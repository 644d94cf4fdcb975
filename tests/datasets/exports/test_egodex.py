"""The EgoDex export: joints where the person's are, in ARKit's world and axes, images that the intrinsics describe, and the same bytes by every way."""

from __future__ import annotations

import functools
import itertools
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.atomic import OutOfSpaceError
from bodydouble.calibration import FisheyeCamera, PinholeCamera, Rig
from bodydouble.datasets import write_episode
from bodydouble.datasets.exports.egodex import FORMAT, task_folder, verify
from bodydouble.datasets.exports.egodex_skeleton import EGODEX_JOINTS
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import check_settings, delete_episodes, export, merge_exports
from bodydouble.errors import DataError, UsageError
from bodydouble.hand_pose.human import BONES, LINKS, Human, angle_names, joint_angles
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS

TASK = "raise_the_left_arm_hoher"
SIDES = ("left", "right")
FINGERS = ("Index", "Middle", "Ring", "Little")
TO_ARKIT = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])


@pytest.fixture
def exported(exported_as: Callable[..., Any]) -> Callable[..., Any]:
    """Export episodes as EgoDex at the rate of their four frames."""
    return functools.partial(exported_as, "egodex", rate_hz=60.0)


@pytest.fixture
def person(simulated_episode: Callable[..., Any]) -> Callable[..., Any]:
    """Make an episode of a whole person standing at (0.2, -0.3, 0.9), who bends joints by as many rad in each of four frames."""

    def make(by: float = 0.0, **bent: float) -> Any:
        episode = simulated_episode()
        lengths = np.array([TYPICAL_LENGTHS[name] for name in BONES])
        human = Human(lengths)
        poses = []
        for frame in range(4):
            step = np.zeros(human.nv)
            step[:3] = [0.2 + 0.01 * frame, -0.3, 0.9]
            for joint, angle in bent.items():
                step[human.columns(joint)] = angle
            poses.append(human.integrate(human.rest, step))
        motion = HumanMotion(
            times_s=episode.times_s, frame="room", link_names=LINKS, link_poses=np.stack([human.link_poses(q) for q in poses]),
            joint_names=angle_names(), joint_angles=np.stack([joint_angles(human, q) for q in poses]),
            joint_source=np.ones((4, len(angle_names()))), base_pose=np.stack([q[:7] for q in poses]),
            landmarks=np.stack([human.landmarks(q) for q in poses]), landmark_sigma=np.full((4, 75), 0.01), landmark_source=np.ones((4, 75)),
            bone_lengths=dict(zip(BONES, lengths.tolist(), strict=True)), stature=1.73, cameras=episode.motion.cameras,
            relabelled=episode.motion.relabelled, fit_error_px=np.full(4, 3.0),
        )  # fmt: skip
        trajectory = replace(episode.trajectory, positions=episode.trajectory.positions + by)
        return replace(episode, motion=motion, trajectory=trajectory, poses=type(episode.poses)(), camera_track=None)

    return make


def changed(episode: Any, **fields: Any) -> Any:
    """Give the episode with other fields of its motion."""
    return replace(episode, motion=replace(episode.motion, **fields), poses=type(episode.poses)(), camera_track=None)


def read_as_apple(path: Path, names: list[str], frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, str, np.ndarray]:
    """Read one frame as ``SimpleDataset`` of EgoDex's repository does: transforms, extrinsics, intrinsics, instruction and confidences."""
    with h5py.File(path, "r") as root:
        transforms = np.stack([root[f"/transforms/{name}"][frame] for name in names])
        reversible = root.attrs["llm_type"] == "reversible"
        instruction = root.attrs["llm_description2" if reversible and root.attrs["which_llm_description"] != "1" else "llm_description"]
        assert "confidences" in root
        confidences = np.stack([root[f"/confidences/{name}"][frame] for name in names])
        return transforms, root["/transforms/camera"][frame], root["/camera/intrinsic"][:], instruction, confidences


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def poses_of(folder: Path, frame: int = 0) -> dict[str, np.ndarray]:
    with h5py.File(folder / TASK / "0.hdf5") as file:
        return {name: data[frame].astype(float) for name, data in file["transforms"].items()}


def test_apples_reader_finds_the_hands_where_they_are(exported, person):
    episode = person(left_elbow_flexion=0.8)
    folder, index = exported(episode)
    assert index["episodes"][0]["stored"] == {"name": f"{TASK}/0"}
    transforms, extrinsics, intrinsics, instruction, confidences = read_as_apple(
        folder / TASK / "0.hdf5", ["leftHand", "rightIndexFingerTip"], 2
    )
    assert instruction == episode.task
    assert transforms.dtype == extrinsics.dtype == intrinsics.dtype == confidences.dtype == np.float32
    for pose, landmark in zip(transforms, ("left_hand_wrist", "right_hand_index_tip"), strict=True):
        np.testing.assert_allclose(pose[:3, 3], TO_ARKIT @ episode.motion.landmark(landmark)[2], atol=1e-6)
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-6)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1, abs=1e-5)
    assert len(frames_of(folder / TASK / "0.mp4")) == 4
    with h5py.File(folder / TASK / "0.hdf5") as file:
        assert file.attrs["task"] == TASK
        assert len(file["confidences"]) == len(EGODEX_JOINTS) == 50
        assert "camera" not in file["confidences"]
        assert {data.shape for data in file["transforms"].values()} == {(4, 4, 4)}


def test_every_joint_lies_at_its_landmark(exported, person):
    episode = person(left_elbow_flexion=0.8, right_index_mcp=0.5, left_thumb_ip=0.4, right_shoulder=0.3)
    folder, _ = exported(episode)
    found = poses_of(folder, 1)
    for joint in EGODEX_JOINTS:
        if len(joint.landmarks) == 1 and "Shoulder" not in joint.name:
            np.testing.assert_allclose(
                found[joint.name][:3, 3], TO_ARKIT @ episode.motion.landmark(joint.landmarks[0])[1], atol=1e-6, err_msg=joint.name
            )
    np.testing.assert_allclose(found["hip"][:3, 3], TO_ARKIT @ np.array([0.21, -0.3, 0.9]), atol=1e-6)


def test_the_world_is_y_up_and_the_person_faces_minus_z(exported, person):
    found = poses_of(exported(person())[0])
    assert found["hip"][1, 3] == pytest.approx(0.9)
    assert found["hip"][2, 3] == pytest.approx(-0.2), "forward"
    assert found["leftHand"][0, 3] < found["hip"][0, 3] < found["rightHand"][0, 3], "x is right"
    np.testing.assert_allclose(found["hip"][:3, :3], np.eye(3), atol=1e-6)


def test_hands_have_the_axes_of_arkit(exported, person):
    found = poses_of(exported(person())[0])
    down, right, back = np.array([0.0, -1, 0]), np.array([1.0, 0, 0]), np.array([0.0, 0, 1])
    # arms hang, palms towards the thighs, thumbs forward
    left_axes, right_axes = found["leftHand"][:3, :3].T, found["rightHand"][:3, :3].T
    np.testing.assert_allclose(left_axes, [down, right, back], atol=1e-6, err_msg="to the fingers, out of the palm, to the little finger")
    np.testing.assert_allclose(right_axes, [-down, right, -back], atol=1e-6, err_msg="from the fingers, out of the back, to the thumb")
    for side in SIDES:
        along = 1 if side == "left" else -1
        for finger in (*(f"{name}Finger" for name in FINGERS), "Thumb"):
            chain = [found[f"{side}{finger}{part}"] for part in ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip")]
            for one, following in itertools.pairwise(chain):
                bone = (np.linalg.inv(one) @ following)[:3, 3]
                np.testing.assert_allclose(bone / np.linalg.norm(bone), [along, 0, 0], atol=1e-5, err_msg=f"{side}{finger}")
        for name in ("Arm", "Forearm"):
            np.testing.assert_allclose(found[f"{side}{name}"][:3, :3], found[f"{side}Hand"][:3, :3], atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_bending_a_finger_turns_it_about_its_z(exported, person, side):
    bent = {f"{side}_{finger.lower()}_{joint}": 0.4 for finger in FINGERS for joint in ("mcp", "pip", "dip")}
    found = poses_of(exported(person(**bent, **{f"{side}_thumb_ip": 0.3, f"{side}_thumb_mcp": 0.2}))[0])
    for finger in FINGERS:
        chain = [f"{side}Hand", *(f"{side}{finger}Finger{part}" for part in ("Knuckle", "IntermediateBase", "IntermediateTip"))]
        for one, following in itertools.pairwise(chain):
            turned = Rotation.from_matrix(found[one][:3, :3].T @ found[following][:3, :3]).as_rotvec()
            np.testing.assert_allclose(turned, [0, 0, 0.4], atol=1e-5, err_msg=following)
    turned = Rotation.from_matrix(
        found[f"{side}ThumbIntermediateBase"][:3, :3].T @ found[f"{side}ThumbIntermediateTip"][:3, :3]
    ).as_rotvec()
    np.testing.assert_allclose(turned[:2], 0, atol=0.1)
    assert turned[2] == pytest.approx(0.3, abs=0.01)


def test_joints_project_onto_the_pixels_that_the_camera_sees(exported, person):
    episode = person(left_elbow_flexion=0.8)
    folder, _ = exported(episode, cameras=("portrait",))
    camera = episode.rig.cameras["portrait"]
    names = [joint.name for joint in EGODEX_JOINTS]
    transforms, extrinsics, intrinsics, _, _ = read_as_apple(folder / TASK / "0.hdf5", names, 3)
    inside = np.linalg.inv(extrinsics.astype(float)) @ transforms
    pixels, _ = cv2.projectPoints(inside[:, :3, 3].copy(), np.eye(3), np.zeros(3), intrinsics.astype(float), np.zeros(5))
    p_world = transforms[:, :3, 3] @ TO_ARKIT
    expected = camera.model.project(p_world @ camera.T_camera_body[:3, :3].T + camera.T_camera_body[:3, 3])
    np.testing.assert_allclose(pixels[:, 0], expected, atol=0.02)


@pytest.mark.parametrize("lens", [(-0.2, 0.05, 0.01, -0.01, 0.0), "fisheye"])
def test_a_lens_is_taken_out_of_the_images(simulated_episode, tmp_path, lens):
    plain = simulated_episode()
    mounted = plain.rig.cameras["wide"]
    size, focal, centre = (160, 90), (70.0, 72.0), (81.0, 43.0)
    model = FisheyeCamera(size, focal, centre) if lens == "fisheye" else PinholeCamera(size, focal, centre, lens)
    rig = Rig("lens", plain.rig.bodies, {**plain.rig.cameras, "wide": replace(mounted, model=model)})
    recording = replace(plain.recording, crop_origin_px=np.array([[0.0, 0.0], [4.0, 2.0]]), image_size=np.array([[72, 128], [152, 84]]))
    episode = replace(plain, rig=rig, recording=recording, camera_track=None)
    # grey levels that grow evenly, across in the first frame and downwards in the second, tell where a pixel of the view was taken from
    column, row = np.meshgrid(np.arange(152), np.arange(84))
    grey = {0: column, 1: 2 * row, 3: column}
    images = [("wide", frame, np.repeat(level[..., None], 3, axis=-1).astype(np.uint8)) for frame, level in grey.items()]
    images += [("portrait", frame, np.zeros((128, 72, 3), np.uint8)) for frame in range(4)]
    write_episode(tmp_path / "e.h5", episode, images=images, jpeg_quality=100)
    settings = ExportSettings(allow_unconsented=True, cameras=("wide",), rate_hz=60.0, image_size=(76, 42))
    export(plan_export("egodex", [tmp_path / "e.h5"], settings), tmp_path / "out")
    with h5py.File(tmp_path / "out" / TASK / "0.hdf5") as file:
        intrinsics = file["camera/intrinsic"][()].astype(float)
        assert json.loads(file.attrs["bodydouble"])["rectified"]
    np.testing.assert_allclose(intrinsics, [[35, 0, (81 - 4 + 0.5) / 2 - 0.5], [0, 36, (43 - 2 + 0.5) / 2 - 0.5], [0, 0, 1]])
    across, down = (image[..., 1].astype(float) for image in frames_of(tmp_path / "out" / TASK / "0.mp4")[:2])
    seen, moved = 0, 0.0
    for u, v in itertools.product(range(2, 74, 4), range(2, 40, 4)):
        x, y = model.project(np.linalg.inv(intrinsics) @ [u, v, 1.0]) - np.array([4.0, 2.0])
        if 4 < x < 148 and 4 < y < 80:
            assert across[v, u] == pytest.approx(x, abs=3)
            assert down[v, u] == pytest.approx(2 * y, abs=3)
            seen, moved = seen + 1, max(moved, abs(x - (2 * u + 0.5)))
    assert seen > 100
    assert moved > 5, "the lens bends that much"


def test_a_camera_without_distortion_is_left_as_it_is(exported, person):
    folder, _ = exported(person(), cameras=("wide",))
    with h5py.File(folder / TASK / "0.hdf5") as file:
        assert not json.loads(file.attrs["bodydouble"])["rectified"]
        assert file["bodydouble/camera_fresh"][()].tolist() == [1, 1, 0, 1]
        np.testing.assert_allclose(file["camera/intrinsic"][()], [[160, 0, 80], [0, 160, 45], [0, 0, 1]])
    shown = frames_of(folder / TASK / "0.mp4")
    assert [round(float(image[..., 0].mean()), -1) for image in shown] == [0, 20, 20, 60], "the third frame is held"


def test_confidence_is_less_the_less_is_known(exported, person):
    episode = person()
    tip, wrist = LANDMARK_NAMES.index("left_hand_index_tip"), LANDMARK_NAMES.index("left_hand_wrist")
    source, sigma, places = episode.motion.landmark_source.copy(), episode.motion.landmark_sigma.copy(), episode.motion.landmarks.copy()
    source[:, tip] = [Source.OBSERVED, Source.INTERPOLATED, Source.INFERRED, Source.MISSING]
    places[3, tip] = np.nan
    sigma[:, wrist] = [0.0, 0.02, 0.1, np.nan]
    folder, _ = exported(changed(episode, landmark_source=source, landmark_sigma=sigma, landmarks=places))
    with h5py.File(folder / TASK / "0.hdf5") as file:
        np.testing.assert_allclose(file["confidences/leftIndexFingerTip"][()], [0.8, 0.4, 0.08, 0], atol=1e-6)
        np.testing.assert_allclose(file["confidences/leftHand"][()], [1, 0.5, 1 / 26, 0.5], atol=1e-6)
        assert file["bodydouble/source/leftIndexFingerTip"][()].tolist() == [1, 2, 3, 0]
        kept = file["transforms/leftIndexFingerTip"][()]
        assert np.array_equal(kept[3], kept[2]), "the last known one"


def test_what_is_never_known_is_the_identity_with_confidence_zero(exported, person):
    episode = person()
    poses, source = episode.motion.link_poses.copy(), episode.motion.landmark_source.copy()
    poses[:, LINKS.index("left_hand")] = np.nan
    source[:, LANDMARK_NAMES.index("left_hand_wrist")] = Source.MISSING
    folder, _ = exported(changed(episode, link_poses=poses, landmark_source=source))
    with h5py.File(folder / TASK / "0.hdf5") as file:
        np.testing.assert_array_equal(file["transforms/leftHand"][()], np.tile(np.eye(4), (4, 1, 1)))
        assert not file["confidences/leftHand"][()].any()


def test_a_camera_whose_place_is_not_known_is_marked(exported, person):
    episode = person()
    track = episode.camera_track
    T = track.T_world_camera.copy()
    T[0, :2] = np.nan
    folder, _ = exported(replace(episode, camera_track=replace(track, T_world_camera=T)), cameras=("portrait",))
    with h5py.File(folder / TASK / "0.hdf5") as file:
        assert file["bodydouble/source/camera"][()].tolist() == [0, 0, 1, 1]
        np.testing.assert_array_equal(file["transforms/camera"][0], np.eye(4))


def test_joints_that_the_tree_lacks_are_left_out(exported, simulated_episode):
    folder, _ = exported(simulated_episode())
    with h5py.File(folder / TASK / "0.hdf5") as file:
        assert set(file["transforms"]) == {"camera", "hip", "leftArm"}
        assert set(file["confidences"]) == {"hip", "leftArm"}


def test_its_own_rate_is_thirty_frames_a_second(exported_as, person):
    folder, index = exported_as("egodex", person())
    assert index["rate_hz"] == 30
    assert index["episodes"][0]["samples"] == 2
    with av.open(str(folder / TASK / "0.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 30
        assert stream.codec_context.name == "h264"
        assert [float(frame.time) for frame in container.decode(stream)] == pytest.approx([0, 1 / 30])


def test_the_front_camera_is_shown_or_the_first_or_the_one_chosen(exported, person):
    for chosen, shown in ((None, "portrait"), (("wide",), "wide")):
        folder, _ = exported(person(), out=f"out_{shown}", cameras=chosen)
        with h5py.File(folder / TASK / "0.hdf5") as file:
            assert json.loads(file.attrs["bodydouble"])["camera"] == shown
    with pytest.raises(UsageError, match="one camera, but 2 were chosen"):
        exported(person(), out="two", cameras=("wide", "portrait"))
    with pytest.raises(UsageError, match="one camera, but none were chosen"):
        exported(person(), out="none", cameras=())


def test_settings_that_have_no_place_are_refused(exported, person):
    with pytest.raises(UsageError, match="no use for --action"):
        check_settings(FORMAT, ExportSettings(action="delta"))
    with pytest.raises(UsageError, match=r"whole numbers of frames a second, not 29\.97"):
        exported(person(), rate_hz=29.97)
    with pytest.raises(UsageError, match=r"are H\.264, not av1"):
        exported(person(), out="av1", codec="av1")


def test_merging_and_deleting_give_the_bytes_of_exporting(exported, person, tmp_path):
    one, two, other = person(0.1), person(0.2, left_elbow_flexion=0.5), replace(person(0.3), task="Pour — water!")
    both, index = exported(one, two, other, out="both")
    assert [entry["stored"]["name"] for entry in index["episodes"]] == [f"{TASK}/0", f"{TASK}/1", "pour_water/0"]
    exported(one, out="one")
    exported(two, other, out="two")
    merge_exports([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    files = sorted(path.relative_to(both) for path in both.rglob("*.*") if path.suffix != ".json")
    assert len(files) == 6
    for name in files:
        assert (tmp_path / "merged" / name).read_bytes() == (both / name).read_bytes(), name
    delete_episodes(both, ["0"])
    assert (both / TASK / "0.hdf5").read_bytes() == (tmp_path / "two" / TASK / "0.hdf5").read_bytes()
    assert sorted(path.name for path in (both / TASK).iterdir()) == ["0.hdf5", "0.mp4"]
    delete_episodes(both, ["0"])
    assert not (both / TASK).exists()


@pytest.mark.parametrize(
    ("task", "folder"),
    [("Pick & place  the Cup.", "pick_place_the_cup"), ("müde", "mude"), ("掃除", "task"), ("../..", "task"), ("x" * 200, "x" * 80)],
)
def test_a_folder_is_named_as_egodex_names_tasks(task, folder):
    assert task_folder(task) == folder


def test_progress_ends_with_all_frames_and_an_interruption_leaves_nothing(person, tmp_path, simulated_images):
    episode = person()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    plan = plan_export("egodex", [tmp_path / "e.h5"], ExportSettings(allow_unconsented=True, rate_hz=60.0))
    told: list[tuple[float, float]] = []
    export(plan, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (4, 4)

    def stop(done: float, total: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(plan, tmp_path / "stopped", progress=stop)
    assert not list(tmp_path.glob("stopped*"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_and_leaves_nothing(person, tmp_path, simulated_images):
    episode = person()
    write_episode(tmp_path / "e.h5", episode, images=simulated_images(episode))
    plan = plan_export("egodex", [tmp_path / "e.h5"], ExportSettings(allow_unconsented=True, rate_hz=60.0))
    with files_of_at_most(20_000), pytest.raises(OutOfSpaceError, match="No space left while writing"):
        export(plan, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def damage_pose(file: Any) -> None:
    file["transforms/leftHand"][1, 0, 0] = np.nan


def damage_length(file: Any) -> None:
    del file["confidences/hip"]
    file["confidences/hip"] = np.ones(3, np.float32)


def damage_confidence(file: Any) -> None:
    file["confidences/hip"][1] = 0.0


def damage_joint(file: Any) -> None:
    del file["transforms/hip"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_pose, "leftHand holds numbers that are not finite"), (damage_length, "hip has 3 samples"), (damage_joint, "lacks the transforms"),
        (damage_confidence, "confidences of hip do not go with its sources"),
    ],
)  # fmt: skip
def test_what_was_not_written_as_it_should_be_is_found(exported, person, damage, said):
    folder, index = exported(person())
    (folder / "bodydouble_export.json").unlink()  # it is written after the check
    verify(folder, index)
    with h5py.File(folder / TASK / "0.hdf5", "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=said):
        verify(folder, index)


def test_a_video_that_is_cut_off_is_found(exported, person):
    folder, index = exported(person())
    (folder / "bodydouble_export.json").unlink()
    video = folder / TASK / "0.mp4"
    video.write_bytes(video.read_bytes()[:-400])
    with pytest.raises(DataError, match=r"0\.mp4"):
        verify(folder, index)
    video.unlink()
    with pytest.raises(DataError, match="holds 1 files; its index lists 1 episodes of two"):
        verify(folder, index)


def test_an_export_that_lost_a_file_is_not_merged(exported, person, tmp_path):
    exported(person(0.1), out="one")
    exported(person(0.2), out="two")
    (tmp_path / "two" / TASK / "0.mp4").unlink()
    with pytest.raises(DataError, match=r"0\.mp4, which the index of .* lists, is not there"):
        merge_exports([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    assert not list(tmp_path.glob("merged*"))
