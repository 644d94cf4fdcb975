"""What is asked of a simulated recording."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bodydouble.calibration.rig import Rig
from bodydouble.errors import UsageError
from bodydouble.hand_pose.simulation.clocks import RATE_HZ

_LONGEST_S = 3600.0
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class SimulationSettings:
    """Everything that decides a simulated recording. Raises: UsageError for numbers that cannot be."""

    rig: Rig
    """Whose cameras film; those on bodies "helmet" and "backpack" are worn, those on "room" stand still."""
    task: str
    seconds: float
    seed: int = 0
    """Decides the person, the motion, the room, the colours, and what goes wrong where."""
    size: tuple[int, int] | None = None
    """(width, height) in pixels that the rig's images are scaled to; None for its own."""
    room_cameras: int = 0
    """Cameras to add around the person."""
    faults: tuple[str, ...] = ()
    """As for ``faults.choose_faults``: NAME, NAME=CAMERA or NAME=CAMERA:VALUE."""
    shadows: bool = False
    motion_blur: bool = False
    noise: bool = True
    """Of the sensors, and of their exposure."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "faults", tuple(self.faults))
        if not math.isfinite(self.seconds) or not 0 < self.seconds <= _LONGEST_S:
            raise UsageError(f"--seconds {self.seconds:g} cannot be; expected more than 0 and at most {_LONGEST_S:g}, e.g. --seconds 10.")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise UsageError(f"--seed {self.seed} cannot be; expected a whole number from 0 to {_LARGEST_SEED}.")

    def as_dict(self) -> dict[str, Any]:
        """Return what ``Truth.settings`` says of them."""
        return {
            "rig": self.rig.name, "task": self.task, "seconds": self.seconds, "seed": self.seed, "rate_hz": RATE_HZ,
            "size": list(self.size) if self.size else None, "room_cameras": self.room_cameras, "faults": list(self.faults),
            "shadows": self.shadows, "motion_blur": self.motion_blur, "noise": self.noise,
        }  # fmt: skip
