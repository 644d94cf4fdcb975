"""Forward kinematics of a tree of one-axis joints, and the motion that each degree of freedom is.

A *motion* is a spatial velocity (v at the world's origin, w): a point p moves by ``v + w x p``. Rows 0 to 5 are the base's (three shifts and
three turns about its own place, along the world's axes), row 6 + j is joint j's. A joint's motion times its ratio is what its variable does;
joints without a variable do not move.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


class Tree(NamedTuple):
    """A robot's joints, N of them, parents before children; V variables (the base's six, if it has them, and the actuated joints)."""

    parent: IndexArray
    """(N,) joint, -1 for the base."""
    rotation: FloatArray
    """(N, 3, 3) of the joint's frame in its parent's at zero."""
    translation: FloatArray
    """(N, 3) m."""
    axis: FloatArray
    """(N, 3) unit vector in the joint's frame."""
    prismatic: npt.NDArray[np.bool_]
    """(N,)."""
    actuator: IndexArray
    """(N,) which actuated joint moves it, -1 for none."""
    ratio: FloatArray
    """(6 + N,) of the motions; 1 for the base."""
    offset: FloatArray
    """(N,) rad or m."""
    variable: IndexArray
    """(6 + N,) variable of each motion, -1 for none."""
    actuated_variable: IndexArray
    """(J,) variable of each actuated joint."""
    frame_joint: IndexArray
    """(F,) joint that carries each frame of interest, -1 for the base."""
    frame_rotation: FloatArray
    """(F, 3, 3) in that joint."""
    frame_translation: FloatArray
    """(F, 3) m."""
    mass: FloatArray
    """(1 + N,) kg that each joint carries by itself; row 0 is the base's."""
    centre: FloatArray
    """(1 + N, 3) m, its centre in the joint's frame."""


class Placed(NamedTuple):
    """Where everything is in one configuration: work space that ``place`` fills."""

    rotation: FloatArray
    """(1 + N, 3, 3); row 0 is the base."""
    translation: FloatArray
    """(1 + N, 3)."""
    angular: FloatArray
    """(6 + N, 3) w of each motion, times its ratio."""
    linear: FloatArray
    """(6 + N, 3) v of each motion, times its ratio."""
    frame_rotation: FloatArray
    """(F, 3, 3)."""
    frame_translation: FloatArray
    """(F, 3)."""


@compiled()
def work_space(tree: Tree) -> Placed:
    """Return room for ``place``."""
    n, f = len(tree.parent), len(tree.frame_joint)
    return Placed(
        np.empty((1 + n, 3, 3)), np.empty((1 + n, 3)), np.zeros((6 + n, 3)), np.zeros((6 + n, 3)), np.empty((f, 3, 3)), np.empty((f, 3))
    )


@compiled()
def place(tree: Tree, base_rotation: FloatArray, base_translation: FloatArray, positions: FloatArray, out: Placed) -> None:
    """Place all joints and frames for joint ``positions`` (J,) rad or m and a base pose, and write the motions."""
    R, p = out.rotation, out.translation
    for i in range(3):
        p[0, i] = base_translation[i]
        for j in range(3):
            R[0, i, j] = base_rotation[i, j]
            out.angular[i, j] = 0.0
            out.linear[i, j] = 1.0 if i == j else 0.0
            out.angular[3 + i, j] = 1.0 if i == j else 0.0
    # A turn about the base's place b: v = -w x b.
    bx, by, bz = base_translation[0], base_translation[1], base_translation[2]
    out.linear[3, 0], out.linear[3, 1], out.linear[3, 2] = 0.0, bz, -by
    out.linear[4, 0], out.linear[4, 1], out.linear[4, 2] = -bz, 0.0, bx
    out.linear[5, 0], out.linear[5, 1], out.linear[5, 2] = by, -bx, 0.0
    M = np.empty((3, 3))
    for n in range(len(tree.parent)):
        up = tree.parent[n] + 1
        for i in range(3):
            p[n + 1, i] = p[up, i]
            for k in range(3):
                p[n + 1, i] += R[up, i, k] * tree.translation[n, k]
            for j in range(3):
                M[i, j] = R[up, i, 0] * tree.rotation[n, 0, j] + R[up, i, 1] * tree.rotation[n, 1, j] + R[up, i, 2] * tree.rotation[n, 2, j]
        x, y, z = tree.axis[n, 0], tree.axis[n, 1], tree.axis[n, 2]
        value = tree.offset[n]
        if tree.actuator[n] >= 0:
            value += tree.ratio[6 + n] * positions[tree.actuator[n]]
        wx = M[0, 0] * x + M[0, 1] * y + M[0, 2] * z
        wy = M[1, 0] * x + M[1, 1] * y + M[1, 2] * z
        wz = M[2, 0] * x + M[2, 1] * y + M[2, 2] * z
        ratio = tree.ratio[6 + n]
        if tree.prismatic[n]:
            for i in range(3):
                for j in range(3):
                    R[n + 1, i, j] = M[i, j]
                out.angular[6 + n, i] = 0.0
            p[n + 1, 0] += wx * value
            p[n + 1, 1] += wy * value
            p[n + 1, 2] += wz * value
            out.linear[6 + n, 0], out.linear[6 + n, 1], out.linear[6 + n, 2] = ratio * wx, ratio * wy, ratio * wz
            continue
        s, c = math.sin(value), math.cos(value)
        d = 1.0 - c
        e00, e01, e02 = c + d * x * x, d * x * y - s * z, d * x * z + s * y
        e10, e11, e12 = d * x * y + s * z, c + d * y * y, d * y * z - s * x
        e20, e21, e22 = d * x * z - s * y, d * y * z + s * x, c + d * z * z
        for i in range(3):
            R[n + 1, i, 0] = M[i, 0] * e00 + M[i, 1] * e10 + M[i, 2] * e20
            R[n + 1, i, 1] = M[i, 0] * e01 + M[i, 1] * e11 + M[i, 2] * e21
            R[n + 1, i, 2] = M[i, 0] * e02 + M[i, 1] * e12 + M[i, 2] * e22
        wx, wy, wz = ratio * wx, ratio * wy, ratio * wz
        px, py, pz = p[n + 1, 0], p[n + 1, 1], p[n + 1, 2]
        out.angular[6 + n, 0], out.angular[6 + n, 1], out.angular[6 + n, 2] = wx, wy, wz
        out.linear[6 + n, 0], out.linear[6 + n, 1], out.linear[6 + n, 2] = py * wz - pz * wy, pz * wx - px * wz, px * wy - py * wx
    for f in range(len(tree.frame_joint)):
        at = tree.frame_joint[f] + 1
        for i in range(3):
            out.frame_translation[f, i] = p[at, i]
            for k in range(3):
                out.frame_translation[f, i] += R[at, i, k] * tree.frame_translation[f, k]
            for j in range(3):
                out.frame_rotation[f, i, j] = (
                    R[at, i, 0] * tree.frame_rotation[f, 0, j]
                    + R[at, i, 1] * tree.frame_rotation[f, 1, j]
                    + R[at, i, 2] * tree.frame_rotation[f, 2, j]
                )
