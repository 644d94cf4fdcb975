"""Writing and reading the episode file: HDF5, whole or not there at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bodydouble.atomic import OutOfSpaceError, raise_for_os_error, replacing
from bodydouble.datasets.episode import Episode
from bodydouble.datasets.image_writing import FrameImage, ImageEncoding, stored_images, video_files, videos_of, write_jpegs, write_videos
from bodydouble.datasets.images import StoredImages
from bodydouble.datasets.schema import FARTHEST_M, FORMAT, READABLE_VERSIONS, SCHEMA_VERSION, fields_of
from bodydouble.datasets.stored_groups import (
    read_camera_track,
    read_gate,
    read_landmarks,
    read_poses,
    read_recording,
    read_segments,
    write_array,
    write_group,
    write_quality,
    write_segments,
)
from bodydouble.datasets.stored_videos import StoredVideos
from bodydouble.errors import BodydoubleError, DataError, FileExistsUsageError, UsageError
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES
from bodydouble.progress import Progress, silent
from bodydouble.retarget.trajectory import RobotTrajectory

if TYPE_CHECKING:
    from bodydouble.calibration import Rig

UNREADABLE = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, OSError, RuntimeError, BodydoubleError)
"""What a damaged or edited file can make h5py, json and our own constructors raise."""


def write_episode(
    path: Path,
    episode: Episode,
    *,
    images: Iterable[FrameImage] | None = None,
    encoding: ImageEncoding = "jpeg",
    jpeg_quality: int = 90,
    max_side: int | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> None:
    """Write ``episode`` to ``path`` as one HDF5 file: beside it first, synced, then renamed, so that a crash leaves nothing half.

    ``images`` are written one by one, in any order; without them those of ``episode.images`` are copied if there are any. ``encoding`` "jpeg" keeps JPEG
    bytes as they are, encodes RGB with ``jpeg_quality`` and shrinks it to ``max_side`` px; "h264" encodes a video a camera beside the file, which takes each
    camera's images in order of time. ``progress`` counts images.

    Raises: FileExistsUsageError if ``path`` exists and not ``force``; OutOfSpaceError; DataError when an image is missing or one too many.
    """
    path = Path(path)
    if path.exists() and not force:
        raise FileExistsUsageError(path)
    if images is None and episode.images is not None:
        images = stored_images(episode)
    old_videos = videos_of(path) if path.exists() else []
    cameras = episode.cameras if images is not None and encoding == "h264" else ()
    with (
        video_files(path, cameras) as videos, replacing(path, new=not force) as partial, new_hdf5_file(partial) as (file, check_disk),
    ):  # fmt: skip
        file.attrs["format"] = FORMAT
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["task"] = episode.task
        file.attrs["grade"] = episode.grade
        for name, value in {
            "recording": episode.recording, "human": episode.motion, "robot": episode.trajectory, "landmarks": episode.landmarks,
            "poses": episode.poses, "cameras": episode.camera_track,
        }.items():  # fmt: skip
            write_group(file, name, value)
        file["landmarks"].attrs["names"] = json.dumps(LANDMARK_NAMES)
        for name, array in {"actions": episode.actions, "action_source": episode.action_source}.items():
            write_array(file, f"robot/{name}", array, next(item for item in fields_of("robot") if item.name == name))
        write_segments(file, episode.segments)
        file["rig"] = _rig_to_text(episode.rig)
        file["provenance"] = json.dumps(dict(episode.provenance), ensure_ascii=False)
        write_quality(file, episode)
        check_disk()
        if images is not None:
            steps = (
                write_videos(file, path, episode, images, videos, max_side)
                if encoding == "h264"
                else write_jpegs(file, episode, images, jpeg_quality, max_side)
            )
            for done in steps:
                check_disk()
                progress(*done)
        file.flush()
        file.attrs["complete"] = True
    for video in set(old_videos) - set(videos_of(path)):
        video.unlink(missing_ok=True)


def read_episode(path: Path) -> Episode:
    """Read an episode file; images stay in it until they are asked for.

    Raises: UsageError if there is no such file; DataError if it is not a whole episode of a schema version that this program reads.
    """
    path = Path(path)
    with open_episode_file(path) as file:
        try:
            cameras = tuple(json.loads(file["recording"].attrs["cameras"]))
            episode = Episode(
                task=str(file.attrs["task"]),
                trajectory=RobotTrajectory.read(file["robot"]),
                motion=HumanMotion.read(file["human"]),
                landmarks=read_landmarks(file["landmarks"], cameras),
                rig=rig_from_text(file["rig"].asstr()[()]),
                recording=read_recording(file["recording"], cameras),
                quality={name: read_gate(name, data) for name, data in file["quality"].items()},
                provenance=read_provenance(file),
                grade=str(file.attrs["grade"]),
                segments=read_segments(file),
                poses=read_poses(file),
                camera_track=read_camera_track(file),
                images=_images(path, file, cameras),
            )
            _check_agreement(episode)
            return episode
        except OutOfSpaceError:  # of the folder for temporary files; nothing is wrong with the episode
            raise
        except UNREADABLE as error:
            raise DataError(
                f"{path} says it is an episode but cannot be read: {error}. Run `bodydouble validate` on it for what is wrong."
            ) from None


@contextmanager
def open_episode_file(path: Path) -> Iterator[Any]:
    """Open an episode file for reading as h5py.File, after checking that it is one, whole, and of a known version.

    Raises: UsageError if there is no such file; DataError in one sentence for anything else that is wrong with it as a whole.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist; an episode file (.h5) was expected.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; an episode file (.h5) was expected.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if isinstance(error, PermissionError):
            raise UsageError(f"{path} cannot be read: permission denied.") from None
        whole = "it is truncated or damaged" if _starts_as_hdf5(path) else "it is not an HDF5 file"
        raise DataError(f"{path} is not a readable episode: {whole}. Copy it again, or make it again with `bodydouble process`.") from None
    with file:
        if _mark(file, "format") != FORMAT:
            raise DataError(
                f"{path} is an HDF5 file but not a bodydouble episode (no format '{FORMAT}'). Episodes come from `bodydouble process`."
            )
        if _mark(file, "schema_version") not in READABLE_VERSIONS:
            raise DataError(
                f"{path} has episode schema version {_mark(file, 'schema_version')}; this bodydouble reads versions "
                f"{', '.join(map(str, READABLE_VERSIONS))}. Update bodydouble, or make the episode again."
            )
        if _mark(file, "complete") is not True:
            raise DataError(f"{path} was never finished: its `complete` mark is missing. Make it again with `bodydouble process`.")
        yield file


def _images(path: Path, file: Any, cameras: tuple[str, ...]) -> StoredImages | StoredVideos | None:
    if "images" in file:
        return StoredImages(path, tuple(camera for camera in cameras if camera in file["images"]))
    if "videos" in file:
        return StoredVideos(path, tuple(camera for camera in cameras if camera in file["videos"]))
    return None


def _mark(file: Any, name: str) -> str | int | bool | None:
    """Return an attribute that is one text, number or truth value; None for anything else and for what cannot be read."""
    try:
        value = file.attrs.get(name)
    except UNREADABLE:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (str, int, bool)) else None


def read_provenance(file: Any) -> dict[str, Any]:
    """Return ``provenance`` of an open file. Raises: ValueError if it is not one JSON object of finite numbers."""

    def refuse(constant: str) -> None:
        raise ValueError(f"provenance holds {constant}, which is no JSON number")

    values = json.loads(file["provenance"].asstr()[()], parse_constant=refuse)
    if not isinstance(values, dict):
        raise ValueError(f"provenance is a JSON {type(values).__name__}; expected an object")
    return values


def _check_agreement(episode: Episode) -> None:
    """Check what the parts say of each other. Raises: ValueError."""
    names = episode.trajectory.joint_names
    unknown = [joint for joints in episode.trajectory.joint_groups.values() for joint in joints if joint not in names]
    if unknown:
        raise ValueError(f"a joint group holds '{unknown[0]}', which is no joint of the robot")
    if not all(isinstance(name, str) for name in (*names, *episode.cameras)):
        raise ValueError("joints and cameras must have names")
    if (episode.recording.image_size < 1).any():
        raise ValueError(f"recording/image_size holds {episode.recording.image_size.min()} px")
    farthest = float(np.abs(episode.trajectory.base_pose[:, :3]).max(initial=0.0))
    if not farthest <= FARTHEST_M:
        raise ValueError(f"robot/base_pose is {farthest:.3g} m from the world's origin")


def _rig_to_text(rig: Rig) -> str:
    with tempfile.TemporaryDirectory() as folder:
        rig.save(Path(folder) / "rig.toml")
        return (Path(folder) / "rig.toml").read_text(encoding="utf-8")


def rig_from_text(text: str) -> Rig:
    """Read a rig from the text of its rig.toml. Raises: UsageError as ``Rig.load`` does; OutOfSpaceError."""
    from bodydouble.calibration import Rig

    try:
        folder = tempfile.TemporaryDirectory()
    except FileNotFoundError as error:  # every folder for temporary files is full or closed
        raise OutOfSpaceError(
            f"No temporary folder can be written ({error.strerror}). Free some space, or set TMPDIR, and run again."
        ) from None
    with folder:
        path = Path(folder.name) / "rig.toml"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise_for_os_error(error, path)
        return Rig.load(path)


def _starts_as_hdf5(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(8) == b"\x89HDF\r\n\x1a\n"
