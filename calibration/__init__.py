"""Camera models, rigs and the calibration files of other programs."""

from bodydouble.calibration.assumed import assumed_camera, assumed_rig
from bodydouble.calibration.camera_model import CameraModel, contains
from bodydouble.calibration.fisheye import FisheyeCamera
from bodydouble.calibration.formats.aniposelib import read_aniposelib, write_aniposelib
from bodydouble.calibration.formats.any_format import read_rig
from bodydouble.calibration.formats.qualisys import read_qualisys
from bodydouble.calibration.matching import check_rig_matches
from bodydouble.calibration.pinhole import PinholeCamera
from bodydouble.calibration.rig import Assumed, MountedCamera, Rig, Sigma

__all__ = [
    "Assumed",
    "CameraModel",
    "FisheyeCamera",
    "MountedCamera",
    "PinholeCamera",
    "Rig",
    "Sigma",
    "assumed_camera",
    "assumed_rig",
    "check_rig_matches",
    "contains",
    "read_aniposelib",
    "read_qualisys",
    "read_rig",
    "write_aniposelib",
]
