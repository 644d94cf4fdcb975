"""Lamps in an image are where the camera model says."""

from __future__ import annotations

import numpy as np
import pytest

from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.transform import apply, invert, pose_from_rotvec
from bodydouble.hand_pose.simulation.filmed_rig import scaled_to
from bodydouble.hand_pose.simulation.marker_image import marker_image


@pytest.mark.parametrize("camera", ["front", "left_down", "right_side"])
def test_the_centroid_of_every_marker_is_where_the_truth_projects_to(camera: str) -> None:
    mounted = preset_rig("optimus-helmet5").cameras[camera]
    model = scaled_to(mounted.model, (800, 600))
    T_world_camera = pose_from_rotvec([0.1, 0.3, -0.2], [0.2, -0.1, 1.6]) @ mounted.T_body_camera
    wanted = np.stack(np.meshgrid(np.linspace(20, 780, 7), np.linspace(20, 580, 5)), axis=-1).reshape(-1, 2)
    depth = np.random.default_rng(0).uniform(0.3, 0.8, len(wanted))
    points = apply(T_world_camera, model.rays(wanted) * depth[:, None])
    truth = model.project(apply(invert(T_world_camera), points))
    image = marker_image(points, model, T_world_camera).astype(float)
    for u, v in truth:
        rows, columns = np.mgrid[round(v) - 10 : round(v) + 11, round(u) - 10 : round(u) + 11]
        part = image[rows, columns]
        assert part.max() > 200
        found = np.array([(part * columns).sum(), (part * rows).sum()]) / part.sum()
        assert np.abs(found - [u, v]).max() < 0.1


def test_markers_that_are_missing_or_behind_the_lens_leave_the_image_black() -> None:
    model = scaled_to(preset_rig("optimus-helmet5").cameras["front"].model, (160, 120))
    assert marker_image([[np.nan] * 3, [0.0, 0.0, -1.0], [0.0, 0.0, 0.0]], model, np.eye(4)).max() == 0
