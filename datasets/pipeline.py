"""The whole way: a recording in, an episode out, each stage's result kept so that nothing is done twice."""

from __future__ import annotations

import dataclasses
import datetime
import platform
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import bodydouble
from bodydouble import calibration, hand_pose
from bodydouble import retarget as retarget_stage
from bodydouble.atomic import check_can_be_written
from bodydouble.cache import cached, content_key, file_sha256
from bodydouble.calibration import Rig, RigMotion, assumed_rig, check_rig_matches, read_rig
from bodydouble.capture import FrameSets, Recording, focal_px_from_metadata
from bodydouble.capture.settings import ConsentSettings
from bodydouble.datasets.camera_track import track_cameras
from bodydouble.datasets.consent import Consent
from bodydouble.datasets.episode import Episode, RecordingInfo
from bodydouble.datasets.episode_file import write_episode
from bodydouble.datasets.hand_head_poses import HandHeadPoses, human_poses, robot_poses
from bodydouble.datasets.image_writing import FrameImage, ImageEncoding
from bodydouble.datasets.images import encode_jpeg
from bodydouble.datasets.locating import locate_cameras, tag_map_path
from bodydouble.datasets.measure import quality_figures
from bodydouble.datasets.quality import judge
from bodydouble.datasets.segments import Segment
from bodydouble.datasets.timing import timed_detection, timed_motion
from bodydouble.errors import DataError, FileExistsUsageError, UsageError
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.detection import detect
from bodydouble.hand_pose.estimation import EstimatorSettings, estimate
from bodydouble.hand_pose.estimators import FIT, estimator
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.retarget import Robot, RobotTrajectory, retarget

STAGES = ("locate", "detect", "fit", "retarget", "write")
"""In their order; "locate" only where cameras move."""
StageProgress = Callable[[str, float, float], None]
"""Called as ``progress(stage, done, total)``."""


def no_progress(stage: str, done: float, total: float) -> None:
    """Tell nobody."""


JPEG_QUALITY = 88
QUEUED_IMAGES = 8
_SLOWEST_S = 2.0
"""Between frames: less often, they show no motion. At 240 Hz, times in ms look like 4 s."""


@dataclass(frozen=True)
class ProcessSettings:
    """What a person may choose about the whole way."""

    robot: str | Path = "optimus"
    rig: Path | None = None
    """A rig file instead of the recording's own."""
    ignore_rig: bool = False
    """Take one camera as if it had never been calibrated."""
    cameras: tuple[str, ...] = ()
    """Cameras to use; empty for all."""
    start: int | None = None
    stop: int | None = None
    """Range [start, stop) in frames of the camera with the most frames."""
    stature: float | None = None
    """m; None to estimate or assume it."""
    workers: int | None = None
    image_max_side: int | None = 960
    """px of the stored images' longer side; None keeps their size."""
    images: ImageEncoding = "jpeg"
    """JPEG a frame in the file, or H.264 videos beside it."""
    tag_map: Path | None = None
    """Where the tags of the room are, instead of the recording's own tag_map.toml; tells where moving cameras were."""


@dataclass(frozen=True)
class Prepared:
    """A recording with everything that a fit needs."""

    recording: Recording
    rig: Rig
    rig_source: str
    frame_sets: FrameSets
    landmarks: Landmarks
    camera_poses: CameraPoses
    rig_motion: RigMotion | None = None
    """How the moving bodies of the rig moved; None where none does or nothing tells."""
    head_pose: str = ""
    """One sentence on how the pose of the moving bodies is known; "" where no camera moves."""
    detect_seconds: float | None = None
    """Wall time of the detection when it was run; None where that is not known."""


def process(
    recording: Recording, out: Path, settings: ProcessSettings = ProcessSettings(), *,
    force: bool = False, progress: StageProgress = no_progress,
) -> Episode:  # fmt: skip
    """Turn a recording into an episode file at ``out`` and return the episode.

    Raises: FileExistsUsageError if ``out`` exists and not ``force``; UsageError for cameras, rigs, ranges or robots that do not fit; DataError when
    nobody is seen. A run that was stopped goes on where it was.
    """
    out = Path(out)
    if out.exists() and not force:
        raise FileExistsUsageError(out)
    check_can_be_written(out)
    robot = Robot.load(settings.robot)
    prepared = prepare(recording, settings, progress)
    motion = fit(prepared, settings, progress)
    trajectory = _retarget(motion, robot, lambda done, total: progress("retarget", done, total))
    recording, rig, frame_sets, landmarks = prepared.recording, prepared.rig, prepared.frame_sets, prepared.landmarks
    episode = Episode(
        task=recording.settings.task,
        trajectory=trajectory,
        motion=motion,
        landmarks=landmarks,
        rig=rig,
        recording=_recording_info(recording, frame_sets),
        segments=tuple(Segment(item.start_s, item.stop_s, item.text) for item in recording.settings.segments),
        poses=HandHeadPoses(human_poses(motion, trajectory), robot_poses(trajectory, robot)),
        camera_track=track_cameras(rig, motion, frame_sets.camera_times_s, prepared.rig_motion),
        quality=judge(quality_figures(motion, landmarks, rig, trajectory, frame_sets, robot)),
        provenance=_provenance(prepared, robot, settings),
    )
    # Closed also after an error: a decoding thread that outlives the interpreter aborts the process.
    with closing(_images(recording, frame_sets, settings.image_max_side)) as images:
        write_episode(
            out, episode, images=images, encoding=settings.images, force=force, progress=lambda done, total: progress("write", done, total)
        )
    return episode


def prepare(recording: Recording, settings: ProcessSettings = ProcessSettings(), progress: StageProgress = no_progress) -> Prepared:
    """Find the rig, where its cameras were, and the landmarks in every frame; each result is kept.

    Raises: UsageError for cameras, rigs, tag maps or ranges that do not fit; DataError where moving cameras cannot be located, or the times are not in s.
    """
    if settings.cameras:
        recording = recording.select(settings.cameras)
    _check_times(recording)
    rig, rig_source = find_rig(recording, settings)
    clocks = {name: camera.time_offset_s for name, camera in rig.cameras.items()}
    frame_sets = recording.frame_sets(start=settings.start, stop=settings.stop, clock_offset_s=clocks)
    located = locate_cameras(
        recording, rig, frame_sets, settings.tag_map, workers=settings.workers, progress=lambda done, total: progress("locate", done, total)
    )
    landmarks, detect_seconds = timed_detection(
        lambda report: detect(recording, frame_sets, rig=rig, camera_poses=located.camera_poses, workers=settings.workers, progress=report),
        lambda done, total: progress("detect", done, total),
    )
    return Prepared(
        recording, rig, rig_source, frame_sets, landmarks, located.camera_poses, located.rig_motion, located.sentence, detect_seconds
    )


def _check_times(recording: Recording) -> None:
    for name in recording.cameras:
        times = recording.times(name)
        between = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        if between > _SLOWEST_S:
            raise DataError(
                f"The frames of camera '{name}' are {between:.3g} s apart, which is no motion; expected at most {_SLOWEST_S:g} s. The times in "
                "timestamps.csv are in seconds: divide them by 1000 if they are in milliseconds."
            )


def fit(prepared: Prepared, settings: ProcessSettings = ProcessSettings(), progress: StageProgress = no_progress) -> HumanMotion:
    """Fit the person to what the cameras of ``prepared`` saw; the result is kept. Raises: DataError where nobody is seen."""
    return timed_fit(prepared, settings, progress)[0]


def timed_fit(
    prepared: Prepared, settings: ProcessSettings = ProcessSettings(), progress: StageProgress = no_progress, *, by: str = FIT
) -> tuple[HumanMotion, float]:
    """Return what ``fit`` does, or another of ``hand_pose.estimators`` in its place, and the wall time in s that it took when it was computed.

    Raises: UnknownNameError for an estimator that is not there.
    """
    find = estimate if by == FIT else estimator(by)
    chosen = EstimatorSettings(stature=settings.stature)
    landmarks, rig, poses = prepared.landmarks, prepared.rig, prepared.camera_poses
    moved = dataclasses.asdict(poses) if poses.moving else None
    key = content_key(
        _code_of(hand_pose, calibration), dataclasses.asdict(landmarks), _rig_values(rig), dataclasses.asdict(chosen), moved, by
    )
    timed = timed_motion(
        key, lambda: find(landmarks, rig, chosen, camera_poses=poses, progress=lambda done, total: progress("fit", done, total))
    )
    progress("fit", 1, 1)
    return timed


def find_rig(recording: Recording, settings: ProcessSettings) -> tuple[Rig, str]:
    """Return the rig of the recording's cameras and where it is from.

    One camera without a rig gets an assumed one, which says so. Raises: UsageError for several cameras without a rig, or one that does not
    match the recording.
    """
    path = None if settings.ignore_rig else settings.rig or recording.rig_path
    if path is None:
        if len(recording.cameras) > 1:
            first = recording.video_path(recording.cameras[0])
            folder = first.resolve().parent if first.is_symlink() else recording.folder  # links are in the cache, the videos are the user's
            raise UsageError(
                f"The recording has {len(recording.cameras)} cameras ({', '.join(recording.cameras)}) but no rig, so their views cannot be put "
                f"together. Put a rig.toml into {folder}, give one with --rig FILE, or use one camera with --cameras {recording.cameras[0]}."
            )
        camera = recording.cameras[0]
        focal = focal_px_from_metadata(recording.video_path(camera))
        return assumed_rig(
            camera, recording.image_size(camera), focal_px=focal
        ), "assumed" if focal is None else "focal length from metadata"
    rig = read_rig(path)
    if settings.cameras:
        rig = rig.select(settings.cameras)
    check_rig_matches(rig, recording)
    return rig, str(path)


def _retarget(motion: HumanMotion, robot: Robot, progress: Callable[[float, float], None]) -> RobotTrajectory:
    key = content_key(_code_of(retarget_stage), dataclasses.asdict(motion), robot.toml_path, robot.urdf_path)
    trajectory: RobotTrajectory = cached(
        "trajectory", key, ".h5",
        compute=lambda: retarget(motion, robot, progress=progress), save=RobotTrajectory.save, load=RobotTrajectory.load,
    )  # fmt: skip
    progress(1, 1)
    return trajectory


def _code_of(*packages: Any) -> str:
    """Return a key of the source of whole stages: a result made by other code is another result."""
    folders = [Path(package.__file__).parent for package in packages]
    files = [path for folder in folders for path in (*sorted(folder.glob("*.py")), *sorted(folder.glob("kernels/*.py")))]
    return content_key([[path.name, path] for path in files])


def _rig_values(rig: Rig) -> list[Any]:
    return [
        [name, type(camera.model).__name__, dataclasses.asdict(camera.model), camera.body, camera.T_body_camera]  # type: ignore[call-overload]
        for name, camera in rig.cameras.items()
    ] + [[name, item.value, item.sigma] for name, item in rig.assumed.items()]


def _recording_info(recording: Recording, frame_sets: FrameSets) -> RecordingInfo:
    cameras = frame_sets.cameras
    return RecordingInfo(
        name=recording.settings.name,
        cameras=cameras,
        image_size=np.array([recording.image_size(name) for name in cameras]),
        times_s=frame_sets.camera_times_s,
        frame_index=frame_sets.frame_index,
        crop_origin_px=np.array([recording.crop_origin(name) or (0, 0) for name in cameras]),
        started_utc_ns=recording.settings.started_utc_ns,
        operator=recording.settings.operator,
        consent=_consent(recording.settings.consent),
        licence=recording.settings.licence,
        privacy=recording.settings.privacy,
    )


def _consent(said: ConsentSettings | str) -> Consent:
    if isinstance(said, str):
        return Consent(statement=said)
    return Consent(said.version, said.scope, said.expires.isoformat() if said.expires else "", said.statement)


def _provenance(prepared: Prepared, robot: Robot, settings: ProcessSettings) -> dict[str, Any]:
    recording, tag_map = prepared.recording, tag_map_path(prepared.recording, settings.tag_map)
    located = {}
    if prepared.head_pose:
        located = {"head_pose": prepared.head_pose, "tag_map_sha256": file_sha256(tag_map) if tag_map is not None else None}
    return {
        "bodydouble": bodydouble.__version__,
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in ("mediapipe", "numpy", "opencv-contrib-python", "pin", "scipy")},
        "created_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "recording": recording.settings.name,
        "videos": {name: _video_hash(recording, name) for name in recording.cameras},
        "frame_range": [settings.start or 0, (settings.start or 0) + len(prepared.frame_sets)],
        "rig": Path(prepared.rig_source).name,
        "robot": {"name": robot.name, "toml_sha256": file_sha256(robot.toml_path), "urdf_sha256": file_sha256(robot.urdf_path)},
        "detector": dict(prepared.landmarks.settings),
        "settings": {name: value.name if isinstance(value, Path) else value for name, value in dataclasses.asdict(settings).items()},
        "seed": None,
        "parent_episode": None,
        **located,
    }


def _video_hash(recording: Recording, camera: str) -> str:
    path = recording.video_path(camera)
    return file_sha256(path) if path.is_file() else recording.content_key([camera])


def _images(recording: Recording, frame_sets: FrameSets, max_side: int | None) -> Generator[FrameImage]:
    """Yield every frame as JPEG, in order of time a camera; cameras are decoded and encoded side by side, a thread each."""
    results: queue.Queue[FrameImage | BaseException | None] = queue.Queue(maxsize=QUEUED_IMAGES)
    stopped = threading.Event()

    def work(row: int, camera: str) -> None:
        try:
            frames = np.flatnonzero(frame_sets.present[row])
            for frame, (_, _, rgb) in zip(frames, recording.frames(camera, frame_sets.frame_index[row][frames]), strict=True):
                _put((camera, int(frame), encode_jpeg(rgb, quality=JPEG_QUALITY, max_side=max_side)))
                if stopped.is_set():
                    return
            _put(None)
        except BaseException as error:
            _put(error)

    def _put(item: FrameImage | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                results.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    threads = [threading.Thread(target=work, args=(row, camera), daemon=True) for row, camera in enumerate(frame_sets.cameras)]
    for thread in threads:
        thread.start()
    try:
        open_cameras = len(threads)
        while open_cameras:
            item = results.get()
            if item is None:
                open_cameras -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def cameras_from(text: Sequence[str]) -> tuple[str, ...]:
    """Split camera names given once or comma-separated."""
    return tuple(name.strip() for part in text for name in part.split(",") if name.strip())
