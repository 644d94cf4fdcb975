"""Find the landmarks in every frame of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble import assets
from bodydouble.cache import file_sha256
from bodydouble.calibration import CameraModel, Rig
from bodydouble.capture import FrameSets, Recording
from bodydouble.capture.frame_blocks import Arrays
from bodydouble.capture.frame_results import FrameFunction, frame_results
from bodydouble.hand_pose import detector, hand_search
from bodydouble.hand_pose.detector import Detector, DetectorSettings, settings_text
from bodydouble.hand_pose.hand_search import HandSearch, HandSearchSettings, in_video, settings_values
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.progress import Progress, silent

POSE_MODEL = "pose_landmarker_full.task"
HAND_MODEL = "hand_landmarker_full.task"

_SHAPES = {"pixels": (75, 2), "confidence": (75,), "shape_m": (75, 3)}


def detect(
    recording: Recording, frame_sets: FrameSets, settings: DetectorSettings = DetectorSettings(), *,
    rig: Rig | None = None, search: HandSearchSettings = HandSearchSettings(), workers: int | None = None, progress: Progress = silent,
) -> Landmarks:  # fmt: skip
    """Return the landmarks of one person in every camera of ``frame_sets``.

    In cameras that ``rig`` mounts on "room", or if there is no rig, the pose model finds the person; in those on other bodies only hands are looked for.
    Frames that were detected before, in any range, come from the cache. Up to ``workers`` processes run at a time (by default one a core).
    Raises: MissingDependencyError without models; DataError if a video breaks or a process is killed.
    """
    worn = [name for name in frame_sets.cameras if rig is not None and rig.camera(name).body != "room"]
    static = [name for name in frame_sets.cameras if name not in worn]
    models = (assets.path_of(POSE_MODEL), assets.path_of(HAND_MODEL))
    hashes = {path.name: file_sha256(path) for path in (models if static else models[1:])}
    wanted = {camera: frame_sets.frame_index[row][frame_sets.present[row]] for row, camera in enumerate(frame_sets.cameras)}
    total = sum(map(len, wanted.values()))
    found: dict[str, Arrays] = {}
    if static:
        found |= frame_results(
            recording, {camera: wanted[camera] for camera in static},
            stage="landmarks", key=(settings, hashes, Path(detector.__file__), Path(__file__)), shapes=_SHAPES, make=_MakeDetector(*models, settings),
            workers=workers, progress=lambda done, _: progress(done, total),
        )  # fmt: skip
    for camera in worn:
        assert rig is not None
        before = sum(len(wanted[name]) for name in found)
        model = in_video(rig.camera(camera).model, recording.image_size(camera), recording.crop_origin(camera))
        found |= frame_results(
            recording, {camera: wanted[camera]}, stage="hands",
            key=(search, type(model).__name__, model, hashes[models[1].name], Path(hand_search.__file__), Path(detector.__file__)),
            shapes=_SHAPES, make=_MakeHandSearch(models[1], model, search), noun="hand detector",
            workers=workers, progress=lambda done, _, before=before: progress(before + done, total),  # type: ignore[misc]
        )  # fmt: skip
    arrays = {name: np.full((*frame_sets.present.shape, *shape), np.nan) for name, shape in _SHAPES.items()}
    for row, camera in enumerate(frame_sets.cameras):
        for name, array in arrays.items():
            array[row, frame_sets.present[row]] = found[camera][name]
        origin = recording.crop_origin(camera)
        if origin is not None:
            arrays["pixels"][row] += origin
    used = settings_text(settings, hashes) if static else hashes
    return Landmarks(
        frame_sets.cameras, frame_sets.camera_times_s, settings={**used, **(settings_values(search) if worn else {})}, **arrays
    )


@dataclass(frozen=True)
class _MakeHandSearch:
    """Loads the model in the process that uses it."""

    hand_model: Path
    model: CameraModel
    settings: HandSearchSettings

    def __call__(self) -> FrameFunction:
        search = HandSearch(self.hand_model, self.model, self.settings)

        def find(rgb: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float64]]:
            view = search.detect(rgb)
            return {name: getattr(view, name) for name in _SHAPES}

        return find


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
