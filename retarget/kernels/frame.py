"""Frame after frame: damped least squares on all tasks, every step a box QP inside what the joints can reach since the frame before.

Levenberg-Marquardt (Nocedal and Wright 2006, 10.3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.balance import Balance, add_balance
from bodydouble.retarget.kernels.box_qp import box_qp, envelope
from bodydouble.retarget.kernels.collisions import Capsules, near_pairs
from bodydouble.retarget.kernels.compiled import compiled
from bodydouble.retarget.kernels.reach import following, reachable
from bodydouble.retarget.kernels.rotations import turned
from bodydouble.retarget.kernels.tasks import Tasks, add_tasks
from bodydouble.retarget.kernels.tree import Placed, Tree, place, work_space

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]

LONGEST_STEP = 0.4
"""rad (m for the base): beyond this the linearisation is not worth following."""
RETRY = 5
"""Frames between two tries to do better from another posture, where a task is unmet."""
BETTER = 0.5
"""Share of the cost that such a try must come down to."""
MOST_NEAR = 256
"""Pairs that are watched at once."""
LATE = 1e-6
"""rad: a joint that is this far from where it is wished to be is late."""


class Problem(NamedTuple):
    """All that does not change while a motion is solved. T frames, J actuated joints, K tasks."""

    tree: Tree
    tasks: Tasks
    capsules: Capsules
    balance: Balance
    times: FloatArray
    """(T,) s."""
    vectors: FloatArray
    """(T, K, 3) targets that are vectors."""
    rotations: FloatArray
    """(T, K, 3, 3) targets that are rotations."""
    weights: FloatArray
    """(T, K) 1/m or 1/rad, 0 where nothing is asked."""
    edges: FloatArray
    """(T, E, 3) of what the feet stand on; NaN where balance does not matter."""
    rest: FloatArray
    """(J,) rad."""
    rest_weight: FloatArray
    """(T, J) 1/rad."""
    lower: FloatArray
    upper: FloatArray
    speed: FloatArray
    """(J,) rad/s."""
    wanted_speed: FloatArray
    """(T, J) rad/s, a lower speed for now; see ``reachable``."""
    acceleration: FloatArray
    """(J,) rad/s^2."""
    unmet: FloatArray
    """(K,) m or rad: a residual beyond this counts as unmet; infinite where nothing does."""


class Motion(NamedTuple):
    """What is found, frame by frame."""

    base_rotation: FloatArray
    """(T, 3, 3)."""
    base_translation: FloatArray
    """(T, 3) m."""
    positions: FloatArray
    """(T, J)."""
    wished: FloatArray
    """(T, J) positions that meet the tasks as if there were no limits of speed and acceleration: what ``positions`` follow."""
    residuals: FloatArray
    """(T, K, 3), NaN where nothing was asked."""
    iterations: IndexArray
    """(T,)."""
    cost: FloatArray
    """(T,) of each frame by itself."""


@compiled()
def linearise(
    problem: Problem, t: int, placed: Placed, positions: FloatArray, derivatives: bool, residuals: FloatArray, H: FloatArray, g: FloatArray
) -> float:
    """Return the cost of one placed frame but for collisions: tasks, rest posture, balance; write lower ``H`` and ``g`` if ``derivatives``."""
    if derivatives:
        H[:] = 0.0
        g[:] = 0.0
    tree = problem.tree
    cost = add_tasks(
        tree, problem.tasks, placed, problem.vectors[t], problem.rotations[t], problem.weights[t], derivatives, residuals, H, g
    )
    for j in range(len(positions)):
        ww, away = problem.rest_weight[t, j] ** 2, positions[j] - problem.rest[j]
        cost += 0.5 * ww * away * away
        if derivatives:
            v = tree.actuated_variable[j]
            H[v, v] += ww
            g[v] += ww * away
    cost += add_balance(tree, problem.balance, placed, problem.edges[t], derivatives, H, g)
    return cost


@compiled()
def solve_frame(
    problem: Problem, motion: Motion, t: int, lower: FloatArray, upper: FloatArray, expected: FloatArray, calm: FloatArray, steps: int,
    tolerance: float, gain: float, least_damping: float,
) -> bool:  # fmt: skip
    """Solve frame ``t`` from what stands in ``motion`` there, inside ``lower`` and ``upper`` (J,); False if a step could not be found.

    ``expected`` (J,) and ``calm`` (J,) 1/rad: where the joints would go by themselves, and the cost of leaving that.
    """
    tree = problem.tree
    joints, variables = len(lower), 0
    for m in range(len(tree.variable)):
        variables = max(variables, tree.variable[m] + 1)
    placed, tried_rotation, tried_translation = work_space(tree), np.empty((3, 3)), np.empty(3)
    H, g, L = np.zeros((variables, variables)), np.zeros(variables), np.zeros((variables, variables))
    new_H, new_g, new_residuals = np.zeros((variables, variables)), np.zeros(variables), np.empty_like(motion.residuals[t])
    low, high, step = np.full(variables, -LONGEST_STEP), np.full(variables, LONGEST_STEP), np.empty(variables)
    first = np.empty(variables, dtype=np.int64)
    rotation, translation, positions, residuals = (
        motion.base_rotation[t],
        motion.base_translation[t],
        motion.positions[t],
        motion.residuals[t],
    )
    tried = np.empty(joints)
    for j in range(joints):
        positions[j] = min(max(positions[j], lower[j]), upper[j])
    capsules = problem.capsules
    room = min(MOST_NEAR, max(len(capsules.pairs), 1))
    rows, gaps, which = np.empty((room, variables)), np.empty(room), np.empty(room, dtype=np.int64)
    new_rows, new_gaps, new_which, near_weights = (
        np.empty((room, variables)),
        np.empty(room),
        np.empty(room, dtype=np.int64),
        np.empty(room),
    )
    place(tree, rotation, translation, positions, placed)
    cost = linearise(problem, t, placed, positions, True, residuals, H, g) + _add_calm(tree, positions, expected, calm, H, g)
    count = near_pairs(tree, capsules, placed, rows, gaps, which) if len(capsules.pairs) else 0
    cost += _too_near(capsules, gaps, which, count)
    damping, used = least_damping, 0
    envelope(H, first)
    while used < steps:
        used += 1
        for j in range(joints):
            v = tree.actuated_variable[j]
            low[v] = max(lower[j] - positions[j], -LONGEST_STEP)
            high[v] = min(upper[j] - positions[j], LONGEST_STEP)
        for c in range(count):
            near_weights[c] = capsules.weight[which[c]]
        if not box_qp(H, first, damping, g, rows, gaps, near_weights, count, low, high, L, step):
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e6:
                return False
            continue
        largest = 0.0
        for v in range(variables):
            largest = max(largest, abs(step[v]))
        if not math.isfinite(largest):
            return False
        for j in range(joints):
            tried[j] = min(max(positions[j] + step[tree.actuated_variable[j]], lower[j]), upper[j])
        if tree.variable[0] >= 0:
            for i in range(3):
                tried_translation[i] = translation[i] + step[tree.variable[i]]
            turned(rotation, step[tree.variable[3]], step[tree.variable[4]], step[tree.variable[5]], tried_rotation)
        else:
            tried_translation[:] = translation
            tried_rotation[:] = rotation
        place(tree, tried_rotation, tried_translation, tried, placed)
        new_cost = linearise(problem, t, placed, tried, True, new_residuals, new_H, new_g)
        new_cost += _add_calm(tree, tried, expected, calm, new_H, new_g)
        new_count = near_pairs(tree, capsules, placed, new_rows, new_gaps, new_which) if len(capsules.pairs) else 0
        new_cost += _too_near(capsules, new_gaps, new_which, new_count)
        if new_cost > cost * (1.0 + 1e-9) + 1e-15:
            if largest < tolerance:
                break
            damping = max(10.0 * damping, 1e-4)
            if damping > 1e6:
                break
            continue
        small = largest < tolerance or cost - new_cost < gain * cost
        for j in range(joints):
            positions[j] = tried[j]
        translation[:] = tried_translation
        rotation[:] = tried_rotation
        residuals[:] = new_residuals
        cost = new_cost
        if small:
            break
        H, new_H = new_H, H
        g, new_g = new_g, g
        rows, new_rows = new_rows, rows
        gaps, new_gaps = new_gaps, gaps
        which, new_which = new_which, which
        count = new_count
        envelope(H, first)
        damping = max(0.1 * damping, least_damping)
    motion.iterations[t] = used
    motion.cost[t] = cost
    return True


@compiled()
def _too_near(capsules: Capsules, gaps: FloatArray, which: IndexArray, count: int) -> float:
    cost = 0.0
    for c in range(count):
        cost += 0.5 * (capsules.weight[which[c]] * min(0.0, gaps[c])) ** 2
    return cost


@compiled()
def _add_calm(tree: Tree, positions: FloatArray, expected: FloatArray, calm: FloatArray, H: FloatArray, g: FloatArray) -> float:
    cost = 0.0
    for j in range(len(positions)):
        ww, away = calm[j] * calm[j], positions[j] - expected[j]
        cost += 0.5 * ww * away * away
        v = tree.actuated_variable[j]
        H[v, v] += ww
        g[v] += ww * away
    return cost


@compiled()
def _is_unmet(problem: Problem, residuals: FloatArray, t: int) -> bool:
    for k in range(len(problem.unmet)):
        if problem.weights[t, k] > 0.0:
            r = residuals[k]
            if r[0] * r[0] + r[1] * r[1] + r[2] * r[2] > problem.unmet[k] * problem.unmet[k]:
                return True
    return False


@compiled()
def solve_anew(
    problem: Problem, gentle: Problem, motion: Motion, t: int, half_bent: bool, steps: int, tolerance: float, gain: float, damping: float
) -> bool:
    """Solve frame ``t`` from the rest posture, or with every joint half bent: first the ``gentle`` problem, whose tasks are all of a weight.

    The person's posture then comes before where palms and feet are, which far away would twist the robot into another one.
    """
    free, start = np.zeros(len(problem.rest)), np.empty(len(problem.rest))
    for j in range(len(start)):
        start[j] = 0.5 * (problem.lower[j] + problem.upper[j]) if half_bent else problem.rest[j]
    motion.positions[t] = start
    if not solve_frame(gentle, motion, t, problem.lower, problem.upper, start, free, steps, tolerance, gain, damping):
        return False
    used = motion.iterations[t]
    start[:] = motion.positions[t]
    done = solve_frame(problem, motion, t, problem.lower, problem.upper, start, free, steps, tolerance, gain, damping)
    motion.iterations[t] += used
    return bool(done)


@compiled()
def _try_again(
    problem: Problem, gentle: Problem, motion: Motion, t: int, half_bent: bool, steps: int, tolerance: float, damping: float
) -> None:
    """Solve frame ``t`` anew and keep that if it is clearly better: a joint that was caught on the wrong side would stay there."""
    free, used = np.zeros(len(problem.rest)), motion.iterations[t]
    here = motion.positions[t].copy()
    # It may only have run out of steps.
    if not solve_frame(problem, motion, t, problem.lower, problem.upper, here, free, 4 * steps, tolerance, 1e-3, damping):
        return
    used += motion.iterations[t]
    if not _is_unmet(problem, motion.residuals[t], t):
        motion.iterations[t] = used
        return
    rotation, translation, positions = motion.base_rotation[t].copy(), motion.base_translation[t].copy(), motion.positions[t].copy()
    residuals, cost = motion.residuals[t].copy(), motion.cost[t]
    if not solve_anew(problem, gentle, motion, t, half_bent, 4 * steps, tolerance, 1e-3, damping) or motion.cost[t] > BETTER * cost:
        motion.base_rotation[t], motion.base_translation[t], motion.positions[t] = rotation, translation, positions
        motion.residuals[t], motion.cost[t] = residuals, cost
    motion.iterations[t] += used


@compiled()
def solve_frames(
    problem: Problem,
    gentle: Problem,
    motion: Motion,
    start: int,
    stop: int,
    steps: int,
    tolerance: float,
    gain: float,
    damping: float,
    calm: float,
) -> int:
    """Solve frames [start, stop), each from the one before; frame 0 must have been solved. Return ``stop``, or the frame that failed.

    Joints that can't be where the tasks want them follow as fast as they can stop again (`reach.following`), and the base is solved once more for
    where they are. Where a task is unmet the frame is tried anew from time to time (`solve_anew`, with ``gentle``). ``calm`` (s): cost of changing a
    joint's speed by 1 rad/s, before squaring.
    """
    joints = motion.positions.shape[1]
    low, high, expected, calmness = np.empty(joints), np.empty(joints), np.empty(joints), np.empty(joints)
    no_calm = np.zeros(joints)
    floats = problem.tree.variable[0] >= 0
    for t in range(start, stop):
        dt = problem.times[t] - problem.times[t - 1]
        dt_before = problem.times[t - 1] - problem.times[t - 2] if t > 1 else 0.0
        for j in range(joints):
            wished = motion.wished[t - 1, j]
            speed = (wished - motion.wished[t - 2, j]) / dt_before if t > 1 else 0.0
            expected[j] = min(max(wished + speed * dt, problem.lower[j]), problem.upper[j])
            calmness[j] = calm / dt
            motion.positions[t, j] = expected[j]
        motion.base_rotation[t] = motion.base_rotation[t - 1]
        motion.base_translation[t] = motion.base_translation[t - 1]
        if not solve_frame(problem, motion, t, problem.lower, problem.upper, expected, calmness, steps, tolerance, gain, damping):
            return t
        if t % RETRY == 0 and _is_unmet(problem, motion.residuals[t], t):
            _try_again(problem, gentle, motion, t, (t // RETRY) % 2 == 1, steps, tolerance, damping)
        late = False
        for j in range(joints):
            position, wish = motion.positions[t - 1, j], motion.positions[t, j]
            motion.wished[t, j] = wish
            speed = (position - motion.positions[t - 2, j]) / dt_before if t > 1 else math.nan
            low[j], high[j] = reachable(
                position, speed, dt, dt_before, problem.lower[j], problem.upper[j], problem.wanted_speed[t, j], problem.speed[j],
                problem.acceleration[j],
            )  # fmt: skip
            follows = min(max(following(position, motion.wished[t - 1, j], wish, dt, problem.acceleration[j]), low[j]), high[j])
            late = late or abs(follows - wish) > LATE
            motion.positions[t, j] = follows
        if late and floats:
            used = motion.iterations[t]
            late_at = motion.positions[t].copy()
            if not solve_frame(problem, motion, t, late_at, late_at, late_at, no_calm, steps, tolerance, gain, damping):
                return t
            motion.iterations[t] += used
    return stop
