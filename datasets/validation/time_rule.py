"""True times grow; where a camera has a frame its time does too, near the moment that it stands for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bodydouble.check import Check
from bodydouble.datasets.validation.limits import AGAIN, complaints
from bodydouble.datasets.validation.opened_episode import OpenedEpisode

TIMESTAMPS = "Check the recording's timestamps and process it again."


def times(episode: OpenedEpisode) -> Iterator[Check]:
    """Check the times of the frames, and those of every camera."""
    moments = episode.times_s
    if len(moments) == 0:
        yield Check("times", "FAIL", "the episode has no frames", AGAIN)
        return
    if not np.isfinite(moments).all() or (np.diff(moments) <= 0).any():
        first = int(np.argmax(~(np.diff(moments) > 0))) if len(moments) > 1 else 0
        yield Check("times", "FAIL", f"times_s does not grow from frame {first} to {first + 1}", TIMESTAMPS)
    else:
        yield Check("times", "PASS", f"{len(moments)} frames over {moments[-1] - moments[0]:.3f} s, growing")
    index = episode.file["recording/frame_index"][()]
    for row, camera in enumerate(episode.cameras):
        seen = np.isfinite(episode.camera_times_s[row])
        yield from _camera_times(camera, episode.camera_times_s[row][seen])
        if (np.diff(index[row][seen & episode.present[row]]) < 0).any():
            yield Check("times", "FAIL", f"frame numbers of camera '{camera}' go back (recording/frame_index)", TIMESTAMPS)
        if seen.sum() > 1:
            own = episode.camera_times_s[row][seen]
            away, period = float(np.median(own - moments[seen])), float(np.median(np.diff(own)))
            if period > 0:
                found = f"camera '{camera}' is {1e3 * away:+.0f} ms from the moments that its frames stand for"
                yield from complaints("times", "camera_skew_periods", abs(away) / period, found)


def _camera_times(camera: str, seen: np.ndarray) -> Iterator[Check]:  # type: ignore[type-arg]
    if (np.diff(seen) < 0).any():
        yield Check("times", "FAIL", f"capture times of camera '{camera}' go back", TIMESTAMPS)
    elif (np.diff(seen) == 0).any():
        yield Check(
            "times", "WARN", f"camera '{camera}' shows the same frame again {int((np.diff(seen) == 0).sum())} times",
            "Its rate is lower than the others'; leave it out with --cameras if that matters.",
        )  # fmt: skip
