"""What the simulated person wears: the helmet on the head, the backpack on the chest, each a little off by seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.presets import BACKPACK, HELMET
from bodydouble.calibration.transform import pose_from_rotvec
from bodydouble.frozen_arrays import freeze_arrays
from bodydouble.hand_pose.simulation.body import Body

FloatArray = npt.NDArray[np.float64]

_OFF_RAD, _OFF_M = 0.035, 0.004
"""One standard deviation of how far a helmet sits from where the drawing has it, along each axis."""


@dataclass(frozen=True)
class Worn:
    """Where helmet and backpack are fixed. Frames as in ``calibration.presets``: x forward, y left, z up."""

    T_head_helmet: FloatArray
    """(4, 4) on the bone "head"; origin between the eyes."""
    T_chest_backpack: FloatArray
    """(4, 4) on the bone "spine01"; origin at the foot of the neck, on the skin of the back."""
    head: int
    chest: int

    def __post_init__(self) -> None:
        freeze_arrays(self, {"T_head_helmet": ((4, 4), np.float64), "T_chest_backpack": ((4, 4), np.float64)})

    @classmethod
    def by(cls, body: Body, seed: int) -> Worn:
        """Put helmet and backpack on a body."""
        rng = np.random.default_rng([seed, 0x776F726E])
        between_eyes = (body.head("eye.L") + body.head("eye.R")) / 2
        neck = body.head("neck01")
        back = body.vertices[(np.abs(body.vertices[:, 1]) < 0.015) & (np.abs(body.vertices[:, 2] - neck[2]) < 0.015)]
        nape = np.array([back[:, 0].min(), 0.0, neck[2]])

        def placed(where: FloatArray) -> FloatArray:
            turn, shift = np.clip(rng.standard_normal((2, 3)), -2, 2) * np.array([[_OFF_RAD], [_OFF_M]])
            return pose_from_rotvec(turn, where + shift)

        return cls(placed(between_eyes - body.head("head")), placed(nape - body.head("spine01")), body.bone("head"), body.bone("spine01"))

    @cached_property
    def _mounts(self) -> tuple[tuple[str, int, FloatArray], ...]:
        return (HELMET, self.head, self.T_head_helmet), (BACKPACK, self.chest, self.T_chest_backpack)

    def poses(self, T_world_bone: FloatArray) -> dict[str, FloatArray]:
        """Return body of the rig to its pose (4, 4) for bone poses (B, 4, 4)."""
        return {name: T_world_bone[bone] @ T for name, bone, T in self._mounts}
