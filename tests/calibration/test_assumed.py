"""A camera of which nothing was calibrated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bodydouble.calibration import Rig, assumed_camera, assumed_rig


@pytest.mark.parametrize("size", [(1920, 1080), (1088, 1920)])
def test_the_longer_side_spans_the_field_of_view(size):
    camera = assumed_camera(size, 65.0)
    axis = int(np.argmax(size))
    edge = np.array(camera.center)
    edge[axis] = size[axis] - 0.5
    ray = camera.rays(edge)
    assert 2 * math.degrees(math.acos(ray[2])) == pytest.approx(65.0)


def test_a_focal_length_from_metadata_goes_first():
    assert assumed_camera((1920, 1080), focal_px=1500.0).focal == (1500.0, 1500.0)


def test_an_assumed_rig_says_what_was_assumed_and_how_sure_that_is(tmp_path):
    rig = assumed_rig("cam", (1920, 1080))
    item = rig.assumed["cam.focal_px"]
    assert item.value == rig.camera("cam").model.focal[0]
    by_differences = (assumed_camera((1920, 1080), 65 - 6).focal[0] - assumed_camera((1920, 1080), 65 + 6).focal[0]) / 1.0
    assert item.sigma == pytest.approx(by_differences, rel=0.02), "12 degrees of sigma, first order"
    rig.save(tmp_path / "rig.toml")
    assert Rig.load(tmp_path / "rig.toml").assumed == rig.assumed


def test_an_assumed_camera_is_level_and_looks_along_x():
    T = assumed_rig("cam", (1920, 1080)).camera("cam").T_body_camera
    assert T[:3, 2].tolist() == [1, 0, 0]
    assert T[:3, 1].tolist() == [0, 0, -1]
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)
