"""The groups of an episode file: dataclasses to datasets and attributes as the schema says, and back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from bodydouble.datasets.camera_track import CameraTrack
from bodydouble.datasets.consent import Consent
from bodydouble.datasets.episode import Episode, RecordingInfo
from bodydouble.datasets.hand_head_poses import HandHeadPoses
from bodydouble.datasets.schema import Field, fields_of, task_error_unit
from bodydouble.datasets.segments import Segment
from bodydouble.gates import Gate
from bodydouble.hand_pose.landmarks import ForearmDirections, Landmarks


def write_group(file: Any, name: str, value: Any) -> None:
    """Fill one group from a dataclass: arrays as datasets described by the schema, the rest as JSON attributes."""
    group = file.require_group(name)
    datasets = {item.name: item for item in fields_of(name)}
    for item in dataclass_fields(value):
        content = getattr(value, item.name)
        inner = fields_of(f"{name}/{item.name}")
        if is_dataclass(content):
            write_group(file, f"{name}/{item.name}", content)
        elif inner and content is not None:
            file.require_group(f"{name}/{item.name}")  # also where it is empty: that is not the same as not known
            for key, data in content.items():
                write_array(file, f"{name}/{item.name}/{key}", data, inner[0])
        elif item.name in datasets and content is not None:
            write_array(file, f"{name}/{item.name}", content, datasets[item.name])
        elif content is not None:
            group.attrs[item.name] = json.dumps(content, ensure_ascii=False)
    if name == "recording":
        write_array(file, "recording/present", value.present, datasets["present"])


_SHARED = {"robot/times_s": "human/times_s", "landmarks/times_s": "recording/times_s"}


def write_array(file: Any, path: str, array: Any, field: Field) -> None:
    """Write one dataset with its unit, frame, meaning and checksum."""
    if path in _SHARED:
        file[path] = file[_SHARED[path]]
        return
    data = np.asarray(array, dtype=field.dtype)
    large = data.size > 1024
    dataset = file.create_dataset(path, data=data, **({"compression": "gzip", "compression_opts": 1, "shuffle": True} if large else {}))
    dataset.attrs["sha256"] = hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()
    unit = field.unit
    if field.path == "robot/task_errors/*":
        unit = task_error_unit(path)
    for name, text in {"unit": unit, "frame": field.frame, "quaternion_order": field.quaternion_order, "meaning": field.meaning}.items():
        if text:
            dataset.attrs[name] = text


def write_quality(file: Any, episode: Episode) -> None:
    """Write ``quality``: every figure with its limit and verdict."""
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


def read_landmarks(group: Any, cameras: tuple[str, ...]) -> Landmarks:
    """Read the group ``landmarks``."""
    arrays = {name: group[name][()] for name in ("times_s", "pixels", "confidence", "shape_m")}
    forearms = None
    if "forearms" in group:
        part = group["forearms"]
        forearms = ForearmDirections(json.loads(part.attrs["body"]), part["direction"][()], part["information"][()])
    return Landmarks(cameras, settings=json.loads(group.attrs["settings"]), forearms=forearms, **arrays)


def read_recording(group: Any, cameras: tuple[str, ...]) -> RecordingInfo:
    """Read the group ``recording``."""
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


def write_segments(file: Any, segments: tuple[Segment, ...]) -> None:
    """Write the group ``segments``."""
    group = file.create_group("segments")
    for item in fields_of("segments"):
        write_array(file, item.path, [getattr(segment, item.name) for segment in segments], item)
    group.attrs["text"] = json.dumps([segment.text for segment in segments], ensure_ascii=False)


def read_segments(file: Any) -> tuple[Segment, ...]:
    """Read the group ``segments``; none in a file of version 1."""
    if "segments" not in file:
        return ()
    group = file["segments"]
    rows = zip(group["start_s"][()], group["stop_s"][()], json.loads(group.attrs["text"]), strict=True)
    return tuple(Segment(float(start), float(stop), str(text)) for start, stop, text in rows)


def read_poses(file: Any) -> HandHeadPoses:
    """Read the group ``poses``; empty for a file of version 1."""
    if "poses" not in file:
        return HandHeadPoses()
    return HandHeadPoses(**{who: {name: data[()] for name, data in group.items()} for who, group in file["poses"].items()})


def read_camera_track(file: Any) -> CameraTrack | None:
    """Read the group ``cameras``; None for a file of version 1."""
    if "cameras" not in file:
        return None
    group = file["cameras"]
    return CameraTrack(tuple(json.loads(group.attrs["models"])), **{item.name: group[item.name][()] for item in fields_of("cameras")})
