"""The Rerun export: what is in the episode is in the recording, at its true times, and nothing is made up or sent away."""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.datasets import read_episode
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import check_settings, delete_episodes, export, merge_exports
from bodydouble.datasets.exports.rerun_chunks import check_installed, read_chunks, write_chunks
from bodydouble.datasets.exports.rerun_log import FORMAT, verify
from bodydouble.datasets.segments import Segment
from bodydouble.errors import DataError, MissingDependencyError, UsageError
from bodydouble.hand_pose.human_motion import Source

pytest.importorskip("rerun.chunk", reason="rerun-sdk 0.41 or newer (the extra 'rerun') is not installed")

CAMERA = "/world/cameras/portrait"


@pytest.fixture
def exported(exported_as: Callable[..., Any]) -> Callable[..., Any]:
    """Export episodes as Rerun recordings."""
    return functools.partial(exported_as, "rerun")


class Log:
    """What a recording holds: entity to component to its rows, static ones apart."""

    def __init__(self, path: Path) -> None:
        self.recording_id, chunks = read_chunks(path)
        self.rows: dict[str, dict[str, list[Any]]] = {}
        self.static: dict[str, dict[str, Any]] = {}
        for chunk in chunks:
            batch = chunk.to_record_batch()
            for name in batch.schema.names[1:]:
                column = batch.column(name)
                values = (column.cast("int64") if name == "capture_time" else column).to_pylist()
                if chunk.is_static:
                    self.static.setdefault(chunk.entity_path, {})[name] = values[0]
                else:
                    self.rows.setdefault(chunk.entity_path, {}).setdefault(name, []).extend(values)

    def times(self, entity: str) -> np.ndarray:
        return np.array(self.rows[entity]["capture_time"]) / 1e9

    def scalars(self, entity: str) -> list[float]:
        return [row[0] for row in self.rows[entity]["Scalars:scalars"]]


def log_of(folder: Path, number: int = 0) -> Log:
    return Log(folder / f"episode_{number:06d}.rrd")


def test_joints_are_logged_at_their_true_times(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    folder, index = exported(episode)
    log = log_of(folder)
    elbow = "/robot/positions/left_arm/left_elbow"
    np.testing.assert_allclose(log.scalars(elbow), episode.trajectory.positions[:, 1])
    np.testing.assert_allclose(log.times(elbow), episode.times_s, atol=1e-9)
    assert log.rows[elbow]["frame"] == [0, 1, 2, 3]
    assert log.static[elbow]["SeriesLines:names"] == ["left_elbow (rad)"]
    assert log.scalars("/robot/joint_source/left_arm/left_elbow") == [1, 1, 1, 1]
    assert index["episodes"][0]["stored"]["frames"] == 4


def test_images_are_the_stored_bytes_at_the_times_of_their_camera(exported: Any, simulated_episode: Any, tmp_path: Path) -> None:
    episode = simulated_episode()
    folder, index = exported(episode)
    log, stored = log_of(folder), read_episode(tmp_path / "out_0.h5")
    for row, camera in enumerate(episode.cameras):
        entity = f"/world/cameras/{camera}/image"
        present = np.flatnonzero(episode.recording.present[row])
        assert log.rows[entity]["frame"] == present.tolist()
        np.testing.assert_allclose(log.times(entity), episode.recording.times_s[row, present], atol=1e-9)
        assert stored.images is not None
        assert [bytes(blob[0]) for blob in log.rows[entity]["EncodedImage:blob"]] == [stored.images.jpeg(camera, int(f)) for f in present]
    assert index["episodes"][0]["stored"]["images"] == {"portrait": 4, "wide": 3}


@pytest.mark.parametrize("size", [None, (36, 64)])
def test_a_landmark_projects_onto_where_it_was_detected(exported: Any, simulated_episode: Any, size: tuple[int, int] | None) -> None:
    folder, _ = exported(simulated_episode(), cameras=("portrait",), image_size=size)
    log = log_of(folder)
    (translation,), (quaternion,) = (log.rows[CAMERA][f"Transform3D:{name}"][0] for name in ("translation", "quaternion"))
    (flat,) = log.static[f"{CAMERA}/image"]["Pinhole:image_from_camera"]
    p_world = np.array(log.rows["/world/human/landmarks"]["Points3D:positions"][0])
    p_camera = (p_world - translation) @ Rotation.from_quat(quaternion).as_matrix()
    pixels = p_camera @ np.reshape(flat, (3, 3))  # Rerun keeps the matrix column by column
    detected = np.array(log.rows[f"{CAMERA}/image/landmarks"]["Points2D:positions"][0])
    assert len(detected) == 54, "the right hand is not detected"
    np.testing.assert_allclose((pixels[:, :2] / pixels[:, 2:])[:54], detected, atol=1e-3)
    assert log.static[f"{CAMERA}/image"]["Pinhole:resolution"] == [list(size or (72, 128))]
    assert log.static[f"{CAMERA}/image"]["camera_model"] == ["pinhole"]
    assert not any("wide" in entity for entity in log.rows)


def test_a_smaller_image_is_made_smaller(exported: Any, simulated_episode: Any) -> None:
    from bodydouble.datasets.images import jpeg_size

    folder, _ = exported(simulated_episode(), cameras=("portrait",), image_size=(36, 64))
    blobs = log_of(folder).rows[f"{CAMERA}/image"]["EncodedImage:blob"]
    assert [jpeg_size(bytes(blob[0])) for blob in blobs] == [(36, 64)] * 4


def test_cameras_that_nobody_wants_are_left_out(exported: Any, simulated_episode: Any) -> None:
    folder, index = exported(simulated_episode(), cameras=())
    assert not any("cameras" in entity for entity in log_of(folder).rows)
    assert index["episodes"][0]["stored"]["images"] == {}


def test_without_stored_images_the_cameras_are_still_where_they_were(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    folder, _ = exported(episode, with_images=False)
    log = log_of(folder)
    assert log.rows[CAMERA]["frame"] == [0, 1, 2, 3]
    np.testing.assert_allclose(
        log.rows[CAMERA]["Transform3D:translation"][0][0], episode.camera_track.T_world_camera[0, 0, :3, 3], atol=1e-6
    )
    assert len(log.rows["/world/cameras/wide/image/landmarks"]["frame"]) == 3
    assert "EncodedImage:blob" not in log.rows.get(f"{CAMERA}/image", {})


def test_landmarks_are_of_the_class_of_how_they_are_known(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    log = log_of(exported(episode)[0])
    points = log.rows["/world/human/landmarks"]
    assert [len(row) for row in points["Points3D:positions"]] == [75, 75, 75, 60], "missing ones are left out"
    assert points["Points3D:class_ids"][0] == episode.motion.landmark_source[0].tolist()
    np.testing.assert_allclose(points["Points3D:positions"][2], episode.motion.landmarks[2], atol=1e-6)
    context = log.static["/world/human"]["AnnotationContext:context"][0]
    labels = {item["class_id"]: item["class_description"]["info"]["label"] for item in context}
    assert labels == {1: "observed", 2: "interpolated", 3: "inferred"}
    bones = log.rows["/world/human/bones"]
    assert [len(row) for row in bones["LineStrips3D:strips"]] == [1, 1, 1, 1], "from the pelvis to the one other link"
    assert bones["LineStrips3D:class_ids"] == [[1], [1], [1], [1]]


def test_the_robots_links_hang_on_each_other(exported: Any, whole_robot: Any) -> None:
    log = log_of(exported(whole_robot)[0])
    strips = np.array(log.rows["/world/robot/links"]["LineStrips3D:strips"])
    assert strips.shape == (4, 95, 2, 3), "a line to each of 96 links but the root"
    np.testing.assert_allclose(
        log.rows["/world/robot/base"]["Transform3D:translation"][3][0], whole_robot.trajectory.base_pose[3, :3], atol=1e-6
    )
    starts = {tuple(np.round(place, 5)) for place in strips[0, :, 0]}
    root = tuple(np.round(whole_robot.trajectory.base_pose[0, :3], 5))
    assert any(np.allclose(start, root, atol=1e-4) for start in starts)
    ends = strips[0, :, 1]
    assert all(np.linalg.norm(ends - start, axis=1).min() < 1e-5 or np.allclose(start, root, atol=1e-4) for start in strips[0, :, 0])


def test_a_robot_that_is_not_known_here_has_no_links_and_the_index_says_why(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    folder, index = exported(replace(episode, trajectory=replace(episode.trajectory, robot="a_robot_of_somebody_else")))
    log = log_of(folder)
    assert "/world/robot/links" not in log.rows
    assert len(log.rows["/world/robot/base"]["frame"]) == 4
    assert index["episodes"][0]["stored"]["no_links"] == "no model of the robot 'a_robot_of_somebody_else' is at hand"


def test_errors_flags_and_contacts_are_scalars_and_missing_ones_are_left_out(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    trajectory = replace(
        episode.trajectory, task_errors={"left_hand_position": np.array([0.01, np.nan, 0.03, np.nan])},
        flags={"task_unmet": np.array([0, 1, 0, 0], np.uint8)}, contacts={"left_heel": np.array([1, 1, 0, 0], np.uint8)},
    )  # fmt: skip
    log = log_of(exported(replace(episode, trajectory=trajectory))[0])
    assert log.scalars("/robot/task_errors/left_hand_position") == [0.01, 0.03]
    assert log.rows["/robot/task_errors/left_hand_position"]["frame"] == [0, 2]
    assert log.static["/robot/task_errors/left_hand_position"]["SeriesLines:names"] == ["left_hand_position (m)"]
    assert log.scalars("/robot/flags/task_unmet") == [0, 1, 0, 0]
    assert log.scalars("/robot/contacts/left_heel") == [1, 1, 0, 0]
    assert log.scalars("/human/flags/high_residual") == [0, 0, 1, 0]


def test_segments_task_and_licence_can_be_read(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode(segments=(Segment(0.0, 0.02, "reach"), Segment(0.02, 0.05, "hold")))
    recording = replace(episode.recording, licence="CC-BY-4.0", started_utc_ns=1_700_000_000_000_000_000)
    log = log_of(exported(replace(episode, recording=recording))[0])
    assert [row[0] for row in log.rows["/segments"]["TextLog:text"]] == ["start: reach", "end: reach", "start: hold", "end: hold"]
    np.testing.assert_allclose(log.times("/segments"), [0.0, 0.02, 0.02, 0.05])
    assert log.rows["/segments"]["frame"] == [0, 2, 2, 3]
    said = log.static["/__properties/episode"]
    assert (said["task"], said["licence"], said["grade"]) == (["raise the left arm – höher"], ["CC-BY-4.0"], [episode.grade])
    assert log.static["/__properties"]["RecordingInfo:name"] == ["raise the left arm – höher"]
    assert "RecordingInfo:start_time" in log.static["/__properties"]
    assert "CC-BY-4.0" in log.static["/episode"]["TextDocument:text"][0]


def test_a_lower_rate_leaves_frames_out_and_moves_none(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    folder, index = exported(episode, rate_hz=30.0)
    log = log_of(folder)
    assert log.rows["/world/human/landmarks"]["frame"] == [0, 2]
    np.testing.assert_allclose(log.times("/robot/positions/neck/neck_yaw"), episode.times_s[[0, 2]], atol=1e-9)
    assert log.rows["/world/cameras/wide/image"]["frame"] == [0], "frame 2 of this camera was dropped"
    assert index["episodes"][0]["stored"]["frames"] == 2


def test_one_frame_is_enough(exported: Any, simulated_episode: Any, first_frame: Any) -> None:
    folder, index = exported(first_frame(simulated_episode()), rate_hz=60.0)
    assert log_of(folder).rows["/world/human/landmarks"]["frame"] == [0]
    assert index["episodes"][0]["stored"]["images"] == {"portrait": 1, "wide": 1}


def test_a_person_who_is_nowhere_has_no_points(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    gone = {name: np.full_like(getattr(episode.motion, name), np.nan) for name in ("link_poses", "joint_angles", "base_pose", "landmarks")}
    sources = {name: np.full_like(getattr(episode.motion, name), Source.MISSING) for name in ("joint_source", "landmark_source")}
    motion = replace(episode.motion, **gone, **sources)
    log = log_of(exported(replace(episode, motion=motion, poses=type(episode.poses)(), camera_track=None))[0])
    assert [row or [] for row in log.rows["/world/human/landmarks"]["Points3D:positions"]] == [[], [], [], []]
    assert [row or [] for row in log.rows["/world/human/bones"]["LineStrips3D:strips"]] == [[], [], [], []]
    assert log.scalars("/robot/positions/neck/neck_yaw") == [0, 0, 0, 0]


def test_an_episode_without_an_observed_frame_is_left_out(exported: Any, simulated_episode: Any) -> None:
    episode = simulated_episode()
    with pytest.raises(DataError, match="no frame of it was observed"):
        exported(replace(episode, trajectory=replace(episode.trajectory, joint_source=np.zeros((4, 3), np.uint8))))


def test_the_same_episode_gives_the_same_chunks(exported: Any, simulated_episode: Any) -> None:
    once, index = exported(simulated_episode(), out="once")
    again, _ = exported(simulated_episode(), out="again")
    chunks = [list(read_chunks(folder / "episode_000000.rrd")[1]) for folder in (once, again)]
    assert [chunk.id for chunk in chunks[0]] == [chunk.id for chunk in chunks[1]]
    assert all(a.to_record_batch().equals(b.to_record_batch()) for a, b in zip(*chunks, strict=True))
    assert log_of(once).recording_id == log_of(again).recording_id == index["episodes"][0]["identity"]


def test_merging_and_deleting_copy_the_files(exported: Any, simulated_episode: Any, tmp_path: Path) -> None:
    episode = simulated_episode()
    other = replace(episode, trajectory=replace(episode.trajectory, positions=episode.trajectory.positions + 0.1))
    first, _ = exported(episode, out="first")
    second, _ = exported(other, out="second")
    merged, one = tmp_path / "merged", "episode_000000.rrd"
    merge_exports([first, second], merged)
    assert (merged / one).read_bytes() == (first / one).read_bytes()
    assert (merged / "episode_000001.rrd").read_bytes() == (second / one).read_bytes()
    delete_episodes(merged, ["0"])
    assert (merged / one).read_bytes() == (second / one).read_bytes()
    assert sorted(path.name for path in merged.iterdir()) == ["bodydouble_export.json", one]


def test_verify_finds_what_is_damaged(exported: Any, simulated_episode: Any) -> None:
    folder, index = exported(simulated_episode())
    path = folder / "episode_000000.rrd"
    whole = path.read_bytes()
    verify(folder, index)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as a whole Rerun recording"):
        verify(folder, index)
    path.write_bytes(b"not one at all")
    with pytest.raises(DataError, match="cannot be read as a whole Rerun recording"):
        verify(folder, index)
    path.write_bytes(whole)
    recording_id, chunks = read_chunks(path)
    kept = [chunk for chunk in chunks if chunk.entity_path != "/world/cameras/wide/image"]
    write_chunks(path, kept, recording_id)
    with pytest.raises(DataError, match=r"images .*'wide': 0.* by the index"):
        verify(folder, index)
    path.unlink()
    with pytest.raises(DataError, match=r"has no \.rrd file"):
        verify(folder, index)


def test_stopping_leaves_nothing_behind(simulated_episode: Any, exported: Any, tmp_path: Path) -> None:
    exported(simulated_episode(), out="other")  # for its episode file
    plan = plan_export("rerun", [tmp_path / "other_0.h5"], ExportSettings(allow_unconsented=True))
    told: list[float] = []

    def stop(done: float, total: float) -> None:
        told.append(done)
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(plan, tmp_path / "stopped", progress=stop)
    assert told
    assert not (tmp_path / "stopped").exists()
    assert not (tmp_path / "stopped.partial").exists()


def test_progress_grows_up_to_the_number_of_frames(simulated_episode: Any, exported: Any, tmp_path: Path) -> None:
    exported(simulated_episode(), out="other")
    plan = plan_export("rerun", [tmp_path / "other_0.h5"], ExportSettings(allow_unconsented=True))
    told: list[float] = []
    export(plan, tmp_path / "watched", progress=lambda done, total: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_as_one(simulated_episode: Any, exported: Any) -> None:
    chunks = list(read_chunks(exported(simulated_episode())[0] / "episode_000000.rrd")[1])
    with pytest.raises(OSError, match="full") as caught:
        write_chunks(Path("/dev/full"), chunks, "any")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("gone", ["rerun", "rerun.chunk"])
def test_without_the_library_the_error_says_how_to_get_it(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, gone, None)  # as if it were not installed
    with pytest.raises(MissingDependencyError, match=r"Run `pip install 'bodydouble\[rerun\]'`"):
        check_installed()


def test_settings_that_say_nothing_here_are_refused() -> None:
    with pytest.raises(UsageError, match="--joints"):
        check_settings(FORMAT, ExportSettings(joints=("neck",)))
    check_settings(FORMAT, ExportSettings(cameras=("front",), rate_hz=10.0))
