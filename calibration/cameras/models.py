"""The camera models that there are, by the name that ``rig.toml`` has for them."""

from __future__ import annotations

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.cameras.double_sphere import DoubleSphereCamera
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.fisheye624 import Fisheye624Camera
from bodydouble.calibration.cameras.omni import OmniCamera
from bodydouble.calibration.cameras.parametric_camera import ParametricCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera

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
