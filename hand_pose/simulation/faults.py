"""What goes wrong in a simulated recording when it is asked to: which camera, when, by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import pose_from_rotvec
from bodydouble.errors import UnknownNameError, UsageError

FloatArray = npt.NDArray[np.float64]

FAULTS = {
    "dropped": "5 % of the frames of two cameras are missing (=CAMERA:SHARE)",
    "clock-offset": "one camera's clock is some ms off (=CAMERA:SECONDS)",
    "clock-drift": "one camera's clock runs too fast or too slow (=CAMERA:SECONDS_PER_SECOND)",
    "bumped": "one camera is turned by 3 degrees and moved by 8 mm half-way (=CAMERA:DEGREES)",
    "covered": "something is over one lens for the middle third (=CAMERA)",
    "gloves": "the person wears gloves",
}
"""Name to one line of help."""

_DROPPED_SHARE = 0.05
_OFFSET_S = (0.008, 0.02)
_DRIFT = (1e-3, 2e-3)
"""Far more than a quartz's: the few seconds of a simulation must show what an hour does."""
_BUMP_DEG = 3.0
_BUMP_M = 0.008
_LARGEST = {"dropped": 0.9, "clock-offset": 1.0, "clock-drift": 0.1, "bumped": 90.0}
_UNITS = {"dropped": "as a share of the frames", "clock-offset": "in s", "clock-drift": "in s per s", "bumped": "in degrees"}


@dataclass(frozen=True)
class Faults:
    """What exactly goes wrong, by camera; a camera that is not in a field has no such fault. Times are true ones."""

    dropped: Mapping[str, float] = field(default_factory=dict)
    """Share of the frames."""
    offset_s: Mapping[str, float] = field(default_factory=dict)
    """True capture time minus stamped time."""
    drift: Mapping[str, float] = field(default_factory=dict)
    """By how much that difference grows in s per s."""
    bumped: Mapping[str, tuple[float, tuple[float, float, float], tuple[float, float, float]]] = field(default_factory=dict)
    """From when on in s, and the new pose in the frame of the old: rotation vector in rad and translation in m."""
    covered: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Seconds [from, until)."""
    gloves: bool = False

    def T_camera_bumped(self, camera: str, time_s: float) -> FloatArray:
        """Return the pose (4, 4) of a camera at a true time in the frame of where it was mounted."""
        if camera not in self.bumped or time_s < self.bumped[camera][0]:
            return np.eye(4)
        _, rotvec, translation = self.bumped[camera]
        return pose_from_rotvec(rotvec, translation)

    def is_covered(self, camera: str, time_s: float) -> bool:
        """Tell whether something is over a camera's lens at a true time."""
        start, stop = self.covered.get(camera, (math.inf, math.inf))
        return start <= time_s < stop

    def as_dict(self, drops: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """Return what ``Truth.faults`` holds; ``drops`` maps a camera to the moments whose frames are missing."""
        said: dict[str, Any] = {}
        if self.dropped:
            said["dropped"] = {"cameras": {name: {"share": self.dropped[name], "moments": list(drops[name])} for name in self.dropped}}
        if self.offset_s:
            said["clock-offset"] = {"cameras": {name: {"offset_s": value} for name, value in self.offset_s.items()}}
        if self.drift:
            said["clock-drift"] = {"cameras": {name: {"drift_s_per_s": value} for name, value in self.drift.items()}}
        if self.bumped:
            said["bumped"] = {
                "cameras": {
                    name: {"from_s": start, "T_camera_bumped": pose_from_rotvec(rotvec, moved).tolist()}
                    for name, (start, rotvec, moved) in self.bumped.items()
                }
            }
        if self.covered:
            said["covered"] = {"cameras": {name: {"from_s": start, "until_s": stop} for name, (start, stop) in self.covered.items()}}
        if self.gloves:
            said["gloves"] = {}
        return said


def choose_faults(asked: Sequence[str], cameras: Sequence[str], *, seconds: float, seed: int, others: Sequence[str] = ()) -> Faults:
    """Return the faults asked for as NAME, NAME=CAMERA or NAME=CAMERA:VALUE, with whatever is not said chosen by the seed.

    Faults of different names hit different cameras as far as there are enough of ``cameras``; ``others`` have one only where they are named. What is
    chosen for one fault does not depend on which others there are.

    Raises: UnknownNameError for a fault or a camera; UsageError for a value that cannot be.
    """
    order = [cameras[i] for i in np.random.default_rng([seed, 1]).permutation(len(cameras))]
    chosen: dict[str, Any] = {name: {} for name in ("dropped", "offset_s", "drift", "bumped", "covered")}
    gloves = False
    for text in asked:
        name, _, rest = text.partition("=")
        if name not in FAULTS:
            raise UnknownNameError("fault", name, "the simulation", FAULTS)
        camera, value = _camera_and_value(text, (*cameras, *others))
        number = list(FAULTS).index(name)
        rng = np.random.default_rng([seed, 2, number])
        first = camera or order[number % len(order)]
        if name == "dropped":
            hit = [camera] if camera else list(dict.fromkeys([first, order[(number - 1) % len(order)]]))
            chosen["dropped"].update(dict.fromkeys(hit, _DROPPED_SHARE if value is None else value))
        elif name == "clock-offset":
            chosen["offset_s"][first] = round(_signed(rng, _OFFSET_S), 6) if value is None else value
        elif name == "clock-drift":
            chosen["drift"][first] = round(_signed(rng, _DRIFT), 8) if value is None else value
        elif name == "bumped":
            turned = math.radians(_BUMP_DEG if value is None else value) * _direction(rng)
            chosen["bumped"][first] = (seconds / 2, tuple(turned.tolist()), tuple((_BUMP_M * _direction(rng)).tolist()))
        elif name == "covered":
            chosen["covered"][first] = (seconds / 3, 2 * seconds / 3)
        elif rest:
            raise UsageError(f"--fault {text}: gloves are worn by the person and take no camera; write --fault gloves.")
        else:
            gloves = True
    return Faults(**chosen, gloves=gloves)


def _camera_and_value(text: str, cameras: Sequence[str]) -> tuple[str, float | None]:
    name, separator, rest = text.partition("=")
    camera, colon, number = rest.partition(":")
    if name == "gloves" or not separator:
        return "", None
    if camera not in cameras:
        raise UnknownNameError("camera", camera, f"the rig (--fault {text})", cameras)
    if not colon:
        return camera, None
    if name not in _LARGEST:
        raise UsageError(f"--fault {text}: {name} takes a camera and no value; write --fault {name}={camera}.")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    lowest = 0.0 if name in ("dropped", "bumped") else -_LARGEST[name]
    if not lowest <= value <= _LARGEST[name]:
        raise UsageError(f"--fault {text}: expected a value from {lowest:g} to {_LARGEST[name]:g} {_UNITS[name]} after the colon.")
    return camera, value


def _signed(rng: np.random.Generator, between: tuple[float, float]) -> float:
    return float(rng.uniform(*between) * rng.choice([-1.0, 1.0]))


def _direction(rng: np.random.Generator) -> FloatArray:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))
