"""Saved motions and episodes as they are read back: refused where they hold what no motion can, before a solver meets it."""

from __future__ import annotations

import numpy as np

from bodydouble.errors import DataError
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.retarget.motions.joint_capture import RATES_HZ

LONGEST_GAP_S = 3600.0
"""s between two frames: a clock that jumps by more was set anew; the two sides are no one motion."""
SKEWED = 1e-3
"""How far R R^T of a turned link may be from the identity; single precision and rounded text stay below."""


def check_saved_motion(source: str, motion: HumanMotion) -> None:
    """Raise DataError, naming ``source`` and the frame, for times no camera has, infinite values, and links whose poses are no rotations."""
    _check_times(source, motion.times_s)
    for what, values in (("link pose", motion.link_poses), ("landmark", motion.landmarks), ("base pose", motion.base_pose)):
        bad = np.isinf(values).reshape(len(values), -1).any(axis=1)
        if bad.any():
            raise DataError(f"{source} holds an infinite {what} in frame {int(bad.argmax()) + 1}; the file is damaged.")
    turns = motion.link_poses[:, :, :3, :3]
    with np.errstate(invalid="ignore"):  # a missing link is NaN, and no comparison with it holds
        skew = np.abs(turns @ np.swapaxes(turns, 2, 3) - np.eye(3)).max(axis=(2, 3)) > SKEWED
        skew |= np.linalg.det(turns) < 0
    if skew.any():
        frame, link = np.argwhere(skew)[0]
        raise DataError(
            f"{source}: the pose of {motion.link_names[link]} in frame {frame + 1} is no rotation (it scales, mirrors or is all zero); "
            "link poses are T_world_link, 4 x 4 and in metres."
        )


def _check_times(source: str, times: np.ndarray) -> None:
    steps = np.diff(times)
    shortest = 1.0 / RATES_HZ[1]
    # Times that don't advance at all are told by whoever needs them to.
    for bad, limit in (
        (np.flatnonzero((steps > 0) & (steps < shortest * (1 - 1e-6))), shortest),
        (np.flatnonzero(steps > LONGEST_GAP_S), LONGEST_GAP_S),
    ):
        if len(bad):
            row = int(bad[0])
            raise DataError(
                f"{source}: frames {row + 1} and {row + 2} are {steps[row]:.3g} s apart, {'less' if limit == shortest else 'more'} than the {limit:g} s "
                "that can be; times are in seconds, of one clock. Correct the times, or leave one of the frames out."
            )
