"""Rigs of our own design, to start a calibration or a simulation from: ``calibration/rigs/*.toml``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.fisheye import FisheyeCamera
from bodydouble.calibration.rig import Assumed, MountedCamera, Rig, Sigma
from bodydouble.calibration.transform import pose_from
from bodydouble.errors import UnknownNameError

FloatArray = npt.NDArray[np.float64]

HELMET, BACKPACK = "helmet", "backpack"
_FOLDER = Path(__file__).parent / "rigs"
_IMAGE_SIZE = (1600, 1200)
_FOCAL_SIGMA = 0.02
"""Relative: how far lenses of one make differ from their data sheet."""
_CENTER_SIGMA_PX = 10.0
_MOUNT_SIGMA_RAD = math.radians(2.0)
_MOUNT_SIGMA_M = 0.005
"""How well a mount that was made to the drawing is where the drawing says."""
_CLOCK_SIGMA_S = 5e-4
"""One trigger for all cameras."""


@dataclass(frozen=True)
class _Mount:
    body: str
    position: tuple[float, float, float]
    yaw_deg: float
    """To the left."""
    below_deg: float
    """Below the horizontal."""
    across_deg: float
    """Horizontal field of view; the vertical one is three quarters of it, as the image's height is of its width."""


_HELMET5 = {
    "front": _Mount(HELMET, (0.11, 0.0, 0.06), 0, 15, 120),
    "left_down": _Mount(HELMET, (0.10, 0.10, 0.04), 20, 50, 140),
    "right_down": _Mount(HELMET, (0.10, -0.10, 0.04), -20, 50, 140),
    "left_side": _Mount(HELMET, (0.00, 0.12, 0.02), 65, 50, 140),
    "right_side": _Mount(HELMET, (0.00, -0.12, 0.02), -65, 50, 140),
}
_ON_BOOMS = {
    "left_side": _Mount(BACKPACK, (0.05, 0.28, 0.10), 65, 50, 140),
    "right_side": _Mount(BACKPACK, (0.05, -0.28, 0.10), -65, 50, 140),
}
_DESIGNS = {"optimus-helmet5": _HELMET5, "optimus-helmet-backpack5": _HELMET5 | _ON_BOOMS}

PRESETS = tuple(_DESIGNS)
"""Names that ``preset_rig`` takes."""

_SAYS = """Our own design: every number here was chosen by us and none was measured. sigma says how far a rig built to it may be off.
helmet: origin between the eyes, x forward, y left, z up.{backpack} All cameras are upright.
The lenses are ideal equidistant ones, whose field of view of {views} degrees fills the image.
Written by bodydouble.calibration.presets; change the table there.
"""
_BACKPACK_SAYS = """
backpack: origin at the foot of the neck, between the shoulders (C7), x forward, y left, z up when standing upright;
left_side and right_side look out from booms beside and just above the shoulders."""


def preset_rig(name: str) -> Rig:
    """Return a rig of our own design, as shipped in ``calibration/rigs/NAME.toml``. Raises: UnknownNameError listing the names.

    "optimus-helmet5": five fisheye cameras of 1600x1200 px on the body "helmet". "optimus-helmet-backpack5": left_side and right_side on booms of
    the body "backpack", the others on the helmet. Frames: helmet, origin between the eyes; backpack, origin between the shoulders at the foot of
    the neck; both x forward, y left, z up. Nothing of it was measured, and ``assumed`` says so: calibrate before use.
    """
    if name not in _DESIGNS:
        raise UnknownNameError("rig", name, "the presets", PRESETS)
    return Rig.load(_FOLDER / f"{name}.toml")


def designed_rig(name: str) -> Rig:
    """Return the rig that the table in this file describes, which ``write_presets`` puts into the files."""
    mounts = _DESIGNS[name]
    cameras = {camera: _mounted(camera, mount) for camera, mount in mounts.items()}
    assumed = {}
    for camera, mount in mounts.items():
        focal = cameras[camera].model.focal[0]
        assumed[f"{camera}.focal_px"] = Assumed(focal, _FOCAL_SIGMA * focal)
        assumed[f"{camera}.yaw_rad"] = Assumed(math.radians(mount.yaw_deg), _MOUNT_SIGMA_RAD)
        assumed[f"{camera}.pitch_rad"] = Assumed(math.radians(mount.below_deg), _MOUNT_SIGMA_RAD)
    return Rig(name, tuple(dict.fromkeys(mount.body for mount in mounts.values())), cameras, assumed)


def write_presets(folder: Path = _FOLDER) -> None:
    """Write ``NAME.toml`` of every preset into ``folder``."""
    for name, mounts in _DESIGNS.items():
        path = Path(folder) / f"{name}.toml"
        designed_rig(name).save(path)
        views = " or ".join(dict.fromkeys(f"{mount.across_deg:g} x {0.75 * mount.across_deg:g}" for mount in mounts.values()))
        says = _SAYS.format(views=views, backpack=_BACKPACK_SAYS if any(mount.body == BACKPACK for mount in mounts.values()) else "")
        path.write_text("".join(f"# {line}\n" for line in says.splitlines()) + path.read_text(encoding="utf-8"), encoding="utf-8")


def _mounted(name: str, mount: _Mount) -> MountedCamera:
    width, height = _IMAGE_SIZE
    focal = (width / 2) / math.radians(mount.across_deg / 2)
    model = FisheyeCamera(_IMAGE_SIZE, (focal, focal), ((width - 1) / 2, (height - 1) / 2))
    sigma = Sigma(_FOCAL_SIGMA * focal, _CENTER_SIGMA_PX, _MOUNT_SIGMA_RAD, _MOUNT_SIGMA_M, _CLOCK_SIGMA_S)
    return MountedCamera(name, model, mount.body, pose_from(_upright(mount.yaw_deg, mount.below_deg), mount.position), sigma)


def _upright(yaw_deg: float, below_deg: float) -> FloatArray:
    """Return the axes (3, 3), in a frame with z up, of an upright camera that looks to the left by ``yaw_deg`` and down by ``below_deg``."""
    yaw, below = math.radians(yaw_deg), math.radians(below_deg)
    forward = np.array([math.cos(below) * math.cos(yaw), math.cos(below) * math.sin(yaw), -math.sin(below)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    return np.stack([right, np.cross(forward, right), forward], axis=1)
