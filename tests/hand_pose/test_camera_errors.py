"""Clocks and places of simulated cameras against the truth."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bodydouble.hand_pose.camera_errors import camera_errors


def test_a_wrong_clock_and_a_turned_camera_are_told_apart() -> None:
    true = np.tile(np.eye(4), (2, 3, 1, 1))
    times = np.tile([0.0, 0.1, 0.2], (2, 1))
    truth = SimpleNamespace(camera=("a", "b").index, camera_times_s=times + np.array([[0.012], [0.0]]), T_world_camera=true)
    taken = true.copy()
    taken[1, 1:, :3, :3] = Rotation.from_rotvec([0, np.radians(3), 0]).as_matrix()
    taken[1, 2, 0, 3] = 0.008
    taken[1, 0] = np.nan
    poses = SimpleNamespace(cameras=("a", "b"), T_world_camera=taken)
    found = camera_errors(times, np.array([[0, 1, -1], [0, 1, 2]]), poses, truth)  # type: ignore[arg-type]
    assert found["a"] == {"clock_ms": pytest.approx(12.0), "position_mm": 0.0, "rotation_deg": 0.0}
    assert found["b"] == {"clock_ms": 0.0, "position_mm": pytest.approx(8.0), "rotation_deg": pytest.approx(3.0)}
