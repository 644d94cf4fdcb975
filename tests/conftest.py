"""Fixtures that several folders of tests share."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodydouble import assets
from bodydouble.errors import BodydoubleError


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test, which a suite that was started in the background would have them ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the developers' data, which lie beside the repository; skip where they do not."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the developers' data (../shared/data beside the repository) are not here")
    return folder


@pytest.fixture(scope="session")
def sample_videos() -> Path:
    """Give the real four-camera sample: ``videos/cam0N.mp4``, ``calibration/Calib.qca.txt`` and the calibration stills."""
    return _fetched("pose2sim_single")


@pytest.fixture(scope="session")
def one_camera_video() -> Path:
    """Give the real one-camera sample: one hard video with two people."""
    return _fetched("sports2d_demo") / "demo.mp4"


@pytest.fixture(scope="session")
def pose_model() -> Path:
    """Give the pose landmarker's `.task` file."""
    return _fetched("pose_landmarker_full.task")


@pytest.fixture(scope="session")
def hand_model() -> Path:
    """Give the hand landmarker's `.task` file."""
    return _fetched("hand_landmarker_full.task")


def _fetched(name: str) -> Path:
    try:
        return assets.path_of(name)
    except BodydoubleError as error:
        pytest.skip(f"{name} is not in the cache and could not be fetched: {error}")


@pytest.fixture
def isolated_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache folder: no models, no results of earlier runs."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(folder))
    return folder


@pytest.fixture
def isolated_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache folder without results of earlier runs, but with the models and samples of the real one."""
    real, folder = assets.assets_folder(), tmp_path / "results"
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(folder))
    folder.mkdir()
    (folder / "assets").symlink_to(real, target_is_directory=True)
    return folder


FRAMES, RATE_HZ = 4, 60.0
SIZES = {"portrait": (72, 128), "wide": (160, 90)}


@pytest.fixture
def simulated_episode() -> Callable[..., Any]:
    """Make a small simulated Episode: a person lifting the left arm, two cameras, a robot of three joints; fields can be replaced."""

    def make(**replaced: Any) -> Any:
        from bodydouble.datasets import Episode, RecordingInfo, judge

        times = np.arange(FRAMES) / RATE_HZ
        rig = _rig()
        landmarks_m = _person(times)
        pixels = np.stack([_project(rig.cameras[name], landmarks_m) for name in SIZES])
        pixels[:, :, 54:] = np.nan  # the right hand is never seen
        camera_times = np.stack([times, times + 0.001])
        camera_times[1, 2] = np.nan  # the wide camera dropped a frame
        pixels[1, 2] = np.nan
        values: dict[str, Any] = {
            "task": "raise the left arm – höher",
            "trajectory": _trajectory(times),
            "motion": _motion(times, landmarks_m),
            "landmarks": _landmarks(camera_times, pixels),
            "rig": rig,
            "recording": RecordingInfo(
                name="simulated",
                cameras=tuple(SIZES),
                image_size=np.array(list(SIZES.values())),
                times_s=camera_times,
                frame_index=np.tile(np.arange(FRAMES), (2, 1)),
                crop_origin_px=np.zeros((2, 2)),
            ),
            "quality": judge(FIGURES),
            "provenance": {"simulated": True, "seed": 0, "versions": {"bodydouble": "test"}},
        }
        return Episode(**{**values, **replaced})

    return make


FIGURES = {
    "reprojection_median_px": 3.0, "reprojection_p95_px": 9.0, "joint_limit_violations": 0, "velocity_limit_violations": 0,
    "bone_length_variation_pct": 0.0, "skew_p95_ms": 1.0, "hand_observed_pct": 50.0, "body_observed_pct": 100.0,
}  # fmt: skip


@pytest.fixture
def simulated_images() -> Callable[[Any], Iterator[tuple[str, int, Any]]]:
    """Give the images of ``simulated_episode``: red grows with the frame, green is the camera, blue is 200."""

    def images(episode: Any) -> Iterator[tuple[str, int, Any]]:
        for row, camera in enumerate(episode.cameras):
            width, height = episode.recording.image_size[row]
            for frame in np.flatnonzero(episode.recording.present[row]):
                rgb = np.zeros((height, width, 3), np.uint8)
                rgb[:] = (20 * frame, 90 * row, 200)
                yield camera, int(frame), rgb

    return images


def _rig() -> Any:
    from bodydouble.calibration import MountedCamera, PinholeCamera, Rig

    cameras = {}
    for name, (width, height), azimuth in zip(SIZES, SIZES.values(), (0.3, -0.5), strict=True):
        model = PinholeCamera((width, height), (max(width, height),) * 2, (width / 2, height / 2))
        forward = -np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        down = np.array([0.0, 0.0, -1.0])
        T = np.eye(4)
        T[:3, :3] = np.stack([np.cross(down, forward), down, forward], axis=1)
        T[:3, 3] = np.array([0, 0, 0.9]) - 3.0 * forward
        cameras[name] = MountedCamera(name, model, "room", T)
    return Rig("simulated", ("room",), cameras)


def _person(times: np.ndarray) -> np.ndarray:
    """(T, 75, 3): a stick figure facing x, its left arm lifted a little more every frame."""
    from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

    body = {
        "nose": (0.1, 0, 1.6), "shoulder": (0, 0.18, 1.42), "elbow": (0, 0.22, 1.12), "wrist": (0.05, 0.24, 0.86), "hip": (0, 0.09, 0.9),
        "knee": (0, 0.1, 0.48), "ankle": (0, 0.1, 0.07), "heel": (-0.05, 0.1, 0.02), "foot_index": (0.2, 0.12, 0.02),
    }  # fmt: skip
    points = np.zeros((75, 3))
    for index, name in enumerate(LANDMARK_NAMES):
        side = -1.0 if name.startswith("right") or name.endswith("right") else 1.0
        part = name.removeprefix("left_").removeprefix("right_")
        if "hand_" in name:
            points[index] = (0.06 + 0.002 * (index % 5), side * 0.25, 0.8 - 0.01 * (index % 8))
        else:
            x, y, z = body.get(part, (0.1, 0.03, 1.63) if index < 11 else (0.08, 0.25, 0.78))
            points[index] = (x, side * y, z)
    person = np.tile(points, (len(times), 1, 1))
    arm = ("left_wrist", "left_elbow", "left_pinky", "left_index", "left_thumb")
    lifted = [index for index, name in enumerate(LANDMARK_NAMES) if name in arm or name.startswith("left_hand")]
    person[:, lifted, 2] += 3.0 * times[:, None]
    return person


def _project(camera: Any, p_world: np.ndarray) -> np.ndarray:
    return camera.model.project(p_world @ camera.T_camera_body[:3, :3].T + camera.T_camera_body[:3, 3])


def _landmarks(times: np.ndarray, pixels: np.ndarray) -> Any:
    from bodydouble.hand_pose.landmarks import Landmarks

    confidence = np.where(np.isnan(pixels[..., 0]), np.nan, 0.9)
    return Landmarks(tuple(SIZES), times, pixels, confidence, np.full((*pixels.shape[:-1], 3), np.nan), {"model": "simulated"})


def _motion(times: np.ndarray, landmarks: np.ndarray) -> Any:
    from bodydouble.hand_pose.human_motion import HumanMotion, Source

    source = np.full((FRAMES, 75), Source.OBSERVED)
    source[:, 54:] = Source.INFERRED
    source[3, 60:] = Source.MISSING
    landmarks = landmarks.copy()
    landmarks[source == Source.MISSING] = np.nan
    base = np.tile([0, 0, 0.9, 0, 0, 0, 1.0], (FRAMES, 1))
    poses = np.tile(np.eye(4), (FRAMES, 2, 1, 1))
    return HumanMotion(
        times_s=times, frame="room", link_names=("pelvis", "left_upper_arm"), link_poses=poses, joint_names=("left_elbow_flexion",),
        joint_angles=3.0 * times[:, None], joint_source=np.full((FRAMES, 1), Source.OBSERVED), base_pose=base, landmarks=landmarks,
        landmark_sigma=np.full((FRAMES, 75), 0.01), landmark_source=source, bone_lengths={"upper_arm": 0.3}, stature=1.73,
        cameras=tuple(SIZES), relabelled=np.array([[0, 1, 0, 0], [0, 0, 255, 0]]), fit_error_px=np.full(FRAMES, 3.0),
        flags={"high_residual": np.array([0, 0, 1, 0], np.uint8)},
    )  # fmt: skip


def _trajectory(times: np.ndarray) -> Any:
    from bodydouble.retarget.trajectory import RobotTrajectory

    positions = np.stack([0.0 * times, 2.0 * times, -1.0 * times], axis=1)
    return RobotTrajectory(
        robot="optimus", times_s=times, frame="room", joint_names=("neck_yaw", "left_elbow", "right_elbow"),
        joint_groups={"neck": ("neck_yaw",), "left_arm": ("left_elbow",), "right_arm": ("right_elbow",)}, positions=positions,
        velocities=np.gradient(positions, times, axis=0), torques=np.full((FRAMES, 3), np.nan), joint_source=np.ones((FRAMES, 3)),
        base_pose=np.tile([0, 0, 0.9, 0, 0, 0, 1.0], (FRAMES, 1)), lower=np.full(3, -1.0), upper=np.full(3, 1.0),
        velocity_limit=np.full(3, 10.0), effort_limit=np.full(3, 50.0), task_errors={"left_hand_position": np.zeros(FRAMES)},
        flags={"task_unmet": np.zeros(FRAMES, np.uint8)},
    )  # fmt: skip


@pytest.fixture
def written_episode(simulated_episode: Any, simulated_images: Any, tmp_path: Any) -> Any:
    """Give the path of a simulated episode in a file of its own."""
    from bodydouble.datasets import write_episode

    episode = simulated_episode()
    write_episode(tmp_path / "episode.h5", episode, images=simulated_images(episode))
    return tmp_path / "episode.h5"


@dataclass(frozen=True)
class SampleRun:
    """The real sample's recording, and the episode that ``bodydouble process`` made of its first ten frames with an empty cache."""

    recording: Path
    episode: Path
    cache: Path
    """The results of that run, with the models and samples of the real cache."""
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory, sample_videos: Path, pose_model: Path, hand_model: Path) -> SampleRun:
    """Process ten frames of the four-camera sample on the command line, once for all workers of the test run."""
    from bodydouble.cli.demo import make_recording

    worker = os.environ.get("PYTEST_XDIST_WORKER")
    folder = tmp_path_factory.getbasetemp().parent / "sample_run" if worker else tmp_path_factory.mktemp("sample_run")
    folder.mkdir(exist_ok=True)
    run = SampleRun(folder / "recording", folder / "episode.h5", folder / "cache", "", "")
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not run.episode.exists():
            make_recording(sample_videos, run.recording)
            if not run.cache.exists():
                run.cache.mkdir()
                (run.cache / "assets").symlink_to(assets.assets_folder(), target_is_directory=True)
            command = [
                sys.executable,
                "-P",
                "-m",
                "bodydouble",
                "process",
                run.recording,
                "-o",
                run.episode,
                "--start",
                "0",
                "--stop",
                "10",
            ]
            done = subprocess.run(
                command,
                env={**os.environ, "BODYDOUBLE_CACHE": str(run.cache), "COLUMNS": "200"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            (folder / "stdout").write_text(done.stdout)
            (folder / "stderr").write_text(done.stderr)
    return replace(run, stdout=(folder / "stdout").read_text(), stderr=(folder / "stderr").read_text())


@pytest.fixture
def sample_cache(sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch) -> SampleRun:
    """Use the cache of ``sample_run``, where the detections of the first ten frames are kept."""
    monkeypatch.setenv("BODYDOUBLE_CACHE", str(sample_run.cache))
    return sample_run


@pytest.fixture(scope="session")
def simulated_take(tmp_path_factory: pytest.TempPathFactory, hand_model: Path) -> Path:
    """Give a recording of two seconds of a simulated person at a table, small, made on the command line once for all workers of the test run."""
    if find_spec("anny") is None or find_spec("torch") is None:
        pytest.skip("anny and torch (the extra 'simulate') are not installed")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    folder = tmp_path_factory.getbasetemp().parent / "simulated_take" if worker else tmp_path_factory.mktemp("simulated_take")
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "take").exists():
            asked = ["--task", "table", "--seconds", "2", "--seed", "1", "--size", "480x360", "-o", str(folder / "take")]
            command = [sys.executable, "-P", "-m", "bodydouble", "simulate", "--rig", "optimus-helmet5", *asked]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return folder / "take"
