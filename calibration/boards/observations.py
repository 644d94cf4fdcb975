"""Find boards and tags in every frame of a recording, one process a camera, each result kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards import consistency, detection, refinement, tags
from bodydouble.calibration.boards.board import Board, join_targets
from bodydouble.calibration.boards.print import describe
from bodydouble.calibration.observations import NO_FRAME, Observations
from bodydouble.capture.frame_results import FrameFunction, frame_results
from bodydouble.capture.recording import Recording
from bodydouble.errors import DataError
from bodydouble.progress import Progress, silent

_CODE = tuple(Path(module.__file__) for module in (detection, refinement, consistency, tags) if module.__file__)


@dataclass(frozen=True)
class _MakeDetector:
    """Makes a board's detector where the frames are: detectors cannot be sent to other processes."""

    board: Board

    def __call__(self) -> FrameFunction:
        import cv2

        detector = detection.BoardDetector(self.board)

        def find(rgb: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
            return {"pixels": detector.detect(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8))}

        return find


def observe(
    recording: Recording, boards: Sequence[Board], *, clock_offset_s: Mapping[str, float] = {}, workers: int | None = None,
    progress: Progress = silent,
) -> Observations:  # fmt: skip
    """Return what every camera of ``recording`` saw of ``boards``; frames that were searched before come from the cache.

    Frames are put in step by their times, once ``clock_offset_s`` (camera to true capture time minus stamped one) is added; times are returned as
    stamped. In a recording of stills the k-th image of every camera is one moment. Pixels are those of the calibrated image where a video was declared
    to be a part of it; ``image_size`` stays that of the video. Raises: UsageError, DataError as ``frame_results``; UsageError if two boards have one
    name; DataError if no camera saw any board, with what was looked for.
    """
    sets = recording.frame_sets(clock_offset_s={} if recording.is_stills else clock_offset_s)
    offsets = np.array([[clock_offset_s.get(name, 0.0)] for name in sets.cameras])
    indices = {camera: sets.frame_index[row][sets.present[row]] for row, camera in enumerate(sets.cameras)}
    targets = join_targets([board.targets for board in boards])
    pixels = np.full((len(sets.cameras), len(sets), len(targets.points), 2), np.nan)
    first = 0
    for number, board in enumerate(boards):
        count = len(board.targets.points)

        def tell(done: float, total: float, number: int = number) -> None:
            progress(number * total + done, len(boards) * total)

        found = frame_results(
            recording, indices, stage="boards", key=(board.settings, *_CODE), shapes={"pixels": (count, 2)}, make=_MakeDetector(board),
            noun="board detector", workers=workers, progress=tell,
        )  # fmt: skip
        for row, camera in enumerate(sets.cameras):
            pixels[row, sets.present[row], first : first + count] = found[camera]["pixels"]
        first += count
    for row, camera in enumerate(sets.cameras):
        origin = recording.crop_origin(camera)
        if origin is not None:
            pixels[row] += origin
    if not np.isfinite(pixels).any():
        sought = "; ".join(f"'{board.name}' ({describe(board)})" for board in boards)
        raise DataError(
            f"No board was found in any of the {int(sets.present.sum())} frames of {', '.join(sets.cameras)}. Looked for {sought}. "
            "`bodydouble board find IMAGE` tells which board an image shows: its type, size, dictionary, and whether it is inverted or mirrored."
        )
    return Observations(
        sets.cameras,
        tuple(recording.image_size(camera) for camera in sets.cameras),
        targets,
        np.where(sets.present, sets.frame_index, NO_FRAME),
        np.full(sets.camera_times_s.shape, np.nan) if recording.is_stills else sets.camera_times_s - offsets,
        pixels,
    )
