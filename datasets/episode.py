"""Episode: everything known about one demonstration, from pixels to robot motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bodydouble.capture.frame_sets import ABSENT
from bodydouble.datasets.camera_track import CameraTrack, track_cameras
from bodydouble.datasets.consent import PRIVACY_STATES, Consent, Privacy
from bodydouble.datasets.hand_head_poses import HandHeadPoses, human_poses
from bodydouble.datasets.images import Image, StoredImages
from bodydouble.datasets.quality import grade
from bodydouble.datasets.segments import Segment
from bodydouble.datasets.stored_videos import StoredVideos
from bodydouble.gates import Gate
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import Landmarks
from bodydouble.retarget.trajectory import RobotTrajectory

if TYPE_CHECKING:
    from bodydouble.calibration import Rig

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RecordingInfo:
    """What an episode keeps of its recording: C cameras, T frame sets. Arrays are read-only."""

    name: str
    cameras: tuple[str, ...]
    image_size: npt.NDArray[np.int64]
    """(C, 2) width, height of the video's frames in px."""
    times_s: FloatArray
    """(C, T) true capture time of each camera's frame in s from the start of the recording; NaN where the camera has none."""
    frame_index: npt.NDArray[np.int64]
    """(C, T) frame of the camera's video; ``ABSENT`` where it has none."""
    crop_origin_px: FloatArray
    """(C, 2) x, y of the video's first pixel in the calibrated image. Landmark pixels minus this are pixels of the video; stored images are the
    video's, shrunk: times their width over ``image_size``."""
    started_utc_ns: int | None = None
    operator: str = ""
    """Pseudonym of the person shown."""
    consent: Consent = field(default_factory=Consent)
    licence: str = ""
    """SPDX identifier or words; "" where nobody said."""
    privacy: Privacy = "unknown"
    """Whether faces can be seen in the images."""

    def __post_init__(self) -> None:
        if self.privacy not in PRIVACY_STATES:
            raise ValueError(f"RecordingInfo.privacy is '{self.privacy}'; valid: {', '.join(PRIVACY_STATES)}")
        count = len(self.cameras)
        present = np.isfinite(np.asarray(self.times_s, dtype=np.float64))
        index = np.where(present, np.asarray(self.frame_index, dtype=np.int64), ABSENT)
        values = {"times_s": self.times_s, "frame_index": index, "image_size": self.image_size, "crop_origin_px": self.crop_origin_px}
        for name, value in values.items():
            array = np.array(value, dtype=np.int64 if name in ("frame_index", "image_size") else np.float64)
            expected = (count, present.shape[-1]) if name in ("times_s", "frame_index") else (count, 2)
            if array.shape != expected:
                raise ValueError(f"RecordingInfo.{name} has shape {array.shape}; expected {expected}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """(C, T) True where the camera has a frame."""
        return np.isfinite(self.times_s)

    @property
    def frames(self) -> int:
        """Number of frame sets."""
        return int(self.times_s.shape[1])


@dataclass(frozen=True)
class Episode:
    """One demonstration: T frames of robot motion, human motion, landmarks and images, with calibration, quality and provenance.

    Frame t is the same instant in ``trajectory``, ``motion``, ``landmarks`` and ``recording``. ``grade`` is computed from ``quality`` and
    ``assumed`` unless it is given. ``images`` is None in an episode that was not read from a file or has none stored.
    """

    task: str
    trajectory: RobotTrajectory
    motion: HumanMotion
    landmarks: Landmarks
    rig: Rig
    recording: RecordingInfo
    quality: Mapping[str, Gate]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    grade: str = ""
    images: StoredImages | StoredVideos | None = None
    segments: tuple[Segment, ...] = ()
    poses: HandHeadPoses = field(default_factory=HandHeadPoses)
    """The person's are worked out where they are not given."""
    camera_track: CameraTrack | None = None
    """Worked out from the rig where it is not given."""

    def __post_init__(self) -> None:
        if not np.array_equal(self.trajectory.times_s, self.motion.times_s):
            raise ValueError("Episode: trajectory and motion must have the same times_s")
        if self.landmarks.cameras != self.recording.cameras or not np.array_equal(
            self.landmarks.times_s, self.recording.times_s, equal_nan=True
        ):
            raise ValueError("Episode: landmarks and recording must have the same cameras and times_s")
        if self.motion.cameras != self.recording.cameras or self.recording.frames != self.motion.frames:
            raise ValueError(
                f"Episode: motion has cameras {self.motion.cameras} and {self.motion.frames} frames, "
                f"recording {self.recording.cameras} and {self.recording.frames}"
            )
        if not self.poses.human:
            object.__setattr__(self, "poses", HandHeadPoses(human_poses(self.motion, self.trajectory), self.poses.robot))
        if self.camera_track is None:
            object.__setattr__(self, "camera_track", track_cameras(self.rig, self.motion, self.recording.times_s))
        if not self.grade:
            object.__setattr__(self, "grade", grade(self.quality, assumed=self.assumed))

    @property
    def actions(self) -> FloatArray:
        """(T, J) rad: the position to command at each frame, which is that of the next; NaN at the last."""
        following = self.trajectory.positions[1:]
        return np.concatenate([following, np.full((min(1, self.frames), following.shape[1]), np.nan)])

    @property
    def action_source(self) -> npt.NDArray[np.uint8]:
        """(T, J) of hand_pose Source: how each action is known."""
        following = self.trajectory.joint_source[1:]
        return np.concatenate([following, np.zeros((min(1, self.frames), following.shape[1]), np.uint8)])

    @property
    def assumed(self) -> dict[str, dict[str, float]]:
        """What the rig or the motion assumed and did not measure: name to value and sigma."""
        rig = {name: {"value": item.value, "sigma": item.sigma} for name, item in self.rig.assumed.items()}
        return {**rig, **self.motion.assumed}

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.motion.frames

    @property
    def times_s(self) -> FloatArray:
        """(T,) seconds from the start of the recording."""
        return self.motion.times_s

    @property
    def cameras(self) -> tuple[str, ...]:
        """Camera names, in the order of every (C, ...) array."""
        return self.recording.cameras

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the last."""
        return float(self.times_s[-1] - self.times_s[0]) if self.frames else 0.0

    @property
    def rate_hz(self) -> float:
        """Median frame rate from true times; NaN with fewer than two frames."""
        return float(1.0 / np.median(np.diff(self.times_s))) if self.frames > 1 else float("nan")

    def image(self, camera: str, frame: int, *, at_least: tuple[int, int] | None = None) -> Image | None:
        """Return one camera image as RGB uint8 (H, W, 3), None where there is none; see ``StoredImages.read``."""
        return None if self.images is None else self.images.read(camera, frame, at_least=at_least)
