"""Find the landmarks in every frame of a recording."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble import assets
from bodydouble.cache import file_sha256
from bodydouble.calibration import CameraModel, Rig, assumed_rig
from bodydouble.calibration.transform import invert
from bodydouble.capture import FrameSets, Recording
from bodydouble.capture.frame_results import FrameFunction, frame_results
from bodydouble.hand_pose import detector
from bodydouble.hand_pose.camera_poses import ROOM, CameraPoses, body_poses
from bodydouble.hand_pose.detector import Detector, DetectorSettings, settings_text
from bodydouble.hand_pose.hand_tracker import HandTrackerSettings
from bodydouble.hand_pose.landmarks import LEFT_HAND, POSE, RIGHT_HAND, ForearmDirections, Landmarks
from bodydouble.hand_pose.neck_pull import shoulders_below
from bodydouble.hand_pose.rig_hands import hands_of_rig
from bodydouble.hand_pose.worn import Worn
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

POSE_MODEL = "pose_landmarker_full.task"
HAND_MODEL = "hand_landmarker_full.task"

_SHAPES = {"pixels": (75, 2), "confidence": (75,), "shape_m": (75, 3)}
FEW_HANDS = 0.3
"""Share of a static recording's views in which a hand hangs on the person found below which hands are looked for by themselves."""
LARGE_HAND = 0.3
"""Share of a person's extent in the image from which a hand is too large to be that person's: the pose model makes one up where it sees a hand alone."""


def detect(
    recording: Recording, frame_sets: FrameSets, settings: DetectorSettings = DetectorSettings(), *, rig: Rig | None = None,
    camera_poses: CameraPoses | None = None, tracker: HandTrackerSettings = HandTrackerSettings(), workers: int | None = None, progress: Progress = silent,
) -> Landmarks:  # fmt: skip
    """Return the landmarks of one person in every camera of ``frame_sets``.

    In cameras that ``rig`` mounts on "room", or if there is no rig, the pose model finds the person; where it finds nobody whose hands those in the
    images can be, only hands are looked for, as always in cameras on other bodies. Cameras on several bodies need ``camera_poses`` to help each other.
    What was found before comes from the cache. Up to ``workers`` processes run at a time (by default one a core).
    Raises: MissingDependencyError without models; DataError if a video breaks or a process is killed.
    """
    worn = tuple(name for name in frame_sets.cameras if rig is not None and rig.camera(name).body != ROOM)
    static = tuple(name for name in frame_sets.cameras if name not in worn)
    models = (assets.path_of(POSE_MODEL), assets.path_of(HAND_MODEL))
    hashes = {path.name: file_sha256(path) for path in (models if static else models[1:])}
    wanted = {camera: frame_sets.frame_index[row][frame_sets.present[row]] for row, camera in enumerate(frame_sets.cameras)}
    total = sum(map(len, wanted.values()))
    arrays = {name: np.full((*frame_sets.present.shape, *shape), np.nan) for name, shape in _SHAPES.items()}
    if static:
        found = frame_results(
            recording, {camera: wanted[camera] for camera in static},
            stage="landmarks", key=(settings, hashes, Path(detector.__file__), Path(__file__)), shapes=_SHAPES, make=_MakeDetector(*models, settings),
            workers=workers, progress=lambda done, _: progress(done, total),
        )  # fmt: skip
        for camera in static:
            row = frame_sets.cameras.index(camera)
            for name, array in arrays.items():
                array[row, frame_sets.present[row]] = found[camera][name]
    hands_seen = np.isfinite(arrays["confidence"][:, :, [LEFT_HAND.start, RIGHT_HAND.start]]).any(axis=2)
    lone = not worn and float(hands_seen.mean()) < FEW_HANDS and (rig is not None or len(static) == 1)
    forearms = None
    if worn or lone:
        cameras = worn or static
        known = rig if rig is not None else assumed_rig(cameras[0], recording.image_size(cameras[0]))
        T_rig_camera, main = _in_rig(known, cameras, len(frame_sets), camera_poses)
        before = sum(len(wanted[camera]) for camera in static)
        hands = hands_of_rig(
            recording, frame_sets, cameras, {name: _in_video(known, recording, name) for name in cameras}, T_rig_camera, models[1], tracker,
            shoulders=_shoulders(known, cameras, main, camera_poses, frame_sets) if worn else None, workers=workers,
            progress=lambda done, of: progress(before + (total - before) * done / max(of, 1), total) if worn else None,
        )  # fmt: skip
        if lone and not _too_large(hands["pixels"], arrays["pixels"]):
            lone = False
        else:
            rows = [frame_sets.cameras.index(camera) for camera in cameras]
            for name, array in arrays.items():
                array[rows] = hands[name]
        if worn:
            forearms = ForearmDirections(main, hands["forearm"], hands["forearm_information"])
    for row, camera in enumerate(frame_sets.cameras):
        origin = recording.crop_origin(camera)
        if origin is not None:
            arrays["pixels"][row] += origin
    used = settings_text(settings, hashes) if static else hashes
    return Landmarks(
        frame_sets.cameras,
        frame_sets.camera_times_s,
        settings={**used, **(_tracker_text(tracker) if worn or lone else {})},
        forearms=forearms,
        **arrays,
    )


def _too_large(hands_px: FloatArray, persons_px: FloatArray) -> bool:
    """Tell whether hands (C, T, 75, 2) are too large for the persons found in the same views, in most views with a hand."""

    def extent(points: FloatArray) -> FloatArray:
        known = np.isfinite(points)
        span = np.where(known, points, -np.inf).max(axis=2) - np.where(known, points, np.inf).min(axis=2)
        return np.asarray(np.where(known.any(axis=(2, 3)), span.max(axis=-1), 0.0))

    hand = np.maximum(extent(hands_px[:, :, LEFT_HAND]), extent(hands_px[:, :, RIGHT_HAND]))
    seen = hand > 0
    return bool(seen.any()) and float(np.mean(hand[seen] > LARGE_HAND * extent(persons_px[:, :, POSE])[seen])) > 0.5


def _in_video(rig: Rig, recording: Recording, camera: str) -> CameraModel:
    """Return the model for the pixels of a video, which may be a declared part of the calibrated image."""
    model, origin = rig.camera(camera).model, recording.crop_origin(camera)
    if origin is None:
        return model
    u, v = model.center
    moved: CameraModel = dataclasses.replace(  # type: ignore[type-var]
        model, image_size=recording.image_size(camera), center=(u - origin[0], v - origin[1])
    )
    return moved


def _in_rig(rig: Rig, cameras: tuple[str, ...], frames: int, camera_poses: CameraPoses | None) -> tuple[FloatArray, str]:
    """Return poses (C, T, 4, 4) of cameras in the frame of the body that most of them are on, NaN where the others' are not known, and that body."""
    bodies = [rig.camera(name).body for name in cameras]
    main = max(dict.fromkeys(bodies), key=bodies.count)
    T_main_camera = np.full((len(cameras), frames, 4, 4), np.nan)
    for row, (name, body) in enumerate(zip(cameras, bodies, strict=True)):
        if body == main:
            T_main_camera[row] = rig.camera(name).T_body_camera
        elif camera_poses is not None:
            T_main_camera[row] = invert(body_poses(rig, main, camera_poses)) @ camera_poses.of_camera(name)
    return T_main_camera, main


def _shoulders(rig: Rig, cameras: tuple[str, ...], body: str, camera_poses: CameraPoses | None, frame_sets: FrameSets) -> FloatArray:
    """Return where the shoulders are about (T, 2, 3) m, in the frame of a body."""
    poses = camera_poses if camera_poses is not None else CameraPoses.relative_to_body(rig, cameras, len(frame_sets))
    with np.errstate(invalid="ignore"):
        worn = Worn.of(poses, np.nanmean(frame_sets.camera_times_s, axis=0))
    world = shoulders_below(worn.T_world_head, worn.forward, worn.up)
    T_body_world = invert(body_poses(rig, body, poses))
    return np.asarray(np.einsum("tij,tkj->tki", T_body_world[:, :3, :3], world) + T_body_world[:, None, :3, 3])


def _tracker_text(settings: HandTrackerSettings) -> dict[str, str]:
    return {f"hand_tracker.{name}": str(value) for name, value in dataclasses.asdict(settings).items()}


@dataclass(frozen=True)
class _MakeDetector:
    """Loads the models in the process that uses them."""

    pose_model: Path
    hand_model: Path
    settings: DetectorSettings

    def __call__(self) -> FrameFunction:
        models = Detector(self.pose_model, self.hand_model, self.settings)

        def find(rgb: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float64]]:
            view = models.detect(rgb)
            return {name: getattr(view, name) for name in _SHAPES}

        return find
