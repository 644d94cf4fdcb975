"""A person at a task in a room, and how cameras see it: everything that a simulated recording is made of, by settings and seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.rig import MountedCamera
from bodydouble.hand_pose.simulation.moment import Moment
from bodydouble.hand_pose.simulation.settings import SimulationSettings

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]


class Scenario(Protocol):
    """What happens, and what is seen of it. The same arguments give the same result, in whatever order and process."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Of ``Moment.joints``."""

    @property
    def body_names(self) -> tuple[str, ...]:
        """Bodies of a rig that the person wears."""

    @property
    def object_names(self) -> tuple[str, ...]:
        """Things that are moved."""

    @property
    def person(self) -> dict[str, Any]:
        """What is known of the person, for ``Truth.settings``, e.g. stature_m."""

    @property
    def tag_map(self) -> TagMap | None:
        """Where the tags of the room are."""

    def moment(self, time_s: float) -> Moment:
        """Return the scene at a true time in s; before its start and after its end it is still."""

    def image(self, moment: Moment, camera: MountedCamera, T_world_camera: FloatArray) -> RgbImage:
        """Return what a camera at a pose (4, 4) sees then: RGB uint8 (H, W, 3)."""

    def visibility(self, moment: Moment, camera: MountedCamera, T_world_camera: FloatArray) -> npt.NDArray[np.uint8]:
        """Return how well a camera at a pose (4, 4) can see each landmark: (75,) of ``Visibility``."""

    def is_inside(self, moment: Moment, p_world: FloatArray) -> bool:
        """Tell whether a point (3,) is inside the person."""


MakeScenario = Callable[[SimulationSettings], Scenario]
"""Called once in every process, so it must be picklable; what it makes need not be."""
