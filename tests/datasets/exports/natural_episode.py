"""Simulated episodes as long and with images as large as wanted, for the tests and the benchmark of exports; needs nothing that is downloaded.

The images look natural to a video encoder: textures whose detail falls off with frequency much as that of photographs does, a camera that pans, objects that
move in front of it, and sensor noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bodydouble.calibration import MountedCamera, PinholeCamera, Rig
from bodydouble.datasets import Episode, RecordingInfo, judge
from bodydouble.datasets.exports.export_plan import plan_export
from bodydouble.datasets.exports.export_settings import ExportSettings
from bodydouble.datasets.exports.exporting import export
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, Landmarks
from bodydouble.retarget.trajectory import RobotTrajectory

BLUR_PX, NOISE = 1.5, 1.5
"""Of the lens; one standard deviation of the sensor, of 255."""


def natural_images(seed: int, frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Give RGB images (height, width, 3) of ``size`` (width, height) px: the same for the same seed."""
    rng = np.random.default_rng(seed)
    width, height = size
    margin = 48
    scene = _texture(rng, (width + 2 * margin, height + 2 * margin))
    objects = [(_texture(rng, (width // 4, width // 4)), rng.uniform(0.2, 0.8, 2), rng.uniform(0, 6.28, 2)) for _ in range(3)]
    noise = rng.normal(0.0, NOISE, (height + 64, width + 64, 3)).astype(np.float32)
    for frame in range(frames):
        phase = 0.04 * frame
        pan = np.float32([[1, 0, -margin + 40 * np.sin(phase)], [0, 1, -margin + 25 * np.sin(1.7 * phase)]])
        image = cv2.warpAffine(scene, pan, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for texture, place, start in objects:
            side = texture.shape[0]
            x, y = (
                ((place + 0.15 * np.sin(phase * 2 + start)) * (width - side, height - side))
                .clip(0, (width - side, height - side))
                .astype(int)
            )
            disc = cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 2 - 1, 1, -1)[..., None] == 1
            image[y : y + side, x : x + side] = np.where(disc, texture, image[y : y + side, x : x + side])
        dx, dy = rng.integers(0, 64, 2)
        yield np.clip(image + noise[dy : dy + height, dx : dx + width], 0, 255).astype(np.uint8)


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1e9  # no mean
    layers = []
    for strength in (45.0, 10.0, 10.0):  # brightness, and two colours that vary less
        white = np.fft.rfft2(rng.standard_normal((height, width)))
        layer = np.fft.irfft2(white / frequency**1.4 * np.exp(-2 * (np.pi * BLUR_PX * frequency) ** 2), s=(height, width))
        layers.append(strength * layer / layer.std())
    brightness, warm, green = layers
    rgb = np.stack([brightness + warm, brightness + green, brightness - warm], axis=-1)
    return np.clip(rgb + rng.uniform(90, 150), 0, 255).astype(np.float32)


def natural_episode(
    frames: int, cameras: dict[str, tuple[int, int]], *, joints: int = 78, rate_hz: float = 30.0, seed: int = 0, **replaced: Any
) -> Episode:  # fmt: skip
    """Return an episode of a robot that swings its joints; ``cameras`` are names to (width, height) px. Fields can be replaced."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames) / rate_hz
    names = tuple(f"joint_{number}" for number in range(joints))
    half = joints // 2
    positions = np.sin(times[:, None] * rng.uniform(0.5, 3.0, joints) + rng.uniform(0, 6.28, joints)) * rng.uniform(0.0, 0.8, joints)
    trajectory = RobotTrajectory(
        robot="swinger", times_s=times, frame="room", joint_names=names, joint_groups={"left_arm": names[:half], "right_arm": names[half:]},
        positions=positions, velocities=np.gradient(positions, times, axis=0), torques=np.full((frames, joints), np.nan),
        joint_source=np.full((frames, joints), Source.OBSERVED), base_pose=np.tile([0, 0, 0.9, 0, 0, 0, 1.0], (frames, 1)),
        lower=np.full(joints, -3.0), upper=np.full(joints, 3.0), velocity_limit=np.full(joints, 10.0), effort_limit=np.full(joints, 50.0),
        task_errors={}, flags={},
    )  # fmt: skip
    person = np.tile([0.0, 0.0, 1.0], (frames, len(LANDMARK_NAMES), 1))
    motion = HumanMotion(
        times_s=times, frame="room", link_names=("pelvis",), link_poses=np.tile(np.eye(4), (frames, 1, 1, 1)), joint_names=("waist",),
        joint_angles=np.zeros((frames, 1)), joint_source=np.full((frames, 1), Source.OBSERVED), base_pose=trajectory.base_pose, landmarks=person,
        landmark_sigma=np.full(person.shape[:2], 0.01), landmark_source=np.full(person.shape[:2], Source.OBSERVED), bone_lengths={}, stature=1.73,
        cameras=tuple(cameras), relabelled=np.zeros((len(cameras), frames)), fit_error_px=np.ones(frames), flags={},
    )  # fmt: skip
    taken = np.tile(times, (len(cameras), 1))
    nothing = np.full((len(cameras), frames, len(LANDMARK_NAMES)), np.nan)
    pixels = np.stack([nothing, nothing], axis=-1)
    shape_m = np.stack([nothing, nothing, nothing], axis=-1)
    rig = Rig("simulated", ("room",), {name: _mounted(name, size) for name, size in cameras.items()})
    recording = RecordingInfo(
        name=f"swing {seed}", cameras=tuple(cameras), image_size=np.array(list(cameras.values())), times_s=taken,
        frame_index=np.tile(np.arange(frames), (len(cameras), 1)), crop_origin_px=np.zeros((len(cameras), 2)), licence="CC-BY-4.0",
    )  # fmt: skip
    values: dict[str, Any] = {
        "task": f"swing {seed}", "trajectory": trajectory, "motion": motion, "landmarks": Landmarks(tuple(cameras), taken, pixels, nothing, shape_m, {}),
        "rig": rig, "recording": recording, "quality": judge({"reprojection_median_px": 1.0}), "provenance": {"simulated": True, "seed": seed},
    }  # fmt: skip
    return Episode(**{**values, **replaced})


def _mounted(name: str, size: tuple[int, int]) -> MountedCamera:
    width, height = size
    return MountedCamera(name, PinholeCamera(size, (float(width),) * 2, (width / 2, height / 2)), "room", np.eye(4))


def images_of(episode: Episode, seed: int = 0) -> Iterator[tuple[str, int, np.ndarray]]:
    """Give an image for every frame of every camera of an episode, as ``write_episode`` takes them."""
    for row, camera in enumerate(episode.cameras):
        width, height = episode.recording.image_size[row]
        for frame, image in enumerate(natural_images(100 * seed + row, episode.frames, (int(width), int(height)))):
            if episode.recording.present[row, frame]:
                yield camera, frame, image


def make_export(folder: Path, name: str, episodes: Sequence[Path], out: str = "out", **settings: Any) -> tuple[Path, dict[str, Any]]:
    """Export episode files in a format to ``folder / out``; return that path and the index."""
    plan = plan_export(name, episodes, ExportSettings(**{"allow_unconsented": True, **settings}))
    return folder / out, export(plan, folder / out)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, by its path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def psnr_db(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of an image against another."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((image.astype(np.float64) - truth) ** 2))))
