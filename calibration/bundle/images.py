"""Where in its camera each image has what it shows: the room with all targets that stand still, or one target that moves.

Views of targets that stand still share one pose an image, so poses and their derivatives are worked out once an image and not once a view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.state import STATIC, Motion, State, Structure, Views, motion_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """I images of a base each: the room for static targets, the target itself for one that moves."""

    of_view: IntArray
    """(V,) the image that each view is part of."""
    first: IntArray
    """(I,) one view of each image."""
    R: FloatArray
    """(I, 3, 3) R_camera_base."""
    t: FloatArray
    """(I, 3) m, the base in the camera."""
    body: Motion
    """Of the body that the camera sits on."""
    base: Motion
    """Of the base in the room."""
    between: FloatArray
    """(I, 3) m, from the body to the base, in the body's frame."""


@dataclass(frozen=True)
class Lifts:
    """How the poses of bases in their cameras depend on what makes them up: (rotation on the right, position)."""

    by_mount: FloatArray
    """(I, 6, 6) by the camera's mount."""
    by_body: FloatArray
    """(I, 6, 6 * order) by the terms of the knot of the camera's body; 0 for the room."""
    by_target: FloatArray
    """(I, 6, 6 * order) by those of the target's knot; 0 for the room."""
    rate: FloatArray
    """(I, 6) by time: angular velocity on the right (rad/s), velocity (m/s)."""


def images_of(state: State, structure: Structure, views: Views) -> Images:
    """Return the images that the views are parts of, with poses at the times they were taken by the state's clocks."""
    chain_of_view = structure.chain_of_target[views.target]
    key = (views.camera * len(structure.moment_s) + views.moment) * (structure.chains + 1) + chain_of_view + 1
    _, first, of_view = np.unique(key, return_index=True, return_inverse=True)
    camera, moment = views.camera[first], views.moment[first]
    dt = views.time_s[first] + state.offset_s[camera] - structure.moment_s[moment]
    body = motion_of(state, structure.camera_chain(camera), moment, dt)
    base = motion_of(state, chain_of_view[first], moment, dt)
    mount = state.T_body_camera[camera]
    R_camera_body, R_body_room = np.swapaxes(mount[:, :3, :3], -1, -2), np.swapaxes(body.R, -1, -2)
    between = np.einsum("vij,vj->vi", R_body_room, base.p - body.p)
    t = np.einsum("vij,vj->vi", R_camera_body, between - mount[:, :3, 3])
    return Images(of_view, first, R_camera_body @ R_body_room @ base.R, t, body, base, between)


def points_in_base(state: State, structure: Structure, views: Views) -> FloatArray:
    """Return the points (V, n, 3) of all views in m in their bases."""
    still = (structure.chain_of_target[views.target] == STATIC)[:, None, None]
    T = state.T_room_target[views.target]
    return np.where(still, views.points @ np.swapaxes(T[:, :3, :3], 1, 2) + T[:, None, :3, 3], views.points)


def lifts_of(images: Images, state: State, views: Views) -> Lifts:
    """Return the derivatives of the bases' poses."""
    count = len(images.first)
    R_camera_body = np.swapaxes(state.T_body_camera[views.camera[images.first]][:, :3, :3], -1, -2)
    R_camera_room = R_camera_body @ np.swapaxes(images.body.R, -1, -2)
    by_body, by_base, by_mount = np.zeros((count, 6, 6)), np.zeros((count, 6, 6)), np.zeros((count, 6, 6))
    by_body[:, :3, :3] = -np.swapaxes(images.base.R, -1, -2) @ images.body.R
    by_body[:, 3:, :3] = R_camera_body @ rotation.hat(images.between)
    by_body[:, 3:, 3:] = -R_camera_room
    by_base[:, :3, :3] = np.eye(3)
    by_base[:, 3:, 3:] = R_camera_room
    by_mount[:, :3, :3] = -np.swapaxes(images.R, -1, -2)
    by_mount[:, 3:, :3] = rotation.hat(images.t)
    by_mount[:, 3:, 3:] = -R_camera_body
    rate = np.einsum("vij,vj->vi", by_body, images.body.rate) + np.einsum("vij,vj->vi", by_base, images.base.rate)
    return Lifts(by_mount, by_body @ images.body.lift, by_base @ images.base.lift, rate)
