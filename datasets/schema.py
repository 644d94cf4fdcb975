"""The episode file's schema: one table that the writer fills, the reader follows, validation enforces and `SCHEMA.md` is printed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bodydouble.capture.frame_sets import ABSENT

FORMAT = "bodydouble-episode"
SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Every version that was ever written. A file of an old one is migrated on reading: what it lacks is worked out from the rest or stays empty."""

FARTHEST_M = 1e5
"""From the world's origin; nobody records further away."""

Missing = Literal["never", "nan"]


@dataclass(frozen=True)
class Field:
    """One dataset of the file.

    ``shape`` names its axes: T frames, C cameras, J robot joints, H human joints, L human links, S segments, numbers fixed. ``missing`` is "nan" where
    values may be NaN; with ``mask`` they are NaN exactly where the dataset of that path is 0.
    """

    path: str
    dtype: str
    shape: tuple[str | int, ...]
    unit: str
    meaning: str
    frame: str = ""
    missing: Missing = "never"
    mask: str = ""
    quaternion_order: str = ""
    optional: bool = False
    unlimited: bool = False
    """Values may be infinite: a limit that nobody gives."""
    since: int = 1
    """Schema version that it came with."""

    @property
    def group(self) -> str:
        """Name of the group that holds it."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Last part of the path; "*" where every name of the group has this form."""
        return self.path.rpartition("/")[2]


SOURCE = "0 missing, 1 observed, 2 interpolated, 3 inferred"
FLAG = "0 no, 1 yes"

# fmt: off
FIELDS: tuple[Field, ...] = (
    Field("robot/times_s", "float64", ("T",), "s", "from the start of the recording; one dataset with human/times_s"),
    Field("robot/positions", "float64", ("T", "J"), "rad", "joint positions"),
    Field("robot/velocities", "float64", ("T", "J"), "rad/s", "finite differences of positions over true times", missing="nan"),
    Field("robot/torques", "float64", ("T", "J"), "N m", "inverse dynamics; NaN where not computed", missing="nan"),
    Field("robot/joint_source", "uint8", ("T", "J"), SOURCE, "how the human motion behind each joint is known"),
    Field("robot/base_pose", "float64", ("T", 7), "m, quaternion", "T_world_base", "world", quaternion_order="xyzw"),
    Field("robot/lower", "float64", ("J",), "rad", "lower end of the joint's range"),
    Field("robot/upper", "float64", ("J",), "rad", "upper end of the joint's range"),
    Field("robot/velocity_limit", "float64", ("J",), "rad/s", "largest speed"),
    Field("robot/effort_limit", "float64", ("J",), "N m", "largest torque; infinite where nobody says", unlimited=True),
    Field("robot/task_errors/*", "float64", ("T",), "m or rad", "a task's error after the solve; NaN without target", missing="nan"),
    Field("robot/flags/*", "uint8", ("T",), FLAG, "frames to look at, by reason"),
    Field(
        "robot/accelerations", "float64", ("T", "J"), "rad/s^2", "differences of velocities over true times; row t looks back at t - 1 and t - 2",
        missing="nan", optional=True,
    ),
    Field("robot/acceleration_limit", "float64", ("J",), "rad/s^2", "largest acceleration", optional=True),
    Field(
        "robot/supported_torques", "float64", ("T", "J"), "N m", "inverse dynamics with a free base on the planted feet; NaN where nothing holds it up",
        missing="nan", optional=True,
    ),
    Field("robot/centre_of_pressure", "float64", ("T", 2), "m", "zero-moment point x, y on the ground", "world", "nan", optional=True),
    Field(
        "robot/support_margin", "float64", ("T",), "m", "from the centre of pressure to the edge of the planted feet, positive inside",
        missing="nan", optional=True,
    ),
    Field("robot/contacts/*", "uint8", ("T",), FLAG, "contact points of the robot that are planted", optional=True),
    Field("human/times_s", "float64", ("T",), "s", "one dataset with robot/times_s"),
    Field("human/link_poses", "float64", ("T", "L", 4, 4), "m", "T_world_link", "world", "nan"),
    Field("human/joint_angles", "float64", ("T", "H"), "rad", "angles of the person's joints", "", "nan", "human/joint_source"),
    Field("human/joint_source", "uint8", ("T", "H"), SOURCE, "how each angle is known"),
    Field("human/base_pose", "float64", ("T", 7), "m, quaternion", "T_world_pelvis", "world", "nan", quaternion_order="xyzw"),
    Field("human/landmarks", "float64", ("T", 75, 3), "m", "landmarks of the fitted tree", "world", "nan", "human/landmark_source"),
    Field("human/landmark_sigma", "float64", ("T", 75), "m", "one standard deviation along the worst known axis", missing="nan"),
    Field(
        "human/landmark_covariance", "float64", ("T", 75, 6), "m^2", "covariance of each landmark: xx, xy, xz, yy, yz, zz", "world", "nan",
        optional=True,
    ),
    Field("human/landmark_source", "uint8", ("T", 75), SOURCE, "how each landmark is known"),
    Field("human/relabelled", "uint8", ("C", "T"), "0 no, 1 yes, 255 no person", "views read with left and right exchanged"),
    Field("human/fit_error_px", "float64", ("T",), "px", "root mean square reprojection error", missing="nan"),
    Field("human/triangulated", "float64", ("T", 75, 3), "m", "triangulation before the fit", "world", "nan", optional=True),
    Field("human/camera_poses", "float64", ("C", "T", 4, 4), "m", "T_world_camera where cameras move", "world", "nan", optional=True),
    Field("human/flags/*", "uint8", ("T",), FLAG, "frames to distrust, by reason"),
    Field("landmarks/times_s", "float64", ("C", "T"), "s", "one dataset with recording/times_s", "", "nan", "recording/present"),
    Field("landmarks/pixels", "float64", ("C", "T", 75, 2), "px", "detected landmarks x, y", "calibrated image", "nan"),
    Field("landmarks/confidence", "float64", ("C", "T", 75), "1", "visibility, for hands the hand's score", missing="nan"),
    Field("landmarks/shape_m", "float64", ("C", "T", 75, 3), "m", "the detector's own 3D guess", "camera axes", "nan"),
    Field(
        "landmarks/forearms/direction", "float64", ("T", 2, 3), "1", "from wrist to elbow, of the hands called left and right", "worn body", "nan",
        optional=True,
    ),
    Field("landmarks/forearms/information", "float64", ("T", 2, 3, 3), "1/rad^2", "inverse covariance of it", "worn body", "nan", optional=True),
    Field("recording/times_s", "float64", ("C", "T"), "s", "true capture times", "", "nan", "recording/present"),
    Field("recording/present", "uint8", ("C", "T"), FLAG, "1 where the camera has a frame"),
    Field("recording/frame_index", "int64", ("C", "T"), "1", f"frame of the camera's video; {ABSENT} where it has none"),
    Field("recording/image_size", "int64", ("C", 2), "px", "width, height of the video's frames"),
    Field("recording/crop_origin_px", "float64", ("C", 2), "px", "x, y of the video's first pixel in the calibrated image"),
    Field(
        "robot/actions", "float64", ("T", "J"), "rad", "position to command at this frame: that of the next frame; the last frame has none",
        "", "nan", "robot/action_source", since=2,
    ),
    Field("robot/action_source", "uint8", ("T", "J"), SOURCE, "how each action is known: as the next frame's position", since=2),
    Field(
        "poses/human/*", "float64", ("T", 7), "m, quaternion", "T_world_head, T_head_left_hand, T_base_right_hand, ...: the person's hands (at the wrist) "
        "and head in the world, the head and the robot's base", "in the name", "nan", quaternion_order="xyzw", since=2,
    ),
    Field(
        "poses/robot/*", "float64", ("T", 7), "m, quaternion", "the same of the robot's", "in the name", "nan", quaternion_order="xyzw",
        optional=True, since=2,
    ),
    Field("cameras/intrinsics", "float64", ("C", 4), "px", "fx, fy, cx, cy; pixel centres at whole numbers", "calibrated image", since=2),
    Field("cameras/distortion", "float64", ("C", 12), "1", "terms of the camera's model (see rig), NaN beyond its last", missing="nan", since=2),
    Field(
        "cameras/sigma", "float64", ("C", 5), "px, px, rad, m, s", "one standard deviation of focal length, principal point, rotation and position on "
        "the body, clock; NaN where the calibration did not say", missing="nan", since=2,
    ),
    Field("cameras/T_world_camera", "float64", ("C", "T", 4, 4), "m", "pose of each camera at its own true times", "world", "nan", since=2),
    Field("cameras/pose_sigma", "float64", ("C", "T", 2), "rad, m", "one standard deviation of its rotation and position", missing="nan", since=2),
    Field("segments/start_s", "float64", ("S",), "s", "start of each annotated segment", since=2),
    Field("segments/stop_s", "float64", ("S",), "s", "its end, which is no part of it", since=2),
)
# fmt: on
"""Every dataset of numbers. Beside them: ``rig`` (the rig.toml as text), ``provenance`` (JSON text), ``quality/NAME`` (one figure each) and
``images/CAMERA`` (T,) variable-length bytes, one JPEG each, empty where ``recording/present`` is 0."""


def task_error_unit(task: str) -> str:
    """Return the unit of ``robot/task_errors/NAME``: metres for positions, radians for orientations and directions."""
    return "m" if task.endswith("_position") else "rad"


def fields_of(group: str) -> tuple[Field, ...]:
    """Return the fields directly inside one group."""
    return tuple(item for item in FIELDS if item.group == group)


def fields_in(version: int) -> tuple[Field, ...]:
    """Return the fields that a file of a schema version has."""
    return tuple(item for item in FIELDS if item.since <= version)
