"""Fixtures of the calibration tests: the real sample, a simulated rig."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from bodydouble.calibration import MODELS, CameraModel, FisheyeCamera, MountedCamera, PinholeCamera, Rig, Sigma, contains, transform
from bodydouble.calibration.boards.board import Board, Targets
from bodydouble.calibration.boards.board_file import parse_board
from bodydouble.calibration.boards.pattern import board_pattern, tag_pattern
from bodydouble.calibration.observations import Observations, views_of
from bodydouble.calibration.pnp import target_poses
from bodydouble.calibration.rig_calibration import HeldOutScore, RigCalibration
from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.calibration.transform import pose_from_rotvec


@pytest.fixture(scope="session")
def pose2sim_sample() -> Path:
    """The folder of the real sample: videos, stills, Qualisys calibration."""
    from bodydouble.assets import path_of

    return path_of("pose2sim_single")


@pytest.fixture
def rig() -> Rig:
    """A simulated rig: a pinhole camera in the room and a fisheye on a helmet."""
    wall = PinholeCamera((1088, 1920), (1681.2, 1681.1), (533.0, 948.1), (-0.046, 0.14, 6e-4, 7e-4, 0.01))
    front = FisheyeCamera((1600, 1200), (500.1, 500.2), (799.5, 599.5), (0.01, -0.002, 1e-4, 1e-5))
    return Rig(
        "test rig",
        ("room", "helmet"),
        {
            "wall": MountedCamera("wall", wall, "room", pose_from_rotvec([0.3, -1.2, 0.7], [1.0, 2.0, 3.0])),
            "front": MountedCamera(
                "front", front, "helmet", pose_from_rotvec(np.array([0.1, 2.0, -0.4]), [0.1, 0, 0.05]), Sigma(focal_px=0.5)
            ),
        },
    )


class MakeBoard(Protocol):
    """Make a board as a board file with these keys would."""

    def __call__(self, **values: object) -> Board: ...


@pytest.fixture(scope="session")
def make_board() -> MakeBoard:
    """Give a function that makes a board from the keys of a board file."""
    return lambda **values: Board(parse_board(dict(values), source="board.toml"), str(values.get("name", "board")))


class BoardView(Protocol):
    """Render a board as ``camera`` sees it from ``T_camera_board``."""

    def __call__(
        self, board: Board, camera: CameraModel, T_camera_board: np.ndarray, *, blur_px: float = 0.6, noise: float = 2.0, black: float = 40.0,
        white: float = 200.0, background: float = 90.0, seed: int = 0, into: np.ndarray | None = None, tag: int | None = None,
    ) -> np.ndarray: ...  # fmt: skip


@pytest.fixture(scope="session")
def board_view() -> BoardView:
    """Give a function that renders a grey image (H, W) of a board, or of one ``tag`` of single tags, with its quiet zone on ``background``.

    Every pixel is the mean of 5x5 rays through the lens, then blurred by a Gaussian and given noise; light falls off across the image. Seen from
    behind, the board is the mirror image, as a two-sided board is. ``into`` is an image to draw over instead of the background.
    """
    return _render


def _render(
    board: Board, camera: CameraModel, T_camera_board: np.ndarray, *, blur_px: float = 0.6, noise: float = 2.0, black: float = 40.0,
    white: float = 200.0, background: float = 90.0, seed: int = 0, into: np.ndarray | None = None, tag: int | None = None,
) -> np.ndarray:  # fmt: skip
    import cv2

    pattern = board_pattern(board) if tag is None else tag_pattern(board, tag)
    left, bottom, right, top = pattern.bounds
    scale = 2400 / max(right - left, top - bottom)
    texture = pattern.image(scale).astype(np.float32) / 255
    edge = np.linspace(0, 1, 50)
    border = np.concatenate([np.stack([edge, 0 * edge], 1), np.stack([edge, 0 * edge + 1], 1)])
    border = np.concatenate([border, border[:, ::-1]])
    low, high = np.array([left, bottom]) - pattern.quiet, np.array([right, top]) + pattern.quiet
    around = camera.project(transform.apply(T_camera_board, np.pad(low + border * (high - low), ((0, 0), (0, 1)))))
    width, height = camera.image_size
    x0, y0 = np.maximum(np.nanmin(around, axis=0).astype(int) - 4, 0)
    x1, y1 = np.minimum(np.nanmax(around, axis=0).astype(int) + 5, [width, height])
    T_board_camera = transform.invert(T_camera_board)
    directions = transform.rotate(T_board_camera, camera.rays(np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -T_board_camera[2, 3] / directions[..., 2]
        place = T_board_camera[:2, 3] + reach[..., None] * directions[..., :2]
    place[~(reach > 0)] = np.nan
    place = cv2.resize(place, None, fx=5, fy=5, interpolation=cv2.INTER_LINEAR)  # the lens bends little within a pixel
    u, v = (place[..., 0] - low[0]) * scale - 0.5, (high[1] - place[..., 1]) * scale - 0.5
    values = cv2.remap(texture, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    hit = (u > -0.5) & (v > -0.5) & (u < texture.shape[1] - 0.5) & (v < texture.shape[0] - 0.5)

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(y1 - y0, 5, x1 - x0, 5).mean(axis=(1, 3))

    image = np.full((height, width), background) if into is None else into.astype(np.float64)
    light = 1.1 - 0.2 * np.arange(width) / width
    ink = mean(np.where(hit, black + (white - black) * values, 0.0)) * light[x0:x1]
    image[y0:y1, x0:x1] = ink + (1 - mean(hit.astype(float))) * image[y0:y1, x0:x1]
    if blur_px:
        image = cv2.GaussianBlur(image, (0, 0), blur_px)
    image += np.random.default_rng(seed).normal(0, noise, image.shape) if noise else 0
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


class SimulatedCalibration(Protocol):
    """Make a calibration whose truth is known: cameras on an arc around a moving board, corners with Gaussian noise."""

    def __call__(
        self, names: tuple[str, ...] = ..., *, moments: int = 160, noise_px: float = 0.1, lens_error: float = 0.0, held_out: bool = True,
        blind: tuple[str, ...] = (), seed: int = 0,
    ) -> RigCalibration: ...  # fmt: skip


@pytest.fixture(scope="session")
def simulated_calibration() -> SimulatedCalibration:
    """Give a function that makes a RigCalibration: solved on even moments, measured on odd ones if ``held_out``.

    ``lens_error`` makes every focal length so much (relative) too long, as a bad calibration would; cameras in ``blind`` see nothing.
    """
    return _simulated_calibration


_FIVE = ("front", "left_down", "right_down", "left_side", "right_side")


def _simulated_calibration(
    names: tuple[str, ...] = _FIVE, *, moments: int = 160, noise_px: float = 0.1, lens_error: float = 0.0, held_out: bool = True,
    blind: tuple[str, ...] = (), seed: int = 0,
) -> RigCalibration:  # fmt: skip
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(1, 7), np.arange(1, 5))
    targets = Targets(("board",), np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3) * 0.04, np.zeros(24, dtype=np.int64))
    models = [PinholeCamera((1280, 960), (900.0, 900.0), (639.5, 479.5), (-0.05, 0.02, 0, 0, 0)) for _ in names]
    poses = [_on_arc(azimuth, 1.1 + 0.1 * (c % 3), 0.3 * (c % 2)) for c, azimuth in enumerate(np.linspace(-0.9, 0.9, len(names)))]
    pixels = np.full((len(names), moments, 24, 2), np.nan)
    for moment in range(moments):
        T_room_board = pose_from_rotvec(random.uniform(-0.6, 0.6, 3), random.uniform(-0.5, 0.5, 3) * [0.7, 1, 0.8])
        T_room_board[:3, :3] = _FACING @ T_room_board[:3, :3]
        points = transform.apply(T_room_board, targets.points - [0.14, 0.1, 0])
        for c, (name, model, T) in enumerate(zip(names, models, poses, strict=True)):
            uv = model.project(transform.apply(transform.invert(T), points)) + random.normal(0, noise_px, (24, 2))
            away = T[:3, 3] - T_room_board[:3, 3]
            if name not in blind and T_room_board[:3, 2] @ away > 0.3 * np.linalg.norm(away):
                pixels[c, moment] = np.where(contains(model, uv)[:, None], uv, np.nan)
    rate = np.arange(moments) / 10
    observations = Observations(
        names, tuple(model.image_size for model in models), targets, np.tile(np.arange(moments), (len(names), 1)),
        np.tile(rate, (len(names), 1)), pixels,
    )  # fmt: skip
    solved = [model.with_parameters(model.parameters * [1 + lens_error, 1 + lens_error, 1, 1, *[1] * 5]) for model in models]
    cameras = {}
    for c, (name, model, T) in enumerate(zip(names, solved, poses, strict=True)):
        held = Sigma(focal_px=0.8, center_px=0.6, time_offset_s=None)
        free = Sigma(0.8 + 0.1 * c, 0.6, 2e-4 + 1e-4 * c, 3e-4 + 1e-4 * c, 2e-4)
        cameras[name] = MountedCamera(name, model, "room", T, held if c == 0 else free, 0.0 if c == 0 else 1e-3 * (c - 2.5))
    rig = Rig("simulated", ("room",), cameras)
    even = np.arange(moments) % 2 == 0
    views = views_of(observations.where(np.tile(even | (not held_out), (len(names), 1))))
    residual = np.zeros_like(views.pixels)
    for v in range(len(views)):
        ((T_camera_board, _), *_) = target_poses(solved[views.camera[v]], views.points[v][views.seen[v]], views.pixels[v][views.seen[v]])
        residual[v] = solved[views.camera[v]].project(transform.apply(T_camera_board, views.points[v])) - views.pixels[v]
    score = _held_out(observations, rig, ~even) if held_out else HeldOutScore(np.zeros(0), 0, 0, {})
    rejected = {f"{names[0]} frame 7": "its corners are 31.0 px off what the other views say (limit 1.0 px)"}
    return RigCalibration(
        rig, {"room": names[0]}, observations, np.full((1, 4, 4), np.nan), np.full((1, 2), np.nan), views,
        np.where(views.seen[..., None], residual, 0.0), np.where(views.seen, 1.0, 0.0), np.full(len(names), noise_px), 2e-4, score,
        rejected=rejected, detect_seconds=12.3, solve_seconds=0.8,
    )  # fmt: skip


_FACING = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Turns a board whose normal is z to one whose normal is x and that stands upright."""


def _on_arc(azimuth: float, radius: float, height: float) -> np.ndarray:
    """Pose of a camera that looks at the middle of the room."""
    position = np.array([radius * np.cos(azimuth), radius * np.sin(azimuth), height])
    forward = -position / np.linalg.norm(position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return transform.pose_from(np.stack([right, np.cross(forward, right), forward], axis=1), position)


def _held_out(observations: Observations, rig: Rig, which: np.ndarray) -> HeldOutScore:
    """Meet the rays of each corner, and compare all distances with the board's."""
    A, b = np.zeros((*observations.seen.shape[1:], 3, 3)), np.zeros((*observations.seen.shape[1:], 3))
    for c, name in enumerate(observations.cameras):
        camera = rig.cameras[name]
        ray = transform.rotate(camera.T_body_camera, camera.model.rays(observations.pixels[c]))
        across = np.nan_to_num(np.eye(3) - ray[..., :, None] * ray[..., None, :]) * observations.seen[c][..., None, None]
        A += across
        b += across @ camera.T_body_camera[:3, 3]
    good = (observations.seen.sum(axis=0) >= 2) & which[:, None]
    points = np.full(b.shape, np.nan)
    points[good] = np.linalg.solve(A[good], b[good][..., None])[..., 0]
    i, j = np.triu_indices(len(observations.targets.points), 1)
    true = np.linalg.norm(observations.targets.points[i] - observations.targets.points[j], axis=-1)
    error = np.linalg.norm(points[:, i] - points[:, j], axis=-1) - true
    pixels = {}
    for c, name in enumerate(observations.cameras):
        camera = rig.cameras[name]
        off = np.linalg.norm(camera.model.project(transform.apply(camera.T_camera_body, points)) - observations.pixels[c], axis=-1)
        pixels[name] = off[np.isfinite(off)]
    return HeldOutScore(error[np.isfinite(error)], int(good.sum()), int(np.isfinite(error).any(axis=1).sum()), pixels)


class SimulatedRoom(Protocol):
    """Make a rig of static cameras on the walls of a room, and measured points on its floor that all of them see."""

    def __call__(
        self, *, seed: int = 0, models: tuple[str, ...] = ..., points: int = 8, flat: bool = False, noise_px: float = 0.0, noise_m: float = 0.0,
        sigma_m: float = 0.0,
    ) -> tuple[Rig, ScenePoints]: ...  # fmt: skip


@pytest.fixture(scope="session")
def simulated_room() -> SimulatedRoom:
    """Give a function that makes the true rig, and the scene as it would be measured (``noise_m``) and clicked (``noise_px``)."""
    return _simulated_room


_LENSES: dict[str, CameraModel] = {
    "pinhole": PinholeCamera((1280, 960), (900.0, 905.0), (639.5, 479.5), (-0.05, 0.02, 1e-3, -5e-4, 0.0)),
    "fisheye": FisheyeCamera((1600, 1200), (500.0, 501.0), (799.5, 599.5), (0.01, -0.002, 1e-4, 1e-5)),
    "omni": MODELS["omni"]((1200, 1200), (800.0, 801.0), (599.5, 599.5), (0.9, 0.01, -0.01, 1e-4, 1e-4)),
    "double_sphere": MODELS["double_sphere"]((1200, 1200), (500.0, 500.0), (599.5, 599.5), (-0.2, 0.6)),
}


def _simulated_room(
    *, seed: int = 0, models: tuple[str, ...] = ("pinhole", "fisheye", "omni", "double_sphere"), points: int = 8, flat: bool = False,
    noise_px: float = 0.0, noise_m: float = 0.0, sigma_m: float = 0.0,
) -> tuple[Rig, ScenePoints]:  # fmt: skip
    random = np.random.default_rng(seed)
    cameras = {}
    for c, kind in enumerate(models):
        azimuth = 2 * np.pi * (c + random.uniform(-0.2, 0.2)) / len(models)
        position = np.array([3 * np.cos(azimuth), 3 * np.sin(azimuth), random.uniform(1.5, 2.5)])
        forward = -position + random.uniform(-0.3, 0.3, 3)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        cameras[f"cam{c}"] = MountedCamera(
            f"cam{c}", _LENSES[kind], "room", transform.pose_from(np.stack([right, np.cross(forward, right), forward], axis=1), position)
        )
    corners = np.array([[x, y] for x in (-1.0, 1.0) for y in (-0.5, 0.5)])
    measured = np.zeros((points, 3))
    measured[:4, :2] = corners + random.uniform(-0.1, 0.1, (4, 2))
    measured[4:, :2] = random.uniform([-1.0, -0.6], [1.0, 0.6], (points - 4, 2))
    if not flat:
        measured[:, 2] = random.uniform(0.0, 0.5, points)
    pixels = np.stack([c.model.project(transform.apply(c.T_camera_body, measured)) for c in cameras.values()])
    pixels += random.normal(0, 1, pixels.shape) * noise_px
    names = tuple(f"mark {k}" for k in range(points))
    scene = ScenePoints(
        names, measured + random.normal(0, 1, measured.shape) * noise_m, tuple(cameras), pixels, sigma_m, max(noise_px, 0.1),
        tuple(camera.model.image_size for camera in cameras.values()),
    )  # fmt: skip
    return Rig("simulated", ("room",), cameras), scene


@pytest.fixture(scope="session")
def caliscope_observations(shared_data: Path) -> Observations:
    """What four real webcams saw of a hand-held board."""
    from bodydouble.calibration.boards.observations import observe
    from bodydouble.capture import open_recording

    folder = shared_data / "multicam_calib" / "caliscope_hands_board"
    return observe(open_recording(folder), [Board.load(folder / "charuco.toml")])
