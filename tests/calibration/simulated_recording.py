"""Simulated recordings with images: boards photographed by pinhole cameras without distortion, as videos or folders of stills.

Rendered, not filmed: edges are blurred and pixels noisy, but light is even and nothing moves while a frame is exposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.calibration.boards.board import Board
from bodydouble.calibration.boards.pattern import board_pattern
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]
GreyImage = npt.NDArray[np.uint8]

SIZE = (480, 360)
GREY = 110
_FINER = 2
"""Rays a pixel, along each side."""
_TEXTURE_PX = 1000


def small_rig(count: int = 3, focal_px: float = 420.0) -> Rig:
    """Return ``count`` small cameras on an arc of 70 degrees about (0, 0, 1.2), 1.1 m away on the side of -x."""
    cameras = {}
    for k, angle in enumerate(np.radians(np.linspace(-35, 35, count))):
        position = np.array([-1.1 * np.cos(angle), 1.1 * np.sin(angle), 1.4])
        forward = np.array([0.0, 0.0, 1.2]) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        model = PinholeCamera(SIZE, (focal_px, focal_px), ((SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2))
        T = pose_from(np.stack([right, np.cross(forward, right), forward], axis=1), position)
        cameras[f"cam{k}"] = MountedCamera(f"cam{k}", model, "room", T)
    return Rig("small", ("room",), cameras)


def photograph(board: Board, camera: CameraModel, T_camera_board: FloatArray, *, seed: int = 0) -> GreyImage:
    """Return a grey image (H, W) of a board before grey nothing, as a camera without distortion sees it from the front."""
    import cv2

    pattern = board_pattern(board)
    left, bottom, right, top = pattern.bounds
    scale = _TEXTURE_PX / max(right - left, top - bottom)
    texture = cv2.GaussianBlur(pattern.image(scale), (0, 0), 1.0)
    step, quiet = 1 / scale, pattern.quiet
    T_plane_texture = np.array([[step, 0, left - quiet + step / 2], [0, -step, top + quiet - step / 2], [0, 0, 1]])
    (fx, fy), (cx, cy) = camera.focal, camera.center
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    finer = np.array([[_FINER, 0, (_FINER - 1) / 2], [0, _FINER, (_FINER - 1) / 2], [0, 0, 1]])
    H = finer @ K @ T_camera_board[:3][:, [0, 1, 3]] @ T_plane_texture
    width, height = camera.image_size
    seen = cv2.warpPerspective(texture, H, (_FINER * width, _FINER * height), borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
    image = cv2.GaussianBlur(cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA), (0, 0), 0.6)
    noisy = 30 + 0.7 * image + np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), dtype=np.uint8)


def write_video(path: Path, images: Sequence[GreyImage], *, rate_hz: int = 10, cut_off: float = 1.0) -> Path:
    """Write grey images as a video; with ``cut_off`` below 1 only the first such share of the file is kept, as of a copy that was broken off."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"movflags": "faststart"} if cut_off < 1 else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate_hz, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = images[0].shape[1], images[0].shape[0], "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())
    if cut_off < 1:
        content = path.read_bytes()
        path.write_bytes(content[: int(cut_off * len(content))])
    return path
