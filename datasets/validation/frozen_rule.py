"""Frozen cameras: the image stays the same although the person moves in view, or the camera does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bodydouble.check import Check
from bodydouble.datasets.validation.limits import complaints, limit
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.datasets.validation.runs import Run
from bodydouble.hand_pose.human_motion import Source

FloatArray = npt.NDArray[np.float64]

PATCH = 7
"""px of a small image: single pixels are noise."""
LEAST_MOVING = 3
"""Landmarks that must move: one alone may be mistaken."""


def frozen_cameras(episode: OpenedEpisode) -> Iterator[Check]:
    """Compare each camera's images with the first of a run of images that look the same, and with what moves in view meanwhile."""
    found: list[Check] = []
    looked_at = 0
    for row, camera in enumerate(episode.cameras):
        if episode.frames < limit("least_frames") or not _has_images(episode, camera):
            continue
        looked_at += 1
        there = np.flatnonzero(episode.present[row])
        same_bytes, still = _still(episode, camera, there)
        frozen = [(run, moved) for run in still for moved in [_motion_px(episode, row, run)] if moved >= limit("motion_in_view_px")]
        run, moved = max(frozen, key=lambda item: item[0].seconds, default=(Run(0, 0, 0.0), 0.0))
        text = f"camera '{camera}' shows the same image {run} although what it sees moves by {moved:.0f} px"
        found += complaints("frozen cameras", "frozen_s", run.seconds, text)
        if run.seconds <= limit("frozen_s"):
            share = 100 * same_bytes / max(1, len(there) - 1)
            text = f"camera '{camera}' repeats {share:.0f} % of its images byte for byte"
            found += complaints("frozen cameras", "repeated_images_pct", share, text)
    yield from found
    if not found:
        yield Check(
            "frozen cameras", "PASS", "no camera shows the same image while it sees motion" if looked_at else "no images to look at"
        )


def _has_images(episode: OpenedEpisode, camera: str) -> bool:
    return any(camera in episode.file.get(kind, {}) for kind in ("images", "videos"))


def _still(episode: OpenedEpisode, camera: str, there: npt.NDArray[np.intp]) -> tuple[int, list[Run]]:
    """Return how many images repeat the one before byte for byte, and every run of images that look like its first."""
    digests = episode.jpeg_digests(camera) if camera in episode.file.get("images", {}) else [b""] * episode.frames
    small = episode.small_images(camera)
    place = {} if small is None else {int(frame): index for index, frame in enumerate(small.frames)}
    times = episode.camera_times_s[episode.cameras.index(camera)]
    repeated, found, start = 0, [], 0
    for position in range(1, len(there) + 1):
        alike = False
        if position < len(there):
            now, before, first = (int(there[index]) for index in (position, position - 1, start))
            alike = bool(digests[now]) and digests[now] == digests[before] and times[now] > times[before]
            repeated += alike
            if not alike and small is not None and now in place and first in place:
                alike = _change(small.grey[place[first]], small.grey[place[now]]) < limit("image_change")
        if not alike:
            if position - 1 > start:
                first, last = int(there[start]), int(there[position - 1])
                found.append(Run(first, last, float(times[last] - times[first])))
            start = position
    return repeated, found


def _change(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Return the largest change of a patch's mean, in grey levels: noise of pixels and of compression cancels, a limb that moves does not."""
    import cv2

    return float(np.abs(cv2.blur(one.astype(np.float32) - other.astype(np.float32), (PATCH, PATCH))).max())


def _motion_px(episode: OpenedEpisode, row: int, run: Run) -> float:
    """Return how far, in small images, the person or the scene moves in a camera's view during a run."""
    camera, frames = episode.cameras[row], slice(run.start, run.stop + 1)
    small = episode.small_images(camera)
    if run.seconds <= limit("frozen_s") or small is None:
        return 0.0
    height, width = small.grey.shape[1:]
    points = episode.in_small_images(camera, episode.projected[row, frames])
    observed = episode.motion.landmark_source[frames] == Source.OBSERVED
    inside = observed & (points >= 0).all(axis=-1) & (points < [width, height]).all(axis=-1)
    away = np.where(inside & inside[:1], np.linalg.norm(points - points[:1], axis=-1), 0.0)
    person = float(np.sort(away, axis=1)[:, -LEAST_MOVING].max(initial=0.0))
    turned = np.einsum("ji,tjk->tik", episode.T_world_camera[row, run.start, :3, :3], episode.T_world_camera[row, frames, :3, :3])
    angle = np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))
    focal = float(np.mean(episode.rig.camera(camera).model.focal)) * small.scale
    return max(person, float(np.nanmax(angle, initial=0.0)) * focal)
