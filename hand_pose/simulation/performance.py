"""A simulated person at a task: the whole scene at any instant, a pure and smooth function of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import invert
from bodydouble.hand_pose.simulation.body import Body
from bodydouble.hand_pose.simulation.choreography import Choreography
from bodydouble.hand_pose.simulation.moment import Moment
from bodydouble.hand_pose.simulation.posture import Poser
from bodydouble.hand_pose.simulation.scene_object import SceneObject
from bodydouble.hand_pose.simulation.worn import Worn

FloatArray = npt.NDArray[np.float64]

WORLD = "world"


@dataclass(frozen=True)
class Attachment:
    """From a time on, a moved thing is fixed to something: the world, a hand ("left", "right") or another thing, by its name."""

    begin_s: float
    carrier: str
    T_carrier_object: FloatArray


@dataclass(frozen=True)
class Contact:
    """Fingers of one hand touch one thing for a while."""

    side: str
    object: str
    begin_s: float
    end_s: float
    fingers: npt.NDArray[np.bool_]
    """(5,) thumb to little finger."""


@dataclass(frozen=True)
class Performance:
    """One person at one task. Picklable, and the same for the same task, seconds, seed and body."""

    task: str
    seconds: float
    choreography: Choreography
    worn: Worn
    objects: tuple[SceneObject, ...]
    """What is moved."""
    furniture: tuple[SceneObject, ...]
    """What stands, with its pose."""
    attachments: Mapping[str, tuple[Attachment, ...]]
    """Object to what it is fixed to, in time order; the first holds from the start."""
    contacts: tuple[Contact, ...] = ()
    tag_places: tuple[tuple[FloatArray, float], ...] = ()
    """T_world_tag (4, 4) and size in m of tags on furniture besides those that ``room.Room`` puts on its boxes."""

    @property
    def body(self) -> Body:
        """The person."""
        return self.choreography.body

    @cached_property
    def poser(self) -> Poser:
        """What poses the person."""
        return Poser(self.body)

    def T_world_object(self, name: str, time_s: float) -> FloatArray:
        """Return the pose (4, 4) of a moved thing."""
        fixed = self.attachments[name][0]
        for attachment in self.attachments[name]:
            if attachment.begin_s <= time_s:
                fixed = attachment
        if fixed.carrier == WORLD:
            return np.array(fixed.T_carrier_object)
        hands = self.choreography.hands
        carrier = hands[fixed.carrier](time_s) if fixed.carrier in hands else self.T_world_object(fixed.carrier, time_s)
        return np.asarray(carrier @ fixed.T_carrier_object)

    def moment(self, time_s: float) -> Moment:
        """Return the scene at a time in s; before 0 it is as at 0, after ``seconds`` as at the end."""
        t = float(np.clip(time_s, 0.0, self.seconds))
        posed = self.poser.posed(self.choreography.posture(t))
        return Moment(
            float(time_s), posed.vertices, posed.joints, posed.landmarks, self.worn.poses(posed.T_world_bone),
            {thing.name: self.T_world_object(thing.name, t) for thing in self.objects},
            {contact.side: (contact.fingers, contact.object) for contact in self.contacts if contact.begin_s <= t <= contact.end_s},
        )  # fmt: skip


def relative(T_a: FloatArray, T_b: FloatArray) -> FloatArray:
    """Return T_a_b (4, 4) of two poses in one frame."""
    return np.asarray(invert(T_a) @ T_b)
