"""The camera models that there are, by the name that ``rig.toml`` has for them."""

from __future__ import annotations

from bodydouble.calibration.camera_model import CameraModel
from bodydouble.calibration.double_sphere import DoubleSphereCamera
from bodydouble.calibration.fisheye import FisheyeCamera
from bodydouble.calibration.fisheye624 import Fisheye624Camera
from bodydouble.calibration.omni import OmniCamera
from bodydouble.calibration.parametric_camera import ParametricCamera
from bodydouble.calibration.pinhole import PinholeCamera

MODELS: dict[str, type[ParametricCamera]] = {
    "pinhole": PinholeCamera,
    "fisheye": FisheyeCamera,
    "omni": OmniCamera,
    "double_sphere": DoubleSphereCamera,
    "fisheye624": Fisheye624Camera,
}


def name_of(model: CameraModel) -> str | None:
    """Return the name of a camera's model, or None where it is none of ``MODELS``."""
    return next((name for name, cls in MODELS.items() if type(model) is cls), None)
