"""What finding hands costs beyond the networks themselves: the share of processor time that is inference, for one simulated recording.

    python tests/benchmarks/detection_share.py RECORDING [--frames N]

Prints processor time a frame set for decoding, inference and the rest, how many crops were looked at, and the same for MediaPipe's own task in
views that cover each image, on a few of the frames.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from bodydouble import assets
from bodydouble.calibration import read_rig
from bodydouble.capture import open_recording
from bodydouble.hand_pose.detection import HAND_MODEL
from bodydouble.hand_pose.detector import hand_landmarker, mediapipe_image
from bodydouble.hand_pose.hand_crop import HandCrop
from bodydouble.hand_pose.hand_models import HandModels
from bodydouble.hand_pose.hand_tracker import CameraView, HandTracker, search_views

PEER_FRAMES = 10
PEER_SIDE = 448


def main() -> None:
    """Follow the hands of a recording in this process and print where the time went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--frames", type=int, default=90)
    given = parser.parse_args()
    recording = open_recording(given.recording)
    rig = read_rig(given.recording / "rig.toml")
    frame_sets = recording.frame_sets(stop=given.frames)
    models = HandModels(assets.path_of(HAND_MODEL))
    tracker = HandTracker(models)
    videos = [
        recording.frames(name, row[there])
        for name, row, there in zip(frame_sets.cameras, frame_sets.frame_index, frame_sets.present, strict=True)
    ]
    decoding, started, crops = 0.0, time.process_time(), 0
    kept: list[list[CameraView | None]] = []
    for frame, time_s in enumerate(frame_sets.times_s):
        before = time.process_time()
        views = [
            CameraView(next(video)[2], rig.camera(name).model, rig.camera(name).T_body_camera) if there[frame] else None
            for name, video, there in zip(frame_sets.cameras, videos, frame_sets.present, strict=True)
        ]
        decoding += time.process_time() - before
        crops += sum(len(track.seen) for track in tracker.update(views, float(time_s)))
        if frame < PEER_FRAMES:
            kept.append(views)
    total, count = time.process_time() - started, len(frame_sets)
    rest = total - decoding - models.seconds
    print(f"simulated, {count} frame sets of {len(videos)} cameras, {crops / count:.1f} hands seen in each")
    print(
        "ms of processor time a frame set: "
        + f"decoding {1e3 * decoding / count:.1f}, inference {1e3 * models.seconds / count:.1f}, rest {1e3 * rest / count:.1f}"
    )
    print(f"share of inference: {models.seconds / total:.2f} of all, {models.seconds / (total - decoding):.2f} of what is not decoding")
    peer, found = _peer(kept)
    times = peer / (total / count)
    print(
        f"MediaPipe's task in views that cover the image: {1e3 * peer:.0f} ms a frame set = {times:.1f} times as long, {found:.1f} hands in each"
    )


def _peer(frames: list[list[CameraView | None]]) -> tuple[float, float]:
    task = hand_landmarker(assets.path_of(HAND_MODEL), 0.25)
    started, found = time.process_time(), 0
    for views in frames:
        for view in views:
            for search in search_views(view.model) if view is not None else ():
                image = HandCrop(search.R_camera_crop, search.half, PEER_SIDE).cut(view.image, view.model, least_inside=0.3)
                if image is not None:
                    found += len(task.detect(mediapipe_image(np.asarray(image))).hand_landmarks)
    seconds = time.process_time() - started
    task.close()
    return seconds / len(frames), found / len(frames)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    with threadpool_limits(limits=1):
        main()
