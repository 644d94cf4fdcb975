"""One worn camera's detector: MediaPipe's hand model in rectified views into the fisheye image, first where a hand may be, then at each one found.

The pose model is never asked here: a head-worn camera sees no head and torso, and it would invent them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import CameraModel, VirtualView
from bodydouble.errors import MissingDependencyError
from bodydouble.hand_pose.detector import ViewLandmarks, hand_landmarker, mediapipe_image
from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

MIDDLE_KNUCKLE = 9


@dataclass(frozen=True)
class HandSearchSettings:
    """What decides the detections, apart from models and lens. Part of the cache key."""

    min_confidence: float = 0.25
    """Of MediaPipe's palm detection and hand presence; its own default is 0.5. A hand must be found twice, and the fit rejects what does not agree: on
    real five-camera glasses 0.25 finds a hand with a cup in 10 of 18 views instead of 6."""
    search_fov_deg: float = 70.0
    """Width of a view that is searched: a hand of 0.19 m spans 24 % of it at 0.55 m and 15 % at 0.9 m; below 10 % it is not found."""
    fine_fov_deg: float = 52.0
    """Width of the views that are searched where that did not find two hands: hands that grasp, seen from the back, are found in 11 of 21 simulated
    views at 50 to 60 degrees, in 3 at 70."""
    search_px: int = 448
    overlap_deg: float = 15.0
    """Least overlap of neighbouring views: a hand (20 degrees at 0.55 m) cut by one edge is whole, but for fingertips, in the other."""
    aimed_hands: tuple[float, ...] = (2.4, 2.0, 3.0)
    """Widths of the view aimed at a hand, in lengths of the hand, tried in turn: it spans two fifths of the first."""
    dark: float = 110.0
    """Mean brightness below which a view is brightened to it: hands in shade are missed else."""
    aimed_px: int = 400
    least_aimed_fov_deg: float = 12.0
    same_hand: float = 0.5
    """Two detections whose middles are nearer than this share of the hand's size are one hand."""


@dataclass(frozen=True)
class FoundHand:
    """One hand in one camera's image."""

    pixels: FloatArray
    """(21, 2) of the camera's image."""
    rays: FloatArray
    """(21, 3) in the camera frame."""
    shape_m: FloatArray
    """(21, 3) the model's own 3D guess, camera axes, centred on the hand."""
    left: bool
    """The model's label."""
    score: float
    """How sure the model is of the label, in [0.5, 1]."""

    @property
    def direction(self) -> FloatArray:
        """(3,) unit vector to the middle of the hand, camera frame."""
        middle = self.rays.mean(axis=0)
        return np.asarray(middle / np.linalg.norm(middle))

    @property
    def size_rad(self) -> float:
        """Angle that the hand spans across, from its middle to the farthest point, twice."""
        return 2.0 * float(np.arccos(np.clip(self.rays @ self.direction, -1.0, 1.0)).max())


class HandSearch:
    """MediaPipe's hand landmarker in image mode on views of one camera: a result depends on its own image alone.

    Use in one thread. Raises: MissingDependencyError if the model cannot be loaded.
    """

    def __init__(self, hand_model: Path, model: CameraModel, settings: HandSearchSettings = HandSearchSettings()) -> None:
        self.model, self.settings = model, settings
        self.views = search_views(model, settings.search_fov_deg, settings)
        self.fine_views = search_views(model, settings.fine_fov_deg, settings)
        try:
            self._hand = hand_landmarker(hand_model, settings.min_confidence)
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingDependencyError(
                f"MediaPipe could not load {hand_model.name}: {error}. Run `bodydouble assets fetch` and `bodydouble doctor`."
            ) from None

    def close(self) -> None:
        """Free the model."""
        self._hand.close()

    def detect(self, rgb: RgbImage) -> ViewLandmarks:
        """Find up to two hands in an RGB image (H, W, 3) of the camera, as landmarks of a person of whom only hands are seen.

        Of two hands with one label the surer one keeps it.
        """
        pixels, confidence, shape = np.full((75, 2), np.nan), np.full(75, np.nan), np.full((75, 3), np.nan)
        taken: set[bool] = set()
        for hand in self.find(rgb)[:2]:
            left = hand.left if hand.left not in taken else not hand.left
            taken.add(left)
            rows = LEFT_HAND if left else RIGHT_HAND
            pixels[rows], confidence[rows], shape[rows] = hand.pixels, hand.score, hand.shape_m
        return ViewLandmarks(pixels, confidence, shape)

    def find(self, rgb: RgbImage) -> list[FoundHand]:
        """Return the hands in an image, the surest first."""
        found = [hand for view in self.views for hand in self._in_view(rgb, view)]
        hands = self._confirmed(rgb, found)
        if len(hands) < 2:
            fine = [hand for view in self.fine_views for hand in self._in_view(rgb, view)]
            new = [hand for hand in fine if all(_apart(hand, other) >= self.settings.same_hand for other in hands)]
            hands = self._distinct([*hands, *self._confirmed(rgb, [*found, *new])])
        return hands

    def _confirmed(self, rgb: RgbImage, found: list[FoundHand]) -> list[FoundHand]:
        """Return the hands that a view aimed at them shows too, as seen there, or that two views found."""
        kept = []
        for hand in self._distinct(found):
            again = self._again(rgb, hand)
            if again is not None:
                kept.append(again)
            elif sum(_apart(hand, other) < self.settings.same_hand for other in found) > 1:
                kept.append(hand)
        return self._distinct(kept)

    def _again(self, rgb: RgbImage, hand: FoundHand) -> FoundHand | None:
        """Return the hand as a view aimed at it shows it; None if none does."""
        for lengths in self.settings.aimed_hands:
            found = self._in_view(rgb, self._aimed(hand, lengths))
            near = [(apart, number) for number, other in enumerate(found) if (apart := _apart(hand, other)) < self.settings.same_hand]
            if near:
                return found[min(near)[1]]
        return None

    def _distinct(self, hands: list[FoundHand]) -> list[FoundHand]:
        kept: list[FoundHand] = []
        for hand in sorted(hands, key=lambda item: -item.score):
            if all(_apart(hand, other) >= self.settings.same_hand for other in kept):
                kept.append(hand)
        return kept

    def _aimed(self, hand: FoundHand, lengths: float) -> VirtualView:
        fov = max(math.degrees(hand.size_rad) * lengths, self.settings.least_aimed_fov_deg)
        side = self.settings.aimed_px
        return VirtualView.towards(self.model, hand.direction, fov_deg=min(fov, 100.0), image_size=(side, side), up=_up(hand.direction))

    def _in_view(self, rgb: RgbImage, view: VirtualView) -> list[FoundHand]:
        found = self._hand.detect(mediapipe_image(_lit(view.remap(rgb), view.valid, self.settings.dark)))
        hands = []
        width, height = view.image_size
        for points, world, label in zip(found.hand_landmarks, found.hand_world_landmarks, found.handedness, strict=True):
            # MediaPipe measures from the image's corner; pixels here are counted from the centre of the first one.
            uv = np.array([(p.x * width - 0.5, p.y * height - 0.5) for p in points])
            rays = view.camera.rays(uv) @ view.R_camera_view.T
            pixels = self.model.project(rays)
            if not np.isfinite(pixels).all():
                continue
            shape = np.array([(p.x, p.y, p.z) for p in world]) @ view.R_camera_view.T
            hands.append(FoundHand(pixels, rays, shape, label[0].category_name == "Left", float(label[0].score)))
        return hands


def search_views(model: CameraModel, fov_deg: float, settings: HandSearchSettings = HandSearchSettings()) -> tuple[VirtualView, ...]:
    """Return views ``fov_deg`` wide that together show a camera's image but for its far corners, with the overlap that the settings say."""
    width, height = model.image_size
    u, v = model.center
    edges = model.rays(np.array([(0.0, v), (width - 1.0, v), (u, 0.0), (u, height - 1.0)]))
    left, right = np.arctan2(edges[:2, 0], edges[:2, 2])
    top, bottom = np.arctan2(edges[2:, 1], edges[2:, 2])
    side = settings.search_px
    views = []
    for pitch in _centres(float(top), float(bottom), fov_deg, settings):
        for yaw in _centres(float(left), float(right), fov_deg, settings):
            direction = np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
            views.append(VirtualView.towards(model, direction, fov_deg=fov_deg, image_size=(side, side), up=_up(direction)))
    return tuple(views)


def in_video(model: CameraModel, image_size: tuple[int, int], crop_origin: tuple[int, int] | None) -> CameraModel:
    """Return the model for the pixels of a video that is a part of the calibrated image, cut out at ``crop_origin``."""
    if crop_origin is None:
        return model
    u, v = model.center
    moved: CameraModel = dataclasses.replace(model, image_size=image_size, center=(u - crop_origin[0], v - crop_origin[1]))  # type: ignore[type-var]
    return moved


def _centres(first: float, last: float, fov_deg: float, settings: HandSearchSettings) -> FloatArray:
    """Return the angles (N,) rad of the middles of as few views as cover [first, last]."""
    fov, overlap = math.radians(fov_deg), math.radians(settings.overlap_deg)
    span = last - first
    if span <= fov:
        return np.array([(first + last) / 2])
    count = math.ceil((span - overlap) / (fov - overlap))
    return np.linspace(first + fov / 2, last - fov / 2, count)


def _lit(rgb: RgbImage, valid: npt.NDArray[np.bool_], dark: float) -> RgbImage:
    """Return a dark view brightened by a gamma curve, others as they are."""
    shown = rgb[::4, ::4][valid[::4, ::4]]
    mean = max(float(shown.mean()), 1.0) if shown.size else dark
    if mean >= dark:
        return rgb
    gamma = math.log(dark / 255.0) / math.log(mean / 255.0)
    curve = np.round(255.0 * (np.arange(256) / 255.0) ** gamma).astype(np.uint8)
    return np.asarray(curve[rgb])


def _up(direction: FloatArray) -> tuple[float, float, float]:
    return (0.0, -1.0, 0.0) if abs(direction[1]) < 0.95 * float(np.linalg.norm(direction)) else (0.0, 0.0, 1.0)


def _apart(one: FoundHand, two: FoundHand) -> float:
    """Return the angle between the middles of two hands over the size of the larger."""
    angle = float(np.arccos(np.clip(one.direction @ two.direction, -1.0, 1.0)))
    return angle / max(one.size_rad, two.size_rad, 1e-6)


def settings_values(settings: HandSearchSettings) -> dict[str, Any]:
    """Return the settings as text for the record."""
    return {f"hand_search.{name}": str(value) for name, value in dataclasses.asdict(settings).items()}
