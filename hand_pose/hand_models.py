"""MediaPipe's two hand networks by themselves: a palm detector for a square image, and 21 landmarks for a crop that holds one hand.

MediaPipe's own task object looks for palms in every image before it places landmarks. Where several cameras look at one hand, the crop is known already,
and most of a task's time and most of the hands it misses are the palm detector's. Crops and decoding follow MediaPipe's graphs (Apache-2.0):
``hand_detector_graph``, ``hand_landmarks_detector_graph`` and Zhang et al. 2020, "MediaPipe Hands: On-device real-time hand tracking".
"""

from __future__ import annotations

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import MissingDependencyError

FloatArray = npt.NDArray[np.float64]
RgbImage = npt.NDArray[np.uint8]

PALM_SIDE, HAND_SIDE = 192, 224
"""px of the square images that the networks take."""
_STRIDES = (8, 16, 16, 16)
_ANCHORS_PER_CELL = 2
SAME_PALM = 0.3
"""Overlap (intersection over union) from which two boxes are one palm, as in MediaPipe."""
_DETECTOR, _LANDMARKS = "hand_detector.tflite", "hand_landmarks_detector.tflite"


@dataclass(frozen=True)
class Palm:
    """One palm found in a square image, in shares of its side from the upper left corner."""

    score: float
    keypoints: FloatArray
    """(7, 2): wrist, knuckles of index, middle, ring and little finger, thumb's base and knuckle."""
    box: FloatArray
    """(4,) left, top, right, bottom."""


@dataclass(frozen=True)
class HandReading:
    """What the landmark network says of one crop."""

    points: FloatArray
    """(21, 2) px of the crop, counted from the centre of the first one."""
    shape_m: FloatArray
    """(21, 3) m, the network's guess of the hand's shape, in the crop's axes (x right, y down, z away), centred on the hand."""
    presence: float
    """In [0, 1]: how sure it is that a hand is there."""
    left: float
    """In [0, 1]: how sure it is that it is a left one."""


class HandModels:
    """Both networks, read from a ``.task`` bundle. Use in one thread. ``seconds`` counts the processor time spent in the networks alone.

    Raises: MissingDependencyError if they cannot be loaded.
    """

    def __init__(self, bundle: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter

            with zipfile.ZipFile(bundle) as models:
                self._palm, self._hand = (Interpreter(model_content=models.read(name), num_threads=1) for name in (_DETECTOR, _LANDMARKS))
            for network in (self._palm, self._hand):
                network.allocate_tensors()
        except (ImportError, OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise MissingDependencyError(
                f"The hand models of {bundle.name} could not be loaded: {error}. Run `bodydouble assets fetch` and `bodydouble doctor`."
            ) from None
        self._anchors = _anchors()
        self.seconds = 0.0

    def palms(self, square: RgbImage, least_score: float) -> list[Palm]:
        """Return the palms in an RGB image (192, 192, 3), the surest first."""
        raw, logits = self._run(self._palm, square)
        score = 1.0 / (1.0 + np.exp(-np.clip(logits.reshape(-1), -50.0, 50.0)))
        rows = np.flatnonzero(score >= least_score)
        if not len(rows):
            return []
        values = raw.reshape(-1, 18)[rows].astype(np.float64) / PALM_SIDE
        middle, size = values[:, :2] + self._anchors[rows], values[:, 2:4]
        boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
        keypoints = values[:, 4:].reshape(-1, 7, 2) + self._anchors[rows][:, None]
        return [Palm(weight, points, box) for weight, points, box in _merged(score[rows], keypoints, boxes)]

    def hand(self, crop: RgbImage) -> HandReading:
        """Return what the landmark network says of an RGB image (224, 224, 3) with one hand, fingers up, half as long as the crop."""
        points, presence, right, shape = self._run(self._hand, crop)
        # The network counts from the corner of the first pixel.
        return HandReading(
            points.reshape(21, 3)[:, :2].astype(np.float64) - 0.5,
            shape.reshape(21, 3).astype(np.float64),
            float(presence.item()),
            1.0 - float(right.item()),
        )

    def _run(self, network: Any, image: RgbImage) -> list[npt.NDArray[np.float32]]:
        started = time.thread_time()
        network.set_tensor(network.get_input_details()[0]["index"], (image[None] * np.float32(1 / 255)))
        network.invoke()
        found = [network.get_tensor(item["index"]) for item in sorted(network.get_output_details(), key=lambda item: str(item["name"]))]
        self.seconds += time.thread_time() - started
        return found


def _anchors() -> FloatArray:
    """Return (2016, 2) middles of the palm detector's anchors, in shares of the image: SSD with a fixed size, as MediaPipe's options say."""
    anchors = []
    layer = 0
    while layer < len(_STRIDES):
        stride = _STRIDES[layer]
        same = sum(1 for other in _STRIDES[layer:] if other == stride)
        cells = PALM_SIDE // stride
        y, x = np.mgrid[:cells, :cells]
        middle = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        anchors.append(np.repeat(middle, _ANCHORS_PER_CELL * same, axis=0))
        layer += same
    return np.concatenate(anchors)


def _merged(score: FloatArray, keypoints: FloatArray, boxes: FloatArray) -> list[tuple[float, FloatArray, FloatArray]]:
    """Return the distinct palms: boxes that overlap the surest are averaged into it by their scores (MediaPipe's weighted suppression)."""
    left = list(np.argsort(-score, kind="stable"))
    palms = []
    while left:
        best = left[0]
        near = [row for row in left if _overlap(boxes[best], boxes[row]) > SAME_PALM] or [best]
        weight = score[near] / score[near].sum()
        palms.append((float(score[best]), np.einsum("n,nij->ij", weight, keypoints[near]), weight @ boxes[near]))
        left = [row for row in left if row not in near]
    return palms


def _overlap(one: FloatArray, two: FloatArray) -> float:
    low, high = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    inside = float(np.prod(np.maximum(high - low, 0.0)))
    total = float(np.prod(one[2:] - one[:2]) + np.prod(two[2:] - two[:2])) - inside
    return inside / total if total > 0 else 0.0
