"""Time shifts: of a camera's times, of its images against its landmarks, of the robot against the person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.transform import invert
from bodydouble.check import Check
from bodydouble.datasets.validation.camera_lag import camera_lag
from bodydouble.datasets.validation.image_lag import image_lag
from bodydouble.datasets.validation.lag_search import Lag
from bodydouble.datasets.validation.limits import complaints, limit
from bodydouble.datasets.validation.opened_episode import OpenedEpisode
from bodydouble.datasets.validation.robot_lag import robot_lag
from bodydouble.datasets.validation.swap_rules import SIDES, hands_of_robot
from bodydouble.hand_pose.clock_check import clock_offsets

FloatArray = npt.NDArray[np.float64]

LABEL = "time shifts"


def time_shifts(episode: OpenedEpisode) -> Iterator[Check]:
    """Find the shift at which two things that show one motion agree best; only a shift that is known well counts."""
    if episode.frames < limit("least_frames"):
        yield Check(LABEL, "PASS", f"{episode.frames} frames are too few to tell")
        return
    found: list[Check] = []
    known: list[str] = []
    for figure, what, lag in [*_cameras(episode), *_clocks(episode), *_images(episode), *_robot(episode)]:
        if not lag.known or (abs(lag.seconds) < limit("lag_sigmas") * lag.sigma_s and lag.sigma_s > LARGEST_SIGMA_S):
            continue
        known.append(what)
        if abs(lag.seconds) >= limit("lag_sigmas") * lag.sigma_s:
            milliseconds = 1e3 * lag.seconds
            found += complaints(
                LABEL, figure, abs(milliseconds), f"{what} {'later' if milliseconds > 0 else 'earlier'} by {abs(milliseconds):.0f} ms"
            )
    yield from found
    if not found:
        yield Check(LABEL, "PASS", f"none in {len(known)} comparisons of cameras, images, person and robot")


LARGEST_SIGMA_S = 0.02
"""A shift that is less well known than this, and may be none, was not judged."""


def _cameras(episode: OpenedEpisode) -> Iterator[tuple[str, str, Lag]]:
    for row, camera in enumerate(episode.cameras):
        yield "camera_lag_ms", f"landmarks of camera '{camera}' are, against the person,", camera_lag(episode, row)


def _clocks(episode: OpenedEpisode) -> Iterator[tuple[str, str, Lag]]:
    clocks = clock_offsets(episode.motion, episode.landmarks, episode.rig)
    for camera, offset, sigma in zip(clocks.cameras, clocks.offset_s, clocks.sigma_s, strict=True):
        yield "clock_lag_ms", f"frames of camera '{camera}' are, against the other cameras,", Lag(float(offset), float(sigma))


def _images(episode: OpenedEpisode) -> Iterator[tuple[str, str, Lag]]:
    for camera in episode.cameras:
        if any(camera in episode.file.get(kind, {}) for kind in ("images", "videos")):
            yield "image_lag_ms", f"images of camera '{camera}' are, against its landmarks,", image_lag(episode, camera)


def _robot(episode: OpenedEpisode) -> Iterator[tuple[str, str, Lag]]:
    hands = hands_of_robot(episode)
    if hands is not None and {"pelvis", "left_hand", "right_hand"} <= set(episode.motion.link_names):
        from_pelvis = invert(episode.motion.link("pelvis"))
        seen = [(from_pelvis @ episode.motion.link(f"{side}_hand"))[:, :3, 3] for side in SIDES]
        yield "robot_lag_ms", "hands of the robot are, against the person's,", robot_lag(episode.times_s, hands, np.stack(seen))
