"""What a joint can reach in one step without ever having to break a limit.

Speeds are differences of positions over true times, accelerations differences of speeds over the mean of the two intervals. A joint that moves at
``v`` and brakes at ``a`` from the middle of its interval ``dt`` on stops after ``(v - a dt / 2)^2 / 2a`` more; keeping that below the distance to the end
of its range keeps it so for ever, whatever the next intervals are: the sum telescopes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.kernels.compiled import compiled

FloatArray = npt.NDArray[np.float64]

ROUNDING = 1e-9
"""Share of a limit that is left unused, so that it also holds after rounding."""
BRAKING = 0.7
"""Share of the acceleration limit that a joint counts on when it catches up; what it follows accelerates as well."""


@compiled()
def fastest_towards(distance: float, acceleration: float, dt: float) -> float:
    """Return the highest speed (rad/s) towards the end of a range ``distance`` away from which braking in time stays possible."""
    distance = max(distance, 0.0)
    return max(min(0.5 * acceleration * dt, distance / dt), math.sqrt(2.0 * acceleration * distance) - 0.5 * acceleration * dt)


@compiled()
def reachable(
    position: float, speed_before: float, dt: float, dt_before: float, lower: float, upper: float, wanted_speed: float, speed: float,
    acceleration: float,
) -> tuple[float, float]:  # fmt: skip
    """Return the least and the greatest position a joint may have after ``dt``.

    ``speed_before``: over the interval before, of ``dt_before``; NaN where there was none, and then no acceleration is counted. ``wanted_speed``: a
    lower limit of speed for now, given up where only a harder braking than ``acceleration`` could keep it.
    """
    fast = min(wanted_speed, speed)
    slow = -fast
    if not math.isnan(speed_before):
        change = acceleration * (1.0 - ROUNDING) * 0.5 * (dt + dt_before)
        fast, slow = (
            min(max(fast, speed_before - change), speed_before + change),
            max(min(slow, speed_before + change), speed_before - change),
        )
    up = fastest_towards(upper - position, acceleration * (1.0 - ROUNDING), dt)
    down = fastest_towards(position - lower, acceleration * (1.0 - ROUNDING), dt)
    top = speed * (1.0 - ROUNDING)
    fast, slow = min(fast, up, top), max(slow, -down, -top)
    if slow > fast:
        slow = fast = 0.5 * (slow + fast)
    return min(max(position + slow * dt, lower), upper), min(max(position + fast * dt, lower), upper)


@compiled()
def following(position: float, wished_before: float, wished: float, dt: float, acceleration: float) -> float:
    """Return where a joint at ``position`` goes to catch up with what was wished at ``wished_before`` and now is at ``wished``, without overshooting.

    Relative to the wish it approaches as fast as it can still brake; where it is on it, it stays on it.
    """
    behind = wished_before - position
    speed = min(fastest_towards(abs(behind), BRAKING * acceleration, dt), abs(behind) / dt)
    return position + (wished - wished_before) + math.copysign(speed, behind) * dt


@compiled()
def keep_limits(
    times: FloatArray, wanted: FloatArray, lower: FloatArray, upper: FloatArray, wanted_speed: FloatArray, speed: FloatArray,
    acceleration: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Write the positions (T, J) that follow ``wanted`` (T, J) as nearly as the limits let them, one frame after the other."""
    frames, joints = wanted.shape
    for j in range(joints):
        out[0, j] = min(max(wanted[0, j], lower[j]), upper[j])
        before, dt_before = math.nan, 0.0
        for t in range(1, frames):
            dt = times[t] - times[t - 1]
            low, high = reachable(out[t - 1, j], before, dt, dt_before, lower[j], upper[j], wanted_speed[t, j], speed[j], acceleration[j])
            goes = following(out[t - 1, j], wanted[t - 1, j], wanted[t, j], dt, acceleration[j])
            out[t, j] = min(max(goes, low), high)
            before, dt_before = (out[t, j] - out[t - 1, j]) / dt, dt
