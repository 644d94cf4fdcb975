"""Rotations: rotation vector, its inverse, and how its rate follows from an angular velocity."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled

FloatArray = npt.NDArray[np.float64]


@compiled()
def rotation_vector(R: FloatArray, out: FloatArray) -> None:
    """Write the rotation vector (3,) rad, |v| <= pi, of ``R`` (3, 3), by way of the quaternion (exact near zero and near half a turn)."""
    trace = R[0, 0] + R[1, 1] + R[2, 2]
    if trace > 0.0:
        s = 2.0 * math.sqrt(trace + 1.0)
        w, x, y, z = 0.25 * s, (R[2, 1] - R[1, 2]) / s, (R[0, 2] - R[2, 0]) / s, (R[1, 0] - R[0, 1]) / s
    elif R[0, 0] >= R[1, 1] and R[0, 0] >= R[2, 2]:
        s = 2.0 * math.sqrt(max(1.0 + R[0, 0] - R[1, 1] - R[2, 2], 1e-30))
        w, x, y, z = (R[2, 1] - R[1, 2]) / s, 0.25 * s, (R[0, 1] + R[1, 0]) / s, (R[0, 2] + R[2, 0]) / s
    elif R[1, 1] >= R[2, 2]:
        s = 2.0 * math.sqrt(max(1.0 + R[1, 1] - R[0, 0] - R[2, 2], 1e-30))
        w, x, y, z = (R[0, 2] - R[2, 0]) / s, (R[0, 1] + R[1, 0]) / s, 0.25 * s, (R[1, 2] + R[2, 1]) / s
    else:
        s = 2.0 * math.sqrt(max(1.0 + R[2, 2] - R[0, 0] - R[1, 1], 1e-30))
        w, x, y, z = (R[1, 0] - R[0, 1]) / s, (R[0, 2] + R[2, 0]) / s, (R[1, 2] + R[2, 1]) / s, 0.25 * s
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    factor = 2.0 / w if sine < 1e-12 else 2.0 * math.atan2(sine, w) / sine
    out[0], out[1], out[2] = factor * x, factor * y, factor * z


@compiled()
def inverse_left_jacobian(v: FloatArray, out: FloatArray) -> None:
    """Write the matrix (3, 3) that carries a world angular velocity to the rate of the rotation vector ``v`` (Chirikjian 2012, 10.86)."""
    x, y, z = v[0], v[1], v[2]
    angle = math.sqrt(x * x + y * y + z * z)
    c = 1.0 / 12.0 if angle < 1e-4 else (1.0 - 0.5 * angle / math.tan(0.5 * angle)) / (angle * angle)
    xx, yy, zz = x * x, y * y, z * z
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - c * (yy + zz), 0.5 * z + c * x * y, -0.5 * y + c * x * z
    out[1, 0], out[1, 1], out[1, 2] = -0.5 * z + c * x * y, 1.0 - c * (xx + zz), 0.5 * x + c * y * z
    out[2, 0], out[2, 1], out[2, 2] = 0.5 * y + c * x * z, -0.5 * x + c * y * z, 1.0 - c * (xx + yy)


@compiled()
def turned(R: FloatArray, x: float, y: float, z: float, out: FloatArray) -> None:
    """Write ``exp((x, y, z)) R`` (3, 3) to ``out``, made orthonormal again."""
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-12:
        a, b = 1.0, 0.5
    else:
        a, b = math.sin(angle) / angle, (1.0 - math.cos(angle)) / (angle * angle)
    E = np.empty((3, 3))
    E[0, 0], E[0, 1], E[0, 2] = 1.0 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    E[1, 0], E[1, 1], E[1, 2] = b * x * y + a * z, 1.0 - b * (x * x + z * z), b * y * z - a * x
    E[2, 0], E[2, 1], E[2, 2] = b * x * z - a * y, b * y * z + a * x, 1.0 - b * (x * x + y * y)
    M = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            M[i, j] = E[i, 0] * R[0, j] + E[i, 1] * R[1, j] + E[i, 2] * R[2, j]
    # Gram-Schmidt on the columns: thousands of products would drift away from a rotation.
    n = math.sqrt(M[0, 0] ** 2 + M[1, 0] ** 2 + M[2, 0] ** 2)
    ax, ay, az = M[0, 0] / n, M[1, 0] / n, M[2, 0] / n
    d = ax * M[0, 1] + ay * M[1, 1] + az * M[2, 1]
    bx, by, bz = M[0, 1] - d * ax, M[1, 1] - d * ay, M[2, 1] - d * az
    n = math.sqrt(bx * bx + by * by + bz * bz)
    bx, by, bz = bx / n, by / n, bz / n
    out[0, 0], out[1, 0], out[2, 0] = ax, ay, az
    out[0, 1], out[1, 1], out[2, 1] = bx, by, bz
    out[0, 2], out[1, 2], out[2, 2] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
