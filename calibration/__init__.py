"""Camera models, rigs and the calibration files of other programs."""

from bodydouble.calibration.assumed import assumed_camera, assumed_rig
from bodydouble.calibration.boards.board import Board, Targets, join_targets
from bodydouble.calibration.boards.detection import BoardDetector
from bodydouble.calibration.boards.observations import observe
from bodydouble.calibration.cameras.camera_model import CameraModel, contains
from bodydouble.calibration.cameras.double_sphere import DoubleSphereCamera
from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.cameras.fisheye624 import Fisheye624Camera
from bodydouble.calibration.cameras.fisheye_conversion import FisheyeFit, to_fisheye
from bodydouble.calibration.cameras.models import MODELS
from bodydouble.calibration.cameras.omni import OmniCamera
from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.cameras.virtual_view import VirtualView
from bodydouble.calibration.formats.aniposelib import read_aniposelib, write_aniposelib
from bodydouble.calibration.formats.any_format import RIG_FILES, RIG_FORMATS, convert_rig, read_rig, write_rig
from bodydouble.calibration.formats.aria import read_aria
from bodydouble.calibration.formats.caliscope import read_caliscope
from bodydouble.calibration.formats.kalibr import read_kalibr, write_kalibr
from bodydouble.calibration.formats.opencv import read_opencv, write_opencv
from bodydouble.calibration.formats.qualisys import read_qualisys
from bodydouble.calibration.intrinsics import IntrinsicsCalibration, find_lens
from bodydouble.calibration.localization.rig_localization import LocationSettings, locate
from bodydouble.calibration.localization.rig_motion import BodyMotion, RigMotion
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.matching import check_rig_matches
from bodydouble.calibration.observations import Observations, views_of
from bodydouble.calibration.presets import PRESETS, preset_rig
from bodydouble.calibration.rig import Assumed, MountedCamera, Rig, Sigma
from bodydouble.calibration.rig_calibration import HeldOutScore, RigCalibration
from bodydouble.calibration.rig_solve import RigSettings, calibrate_rig
from bodydouble.calibration.room.board_on_floor import align_to_board
from bodydouble.calibration.room.resection import Resection, resect
from bodydouble.calibration.room.room_frame import FrameChange, RoomFrame, align_to_points
from bodydouble.calibration.room.scene_points import ScenePoints
from bodydouble.calibration.view_selection import lens_views

__all__ = [
    "MODELS",
    "PRESETS",
    "RIG_FILES",
    "RIG_FORMATS",
    "Assumed",
    "Board",
    "BoardDetector",
    "BodyMotion",
    "CameraModel",
    "DoubleSphereCamera",
    "Fisheye624Camera",
    "FisheyeCamera",
    "FisheyeFit",
    "FrameChange",
    "HeldOutScore",
    "IntrinsicsCalibration",
    "LocationSettings",
    "MountedCamera",
    "Observations",
    "OmniCamera",
    "PinholeCamera",
    "Resection",
    "Rig",
    "RigCalibration",
    "RigMotion",
    "RigSettings",
    "RoomFrame",
    "ScenePoints",
    "Sigma",
    "TagMap",
    "Targets",
    "VirtualView",
    "align_to_board",
    "align_to_points",
    "assumed_camera",
    "assumed_rig",
    "calibrate_rig",
    "check_rig_matches",
    "contains",
    "convert_rig",
    "find_lens",
    "join_targets",
    "lens_views",
    "locate",
    "observe",
    "preset_rig",
    "read_aniposelib",
    "read_aria",
    "read_caliscope",
    "read_kalibr",
    "read_opencv",
    "read_qualisys",
    "read_rig",
    "resect",
    "to_fisheye",
    "views_of",
    "write_aniposelib",
    "write_kalibr",
    "write_opencv",
    "write_rig",
]
