"""Where the cameras of a recording were: fixed in the room, on bodies that a tag map or visual odometry locates, or known only against the head."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bodydouble import calibration
from bodydouble.cache import cached, content_key
from bodydouble.calibration import Observations, Rig, RigMotion, TagMap, locate, observe
from bodydouble.calibration import boards as boards_package
from bodydouble.calibration import localization as localization_package
from bodydouble.calibration import odometry as odometry_package
from bodydouble.calibration.localization.rig_motion import Outcome
from bodydouble.calibration.matching import check_image_size
from bodydouble.calibration.odometry.level import levelled
from bodydouble.calibration.odometry.rig_odometry import ODOMETRY, SCALE_SIGMA, solve_motion
from bodydouble.calibration.odometry.tracking import track
from bodydouble.calibration.report.text import counted
from bodydouble.capture import FrameSets, Recording
from bodydouble.errors import DataError
from bodydouble.hand_pose.camera_poses import ROOM, CameraPoses, T_body_head
from bodydouble.progress import Progress, silent

TAG_MAP_NAME = "tag_map.toml"
LEAST_LOCATED = 0.5
"""Share of the frames that visual odometry must locate; of less, all frames relative to the head say more."""

SURE_SCALE = 0.03
"""Standard deviation of the scale, as a share of it, above which the record says so."""


@dataclass(frozen=True)
class Located:
    """Camera poses of a recording, and how they are known."""

    camera_poses: CameraPoses
    rig_motion: RigMotion | None
    """None where no camera moves, or nothing tells how."""
    sentence: str
    """How the head's pose is known, for the record; "" where no camera moves."""


def tag_map_path(recording: Recording, chosen: Path | None) -> Path | None:
    """Return the tag map that was chosen, else the recording's own, else None.

    Of a folder of videos that is not a recording, it is the one beside the videos, to which the recording has links.
    """
    if chosen is not None:
        return chosen
    folders = (recording.folder, recording.video_path(recording.cameras[0]).resolve().parent)
    return next((folder / TAG_MAP_NAME for folder in folders if (folder / TAG_MAP_NAME).is_file()), None)


def locate_cameras(
    recording: Recording, rig: Rig, frame_sets: FrameSets, tag_map: Path | None, *, workers: int | None = None, progress: Progress = silent
) -> Located:
    """Return where every camera of ``frame_sets`` was at each of its frames.

    A tag map tells, else visual odometry, whose world is "odometry"; where neither does, cameras stay relative to the body that all of them are on.
    ``sentence`` says which. Odometry needs two or more cameras of the recording, all on one body, and is used where it locates half of the frames.

    Raises: UsageError for cameras on several bodies without a tag map, or a map that cannot be read; DataError where they cannot be located.
    """
    cameras = frame_sets.cameras
    moving = [name for name in cameras if rig.camera(name).body != ROOM]
    if not moving:
        return Located(CameraPoses.static(rig, cameras, len(frame_sets)), None, "")
    path = tag_map_path(recording, tag_map)
    alone = len({rig.camera(name).body for name in cameras}) == 1
    if path is None:
        if not alone:
            CameraPoses.relative_to_body(rig, cameras, len(frame_sets))
        return _without_map(recording, rig, frame_sets, f"The recording has no {TAG_MAP_NAME}.", workers, progress)
    known = TagMap.load(path)
    try:
        motion = _motion(recording.select(moving), rig, known, path, workers, progress)
    except DataError as error:
        if not alone or tag_map is not None:
            raise
        return _without_map(recording, rig, frame_sets, str(error), workers, progress)
    poses = CameraPoses.of(rig, cameras, frame_sets.camera_times_s, motion)
    return Located(poses, motion, f"Located by tag map '{known.name}': {_frames_located(poses)}.")


def _without_map(recording: Recording, rig: Rig, frame_sets: FrameSets, no_map: str, workers: int | None, progress: Progress) -> Located:
    """Locate the one body that all cameras are on by visual odometry, or say why not. ``no_map`` ends with a full stop."""
    cameras = frame_sets.cameras
    body = rig.camera(cameras[0]).body
    try:
        if len(cameras) < 2:
            raise DataError("One camera alone cannot tell how far things are, so it was not located by visual odometry either.")
        motion = _odometry(recording.select(cameras), rig, frame_sets, workers, progress)
        poses = replace(CameraPoses.of(rig, cameras, frame_sets.camera_times_s, motion), frame=ODOMETRY)
        found = int(np.isfinite(poses.T_world_body[body][:, 0, 0]).sum())
        if found < LEAST_LOCATED * len(frame_sets):
            raise DataError(f"Visual odometry located it in {found} of {counted(len(frame_sets), 'frame')} only.")
    except DataError as error:
        return Located(
            CameraPoses.relative_to_body(rig, cameras, len(frame_sets)),
            None,
            f"Everything is relative to the {body}: {no_map[0].lower()}{no_map[1:]} {error}",
        )
    located = motion.body(body)
    detached = int((located.outcome == Outcome.DETACHED).sum())
    apart = (
        f" {counted(detached, 'frame')} after a break, which nothing ties to the rest, {'has' if detached == 1 else 'have'} no pose."
        if detached
        else ""
    )
    doubt = float(motion.provenance[SCALE_SIGMA])
    if doubt > SURE_SCALE:
        apart += f" Its scale is sure to {100 * doubt:.0f} % only, as the cameras do not agree how far things are: calibrate the rig anew."
    return Located(
        poses, motion,
        f"Located by visual odometry: {_frames_located(poses)}, by {located.points[located.observed].mean():.0f} points on average.{apart} Its world starts "
        f"at the head's first pose and is level with the head on average. {no_map}",
    )  # fmt: skip


def _odometry(recording: Recording, rig: Rig, frame_sets: FrameSets, workers: int | None, progress: Progress) -> RigMotion:
    chosen = rig.select(recording.cameras)
    sights = track(recording, chosen, frame_sets, workers=workers, progress=lambda done, total: progress(0.6 * done / total, 1.0))
    key = content_key(
        _code(), [[path.name, path] for path in sorted(Path(str(odometry_package.__file__)).parent.glob("*.py"))],
        dataclasses.asdict(sights), _rig_values(chosen), frame_sets.times_s, frame_sets.camera_times_s,
    )  # fmt: skip
    body = next(iter(chosen.cameras.values())).body
    found: RigMotion = cached(
        "rig_motion", key, ".h5",
        compute=lambda: levelled(
            solve_motion(chosen, sights, frame_sets.times_s, frame_sets.camera_times_s, tell=lambda done: progress(0.6 + 0.4 * done, 1.0)),
            T_body_head(rig, body),
        ),
        save=lambda motion, out: motion.save(out, force=True), load=RigMotion.load,
    )  # fmt: skip
    progress(1.0, 1.0)
    return found


def _motion(recording: Recording, rig: Rig, tag_map: TagMap, path: Path, workers: int | None, progress: Progress) -> RigMotion:
    clocks = {name: rig.camera(name).time_offset_s for name in recording.cameras}
    seen = observe(
        recording, tag_map.boards, clock_offset_s=clocks, workers=workers, progress=lambda done, total: progress(0.9 * done / total, 1.0)
    )
    seen = _as_calibrated(seen, recording, rig)
    chosen = rig.select(recording.cameras)
    key = content_key(_code(), dataclasses.asdict(seen), _rig_values(chosen), path)
    found: RigMotion = cached(
        "rig_motion", key, ".h5",
        compute=lambda: locate(chosen, tag_map, seen, progress=lambda done, total: progress(0.9 + 0.1 * done / total, 1.0)),
        save=lambda motion, out: motion.save(out, force=True), load=RigMotion.load,
    )  # fmt: skip
    progress(1.0, 1.0)
    return found


def _as_calibrated(seen: Observations, recording: Recording, rig: Rig) -> Observations:
    """Return what was seen with the sizes of the calibrated images, of which a video may be a declared part (the pixels are theirs already)."""
    for name in seen.cameras:
        check_image_size(name, rig.camera(name).model.image_size, recording.image_size(name), recording.crop_origin(name))
    return dataclasses.replace(seen, image_size=tuple(rig.camera(name).model.image_size for name in seen.cameras))


def _frames_located(poses: CameraPoses) -> str:
    parts = []
    for body, T in poses.T_world_body.items():
        there = np.isfinite(T[:, 0, 0])
        edges = np.flatnonzero(np.diff(np.concatenate([[True], there, [True]]).astype(np.int8))).reshape(-1, 2)
        longest = int((edges[:, 1] - edges[:, 0]).max(initial=0))
        gap = f", the longest gap {counted(longest, 'frame')}" if longest else ""
        parts.append(f"the {body} in {int(there.sum())} of {counted(len(there), 'frame')}{gap}")
    return "; ".join(parts)


def _code() -> str:
    """Return a key of the source that locates."""
    folders = [Path(str(package.__file__)).parent for package in (calibration, boards_package, localization_package)]
    return content_key([[path.name, path] for folder in folders for path in sorted(folder.glob("*.py"))])


def _rig_values(rig: Rig) -> list[object]:
    return [
        [name, type(camera.model).__name__, dataclasses.asdict(camera.model), camera.body, camera.T_body_camera,  # type: ignore[call-overload]
         dataclasses.asdict(camera.sigma), camera.time_offset_s]
        for name, camera in rig.cameras.items()
    ]  # fmt: skip
