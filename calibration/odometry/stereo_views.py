"""The same corner in two cameras of a rig at one instant, which tells how far it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.odometry.feature_tracks import MARGIN_PX
from bodydouble.calibration.odometry.working_image import WorkingImage
from bodydouble.calibration.transform import apply, rotate

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]

_USUAL_M = 2.0
"""What is that far from the camera lies at the same place in its image and in the other one as it is warped here."""
_GRID_PX = 8
_WINDOW = (15, 15)
_LEVELS = 3
_RETURN_PX = 0.5
_OFF_PLANE_PX = 1.5
"""How far off the epipolar plane a match may be."""
_NEAREST_M = 0.15
_FARTHEST_BEHIND = 4.0
"""Sigma by which the rays may run apart, as they do where a point is very far."""
_SMALLEST_OVERLAP = 0.08
"""Share of an image that must be in the other one for them to be a pair."""
_MOST_PARTNERS = 2
_SHORTEST_M = 0.03
"""Cameras nearer to each other see the same, and not how far it is."""


@dataclass(frozen=True)
class StereoPair:
    """One camera's image, and that of another one warped to look like it (as if all things were 2 m away)."""

    one: WorkingImage
    two: WorkingImage
    T_two_one: FloatArray
    map_u: npt.NDArray[np.float32]
    """Of every pixel of the first image, its place in the second one; -1 outside."""
    map_v: npt.NDArray[np.float32]

    @classmethod
    def of(cls, one: WorkingImage, two: WorkingImage, T_two_one: FloatArray) -> StereoPair:
        """Compute the warp: at every eighth pixel, and between these by interpolation, which is good to a few hundredths of a pixel."""
        import cv2

        width, height = one.size
        columns, rows = -(-width // _GRID_PX), -(-height // _GRID_PX)
        # cv2.resize takes the middle of a coarse pixel to the middle of the fine ones that it becomes.
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1) * float(_GRID_PX) + 0.5 * (_GRID_PX - 1)
        places = two.project(apply(T_two_one, _USUAL_M * one.rays(grid)))
        places[~two.inside(places, 0.0)] = np.nan
        fine = cv2.resize(places.astype(np.float32), (columns * _GRID_PX, rows * _GRID_PX), interpolation=cv2.INTER_LINEAR)[:height, :width]
        fine[~np.isfinite(fine).all(axis=2)] = -1.0
        return cls(one, two, T_two_one, np.ascontiguousarray(fine[..., 0]), np.ascontiguousarray(fine[..., 1]))

    @property
    def overlap(self) -> float:
        """Share of the first image that is in the second one."""
        return float((self.map_u >= 0).mean())

    def match(self, first: Image, second: Image, pixels: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return where the corners at ``pixels`` (n, 2) of the first image are in the second one (n, 2), and which were found.

        Lucas-Kanade finds them in the warped image, whichever way the second camera looks; the match must lead back, lie on the epipolar plane and
        in front of both cameras. Images are those of ``even_contrast``.
        """
        import cv2

        at = np.clip(np.round(pixels).astype(int), 0, np.array(self.one.size) - 1)
        tried = np.flatnonzero(self.map_u[at[:, 1], at[:, 0]] >= 0)
        found, good = np.full((len(pixels), 2), np.nan), np.zeros(len(pixels), dtype=np.bool_)
        if len(tried) == 0:
            return found, good
        warped = cv2.remap(second, self.map_u, self.map_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        start = pixels[tried].astype(np.float32).reshape(-1, 1, 2)
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)
        there, status, _ = cv2.calcOpticalFlowPyrLK(first, warped, start, None, winSize=_WINDOW, maxLevel=_LEVELS, criteria=stop)
        back, returned, _ = cv2.calcOpticalFlowPyrLK(warped, first, there, None, winSize=_WINDOW, maxLevel=_LEVELS, criteria=stop)
        off = np.linalg.norm((back - start).reshape(-1, 2), axis=1)
        places = there.reshape(-1, 2).astype(np.float64)
        ok = (status.ravel() == 1) & (returned.ravel() == 1) & (off < _RETURN_PX) & self.one.inside(places, MARGIN_PX)
        in_second = np.full_like(places, np.nan)
        in_second[ok] = self.two.project(apply(self.T_two_one, _USUAL_M * self.one.rays(places[ok])))
        ok &= self.two.inside(in_second, MARGIN_PX)
        ok[ok] = self._possible(self.one.rays(pixels[tried][ok]), self.two.rays(in_second[ok]))
        found[tried[ok]], good[tried[ok]] = in_second[ok], True
        return found, good

    def _possible(self, one: FloatArray, two: FloatArray) -> BoolArray:
        """Tell which rays (n, 3) of the two cameras meet, within the error of a pixel or two."""
        base, along = self.T_two_one[:3, 3], rotate(self.T_two_one, one)
        pixel = max(self.one.pixel_rad, self.two.pixel_rad)
        normal = np.cross(base, along)
        length = np.linalg.norm(normal, axis=1)
        off_plane = np.abs(np.einsum("ni,ni->n", normal, two)) / np.maximum(length, 1e-9)
        # two x (base + z along) = 0 gives 1 / z, the inverse of the distance along the first ray.
        across, moved = np.cross(two, base), np.cross(two, along)
        power = np.einsum("ni,ni->n", across, across)
        inverse_m = -np.einsum("ni,ni->n", across, moved) / np.maximum(power, 1e-12)
        sigma = pixel / np.sqrt(np.maximum(power, 1e-12))
        opposite = np.einsum("ni,ni->n", along, two) < 0
        return np.asarray(
            (off_plane < _OFF_PLANE_PX * pixel) & (inverse_m > -_FARTHEST_BEHIND * sigma) & (inverse_m < 1 / _NEAREST_M) & ~(opposite & (inverse_m < 1))
        )  # fmt: skip


def stereo_pairs(workings: list[WorkingImage], T_body_camera: FloatArray) -> dict[tuple[int, int], StereoPair]:
    """Return the pairs of cameras (numbers) that see enough of the same: for each the two others that see most of what it does."""
    from bodydouble.calibration.transform import invert

    pairs: dict[tuple[int, int], StereoPair] = {}
    for one in range(len(workings)):
        own = []
        for two in range(len(workings)):
            T = invert(T_body_camera[two]) @ T_body_camera[one]
            if one != two and np.linalg.norm(T[:3, 3]) >= _SHORTEST_M:
                own.append((two, StereoPair.of(workings[one], workings[two], T)))
        own = [item for item in own if item[1].overlap >= _SMALLEST_OVERLAP]
        own.sort(key=lambda item: -item[1].overlap)
        pairs |= {(one, two): pair for two, pair in own[:_MOST_PARTNERS]}
    return pairs


def even_contrast(image: Image) -> Image:
    """Return the image with its brightness and contrast evened out locally, so that two cameras' exposures do not matter."""
    import cv2

    values = image.astype(np.float32)
    mean = cv2.blur(values, (31, 31))
    spread = cv2.sqrt(cv2.max(cv2.blur(values * values, (31, 31)) - mean * mean, 0.0)) + 8.0
    return np.asarray(np.clip(40.0 * (values - mean) / spread + 128.0, 0.0, 255.0).astype(np.uint8))
