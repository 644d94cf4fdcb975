"""Fixtures of the calibration tests: the real sample, a simulated rig."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from bodydouble.calibration import CameraModel, FisheyeCamera, MountedCamera, PinholeCamera, Rig, Sigma, transform
from bodydouble.calibration.board import Board
from bodydouble.calibration.board_file import parse_board
from bodydouble.calibration.board_pattern import board_pattern, tag_pattern
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
