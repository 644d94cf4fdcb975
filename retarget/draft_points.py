"""Places that a robot's file has no link for: where fingers end, and where the sole of a foot begins and ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.body_plan import BodyPlan
from bodydouble.retarget.capsule_fitting import surface_points
from bodydouble.retarget.description import pose_from
from bodydouble.retarget.finger_plan import Finger
from bodydouble.retarget.part_names import words

FloatArray = npt.NDArray[np.float64]


def tip_of(plan: BodyPlan, finger: Finger) -> FloatArray:
    """Return where a finger ends (3,) m in the frame of its last body: the furthest point of its primitives, else twice its centre of mass."""
    link = plan.tree.description.links[finger.end]
    poses = plan.tree.poses()
    frame = np.linalg.inv(poses[finger.end])
    if any(shape.kind != "mesh" for shape in link.collision):
        points = surface_points(tuple(shape for shape in link.collision if shape.kind != "mesh"), 0.003)
        far = points[np.linalg.norm(points, axis=1).argmax()]
        near = points[np.linalg.norm(points - far, axis=1) < 0.006]
        centre: FloatArray = near.mean(axis=0)
        return centre
    if np.isfinite(link.mass) and np.linalg.norm(link.centre) > 0.004:
        return 2 * link.centre
    before = (frame @ poses[finger.joints[-2].child])[:3, 3] if len(finger.joints) > 1 else np.array([0.0, 0, -0.03])
    # Nothing is known of the last part: as long as the one before, straight on.
    return -before


def sole_ends(plan: BodyPlan, foot: str, mount: FloatArray) -> tuple[tuple[FloatArray, FloatArray], str]:
    """Return the hindmost and foremost place (3,) m of a foot on its sole, in the base axes at zero, and how they were found."""
    tree = plan.tree
    poses = {link: pose_from(mount @ pose[:3, :3], mount @ pose[:3, 3]) for link, pose in tree.poses().items()}
    clouds = []
    for name in tree.links_of[foot]:
        shapes = tuple(shape for shape in tree.description.links[name].collision if shape.kind != "mesh")
        if shapes:
            clouds.append(surface_points(shapes, 0.01) @ poses[name][:3, :3].T + poses[name][:3, 3])
    ankle = poses[foot][:3, 3]
    if clouds and np.ptp(np.concatenate(clouds)[:, 0]) > 0.04:
        points = np.concatenate(clouds)
        level = points[:, 2].min()
        low = points[points[:, 2] < level + 0.03]
        middle = (low[:, 1].max() + low[:, 1].min()) / 2
        return (np.array([low[:, 0].min(), middle, level]), np.array([low[:, 0].max(), middle, level])), "geometry"
    link = tree.description.links[foot]
    soles = [poses[name][2, 3] for name in tree.links_of[foot] if "sole" in words(name)]
    if np.isfinite(link.mass) and link.mass > 0.1:
        # An even box with the link's inertia, standing along the axes that it has at zero.
        R = poses[foot][:3, :3]
        moments = np.diag(R @ link.inertia @ R.T)
        half = np.sqrt(np.clip(1.5 / link.mass * (moments.sum() - 2 * moments), 1e-6, None))
        centre = poses[foot][:3, 3] + R @ link.centre
        level = min(soles) if soles else centre[2] - half[2]
        return (np.array([centre[0] - half[0], centre[1], level]), np.array([centre[0] + half[0], centre[1], level])), "guess"
    level = min(soles) if soles else ankle[2] - 0.06
    return (np.array([ankle[0] - 0.06, ankle[1], level]), np.array([ankle[0] + 0.16, ankle[1], level])), "guess"
