"""The first guess of a lens: near enough to start from, whatever the lens and whatever else was taken for the board."""

from __future__ import annotations

import numpy as np
import pytest
from test_pnp import BOARD, seen_from

from bodydouble.calibration import FisheyeCamera, PinholeCamera
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.focal_search import LENSES, first_guess
from bodydouble.calibration.transform import apply

SIZE = (1280, 960)
PINHOLE_TERMS = (-0.1, 0.05, 1e-3, -5e-4, 0.0)


def some_views(model: CameraModel, count: int = 20, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    half = np.arctan(640 / model.focal[0]) if isinstance(model, PinholeCamera) else 640 / model.focal[0]
    views = []
    for _ in range(count):
        yaw, pitch = rng.uniform(-0.6, 0.6, 2) * half
        direction = np.array([np.sin(yaw), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        T = seen_from(direction, 0.3 / np.tan(min(half, 0.8)) * rng.uniform(0.7, 1.5), rng.uniform(-0.6, 0.6, 3))
        pixels = model.project(apply(T, BOARD)) + rng.normal(0, 0.2, (len(BOARD), 2))
        views.append((BOARD, pixels))
    return views


@pytest.mark.parametrize("focal", [400.0, 900.0, 3000.0])
def test_the_focal_length_of_a_pinhole_is_found_to_a_few_percent(focal: float) -> None:
    true = PinholeCamera(SIZE, (focal, focal), (620.0, 490.0), PINHOLE_TERMS)
    found = first_guess("pinhole", SIZE, some_views(true))
    assert found.focal[0] == found.focal[1] == pytest.approx(focal, rel=0.08)
    assert found.center == (639.5, 479.5)
    assert not any(found.distortion)


def test_the_focal_length_of_a_wide_fisheye_is_found_to_a_few_percent() -> None:
    true = FisheyeCamera(SIZE, (380.0, 380.0), (635.0, 482.0), (0.02, -0.004, 1e-4, 1e-5))
    assert first_guess("fisheye", SIZE, some_views(true)).focal[0] == pytest.approx(380, rel=0.08)


def test_a_third_of_false_detections_does_no_harm() -> None:
    true = PinholeCamera(SIZE, (900.0, 900.0), (620.0, 490.0), PINHOLE_TERMS)
    views = some_views(true)
    rng = np.random.default_rng(1)
    for v in range(0, 20, 3):
        views[v] = (BOARD, rng.uniform([0, 0], SIZE, (len(BOARD), 2)))
    assert first_guess("pinhole", SIZE, views).focal[0] == pytest.approx(900, rel=0.12)


@pytest.mark.parametrize("lens", LENSES)
def test_a_guess_has_the_terms_of_its_lens(lens: str) -> None:
    cls, terms = LENSES[lens]
    found = first_guess(lens, SIZE, some_views(PinholeCamera(SIZE, (900.0, 900.0), (639.5, 479.5)), 3))
    assert type(found) is cls
    assert len(found.distortion) == terms
