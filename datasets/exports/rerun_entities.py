"""What of an episode is seen where in Rerun: one generator of chunks for each part of the tree of entities.

    episode                                    the task, grade, licence and consent in words
    segments                                   what is done, at its start and its end
    world/cameras/NAME                         pose of the camera in the world
    world/cameras/NAME/image                   pinhole, and JPEG where images are stored
    world/cameras/NAME/image/landmarks         landmarks as they were detected, in px
    world/human/landmarks, .../bones           the person, coloured by how each part is known
    world/robot/base, .../links                the robot's base, and its links where its model is at hand
    robot/positions/GROUP/JOINT                rad
    robot/joint_source/GROUP/JOINT             0 missing, 1 observed, 2 interpolated, 3 inferred
    robot/task_errors/NAME                     m or rad
    robot/flags/NAME, robot/contacts/NAME, human/flags/NAME    0 or 1

Timelines: ``capture_time``, true s from the start of the recording (images have their camera's own), and ``frame`` of the episode. World: x forward, y left, z
up, in m. Values that are missing (NaN) are left out of the row. Rerun has pinhole cameras alone: what is drawn over the image of a camera with
distortion is a little off, but its detected landmarks are not; ``camera_model`` and ``distortion`` are kept beside the pinhole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports.human_links import END_LANDMARKS, kept_parents, link_source
from bodydouble.datasets.exports.rerun_chunks import Chunks
from bodydouble.datasets.exports.robot_model import RobotModel
from bodydouble.datasets.hand_head_poses import pose_vectors
from bodydouble.datasets.images import encode_jpeg, jpeg_size
from bodydouble.datasets.schema import task_error_unit
from bodydouble.hand_pose.human_motion import Source

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ROWS = 1024
"""In a chunk; the viewer likes them neither tiny nor huge."""
IMAGES = 8
"""In a chunk."""
COLOURS: Mapping[Source, tuple[str, tuple[int, int, int]]] = {
    Source.OBSERVED: ("observed", (80, 220, 100)), Source.INTERPOLATED: ("interpolated", (255, 200, 60)),
    Source.INFERRED: ("inferred", (255, 95, 95)),
}  # fmt: skip
DETECTED: tuple[int, int, int] = (60, 200, 255)
ROBOT: tuple[int, int, int] = (200, 200, 210)
CAPTURE_TIME, FRAME = "capture_time", "frame"


def path_of(*parts: str) -> str:
    """Return an entity's path; names may hold any character."""
    import rerun as rr

    return str(rr.new_entity_path(list(parts)))


def about(chunks: Chunks, episode: Episode, said: Mapping[str, str]) -> Iterator[Any]:
    """Yield what holds for the whole episode. ``said``: name to text, the task first."""
    import rerun as rr

    started = episode.recording.started_utc_ns
    yield chunks.static("__properties", rr.archetypes.RecordingInfo(name=episode.task, start_time=started))
    yield chunks.static(path_of("__properties", "episode"), rr.AnyValues(**said))
    text = "\n".join(f"- **{name.replace('_', ' ')}**: {value or 'not said'}" for name, value in said.items())
    yield chunks.static("episode", rr.TextDocument(text, media_type=rr.MediaType.MARKDOWN))
    yield chunks.static("world", rr.ViewCoordinates.FLU)
    context = [rr.AnnotationInfo(int(source), name, colour) for source, (name, colour) in COLOURS.items()]
    yield chunks.static("world/human", rr.AnnotationContext(context))
    if episode.segments:
        marks = sorted(
            [(one.start_s, f"start: {one.text}") for one in episode.segments]
            + [(one.stop_s, f"end: {one.text}") for one in episode.segments]
        )
        at = np.array([time for time, _ in marks])
        frames = np.clip(np.searchsorted(episode.times_s, at), 0, max(episode.frames - 1, 0))
        columns = rr.TextLog.columns(text=[text for _, text in marks], level=["INFO"] * len(marks))
        yield chunks.timed("segments", {CAPTURE_TIME: at, FRAME: frames}, columns)


def camera(
    chunks: Chunks, episode: Episode, name: str, frames: IntArray, size: tuple[int, int] | None
) -> Iterator[Any]:  # fmt: skip
    """Yield one camera over ``frames``; ``size`` (width, height) px is its images', None without images."""
    import rerun as rr

    row, track, info = episode.cameras.index(name), episode.camera_track, episode.recording
    assert track is not None
    times = info.times_s[row]
    here = frames[np.isfinite(times[frames])]
    T = track.T_world_camera[row]
    placed = here[np.isfinite(T[here]).all(axis=(1, 2))]
    entity = path_of("world", "cameras", name)
    poses = pose_vectors(T[placed])
    for part in _parts(len(placed), ROWS):
        columns = rr.Transform3D.columns(translation=poses[part, :3], quaternion=poses[part, 3:])
        yield chunks.timed(entity, _times(times, placed[part]), columns)
    # Rerun's pixels begin at their corner, ours have whole numbers at their centre
    shown = np.array(size if size is not None else info.image_size[row], dtype=np.float64)
    scale = shown / info.image_size[row]
    focal = track.intrinsics[row, :2] * scale
    centre = (track.intrinsics[row, 2:] - info.crop_origin_px[row] + 0.5) * scale
    image = path_of("world", "cameras", name, "image")
    yield chunks.static(image, rr.Pinhole(focal_length=focal, principal_point=centre, resolution=shown))
    terms = track.distortion[row][np.isfinite(track.distortion[row])]
    yield chunks.static(image, rr.AnyValues(camera_model=track.models[row], distortion=terms))
    pixels = (episode.landmarks.pixels[row] - info.crop_origin_px[row] + 0.5) * scale
    for part in _parts(len(here), ROWS):
        seen = np.isfinite(pixels[here[part]]).all(axis=2)
        columns = rr.Points2D.columns(positions=pixels[here[part]][seen]).partition(seen.sum(axis=1))
        yield chunks.timed(path_of("world", "cameras", name, "image", "landmarks"), _times(times, here[part]), columns)
    yield chunks.static(path_of("world", "cameras", name, "image", "landmarks"), rr.Points2D.from_fields(colors=[DETECTED], radii=[-2.0]))


def images(chunks: Chunks, episode: Episode, name: str, frames: IntArray, size: tuple[int, int]) -> Iterator[tuple[Any, int]]:
    """Yield chunks of one camera's images over ``frames``, as they are stored unless that is another ``size``, and how many each holds."""
    import rerun as rr

    times = episode.recording.times_s[episode.cameras.index(name)]
    here = frames[np.isfinite(times[frames])]
    for part in _parts(len(here), IMAGES):
        blobs, shown = [], []
        for frame in here[part]:
            data = _jpeg(episode, name, int(frame), size)
            if data is not None:
                blobs.append(data)
                shown.append(int(frame))
        if blobs:
            columns = rr.EncodedImage.columns(blob=blobs, media_type=["image/jpeg"] * len(blobs))
            yield chunks.timed(path_of("world", "cameras", name, "image"), _times(times, np.array(shown)), columns), len(blobs)


def _jpeg(episode: Episode, camera: str, frame: int, size: tuple[int, int]) -> bytes | None:
    import cv2

    data = None if episode.images is None else episode.images.jpeg(camera, frame)
    if data is None or jpeg_size(data, source=f"image {frame} of camera '{camera}'") == size:
        return data
    image = episode.image(camera, frame, at_least=size)
    return None if image is None else encode_jpeg(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8))


def human(chunks: Chunks, episode: Episode, frames: IntArray) -> Iterator[Any]:
    """Yield the person's landmarks and bones over ``frames``, each of the class of how it is known, and the flags."""
    import rerun as rr

    motion, times = episode.motion, episode.times_s
    starts, ends, sources = _bones(episode)
    for part in _parts(len(frames), ROWS):
        rows = frames[part]
        known = np.isfinite(motion.landmarks[rows]).all(axis=2)
        columns = rr.Points3D.columns(positions=motion.landmarks[rows][known], class_ids=motion.landmark_source[rows][known])
        yield chunks.timed("world/human/landmarks", _times(times, rows), columns.partition(known.sum(axis=1)))
        yield _strips(chunks, "world/human/bones", _times(times, rows), starts[rows], ends[rows], sources[rows])
    yield chunks.static("world/human/landmarks", rr.Points3D.from_fields(radii=[0.006]))
    yield chunks.static("world/human/bones", rr.LineStrips3D.from_fields(radii=[0.004]))
    for name, flag in motion.flags.items():
        yield from _series(chunks, episode, frames, ("human", "flags", name), flag, name)


def _bones(episode: Episode) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint8]]:
    """Return where bones start and end (T, B, 3) and how each is known (T, B): as the turn of the link that carries its end."""
    motion = episode.motion
    starts, ends, sources = [], [], []
    for link, parent in zip(motion.link_names, kept_parents(motion.link_names), strict=True):
        if parent >= 0:
            starts.append(motion.link_poses[:, parent, :3, 3])
            ends.append(motion.link(link)[:, :3, 3])
            sources.append(link_source(motion, motion.link_names[parent]))
        if link in END_LANDMARKS:
            starts.append(motion.link(link)[:, :3, 3])
            ends.append(np.mean([motion.landmark(name) for name in END_LANDMARKS[link]], axis=0))
            sources.append(link_source(motion, link))
    if not starts:
        return np.zeros((motion.frames, 0, 3)), np.zeros((motion.frames, 0, 3)), np.zeros((motion.frames, 0), np.uint8)
    return np.stack(starts, axis=1), np.stack(ends, axis=1), np.stack(sources, axis=1)


def robot(chunks: Chunks, episode: Episode, frames: IntArray, model: RobotModel | None) -> Iterator[Any]:
    """Yield the robot over ``frames``: base, links where there is a ``model``, joints, task errors, flags and contacts."""
    import rerun as rr

    trajectory, times = episode.trajectory, episode.times_s
    placed = frames[np.isfinite(trajectory.base_pose[frames]).all(axis=1)]
    for part in _parts(len(placed), ROWS):
        base = trajectory.base_pose[placed[part]]
        yield chunks.timed(
            "world/robot/base", _times(times, placed[part]), rr.Transform3D.columns(translation=base[:, :3], quaternion=base[:, 3:])
        )
    yield chunks.static("world/robot/base", rr.TransformAxes3D(0.1))
    if model is not None:
        parents = np.array(model.link_parents)
        for part in _parts(len(placed), ROWS):
            rows = placed[part]
            places = model.link_poses(trajectory.positions[rows], trajectory.base_pose[rows])[..., :3, 3]
            yield _strips(chunks, "world/robot/links", _times(times, rows), places[:, parents[parents >= 0]], places[:, parents >= 0])
        yield chunks.static("world/robot/links", rr.LineStrips3D.from_fields(colors=[ROBOT], radii=[0.006]))
    for group, joints in trajectory.joint_groups.items():
        for joint in joints:
            column = trajectory.joint_names.index(joint)
            yield from _series(
                chunks, episode, frames, ("robot", "positions", group, joint), trajectory.positions[:, column], f"{joint} (rad)"
            )
            yield from _series(chunks, episode, frames, ("robot", "joint_source", group, joint), trajectory.joint_source[:, column], joint)
    for task, error in trajectory.task_errors.items():
        yield from _series(chunks, episode, frames, ("robot", "task_errors", task), error, f"{task} ({task_error_unit(task)})")
    for kind, flags in (("flags", trajectory.flags), ("contacts", trajectory.contacts or {})):
        for name, flag in flags.items():
            yield from _series(chunks, episode, frames, ("robot", kind, name), flag, name)


def _series(
    chunks: Chunks, episode: Episode, frames: IntArray, parts: tuple[str, ...], values: npt.NDArray[Any], label: str
) -> Iterator[Any]:
    import rerun as rr

    known = frames[np.isfinite(values[frames].astype(np.float64))]
    for part in _parts(len(known), ROWS):
        columns = rr.Scalars.columns(scalars=values[known[part]].astype(np.float64))
        yield chunks.timed(path_of(*parts), _times(episode.times_s, known[part]), columns)
    if len(known):
        yield chunks.static(path_of(*parts), rr.SeriesLines(names=label))


def _strips(
    chunks: Chunks, entity: str, times: Mapping[str, Any], starts: FloatArray, ends: FloatArray, sources: npt.NDArray[np.uint8] | None = None
) -> Any:  # fmt: skip
    """Return a chunk of straight lines (T, B); those with an end that is not known are left out."""
    import rerun as rr

    known = np.isfinite(starts).all(axis=2) & np.isfinite(ends).all(axis=2)
    strips = np.stack([starts[known], ends[known]], axis=1)
    classes = {} if sources is None else {"class_ids": sources[known]}
    columns = rr.LineStrips3D.columns(strips=strips, **classes)
    return chunks.timed(entity, times, columns.partition(known.sum(axis=1)))


def _times(times_s: FloatArray, frames: IntArray) -> dict[str, npt.NDArray[Any]]:
    return {CAPTURE_TIME: times_s[frames], FRAME: frames.astype(np.int64)}


def _parts(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
