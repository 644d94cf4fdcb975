"""Writing and reading the episode file: HDF5, whole or not there at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bodydouble.atomic import replacing
from bodydouble.datasets.camera_track import CameraTrack
from bodydouble.datasets.consent import Consent
from bodydouble.datasets.episode import Episode, RecordingInfo
from bodydouble.datasets.hand_head_poses import HandHeadPoses
from bodydouble.datasets.images import Image, StoredImages, encode_jpeg, jpeg_size
from bodydouble.datasets.schema import FARTHEST_M, FORMAT, READABLE_VERSIONS, SCHEMA_VERSION, Field, fields_of, task_error_unit
from bodydouble.datasets.segments import Segment
from bodydouble.errors import BodydoubleError, DataError, FileExistsUsageError, UsageError
from bodydouble.gates import Gate
from bodydouble.guarded_file import new_hdf5_file
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, ForearmDirections, Landmarks
from bodydouble.progress import Progress, silent
from bodydouble.retarget.trajectory import RobotTrajectory

if TYPE_CHECKING:
    from bodydouble.calibration import Rig

UNREADABLE = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, OSError, RuntimeError, BodydoubleError)
"""What a damaged or edited file can make h5py, json and our own constructors raise."""

FrameImage = tuple[str, int, "Image | bytes"]
"""(camera, frame of the episode from 0, RGB uint8 (H, W, 3) or JPEG bytes)."""


def write_episode(
    path: Path,
    episode: Episode,
    *,
    images: Iterable[FrameImage] | None = None,
    jpeg_quality: int = 90,
    max_side: int | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> None:
    """Write ``episode`` to ``path`` as one HDF5 file: beside it first, synced, then renamed, so that a crash leaves nothing half.

    ``images`` may come in any order and are written one by one; without them those of ``episode.images`` are copied if there are any.
    RGB images are encoded with ``jpeg_quality`` and shrunk to ``max_side`` px; JPEG bytes are kept as they are. ``progress`` counts images.

    Raises: FileExistsUsageError if ``path`` exists and not ``force``; OutOfSpaceError; DataError when an image is missing or one too many.
    """
    path = Path(path)
    if path.exists() and not force:
        raise FileExistsUsageError(path)
    if images is None and episode.images is not None:
        images = _stored(episode)
    with replacing(path, new=not force) as partial, new_hdf5_file(partial) as (file, check_disk):
        file.attrs["format"] = FORMAT
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["task"] = episode.task
        file.attrs["grade"] = episode.grade
        _write_group(file, "recording", episode.recording)
        _write_group(file, "human", episode.motion)
        _write_group(file, "robot", episode.trajectory)
        _write_group(file, "landmarks", episode.landmarks)
        _write_group(file, "poses", episode.poses)
        _write_group(file, "cameras", episode.camera_track)
        for name, array in {"actions": episode.actions, "action_source": episode.action_source}.items():
            _write_array(file, f"robot/{name}", array, next(item for item in fields_of("robot") if item.name == name))
        _write_segments(file, episode.segments)
        file["landmarks"].attrs["names"] = json.dumps(LANDMARK_NAMES)
        file["rig"] = _rig_to_text(episode.rig)
        file["provenance"] = json.dumps(dict(episode.provenance), ensure_ascii=False)
        _write_quality(file, episode)
        check_disk()
        if images is not None:
            encoded = _encoded(images, jpeg_quality, max_side)
            for done in _write_images(file, episode, encoded):
                check_disk()
                progress(*done)
        file.flush()
        file.attrs["complete"] = True


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
                landmarks=_read_landmarks(file["landmarks"], cameras),
                rig=rig_from_text(file["rig"].asstr()[()]),
                recording=_read_recording(file["recording"], cameras),
                quality={name: read_gate(name, data) for name, data in file["quality"].items()},
                provenance=read_provenance(file),
                grade=str(file.attrs["grade"]),
                segments=_read_segments(file),
                poses=_read_poses(file),
                camera_track=_read_camera_track(file),
                images=StoredImages(path, tuple(c for c in cameras if c in file["images"])) if "images" in file else None,
            )
            _check_agreement(episode)
            return episode
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


def _write_group(file: Any, name: str, value: Any) -> None:
    """Fill one group from a dataclass: arrays as datasets described by the schema, the rest as JSON attributes."""
    group = file.require_group(name)
    datasets = {item.name: item for item in fields_of(name)}
    for item in dataclass_fields(value):
        content = getattr(value, item.name)
        inner = fields_of(f"{name}/{item.name}")
        if is_dataclass(content):
            _write_group(file, f"{name}/{item.name}", content)
        elif inner and content is not None:
            file.require_group(f"{name}/{item.name}")  # also where it is empty: that is not the same as not known
            for key, data in content.items():
                _write_array(file, f"{name}/{item.name}/{key}", data, inner[0])
        elif item.name in datasets and content is not None:
            _write_array(file, f"{name}/{item.name}", content, datasets[item.name])
        elif content is not None:
            group.attrs[item.name] = json.dumps(content, ensure_ascii=False)
    if name == "recording":
        _write_array(file, "recording/present", value.present, datasets["present"])


_SHARED = {"robot/times_s": "human/times_s", "landmarks/times_s": "recording/times_s"}


def _write_array(file: Any, path: str, array: Any, field: Field) -> None:
    if path in _SHARED:
        file[path] = file[_SHARED[path]]
        return
    data = np.asarray(array, dtype=field.dtype)
    large = data.size > 1024
    dataset = file.create_dataset(path, data=data, **({"compression": "gzip", "compression_opts": 1, "shuffle": True} if large else {}))
    unit = field.unit
    if field.path == "robot/task_errors/*":
        unit = task_error_unit(path)
    for name, text in {"unit": unit, "frame": field.frame, "quaternion_order": field.quaternion_order, "meaning": field.meaning}.items():
        if text:
            dataset.attrs[name] = text


def _write_quality(file: Any, episode: Episode) -> None:
    group = file.create_group("quality", track_order=True)
    for name, gate in episode.quality.items():
        dataset = group.create_dataset(name, data=np.float64(gate.value))
        dataset.attrs["unit"] = gate.unit
        dataset.attrs["threshold"] = np.nan if gate.threshold is None else float(gate.threshold)
        dataset.attrs["verdict"] = gate.verdict
        dataset.attrs["better"] = gate.better
        dataset.attrs["remedy"] = gate.remedy


def read_gate(name: str, dataset: Any) -> Gate:
    """Read one figure from ``quality/NAME``."""
    attributes = dataset.attrs
    threshold = float(attributes["threshold"])
    return Gate(
        name=name,
        value=float(dataset[()]),
        unit=str(attributes["unit"]),
        threshold=None if np.isnan(threshold) else threshold,
        verdict=attributes["verdict"],
        better=attributes["better"],
        remedy=str(attributes["remedy"]),
    )


def _encoded(images: Iterable[FrameImage], quality: int, max_side: int | None) -> Iterator[tuple[str, int, bytes]]:
    for camera, frame, image in images:
        yield camera, frame, image if isinstance(image, bytes) else encode_jpeg(image, quality=quality, max_side=max_side)


def _write_images(file: Any, episode: Episode, images: Iterable[tuple[str, int, bytes]]) -> Iterator[tuple[float, float]]:
    """Write one image after the other; gives (done, total) after each."""
    present, cameras = episode.recording.present, episode.cameras
    written = np.zeros_like(present)
    group = file.create_group("images")
    for camera in cameras:
        # one image a chunk: h5py's own choice of chunks reads images 23 times slower
        dataset = group.create_dataset(camera, shape=(episode.frames,), dtype=h5py.vlen_dtype(np.uint8), chunks=(1,))
        dataset.attrs["encoding"] = "jpeg"
        dataset.attrs["colour"] = "RGB once decoded"
    for camera, frame, data in images:
        row = cameras.index(camera) if camera in cameras else -1
        if row < 0 or not 0 <= frame < episode.frames or not present[row, frame]:
            raise DataError(f"image {frame} of camera '{camera}' was given, but the recording has no such frame")
        if not written[row].any():
            group[camera].attrs["image_size"] = jpeg_size(data, source=f"image {frame} of camera '{camera}'")
        group[camera][frame] = np.frombuffer(data, np.uint8)
        written[row, frame] = True
        yield float(written.sum()), float(present.sum())
    if not np.array_equal(written, present):
        row, frame = (int(i) for i in np.argwhere(present & ~written)[0])
        raise DataError(
            f"camera '{cameras[row]}' gave no image for frame {frame} ({int((present & ~written).sum())} missing in all): "
            "its video is shorter than its timestamps say or cannot be decoded to the end. Import it again or leave it out with --cameras."
        )


def _stored(episode: Episode) -> Iterator[FrameImage]:
    assert episode.images is not None
    for camera in episode.images.cameras:
        for frame in range(episode.frames):
            data = episode.images.jpeg(camera, frame)
            if data is not None:
                yield camera, frame, data


def _read_landmarks(group: Any, cameras: tuple[str, ...]) -> Landmarks:
    arrays = {name: group[name][()] for name in ("times_s", "pixels", "confidence", "shape_m")}
    forearms = None
    if "forearms" in group:
        part = group["forearms"]
        forearms = ForearmDirections(json.loads(part.attrs["body"]), part["direction"][()], part["information"][()])
    return Landmarks(cameras, settings=json.loads(group.attrs["settings"]), forearms=forearms, **arrays)


def _read_recording(group: Any, cameras: tuple[str, ...]) -> RecordingInfo:
    arrays = {name: group[name][()] for name in ("times_s", "frame_index", "image_size", "crop_origin_px")}
    named = ("name", "started_utc_ns", "operator", "licence", "privacy")
    texts = {name: json.loads(group.attrs[name]) for name in named if name in group.attrs}
    return RecordingInfo(cameras=cameras, consent=read_consent(group), **texts, **arrays)


def read_consent(group: Any) -> Consent:
    """Return the consent of an open file's group ``recording``."""
    if "consent" in group.attrs:  # version 1: words that say nothing of what they cover
        return Consent(statement=json.loads(group.attrs["consent"]))
    said = group["consent"].attrs if "consent" in group else {}
    return Consent(**{name: json.loads(said[name]) for name in ("version", "scope", "expires", "statement") if name in said})


def _write_segments(file: Any, segments: tuple[Segment, ...]) -> None:
    group = file.create_group("segments")
    for item in fields_of("segments"):
        _write_array(file, item.path, [getattr(segment, item.name) for segment in segments], item)
    group.attrs["text"] = json.dumps([segment.text for segment in segments], ensure_ascii=False)


def _read_segments(file: Any) -> tuple[Segment, ...]:
    if "segments" not in file:
        return ()
    group = file["segments"]
    rows = zip(group["start_s"][()], group["stop_s"][()], json.loads(group.attrs["text"]), strict=True)
    return tuple(Segment(float(start), float(stop), str(text)) for start, stop, text in rows)


def _read_poses(file: Any) -> HandHeadPoses:
    if "poses" not in file:
        return HandHeadPoses()
    return HandHeadPoses(**{who: {name: data[()] for name, data in group.items()} for who, group in file["poses"].items()})


def _read_camera_track(file: Any) -> CameraTrack | None:
    if "cameras" not in file:
        return None
    group = file["cameras"]
    return CameraTrack(tuple(json.loads(group.attrs["models"])), **{item.name: group[item.name][()] for item in fields_of("cameras")})


def _rig_to_text(rig: Rig) -> str:
    with tempfile.TemporaryDirectory() as folder:
        rig.save(Path(folder) / "rig.toml")
        return (Path(folder) / "rig.toml").read_text(encoding="utf-8")


def rig_from_text(text: str) -> Rig:
    """Read a rig from the text of its rig.toml. Raises: UsageError as ``Rig.load`` does."""
    from bodydouble.calibration import Rig

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rig.toml").write_text(text, encoding="utf-8")
        return Rig.load(Path(folder) / "rig.toml")


def _starts_as_hdf5(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(8) == b"\x89HDF\r\n\x1a\n"
