"""Hands over a whole recording: blocks in processes, kept, and called left or right by all cameras over half a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodydouble.capture import Recording, import_videos
from bodydouble.hand_pose import rig_hands
from bodydouble.hand_pose.detection import detect
from bodydouble.hand_pose.hand_tracker import Sighting, Track
from bodydouble.hand_pose.landmarks import LEFT_HAND, POSE, RIGHT_HAND, Landmarks


def sighting(left: float) -> Sighting:
    rays = np.tile([0.0, 0.0, 1.0], (21, 1))
    return Sighting(rays, rays, np.zeros((21, 3)), 0.9, left)


def test_one_wrong_vote_does_not_change_what_a_hand_is_called():
    track = Track(5, np.zeros((21, 3)), 0.0)
    times = np.arange(10) / 30
    kept = [[(track, {0: sighting(0.9), 1: sighting(0.1 if frame == 4 else 0.8)}, None)] for frame in range(10)]
    shares = rig_hands._left_share(kept, times)
    assert all(0.7 < shares[frame, 5] < 0.9 for frame in range(10))


def test_votes_of_long_ago_do_not_count():
    track = Track(5, np.zeros((21, 3)), 0.0)
    times = np.arange(60) / 30
    kept = [[(track, {0: sighting(0.9 if frame < 30 else 0.1)}, None)] for frame in range(60)]
    shares = rig_hands._left_share(kept, times)
    assert shares[0, 5] > 0.85
    assert shares[59, 5] < 0.15


@pytest.fixture
def one_hand(shared_data, tmp_path, isolated_results) -> Recording:
    """A real right hand held up to one camera."""
    video = shared_data / "hands" / "dexretarget_hand.mp4"
    (tmp_path / "cam.mp4").symlink_to(video)
    return import_videos([tmp_path / "cam.mp4"], tmp_path / "recording")


def detected(recording: Recording) -> Landmarks:
    return detect(recording, recording.frame_sets(start=100, stop=112), workers=1)


def test_a_hand_without_a_body_is_found_in_every_frame_on_one_side_and_kept(one_hand, monkeypatch, pose_model, hand_model):
    found = detected(one_hand)
    assert np.isfinite(found.pixels[0][:, RIGHT_HAND]).all()
    assert np.isnan(found.pixels[0][:, LEFT_HAND]).all()
    assert np.isnan(found.pixels[0][:, POSE]).all()
    assert (found.confidence[0][:, RIGHT_HAND] > 0.9).all()
    assert found.settings["hand_tracker.least_presence"]
    monkeypatch.setattr(rig_hands, "run_in_processes", lambda *_, **__: pytest.fail("a tracker was started"))
    assert np.array_equal(detected(one_hand).pixels, found.pixels, equal_nan=True)
    assert len(list((Path(rig_hands.cache_folder()) / "hands").glob("*.h5"))) == 1
