"""The one camera of an EgoDex episode: its images as a pinhole camera would have taken them, its intrinsics and its way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.samples import CameraSamples, image_at
from bodydouble.datasets.exports.video_export import encode_frames, exported_size
from bodydouble.datasets.images import Image
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]

FIRST_CHOICE = "front"
_SAME_PX = 1 / 32
"""What OpenCV resolves when it resamples: closer than that nothing moves."""


def camera_of(cameras: Mapping[str, Any], chosen: Sequence[str] | None) -> str:
    """Return which camera an EgoDex export shows: the one chosen, else "front", else the first. Raises: UsageError for none, or several that are chosen."""
    if chosen is not None and len(chosen) == 1:
        return chosen[0]
    if chosen is not None or not cameras:
        what = "the episodes have no images in common" if chosen is None else f"{len(chosen) or 'none'} were chosen"
        raise UsageError(f"EgoDex has the video of one camera, but {what}. Choose one with --cameras, or export another format.")
    return FIRST_CHOICE if FIRST_CHOICE in cameras else next(iter(cameras))


@dataclass(frozen=True, eq=False)
class PinholeView:
    """A camera's images with straight lines straight, as EgoDex's readers take them to be: they project with the intrinsics alone.

    The middle keeps its scale; what a wide lens shows further out than the image is wide is lost, and what it does not show is black.
    """

    intrinsic: FloatArray
    """(3, 3) px of the view, pixel centres at whole numbers."""
    size: tuple[int, int]
    """(width, height) px."""
    table: npt.NDArray[np.float32] | None
    """(height, width, 2) where each pixel is in the camera's image of that size; None where nothing moves."""

    def image(self, episode: Episode, camera: str, samples: CameraSamples, sample: int) -> Image:
        """Return one sample's image (H, W, 3) RGB uint8."""
        import cv2

        image = image_at(episode, camera, samples, sample, self.size)
        if self.table is None:
            return image
        return np.asarray(cv2.remap(image, self.table, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0), np.uint8)


def pinhole_view(episode: Episode, camera: str, size: tuple[int, int]) -> PinholeView:
    """Return the view of one camera at ``size`` (width, height) px."""
    row = episode.cameras.index(camera)
    width, height = (int(value) for value in episode.recording.image_size[row])
    x, y = (float(value) for value in episode.recording.crop_origin_px[row])
    model: Any = episode.rig.camera(camera).model  # all models can be hashed, though their protocol does not say so
    return _view(model, (x, y), (width, height), size)


@functools.lru_cache(maxsize=2)
def _view(model: Any, origin: tuple[float, float], video: tuple[int, int], size: tuple[int, int]) -> PinholeView:
    shrunk = np.array(size) / np.array(video)
    focal = np.array(model.focal) * shrunk
    centre = (np.array(model.center) - origin + 0.5) * shrunk - 0.5
    intrinsic = np.array([[focal[0], 0.0, centre[0]], [0.0, focal[1], centre[1]], [0.0, 0.0, 1.0]])
    pixels = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=-1).astype(np.float64)
    rays = np.concatenate([(pixels - centre) / focal, np.ones((*pixels.shape[:2], 1))], axis=-1)
    places = (np.asarray(model.project(rays)) - origin + 0.5) * shrunk - 0.5
    if np.isfinite(places).all() and float(np.abs(places - pixels).max()) <= _SAME_PX:
        return PinholeView(intrinsic, size, None)
    outside = -2.0  # from there OpenCV's interpolation reaches no pixel
    return PinholeView(intrinsic, size, np.where(np.isfinite(places), places, outside).astype(np.float32))


def camera_poses(episode: Episode, camera: str, samples: CameraSamples) -> FloatArray:
    """Return T_world_camera (N, 4, 4), in our world, of where each sample's image was taken; NaN where not known. Axes: x right, y down, z forward."""
    assert episode.camera_track is not None
    track = episode.camera_track.T_world_camera[episode.cameras.index(camera)]
    poses = track[np.maximum(samples.frame, 0)].copy()
    poses[samples.frame < 0] = np.nan
    return np.asarray(poses)


def encode_view(
    view: PinholeView, episode: Episode, camera: str, samples: CameraSamples, path: Path, rate_hz: int, step: Callable[[int], None]
) -> None:
    """Write the H.264 video of a view, frame k at k / ``rate_hz`` s, as ``video_export`` does; ``step`` is told how many frames are done.

    Raises: DataError for a size that the codec cannot hold; MissingDependencyError where the encoder is missing.
    """
    frames = _view_frames(view, episode, camera, samples)
    encode_frames(frames, camera, view.size, path, rate_hz, "h264", step, other_codec=False)


def _view_frames(view: PinholeView, episode: Episode, camera: str, samples: CameraSamples) -> Iterator[Any]:
    """Give one frame (yuv420p) a sample."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    width, height = exported_size(view.size)
    drawn: tuple[int, Any] = (-2, None)
    for sample, index in enumerate(samples.frame.tolist()):
        if index != drawn[0]:
            image = view.image(episode, camera, samples, sample)[:height, :width]
            rgb: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            drawn = index, rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG)
        yield drawn[1]
