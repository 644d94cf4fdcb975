"""A few moments of a simulated recording, filmed by all cameras: what one process does at a time, and what a stopped run keeps."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.atomic import replacing
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.transform import apply, invert
from bodydouble.hand_pose.camera_poses import ROOM
from bodydouble.hand_pose.simulation.clocks import CameraClock
from bodydouble.hand_pose.simulation.faults import Faults
from bodydouble.hand_pose.simulation.moment import Moment, Visibility
from bodydouble.hand_pose.simulation.scenario import Scenario
from bodydouble.hand_pose.simulation.segments import Segment, encode

FloatArray = npt.NDArray[np.float64]
Arrays = dict[str, npt.NDArray[Any]]

SIDES = ("left", "right")


@dataclass(frozen=True)
class Filming:
    """When, by which cameras and with which faults a scenario is filmed."""

    rig: Rig
    times_s: FloatArray
    """(M,) of all moments."""
    clocks: Mapping[str, CameraClock]
    faults: Faults
    exposure_s: tuple[float, ...] = (0.0,)
    """Instants within an exposure against its middle, which is a frame's time; several for motion blur."""

    def filmed(self, camera: str) -> npt.NDArray[np.bool_]:
        """Tell of each moment (M,) whether its frame is in the camera's video."""
        return self.clocks[camera].filmed(len(self.times_s))

    def T_world_camera(self, camera: MountedCamera, moment: Moment) -> FloatArray:
        """Return the true pose (4, 4) of a camera, a bump included."""
        T_world_body = np.eye(4) if camera.body == ROOM else moment.T_world_body[camera.body]
        return np.asarray(T_world_body @ camera.T_body_camera @ self.faults.T_camera_bumped(camera.name, moment.time_s))


@dataclass(frozen=True)
class Block:
    """What became of the moments of a block: N moments, C cameras."""

    truth: Arrays
    """landmarks (N, 75, 3), joints, T_world_body, T_world_object, contacts by moment; camera_times_s (C, N), T_world_camera, camera_landmarks,
    pixels and visibility by camera and moment, NaN and NOT_FILMED where a frame was dropped."""
    segments: Mapping[str, Segment]

    def save(self, path: Path) -> None:
        """Write to an npz file, beside it first."""
        arrays: dict[str, Any] = {f"truth_{name}": array for name, array in self.truth.items()}
        for camera, segment in self.segments.items():
            arrays.update(segment.as_arrays(f"camera_{camera}_"))
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path, cameras: tuple[str, ...]) -> Block | None:
        """Read what ``save`` wrote; None if there is nothing, or nothing whole."""
        try:
            with np.load(path) as file:
                arrays = dict(file)
            truth = {name.removeprefix("truth_"): array for name, array in arrays.items() if name.startswith("truth_")}
            return cls(truth, {name: Segment.from_arrays(arrays, f"camera_{name}_") for name in cameras})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


def film(scenario: Scenario, filming: Filming, moments: range, tell: Callable[[], None]) -> Block:
    """Return some moments as all cameras film them; ``tell`` is called after every image. The person is posed once for cameras that are in step."""
    cameras = filming.rig.cameras
    count = len(moments)
    posed: dict[float, Moment] = {}

    def at(time_s: float) -> Moment:
        if time_s not in posed:
            posed[time_s] = scenario.moment(time_s)
        return posed[time_s]

    truth = _nothing_filmed(scenario, len(cameras), count)
    images: dict[str, list[npt.NDArray[np.uint8]]] = {name: [] for name in cameras}
    for row, k in enumerate(moments):
        posed.clear()
        _note_moment(truth, row, at(float(filming.times_s[k])), scenario)
        for c, (name, camera) in enumerate(cameras.items()):
            if k in filming.clocks[name].dropped:
                continue
            time_s = float(filming.clocks[name].true_times(filming.times_s[k : k + 1])[0])
            moment = at(time_s)
            T = filming.T_world_camera(camera, moment)
            seen = scenario.visibility(moment, camera, T)
            if filming.faults.is_covered(name, time_s):
                images[name].append(scenario.covered_image(camera, frame=k, number=c))
                seen = np.where(np.isin(seen, (Visibility.VISIBLE, Visibility.SELF_HIDDEN)), np.uint8(Visibility.HIDDEN), seen)
            else:
                exposed = [at(time_s + since) for since in filming.exposure_s]
                poses = [filming.T_world_camera(camera, instant) for instant in exposed]
                images[name].append(scenario.image(exposed, camera, poses, frame=k, number=c))
            truth["camera_times_s"][c, row] = time_s
            truth["T_world_camera"][c, row] = T
            truth["camera_landmarks"][c, row] = moment.landmarks
            truth["pixels"][c, row] = camera.model.project(apply(invert(T), moment.landmarks))
            truth["visibility"][c, row] = seen
            tell()
    return Block(truth, {name: encode(taken) for name, taken in images.items()})


def _nothing_filmed(scenario: Scenario, C: int, N: int) -> Arrays:
    J, B, O = len(scenario.joint_names), len(scenario.body_names), len(scenario.object_names)  # noqa: E741 - as in Truth
    return {
        "landmarks": np.full((N, 75, 3), np.nan), "joints": np.full((N, J, 3), np.nan), "T_world_body": np.full((N, B, 4, 4), np.nan),
        "T_world_object": np.full((N, O, 4, 4), np.nan), "contacts": np.full((N, 2, 5), -1, dtype=np.int8),
        "camera_times_s": np.full((C, N), np.nan), "T_world_camera": np.full((C, N, 4, 4), np.nan),
        "camera_landmarks": np.full((C, N, 75, 3), np.nan), "pixels": np.full((C, N, 75, 2), np.nan),
        "visibility": np.full((C, N, 75), Visibility.NOT_FILMED, dtype=np.uint8),
    }  # fmt: skip


def _note_moment(truth: Arrays, row: int, moment: Moment, scenario: Scenario) -> None:
    truth["landmarks"][row], truth["joints"][row] = moment.landmarks, moment.joints
    for b, name in enumerate(scenario.body_names):
        truth["T_world_body"][row, b] = moment.T_world_body[name]
    for o, name in enumerate(scenario.object_names):
        truth["T_world_object"][row, o] = moment.T_world_object[name]
    for side, (fingers, name) in moment.contact.items():
        truth["contacts"][row, SIDES.index(side), fingers] = scenario.object_names.index(name)
