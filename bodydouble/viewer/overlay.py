"""The fitted skeleton drawn over a camera's image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import apply, invert
from bodydouble.hand_pose.camera_poses import project
from bodydouble.hand_pose.human_motion import Source
from bodydouble.viewer.framing import Crop
from bodydouble.viewer.skeleton import BODY_BONES, BONES, ENDS, Colour
from bodydouble.viewer.text import shade, write

if TYPE_CHECKING:
    from bodydouble.datasets import Episode

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

FRACTION_BITS = 4
"""OpenCV draws lines between points given in sixteenths of a pixel."""
INFERRED_STRENGTH = 0.40


def projected_landmarks(episode: Episode, camera: str) -> FloatArray:
    """Return the fitted landmarks (T, 75, 2) as pixels of the camera's video; NaN where there is none or the camera cannot see there."""
    mounted = episode.rig.camera(camera)
    row = episode.cameras.index(camera)
    if episode.motion.camera_poses is not None:
        pixels = project(mounted.model, episode.motion.camera_poses[row], episode.motion.landmarks)
    else:
        pixels = mounted.model.project(apply(invert(mounted.T_body_camera), episode.motion.landmarks))
    return np.asarray(pixels - episode.recording.crop_origin_px[row])


def camera_picture(episode: Episode, camera: str, frame: int, size: tuple[int, int], pixels: FloatArray, crop: Crop) -> Image:
    """Return RGB uint8 of one camera at ``size`` (width, height) with skeleton, name, time and what to know about this view.

    ``pixels`` (T, 75, 2) are those of ``projected_landmarks``, ``crop`` the part that is shown. Observed bones are solid, others dim. A frame
    without image is dark.
    """
    row = episode.cameras.index(camera)
    there = bool(episode.recording.present[row, frame])
    picture = _part(episode, camera, frame, size, crop) if there else None
    if picture is None:
        picture = np.full((size[1], size[0], 3), 24, np.uint8)
    if there:
        # (0, 0) is the centre of a pixel: the left edge of an image is at -0.5, whatever its size
        shown = (pixels[frame] + 0.5 - np.array(crop[:2])) * (np.array(size) / crop[2:]) - 0.5
        draw_skeleton(picture, shown, episode.motion.landmark_source[frame] == Source.OBSERVED)
    _caption(picture, episode, camera, frame, there)
    return picture


def _part(episode: Episode, camera: str, frame: int, size: tuple[int, int], crop: Crop) -> Image | None:
    """Return the part of a camera's image that ``crop`` (px of the video) names, at ``size``; None where no image is stored."""
    import cv2

    width, height = (int(v) for v in episode.recording.image_size[episode.cameras.index(camera)])
    wanted = (int(size[0] * width / crop[2]), int(size[1] * height / crop[3]))
    image = episode.image(camera, frame, at_least=wanted)
    if image is None:
        return None
    scale = np.array([image.shape[1] / width, image.shape[0] / height])
    left, top = np.round(np.array(crop[:2]) * scale).astype(int)
    right, bottom = np.round((np.array(crop[:2]) + crop[2:]) * scale).astype(int)
    part = image[top:bottom, left:right]
    shrinks = part.shape[1] > size[0]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def draw_skeleton(image: Image, pixels: FloatArray, observed: npt.NDArray[np.bool_]) -> None:
    """Draw bones between landmarks (75, 2) px into an RGB image; ``observed`` (75,) says which are solid, others are dim."""
    import cv2

    thick = max(2, round(image.shape[0] / 230))
    ends = pixels[ENDS].mean(axis=2)
    drawn = np.flatnonzero((np.abs(np.nan_to_num(ends, nan=np.inf)) < 4 * max(image.shape)).all(axis=(1, 2)))
    seen = np.asarray(observed[ENDS].all(axis=(1, 2)))
    fixed = np.zeros(ends.shape, np.int64)
    fixed[drawn] = np.round(ends[drawn] * 2**FRACTION_BITS)

    def lines(layer: Image, rows: npt.NDArray[np.intp], wider: int = 0, colour: Colour | None = None) -> None:
        for row in rows:
            (ax, ay), (bx, by) = fixed[row].tolist()
            width = (thick if row < len(BODY_BONES) else max(1, thick - 1)) + wider
            cv2.line(layer, (ax, ay), (bx, by), colour or BONES[row][2], width, cv2.LINE_AA, FRACTION_BITS)

    dim, solid = drawn[~seen[drawn]], drawn[seen[drawn]]
    if len(dim):
        layer = image.copy()
        lines(layer, dim)
        cv2.addWeighted(layer, INFERRED_STRENGTH, image, 1 - INFERRED_STRENGTH, 0, dst=image)
    lines(image, solid[solid < len(BODY_BONES)], wider=2, colour=(20, 20, 20))
    lines(image, solid)


def _caption(image: Image, episode: Episode, camera: str, frame: int, there: bool) -> None:
    row = episode.cameras.index(camera)
    line = max(14, min(26, image.shape[1] // 17))
    shade(image, 0, 0, image.shape[1], line + 10)
    end = write(image, camera, (8, line + 1), height=line, bold=True)
    time = f"{episode.recording.times_s[row, frame]:.3f} s" if there else "no frame"
    write(image, time, (end + line // 2, line + 1), height=line, colour=(190, 196, 204))
    notes = []
    if episode.motion.relabelled[row, frame] == 1:
        notes.append("left and right exchanged")
    if there and episode.motion.relabelled[row, frame] == 255:
        notes.append("no person found")
    if there and episode.images is None:
        notes.append("no image stored")
    for index, note in enumerate(notes):
        small = max(12, line * 3 // 4)
        write(image, note, (8, 2 * line + 8 + index * (small + 4)), height=small, colour=(255, 205, 70))
