"""What the fit is given: every camera's rays to every landmark, how far each may be off, and the pull they exert on a pose.

A residual is the angle between the ray that was observed and the direction to the landmark, as a tangent in the plane across the ray, in
units of the expected error. To first order it is the reprojection error in pixels over its sigma, and it needs no camera model: fisheye rays
beyond 90 degrees are as good as any. Cameras only enter through 3x3 sums, so the cost of a solve does not grow with their number.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.hand_pose.anchors import Anchors
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.depth_prior import DepthPrior
from bodydouble.hand_pose.forearm_pull import ForearmPull
from bodydouble.hand_pose.landmarks import POSE, Landmarks
from bodydouble.hand_pose.neck_pull import NeckPull
from bodydouble.hand_pose.noise import expected_error_px
from bodydouble.hand_pose.posture_prior import PosturePrior
from bodydouble.hand_pose.ray_table import RayTable

FloatArray = npt.NDArray[np.float64]
Part = TypeVar("Part", Anchors, DepthPrior, PosturePrior, ForearmPull, NeckPull)

MIN_VISIBILITY = 0.3
"""Pose landmarks that the model itself believes less than this are guesses of a hidden limb."""


@dataclass(frozen=True)
class Observations:
    """Rays of C cameras over T frames to the 75 landmarks; NaN rays and zero weight where nothing was seen."""

    origins: FloatArray
    """(C, T, 3) camera centres in the world."""
    rays: FloatArray
    """(C, T, 75, 3) unit directions in the world."""
    basis: FloatArray
    """(C, T, 75, 2, 3) two unit vectors across each ray."""
    sigma_rad: FloatArray
    """(C, T, 75) expected error of each ray."""
    weight: FloatArray
    """(C, T, 75) confidence, zero where unseen."""
    depth: DepthPrior | None = None
    """With one camera: what is guessed of the depths."""
    anchors: Anchors | None = None
    """With worn cameras: landmarks that are fixed to what they are worn on."""
    posture: PosturePrior | None = None
    """With worn cameras: how a person stands of whom only arms are seen."""
    forearms: ForearmPull | None = None
    """With worn cameras: which way forearms were seen to point."""
    neck: NeckPull | None = None
    """With worn cameras: where shoulders hang below the head."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.rays.shape[1])

    @classmethod
    def of(cls, landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses | None = None) -> Observations:
        """Turn landmarks into rays; without ``camera_poses`` the rig's cameras must not move. A camera without a pose saw nothing."""
        cameras, frames = len(landmarks.cameras), landmarks.frames
        poses = CameraPoses.static(rig, landmarks.cameras, frames) if camera_poses is None else camera_poses.select(landmarks.cameras)
        rays = np.full((cameras, frames, 75, 3), np.nan)
        sigma = expected_error_px(landmarks)
        for row, name in enumerate(landmarks.cameras):
            camera = rig.camera(name)
            seen = np.isfinite(landmarks.pixels[row]).all(axis=-1)
            in_camera = camera.model.rays(landmarks.pixels[row][seen])
            if name in poses.moving:
                R = np.broadcast_to(poses.T_world_camera[row, :, None, :3, :3], (frames, 75, 3, 3))[seen]
                rays[row][seen] = np.einsum("nij,nj->ni", R, in_camera)
            else:
                rays[row][seen] = in_camera @ camera.T_body_camera[:3, :3].T
            beside = camera.model.rays(landmarks.pixels[row][seen] + (1.0, 0.0))
            radians_per_px = np.arccos(np.clip(np.sum(in_camera * beside, axis=-1), -1.0, 1.0))
            sigma[row][seen] *= np.nanmedian(radians_per_px) if radians_per_px.size else 1.0
        weight = np.nan_to_num(landmarks.confidence)
        weight[..., POSE] = np.where(weight[..., POSE] >= MIN_VISIBILITY, weight[..., POSE] ** 2, 0.0)
        weight = np.where(np.isfinite(rays).all(axis=-1), weight, 0.0)
        origins = np.nan_to_num(poses.T_world_camera[:, :, :3, 3])
        return cls(origins, rays, _across(rays), sigma, weight)

    @functools.cached_property
    def table(self) -> RayTable:
        """The rays that were seen, in one row each."""
        return RayTable.of(self.origins, self.rays, self.sigma_rad, self.weight)

    def residuals(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return residuals (C, T, 75, 2) in sigmas and depths (C, T, 75) of points (T, 75, 3); a point behind a camera has depth <= 0."""
        towards = points[None] - self.origins[:, :, None]
        depth = np.sum(self.rays * towards, axis=-1)
        across = np.einsum("ctnij,ctnj->ctni", self.basis, towards)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = across / depth[..., None] / self.sigma_rad[..., None]
        return scaled, depth

    def select(self, frames: npt.NDArray[np.intp]) -> Selected:
        """Return what pulls on some frames, in ascending order."""
        return Selected(
            self.table.select(frames), _chosen(self.anchors, frames), _chosen(self.depth, frames), _chosen(self.posture, frames),
            _chosen(self.forearms, frames), _chosen(self.neck, frames),
        )  # fmt: skip


@dataclass(frozen=True)
class Selected:
    """What pulls on the landmarks of F chosen frames."""

    table: RayTable
    anchors: Anchors | None = None
    depth: DepthPrior | None = None
    posture: PosturePrior | None = None
    forearms: ForearmPull | None = None
    neck: NeckPull | None = None

    def pull(self, points: FloatArray, *, widen: float = 1.0) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return information (F, 75, 3, 3), gradient (F, 75, 3) and robust cost (F,) of rays, anchors and forearms on points (F, 75, 3).

        Cauchy's loss: an outlier keeps a small pull, so that a wrong start can still be left; ``widen`` multiplies the
        expected error, for a start that is far off (graduated non-convexity, Blake and Zisserman 1987).
        """
        information, gradient, cost = self.table.pull(points, widen)
        if self.anchors is not None:
            cost = cost + self.anchors.add(points, information, gradient)
        if self.forearms is not None:
            cost = cost + self.forearms.add(points, information, gradient)
        if self.neck is not None:
            cost = cost + self.neck.add(points, information, gradient)
        return information, gradient, cost

    def cost(self, points: FloatArray, *, widen: float = 1.0) -> FloatArray:
        """Return the cost (F,) alone."""
        cost = self.table.cost(points, widen)
        if self.anchors is not None:
            cost = cost + self.anchors.cost(points)
        if self.forearms is not None:
            cost = cost + self.forearms.cost(points)
        if self.neck is not None:
            cost = cost + self.neck.cost(points)
        return cost

    def select(self, frames: npt.NDArray[np.intp]) -> Selected:
        """Return those of some of the frames, in ascending order."""
        return Selected(
            self.table.select(frames), _chosen(self.anchors, frames), _chosen(self.depth, frames), _chosen(self.posture, frames),
            _chosen(self.forearms, frames), _chosen(self.neck, frames),
        )  # fmt: skip


def _chosen(part: Part | None, frames: npt.NDArray[np.intp]) -> Part | None:
    return None if part is None else part.select(frames)


def _across(rays: FloatArray) -> FloatArray:
    """Return two unit vectors (..., 2, 3) across each ray."""
    helper = np.where(np.abs(rays[..., 2:3]) < 0.8, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    first = np.cross(rays, helper)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(rays, first)], axis=-2)
