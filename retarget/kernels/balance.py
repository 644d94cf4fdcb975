"""The centre of mass, and the cost of its plumb line leaving what the feet stand on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.tree import Placed, Tree

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


class Balance(NamedTuple):
    """What moves the centre of mass."""

    motions: IndexArray
    """Motions that count: the trunk's and the limbs'; fingers move it by less than a millimetre."""
    weight: float
    """Cost of 1 m outside, before squaring."""


@compiled()
def carried(tree: Tree, placed: Placed, mass: FloatArray, moment: FloatArray) -> None:
    """Write the mass (1 + N,) kg that hangs on the base and on each joint, and mass times centre (1 + N, 3) of it in the world."""
    n = len(tree.parent)
    for j in range(n + 1):
        mass[j] = tree.mass[j]
        R, p, c = placed.rotation[j], placed.translation[j], tree.centre[j]
        for i in range(3):
            moment[j, i] = tree.mass[j] * (p[i] + R[i, 0] * c[0] + R[i, 1] * c[1] + R[i, 2] * c[2])
    for j in range(n, 0, -1):
        up = tree.parent[j - 1] + 1
        mass[up] += mass[j]
        for i in range(3):
            moment[up, i] += moment[j, i]


@compiled()
def add_balance(tree: Tree, balance: Balance, placed: Placed, edges: FloatArray, derivatives: bool, H: FloatArray, g: FloatArray) -> float:
    """Return the cost of the centre of mass being beyond ``edges`` (E, 3): rows ``nx x + ny y <= c``, NaN for none; add its Gauss-Newton terms."""
    if len(edges) == 0 or not math.isfinite(edges[0, 0]):
        return 0.0
    n = len(tree.parent)
    mass, moment = np.empty(n + 1), np.empty((n + 1, 3))
    carried(tree, placed, mass, moment)
    total = mass[0]
    cost, ww = 0.0, balance.weight * balance.weight
    row = np.zeros(len(g))
    for e in range(len(edges)):
        nx, ny = edges[e, 0], edges[e, 1]
        if not math.isfinite(nx):
            break
        beyond = (nx * moment[0, 0] + ny * moment[0, 1]) / total - edges[e, 2]
        if beyond <= 0.0:
            continue
        cost += 0.5 * ww * beyond * beyond
        if not derivatives:
            continue
        row[:] = 0.0
        for m in balance.motions:
            j = max(m - 5, 0)
            w, v = placed.angular[m], placed.linear[m]
            # A body of mass M moves by v + w x c at its centre c.
            row[tree.variable[m]] += (
                nx * (mass[j] * v[0] + w[1] * moment[j, 2] - w[2] * moment[j, 1])
                + ny * (mass[j] * v[1] + w[2] * moment[j, 0] - w[0] * moment[j, 2])
            ) / total
        for a in range(len(g)):
            if row[a] != 0.0:
                g[a] += ww * beyond * row[a]
                for b in range(a + 1):
                    H[a, b] += ww * row[a] * row[b]
    return cost
