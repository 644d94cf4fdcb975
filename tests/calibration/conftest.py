"""Fixtures of the calibration tests: the real sample, a simulated rig."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodydouble.calibration import FisheyeCamera, MountedCamera, PinholeCamera, Rig, Sigma
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
