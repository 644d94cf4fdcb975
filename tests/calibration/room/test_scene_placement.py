"""How pixels of measured points depend on the poses of cameras, on the scale and on the points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.room.scene_placement import Observed, Placement, Problem
from bodydouble.calibration.transform import apply, invert


def placement(rig, scene, *, grouped: bool) -> tuple[Placement, Observed]:
    """Every camera for itself, or all of them as one body that is turned, moved and scaled."""
    cameras = list(rig.cameras.values())
    poses, models = np.stack([camera.T_body_camera for camera in cameras]), tuple(camera.model for camera in cameras)
    observed = Observed(scene.pixels, scene.points, 1.0, 0.005)
    if not grouped:
        return Placement(models, np.arange(len(models)), np.tile(np.eye(4), (len(models), 1, 1)), poses, scene.points), observed
    T_room_group = cameras[0].T_body_camera
    inner = invert(T_room_group) @ poses
    inner[:, :3, 3] /= 1.25
    return Placement(models, np.zeros(len(models), dtype=np.int64), inner, T_room_group[None], scene.points, 1.25), observed


@pytest.mark.parametrize("grouped", [False, True])
def test_points_are_projected_as_the_rig_projects_them(simulated_room, grouped):
    rig, scene = simulated_room(points=6)
    start, _ = placement(rig, scene, grouped=grouped)
    assert np.allclose(start.project(), scene.pixels, atol=1e-9)
    assert np.allclose(start.T_room_camera, np.stack([camera.T_body_camera for camera in rig.cameras.values()]), atol=1e-12)
    camera = rig.cameras["cam1"]
    assert np.allclose(start.project()[1], camera.model.project(apply(camera.T_camera_body, scene.points)))


@pytest.mark.parametrize(("grouped", "free_scale"), [(False, False), (True, False), (True, True)])
def test_derivatives_are_those_of_finite_differences(simulated_room, grouped, free_scale):
    rig, scene = simulated_room(seed=2, points=5)
    start, observed = placement(rig, scene, grouped=grouped)
    problem = Problem(observed, free_scale)
    size = problem.size(start)
    assert size == 6 * (1 if grouped else 4) + free_scale + 15
    _, J = problem.jacobian(start)
    step = 1e-6
    for column in range(size):
        delta = np.zeros(size)
        delta[column] = step
        difference = (problem.stepped(start, delta).project() - problem.stepped(start, -delta).project()) / (2 * step)
        assert np.allclose(J[..., column], difference, rtol=1e-5, atol=1e-4), column


def test_points_that_nobody_clicked_or_that_are_exact_are_not_solved_for(simulated_room):
    rig, scene = simulated_room(points=5)
    start, observed = placement(rig, scene, grouped=True)
    assert Problem(replace(observed, sigma_m=0.0), False).size(start) == 6
    pixels = observed.pixels.copy()
    pixels[:, 2] = np.nan
    problem = Problem(replace(observed, pixels=pixels), False)
    assert problem.columns(start).tolist() == [6, 9, -1, 12, 15]
    moved = problem.stepped(start, np.ones(problem.size(start)))
    assert np.array_equal(moved.points[2], start.points[2])
