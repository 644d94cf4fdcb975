"""A last touch: frames in which parts of the robot are still in each other by some millimetres are moved apart, and their neighbours go along.

The whole trajectory keeps linearised distances; what is left of them, where a motion is far from what the robot can do, is taken out of each
frame by itself, as near to what it was as can be.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bodydouble.retarget.frame_by_frame import FrameSettings, empty_motion
from bodydouble.retarget.kernels.frame import Motion, Problem, solve_frame
from bodydouble.retarget.working_hands import smooth_step

FloatArray = npt.NDArray[np.float64]

STIFFNESS = 10.0
"""1/rad: cost of leaving the joint's place, before squaring."""
FADING_S = 0.12
"""In which the correction of a frame fades among its neighbours."""
STEPS = 20


def move_apart(problem: Problem, motion: Motion, touching: npt.NDArray[np.bool_], settings: FrameSettings = FrameSettings()) -> None:
    """Move the parts of the robot apart in the ``touching`` frames (T,) of ``motion``, in place."""
    frames = np.flatnonzero(touching)
    moved = empty_motion(problem)
    joints = motion.positions.shape[1]
    shift, slide, turn = np.zeros((len(touching), joints)), np.zeros((len(touching), 3)), np.zeros((len(touching), 3))
    for t in frames.tolist():
        moved.base_rotation[t], moved.base_translation[t], moved.positions[t] = (
            motion.base_rotation[t], motion.base_translation[t], motion.positions[t],
        )  # fmt: skip
        here = motion.positions[t].copy()
        if solve_frame(
            problem,
            moved,
            t,
            problem.lower,
            problem.upper,
            here,
            np.full(joints, STIFFNESS),
            STEPS,
            settings.tolerance,
            0.0,
            settings.damping,
        ):
            shift[t], slide[t] = moved.positions[t] - here, moved.base_translation[t] - motion.base_translation[t]
            turn[t] = Rotation.from_matrix(moved.base_rotation[t] @ motion.base_rotation[t].T).as_rotvec()
    for values in (shift, slide, turn):
        values[:] = faded(problem.times, frames, values)
    motion.positions[:] = np.clip(motion.positions + shift, problem.lower, problem.upper)
    motion.base_translation[:] += slide
    motion.base_rotation[:] = Rotation.from_rotvec(turn).as_matrix() @ motion.base_rotation


def faded(times_s: FloatArray, frames: npt.NDArray[np.intp], values: FloatArray) -> FloatArray:
    """Return the values (T, N) of some ``frames``, carried on to their neighbours and fading there within ``FADING_S``."""
    index = np.arange(len(times_s))
    after = np.searchsorted(frames, index).clip(max=len(frames) - 1)
    before = (np.searchsorted(frames, index, side="right") - 1).clip(min=0)
    shares = []
    for near in (frames[before], frames[after]):
        shares.append(smooth_step(1.0 - np.abs(times_s - times_s[near]) / FADING_S))
    total = np.maximum(sum(shares), 1.0)
    carried: FloatArray = (shares[0][:, None] * values[frames[before]] + shares[1][:, None] * values[frames[after]]) / total[:, None]
    return carried
