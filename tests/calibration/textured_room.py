"""Images of a bare room whose walls are covered with blotches: something to follow, without tags and without a renderer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig, preset_rig
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.transform import rotate
from bodydouble.capture import Recording

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]
HALF_M = np.array([2.2, 1.8, 1.4])
"""Half the room's extent; the world's origin is its middle."""
_BLOTCH_M = 0.06
SIZE = (400, 300)


def small_rig(names: tuple[str, ...] = ("front", "left_down", "right_down")) -> Rig:
    """Return cameras of the helmet with images of a quarter of their size."""
    from dataclasses import replace

    rig = preset_rig("optimus-helmet5").select(names)
    cameras = {}
    for name, camera in rig.cameras.items():
        scale = SIZE[0] / camera.model.image_size[0]
        lens = type(camera.model)(SIZE, tuple(scale * f for f in camera.model.focal), ((SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2))
        cameras[name] = replace(camera, model=lens)
    return replace(rig, cameras=cameras)


def image(model: CameraModel, T_world_camera: FloatArray) -> Image:
    """Return what a camera inside the room sees (H, W, 3)."""
    width, height = model.image_size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    ray = rotate(T_world_camera, model.rays(grid))
    with np.errstate(divide="ignore"):
        far = (np.where(ray > 0, HALF_M, -HALF_M) - T_world_camera[:3, 3]) / ray
    axis = far.argmin(axis=-1)
    at = T_world_camera[:3, 3] + far.min(axis=-1)[..., None] * ray
    side = 2 * axis + (np.take_along_axis(ray, axis[..., None], -1)[..., 0] > 0)
    u, v = (np.take_along_axis(at, ((axis + k) % 3)[..., None], -1)[..., 0] for k in (1, 2))
    grey = _blotches(side, u / _BLOTCH_M, v / _BLOTCH_M)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _blotches(side: npt.NDArray[np.int64], u: FloatArray, v: FloatArray) -> FloatArray:
    """Return smooth random greys: random values at the corners of a grid on each wall, and between them a blend."""
    table = np.random.default_rng(0).uniform(20, 235, (6, 128, 128))
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    a, b = (3 * w**2 - 2 * w**3 for w in (u - i, v - j))
    corner = [[table[side, (i + di) % 128, (j + dj) % 128] for dj in (0, 1)] for di in (0, 1)]
    return np.asarray((1 - a) * ((1 - b) * corner[0][0] + b * corner[0][1]) + a * ((1 - b) * corner[1][0] + b * corner[1][1]))


def write_recording(
    folder: Path, rig: Rig, T_world_body: FloatArray, *, period_s: float = 1 / 30, black: dict[str, set[int]] | None = None
) -> Recording:
    """Write images (and rig.toml) of a rig at poses (T, 4, 4), a folder a camera; ``black``: camera to frames that show nothing."""
    import cv2

    folder.mkdir(parents=True)
    lines = ["camera,frame_index,time_s"]
    for name, camera in rig.cameras.items():
        (folder / name).mkdir()
        for m, T in enumerate(T_world_body):
            there = image(camera.model, T @ camera.T_body_camera)
            cv2.imwrite(str(folder / name / f"{m:03d}.png"), 0 * there if m in (black or {}).get(name, ()) else there)
            lines.append(f"{name},{m},{m * period_s:.6f}")
    (folder / "timestamps.csv").write_text("\n".join(lines) + "\n")
    videos = "".join(f'[cameras.{name}]\nvideo = "{name}"\n' for name in rig.names)
    (folder / "recording.toml").write_text(f'name = "room"\nclock = "external"\n{videos}')
    rig.save(folder / "rig.toml")
    return Recording.open(folder)
