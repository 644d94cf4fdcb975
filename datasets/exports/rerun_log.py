"""The ``rerun`` format: one Rerun recording (``.rrd``) an episode, to look at in Rerun's viewer or to query with its dataframes.

Every stored frame is logged at its true times, nothing is resampled: a rate that is chosen only leaves frames out, and keeps those nearest to it.
``rerun_entities`` lists what is where. Nothing is sent anywhere: the files are written without a recording stream, and Rerun's analytics are a part of its
viewer, which is not started (there, `rerun analytics disable` turns them off).

The same episode gives the same chunks, but not the same bytes: Rerun writes a random number into a file's header and its index in random order. Merging
and deleting copy the files as they are.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.episode import Episode
from bodydouble.datasets.exports import rerun_entities as entities
from bodydouble.datasets.exports.building import INDEX
from bodydouble.datasets.exports.export_format import Entry, ExportFormat
from bodydouble.datasets.exports.export_plan import EpisodeHeader, ExportPlan
from bodydouble.datasets.exports.numbered_files import NumberedFiles, check_no_other_files, files_of, names_of
from bodydouble.datasets.exports.rerun_chunks import Chunks, check_installed, read_chunks, write_chunks
from bodydouble.datasets.exports.resampling import nearest_frames
from bodydouble.datasets.exports.robot_model import model_of
from bodydouble.datasets.exports.samples import Samples
from bodydouble.datasets.images import decode_jpeg
from bodydouble.errors import DataError
from bodydouble.progress import Progress, silent

IntArray = npt.NDArray[np.int64]

SUFFIXES = (".rrd",)
IMAGE = "EncodedImage:blob"
NUMBERS = ("Points3D:positions", "LineStrips3D:strips", "Scalars:scalars", "Transform3D:translation")
"""Components that hold no NaN."""


class _Writer:
    def __init__(self, folder: Path, plan: ExportPlan) -> None:
        check_installed()
        self.plan, self.files = plan, NumberedFiles(folder, SUFFIXES)

    def add(self, episode: Episode, samples: Samples, header: EpisodeHeader, progress: Progress = silent) -> Mapping[str, Any]:
        frames = np.arange(episode.frames)
        if self.plan.settings.rate_hz is not None:
            frames = np.unique(nearest_frames(episode.times_s, samples.times_s)[0])
        files = self.files.next_files()
        stored: dict[str, Any] = {"files": names_of(files), "recording_id": header.identity, "frames": len(frames), "images": {}, "rows": 0}
        write_chunks(files[".rrd"], self._chunks(episode, samples, header, frames, stored, progress), header.identity)
        progress(samples.count, samples.count)
        return stored

    def _chunks(
        self, episode: Episode, samples: Samples, header: EpisodeHeader, frames: IntArray, stored: dict[str, Any], progress: Progress
    ) -> Iterator[Any]:  # fmt: skip
        chunks, model = Chunks(header.identity), model_of(episode.trajectory)
        if isinstance(model, str):
            stored["no_links"] = model
        shown = self.plan.cameras
        said = {
            "task": episode.task, "grade": header.grade, "robot": header.robot, "licence": header.licence, "privacy": header.privacy,
            "consent": json.dumps(dataclasses.asdict(header.consent), ensure_ascii=False),
            "recording": episode.recording.name, "identity": header.identity,
        }  # fmt: skip
        parts = [
            entities.about(chunks, episode, said),
            *(
                entities.camera(chunks, episode, name, frames, shown.get(name))
                for name in (episode.cameras if self.plan.settings.cameras is None else shown)
            ),
            entities.human(chunks, episode, frames),
            entities.robot(chunks, episode, frames, None if isinstance(model, str) else model),
        ]
        for part in parts:
            for chunk in part:
                stored["rows"] += chunk.num_rows
                yield chunk
        for number, (name, size) in enumerate(shown.items()):
            stored["images"][name] = 0
            for chunk, count in entities.images(chunks, episode, name, frames, size):
                stored["images"][name] += count
                stored["rows"] += chunk.num_rows
                yield chunk
                progress(samples.count * (number + stored["images"][name] / max(len(frames), 1)) / len(shown), samples.count)

    def adopt(self, export: Path, entry: Entry) -> Mapping[str, Any]:
        return self.files.adopt(export, entry)

    def finish(self, index: dict[str, Any]) -> None:
        """Have nothing to add: every file stands alone."""


def verify(export: Path, index: dict[str, Any]) -> None:
    """Read every file again and compare it with the index. Raises: DataError; MissingDependencyError."""
    check_installed()
    check_no_other_files(export, index["episodes"], (INDEX,))
    for entry in index["episodes"]:
        path, stored = files_of(export, entry, SUFFIXES)[".rrd"], entry["stored"]
        recording_id, chunks = read_chunks(path)
        found: dict[str, Any] = {"recording_id": recording_id, "frames": 0, "images": dict.fromkeys(stored["images"], 0), "rows": 0}
        cameras = {entities.path_of("world", "cameras", name, "image"): name for name in stored["images"]}
        for chunk in chunks:
            found["rows"] += chunk.num_rows
            found["frames"] += chunk.num_rows if chunk.entity_path == "/world/human/landmarks" and not chunk.is_static else 0
            batch = chunk.to_record_batch()
            for name in NUMBERS:
                if name in batch.schema.names and not np.isfinite(_flat(batch.column(name))).all():
                    raise DataError(f"{path}: {chunk.entity_path} has values that are not finite. Make the export again.")
            if chunk.entity_path in cameras and IMAGE in batch.schema.names:
                camera = cameras[chunk.entity_path]
                blobs = batch.column(IMAGE)
                first, last = found["images"][camera] == 0, found["images"][camera] + len(blobs) == stored["images"][camera]
                for row in ([0] if first else []) + ([len(blobs) - 1] if last else []):
                    decode_jpeg(bytes(blobs[row].values[0].values.to_numpy()), source=f"{path}: an image of camera '{camera}'")
                found["images"][camera] += len(blobs)
        differing = [name for name, value in found.items() if value != stored[name]]
        if differing:
            said = "; ".join(f"{name} {found[name]}, {stored[name]} by the index" for name in differing)
            raise DataError(f"{path} holds something else than was written: {said}. Make the export again.")


def _flat(column: Any) -> npt.NDArray[Any]:
    values = column
    while hasattr(values, "flatten") and values.type.num_fields:
        values = values.flatten()
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


FORMAT = ExportFormat(
    name="rerun", description="Rerun recordings with cameras, person, robot and quality over true time, to look at in its viewer",
    writer=_Writer, verify=verify, takes=("cameras", "image_size", "rate_hz"),
)  # fmt: skip
