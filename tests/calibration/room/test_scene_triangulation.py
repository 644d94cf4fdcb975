"""Where clicked points are, by the cameras alone."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration.room.scene_triangulation import triangulate_clicks


def cameras(rig):
    return tuple(camera.model for camera in rig.cameras.values()), np.stack([camera.T_body_camera for camera in rig.cameras.values()])


def test_clicked_points_are_found_where_they_are(simulated_room):
    rig, scene = simulated_room()
    assert np.allclose(triangulate_clicks(*cameras(rig), scene.pixels, 1.0), scene.points, atol=1e-8)


@pytest.mark.parametrize("camera", range(4))
def test_one_wrong_click_of_four_hardly_counts(simulated_room, camera):
    rig, scene = simulated_room()
    pixels = scene.pixels.copy()
    pixels[camera, 2] += [80.0, -40.0]
    assert np.allclose(triangulate_clicks(*cameras(rig), pixels, 1.0)[2], scene.points[2], atol=2e-3)


def test_a_point_that_one_camera_saw_is_nan(simulated_room):
    rig, scene = simulated_room()
    pixels = scene.pixels.copy()
    pixels[1:, 0] = np.nan
    pixels[:, 1] = np.nan
    points = triangulate_clicks(*cameras(rig), pixels, 1.0)
    assert np.isnan(points[:2]).all()
    assert np.isfinite(points[2:]).all()


def test_rays_that_are_nearly_parallel_are_no_crossing(simulated_room):
    rig, scene = simulated_room(models=("pinhole",))
    models, poses = cameras(rig)
    poses = np.concatenate([poses, poses])
    poses[1, :3, 3] += 0.01
    pixels = np.concatenate([scene.pixels, scene.pixels])
    assert np.isnan(triangulate_clicks(models * 2, poses, pixels, 1.0)).all()
