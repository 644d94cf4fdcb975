"""One camera's detector: MediaPipe's pose model on the image, its hand model on crops around the wrists that the pose found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import MissingDependencyError
from bodydouble.hand_pose.landmarks import LEFT_HAND, POSE, POSE_NAMES, RIGHT_HAND

FloatArray = npt.NDArray[np.float64]


MIN_CROP_PX = 48.0
"""A smaller crop holds fewer pixels than the hand model has landmarks to place."""


WIDE = 1.2
"""Longer over shorter side from which an image in which nobody was found is searched again in squares."""


@dataclass(frozen=True)
class DetectorSettings:
    """What decides the detections, apart from the models. Part of the cache key."""

    min_pose_confidence: float = 0.5
    """MediaPipe's own default for detection and presence."""
    min_hand_confidence: float = 0.4
    """Lower than MediaPipe's 0.5: crops around a known wrist rarely hold anything else, and the fit rejects what does not agree."""
    wrist_visibility: float = 0.3
    """A wrist less visible than this gets no hand crop."""
    crop_forearms: float = 1.9
    """Side of the hand crop in forearm lengths: a hand is 0.7 forearms long, so it fills about a third of the crop, which the palm model likes."""
    min_crop_torsos: float = 0.55
    """Least side of the crop in torso lengths, for forearms that point at the camera."""
    max_wrist_distance: float = 0.33
    """A hand whose wrist is further than this share of the crop's side from the pose's wrist is another hand."""


@dataclass(frozen=True)
class ViewLandmarks:
    """Detections in one image: pixels (75, 2), confidence (75,), shape (75, 3) m; NaN where nothing was found."""

    pixels: FloatArray
    confidence: FloatArray
    shape_m: FloatArray


class Detector:
    """MediaPipe's two task objects in image mode: a result depends on its own image alone, so a stopped run can go on anywhere.

    Video mode was tried on the sample: its smoothing lags, which raised the median reprojection error of the triangulation from 12.3 to 13.9 px.
    Use in one thread. Raises: MissingDependencyError if the models cannot be loaded.
    """

    def __init__(self, pose_model: Path, hand_model: Path, settings: DetectorSettings) -> None:
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision

        self.settings = settings
        try:
            self._pose = vision.PoseLandmarker.create_from_options(
                vision.PoseLandmarkerOptions(
                    base_options=tasks.BaseOptions(model_asset_path=str(pose_model)),
                    min_pose_detection_confidence=settings.min_pose_confidence,
                    min_pose_presence_confidence=settings.min_pose_confidence,
                )
            )
            self._hand = hand_landmarker(hand_model, settings.min_hand_confidence)
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingDependencyError(
                f"MediaPipe could not load {pose_model.name} or {hand_model.name}: {error}. Run `bodydouble assets fetch` and `bodydouble doctor`."
            ) from None

    def close(self) -> None:
        """Free the models."""
        self._pose.close()
        self._hand.close()

    def detect(self, rgb: npt.NDArray[np.uint8]) -> ViewLandmarks:
        """Find one person's pose and hands in an RGB image (H, W, 3)."""
        pixels, confidence, shape = np.full((75, 2), np.nan), np.full(75, np.nan), np.full((75, 3), np.nan)
        found, corner, (height, width) = self._find_pose(rgb)
        if found is not None:
            # MediaPipe measures from the image's corner; pixels here are counted from the centre of the first one, as OpenCV does.
            pixels[POSE] = [(p.x * width + corner[0] - 0.5, p.y * height + corner[1] - 0.5) for p in found.pose_landmarks[0]]
            confidence[POSE] = [p.visibility for p in found.pose_landmarks[0]]
            shape[POSE] = [(p.x, p.y, p.z) for p in found.pose_world_landmarks[0]]
            for side, rows in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
                self._detect_hand(rgb, side, rows, pixels, confidence, shape)
        return ViewLandmarks(pixels, confidence, shape)

    def _find_pose(self, rgb: npt.NDArray[np.uint8]) -> tuple[Any, tuple[int, int], tuple[int, int]]:
        """Return the model's answer, the corner (x, y) and the size (height, width) of the part of the image it is for; None if nobody was found.

        The model sees 224 px of a side: somebody small in a wide image is found in square parts of it, where the most visible one counts.
        """
        height, width = rgb.shape[:2]
        found = self._pose.detect(mediapipe_image(rgb))
        if found.pose_landmarks:
            return found, (0, 0), (height, width)
        side = min(height, width)
        if max(height, width) < WIDE * side:
            return None, (0, 0), (height, width)
        best, best_corner, best_visibility = None, (0, 0), 0.0
        for start in {*range(0, max(height, width) - side, side // 2), max(height, width) - side}:
            corner = (start, 0) if width > height else (0, start)
            found = self._pose.detect(mediapipe_image(rgb[corner[1] : corner[1] + side, corner[0] : corner[0] + side]))
            if found.pose_landmarks:
                visibility = sum(p.visibility for p in found.pose_landmarks[0])
                if visibility > best_visibility:
                    best, best_corner, best_visibility = found, corner, visibility
        return best, best_corner, (side, side)

    def _detect_hand(
        self, rgb: npt.NDArray[np.uint8], side: str, rows: slice, pixels: FloatArray, confidence: FloatArray, shape: FloatArray
    ) -> None:
        """Look for the hand at one wrist. Its side is the pose's, whose wrist it hangs on; the hand model's own label is no better."""
        wrist = POSE_NAMES.index(f"{side}_wrist")
        if not confidence[wrist] >= self.settings.wrist_visibility:
            return
        origin, size = self._crop(side, pixels)
        crop = _cut(rgb, origin, size)
        if crop is None:
            return
        found = self._hand.detect(mediapipe_image(crop))
        expected = (pixels[wrist] - origin) / size
        best, nearest = None, self.settings.max_wrist_distance
        for index, points in enumerate(found.hand_landmarks):
            distance = float(np.hypot(points[0].x - expected[0], points[0].y - expected[1]))
            if distance < nearest:
                best, nearest = index, distance
        if best is None:
            return
        pixels[rows] = [(p.x * size + origin[0] - 0.5, p.y * size + origin[1] - 0.5) for p in found.hand_landmarks[best]]
        confidence[rows] = found.handedness[best][0].score
        shape[rows] = [(p.x, p.y, p.z) for p in found.hand_world_landmarks[best]]

    def _crop(self, side: str, pixels: FloatArray) -> tuple[npt.NDArray[np.int_], int]:
        point = {name: pixels[POSE_NAMES.index(name)] for name in POSE_NAMES}
        forearm = point[f"{side}_wrist"] - point[f"{side}_elbow"]
        torso = np.linalg.norm(point["left_shoulder"] + point["right_shoulder"] - point["left_hip"] - point["right_hip"]) / 2
        size = round(
            max(self.settings.crop_forearms * float(np.linalg.norm(forearm)), self.settings.min_crop_torsos * float(torso), MIN_CROP_PX)
        )
        center = point[f"{side}_wrist"] + 0.3 * forearm
        return np.round(center - size / 2).astype(int), size


def hand_landmarker(model: Path, min_confidence: float) -> Any:
    """Return MediaPipe's hand model in image mode, for two hands at most. Raises: what MediaPipe raises if it cannot be loaded."""
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    return vision.HandLandmarker.create_from_options(
        vision.HandLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)),
            num_hands=2,
            min_hand_detection_confidence=min_confidence,
            min_hand_presence_confidence=min_confidence,
        )
    )


def settings_text(settings: DetectorSettings, models: dict[str, str]) -> dict[str, str]:
    """Return what was used, as text for the record; ``models`` is name to SHA-256."""
    return {**{name: str(value) for name, value in asdict(settings).items()}, **models}


def mediapipe_image(rgb: npt.NDArray[np.uint8]) -> Any:
    """Return an RGB image as MediaPipe takes it."""
    import mediapipe as mp

    # mp.Image takes the buffer as it lies: rows with padding between them come out sheared, without an error.
    return mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))


def _cut(rgb: npt.NDArray[np.uint8], origin: npt.NDArray[np.int_], size: int) -> npt.NDArray[np.uint8] | None:
    """Return a square of the image, grey outside of it; None if less than a quarter of the square is inside."""
    height, width = rgb.shape[:2]
    low = np.maximum(origin, 0)
    high = np.minimum(origin + size, (width, height))
    if np.any(high <= low) or np.prod(high - low) < 0.25 * size * size:
        return None
    square = np.full((size, size, 3), 127, dtype=np.uint8)
    square[low[1] - origin[1] : high[1] - origin[1], low[0] - origin[0] : high[0] - origin[0]] = rgb[low[1] : high[1], low[0] : high[0]]
    return square
