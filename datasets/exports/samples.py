"""One episode as a trainer gets it: state, action and images at a steady rate, each number with how it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.export_settings import ActionKind, ExportSettings, Frame, StateKind
from bodydouble.datasets.exports.resampling import Resampler, filled, nearest_frames, steady_times, worse
from bodydouble.datasets.images import Image
from bodydouble.datasets.segments import texts_at
from bodydouble.errors import DataError, UnknownNameError, UsageError
from bodydouble.hand_pose.human_motion import Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

FloatArray = npt.NDArray[np.float64]

POSE_NAMES = ("x", "y", "z", "qx", "qy", "qz", "qw")
HANDS = ("left_hand", "right_hand")


@dataclass(frozen=True)
class Signal:
    """N samples of D named numbers. ``values`` are NaN exactly where ``source`` is 0 (missing)."""

    names: tuple[str, ...]
    values: FloatArray
    """(N, D)."""
    source: npt.NDArray[np.uint8]
    """(N, D) of ``hand_pose`` Source: 0 missing, 1 observed, 2 interpolated, 3 inferred."""

    @property
    def filled(self) -> npt.NDArray[np.float32]:
        """(N, D) finite: the last known value, else 0, where one is missing."""
        return filled(self.values).astype(np.float32)


@dataclass(frozen=True)
class CameraSamples:
    """Which stored frame of one camera to show at each of N samples."""

    frame: npt.NDArray[np.int64]
    """(N,) frame of the episode; -1 where the camera has none at all."""
    fresh: npt.NDArray[np.bool_]
    """(N,) whether it is of that moment; else it is the last one, held."""
    capture_times_s: FloatArray
    """(N,) true time of the shown frame; NaN without one."""


@dataclass(frozen=True)
class Samples:
    """N samples of one episode, ``rate_hz`` a second."""

    rate_hz: float
    times_s: FloatArray
    """(N,) on the episode's clock."""
    state: Signal
    action: Signal
    base: Signal
    """Base pose in the world: x y z (m) and quaternion xyzw; inferred where the person's hips were not observed."""
    cameras: dict[str, CameraSamples]
    task: str
    tasks: tuple[str, ...]
    """N texts: the annotated segment's, else the episode's task."""

    @property
    def count(self) -> int:
        """N."""
        return len(self.times_s)


def take_samples(episode: Episode, settings: ExportSettings, rate_hz: float, cameras: tuple[str, ...]) -> Samples:
    """Resample an episode from its true times to ``rate_hz``.

    Raises: UnknownNameError for joints or groups that the robot lacks; DataError for an episode with no observed frame; UsageError for end effectors of
    an episode without the robot's hands.
    """
    trajectory = episode.trajectory
    if episode.frames == 0 or not (trajectory.joint_source == Source.OBSERVED).any():
        raise DataError("no frame of it was observed")
    at = steady_times(episode.times_s, rate_hz)
    resampler = Resampler(episode.times_s, at)
    joints = joint_rows(trajectory.joint_names, trajectory.joint_groups, settings.joints, trajectory.robot)
    state = _state(episode, resampler, joints, settings.state, settings.frame)
    action = _action(episode, resampler, joints, settings.action, settings.frame)
    hips = episode.motion.landmark_source[:, [LANDMARK_NAMES.index("left_hip"), LANDMARK_NAMES.index("right_hip")]]
    seen = resampler.sources(np.where((hips == Source.OBSERVED).all(axis=1), Source.OBSERVED, Source.INFERRED).astype(np.uint8))
    base = _signal(POSE_NAMES, resampler.poses(trajectory.base_pose), np.repeat(seen[:, None], 7, axis=1))
    return Samples(
        rate_hz, at, state, action, base,
        {name: _camera(episode, name, at) for name in cameras}, episode.task, tuple(texts_at(episode.segments, at, episode.task)),
    )  # fmt: skip


def joint_rows(names: tuple[str, ...], groups: dict[str, tuple[str, ...]], chosen: tuple[str, ...], robot: str) -> list[int]:
    """Return the rows of joints or whole groups, in the robot's order; all where none is chosen. Raises: UnknownNameError."""
    wanted: set[str] = set()
    for name in chosen:
        if name not in groups and name not in names:
            raise UnknownNameError("joint or group", name, f"robot '{robot}'", (*groups, *names))
        wanted.update(groups.get(name, (name,)))
    return [row for row, name in enumerate(names) if not chosen or name in wanted]


def signal_names(names: tuple[str, ...], kind: StateKind | ActionKind, hands: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a state or action of joints ``names``; ``hands`` are those of end effectors, ``names`` then its finger joints."""
    if kind == "positions+velocities":
        return (*names, *(f"{name}.velocity" for name in names))
    if kind == "end-effector":
        return (*(f"{hand}.{axis}" for hand in hands for axis in POSE_NAMES), *names)
    return names


def _state(episode: Episode, resampler: Resampler, joints: list[int], kind: StateKind, frame: Frame) -> Signal:
    if kind == "end-effector":
        return _end_effectors(episode, joints, frame, lambda values: values, resampler)
    trajectory = episode.trajectory
    names = tuple(trajectory.joint_names[row] for row in joints)
    source = resampler.sources(trajectory.joint_source[:, joints])
    values = resampler.values(trajectory.positions[:, joints])
    if kind == "positions+velocities":
        rates = np.diff(values, axis=0) / np.diff(resampler.at_s)[:, None]
        values = np.concatenate([values, np.concatenate([rates[:1], rates]) if len(rates) else np.zeros_like(values)], axis=1)
        both = worse(source[1:], source[:-1])
        source = np.concatenate([source, np.concatenate([both[:1], both]) if len(both) else source], axis=1)
    return _signal(signal_names(names, kind, ()), values, source)


def _action(episode: Episode, resampler: Resampler, joints: list[int], kind: ActionKind, frame: Frame) -> Signal:
    """Return what to command at each sample: where the next one is. The last has none."""
    if kind == "end-effector":
        return _end_effectors(episode, joints, frame, _next, resampler)
    trajectory = episode.trajectory
    names = tuple(trajectory.joint_names[row] for row in joints)
    now = resampler.values(trajectory.positions[:, joints])
    source = resampler.sources(trajectory.joint_source[:, joints])
    if kind == "delta":
        return _signal(names, _next(now) - now, worse(_next(source), source))
    return _signal(names, _next(now), _next(source))


def _next(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    nothing = np.full_like(values[:1], np.nan if values.dtype.kind == "f" else Source.MISSING)
    return np.concatenate([values[1:], nothing])


def _end_effectors(
    episode: Episode, joints: list[int], frame: Frame, shifted: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], resampler: Resampler
) -> Signal:  # fmt: skip
    poses, trajectory = episode.poses.robot, episode.trajectory
    hands = tuple(hand for hand in HANDS if f"T_{frame}_{hand}" in poses)
    if not hands:
        raise UsageError(
            f"end effectors in the frame '{frame}' were asked for, but the episode has no such poses of the hands of robot '{trajectory.robot}'. "
            "Process its recording again with this bodydouble, or export joints."
        )
    fingers = [row for row in joints if is_finger(trajectory.joint_names[row], trajectory.joint_groups)]
    values, source = [], []
    for hand in hands:
        pose = resampler.poses(poses[f"T_{frame}_{hand}"])
        arm = [row for row, name in enumerate(trajectory.joint_names) if name.startswith(hand.partition("_")[0])]
        doubt = resampler.sources(trajectory.joint_source[:, arm]) if arm else np.full((len(pose), 1), Source.OBSERVED, np.uint8)
        worst = np.where((doubt == 0).any(1), 0, doubt.max(axis=1)).astype(np.uint8)
        values.append(shifted(pose))
        source.append(shifted(np.repeat(worst[:, None], 7, axis=1)))
    values.append(shifted(resampler.values(trajectory.positions[:, fingers])))
    source.append(shifted(resampler.sources(trajectory.joint_source[:, fingers])))
    names = signal_names(tuple(trajectory.joint_names[row] for row in fingers), "end-effector", hands)
    return _signal(names, np.concatenate(values, axis=1), np.concatenate(source, axis=1))


def is_finger(joint: str, groups: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether a joint belongs to a group of a hand and is beyond the wrist, which the palm's pose stands for."""
    in_hand = any("hand" in name or "finger" in name for name, joints in groups.items() if joint in joints)
    return in_hand and not any(part in joint for part in ("wrist", "forearm"))


def _signal(names: tuple[str, ...], values: npt.NDArray[Any], source: npt.NDArray[Any]) -> Signal:
    known = np.isfinite(values.astype(np.float64)) & (source != Source.MISSING)
    return Signal(names, np.where(known, values, np.nan), np.where(known, source, Source.MISSING).astype(np.uint8))


def _camera(episode: Episode, name: str, at: FloatArray) -> CameraSamples:
    times = episode.recording.times_s[episode.cameras.index(name)]
    frame, fresh = nearest_frames(times, at)
    return CameraSamples(frame, fresh, np.where(frame >= 0, times[np.maximum(frame, 0)], np.nan))


def image_at(episode: Episode, camera: str, samples: CameraSamples, sample: int, size: tuple[int, int]) -> Image:
    """Return the image (H, W, 3) RGB uint8 of one sample at ``size`` (width, height) px; black where the camera has none at all."""
    import cv2

    frame = int(samples.frame[sample])
    image = episode.image(camera, frame, at_least=size) if frame >= 0 else None
    if image is None:
        return np.zeros((size[1], size[0], 3), np.uint8)
    if (image.shape[1], image.shape[0]) != size:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return image
