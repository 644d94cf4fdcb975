"""A camera of which nothing was calibrated: what is assumed, and how far off that may be."""

from __future__ import annotations

import math

import numpy as np

from bodydouble.calibration.cameras.pinhole import PinholeCamera
from bodydouble.calibration.rig import Assumed, MountedCamera, Rig, Sigma
from bodydouble.calibration.transform import pose_from

FOV_DEG = 65.0
"""Along the longer side: a phone's or webcam's usual main lens (26 to 28 mm equivalent) in a video crop."""
FOV_SIGMA_DEG = 12.0
"""Covers zoomed phones (about 45 degrees) to action cameras (about 90) within two sigma."""
METADATA_FOCAL_SIGMA = 0.05
"""Relative: the 35 mm equivalent is rounded to a millimetre and stabilisation crops the frame."""
UPRIGHT_SIGMA_RAD = math.radians(7.0)
"""How far the camera may lean or tilt."""

R_ROOM_CAMERA_LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""A level camera that looks along the room's x axis."""


def assumed_camera(image_size: tuple[int, int], fov_deg: float = FOV_DEG, *, focal_px: float | None = None) -> PinholeCamera:
    """Return a distortion-free pinhole camera with its principal point in the middle of the image.

    ``image_size`` is (width, height); ``focal_px`` (say from a video's metadata) is used instead of ``fov_deg``, the field of view
    along the longer side, when given.
    """
    width, height = image_size
    focal = focal_px if focal_px is not None else 0.5 * max(width, height) / math.tan(math.radians(fov_deg) / 2)
    return PinholeCamera((width, height), (focal, focal), ((width - 1) / 2, (height - 1) / 2))


def assumed_rig(camera: str, image_size: tuple[int, int], fov_deg: float = FOV_DEG, *, focal_px: float | None = None) -> Rig:
    """Return the rig of one camera without calibration: level, at the room's origin, looking along x; ``assumed`` says so.

    The sigma of the focal length follows from that of the field of view, or is 5 % of one that came from metadata.
    """
    model = assumed_camera(image_size, fov_deg, focal_px=focal_px)
    focal = model.focal[0]
    half = math.radians(fov_deg) / 2
    sigma = METADATA_FOCAL_SIGMA * focal
    if focal_px is None:
        sigma = 0.25 * max(image_size) / math.sin(half) ** 2 * math.radians(FOV_SIGMA_DEG)
    mounted = MountedCamera(
        camera, model, "room", pose_from(R_ROOM_CAMERA_LEVEL, np.zeros(3)), Sigma(focal_px=sigma, rotation_rad=UPRIGHT_SIGMA_RAD)
    )
    assumed = {
        f"{camera}.focal_px": Assumed(focal, sigma),
        f"{camera}.roll_rad": Assumed(0.0, UPRIGHT_SIGMA_RAD),
        f"{camera}.pitch_rad": Assumed(0.0, UPRIGHT_SIGMA_RAD),
    }
    return Rig("assumed", ("room",), {camera: mounted}, assumed)
