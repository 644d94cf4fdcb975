"""Where every joint of the person was: landmarks in the images, and the human motion fitted to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, Landmarks

if TYPE_CHECKING:
    from bodydouble.hand_pose.detection import detect
    from bodydouble.hand_pose.detector import DetectorSettings
    from bodydouble.hand_pose.estimation import EstimatorSettings, estimate
    from bodydouble.hand_pose.reprojection import Reprojection, reprojection_residuals

__all__ = [
    "LANDMARK_NAMES",
    "DetectorSettings",
    "EstimatorSettings",
    "HumanMotion",
    "Landmarks",
    "Reprojection",
    "Source",
    "detect",
    "estimate",
    "reprojection_residuals",
]

_LAZY = {
    "DetectorSettings": "detector",
    "EstimatorSettings": "estimation",
    "detect": "detection",
    "estimate": "estimation",
    "Reprojection": "reprojection",
    "reprojection_residuals": "reprojection",
}


def __getattr__(name: str) -> Any:
    """Import what needs Pinocchio or OpenCV only when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
