"""How good a rig is on frames that nothing was solved with: no frame, no corner and no error is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_capture import Truth, charuco, hand_held, person, room_tags, simulate, standing_rig

from bodydouble.calibration.held_out import only, score_held_out
from bodydouble.calibration.observations import NO_FRAME, Observations
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.rig import Rig


def standing(**options: object) -> tuple[Observations, Truth]:
    board = charuco()
    return simulate(
        standing_rig(), board.targets, np.full((1, 4, 4), np.nan), {board.name: hand_held(1, spread=(0.2, 0.2, 0.1))},
        **{"seconds": 2, "rate_hz": 10, "noise_px": 0.0, "missed": 0.0} | options,  # type: ignore[arg-type]
    )  # fmt: skip


def larger(rig: Rig, factor: float) -> Rig:
    cameras = {}
    for name, camera in rig.cameras.items():
        T = camera.T_body_camera.copy()
        T[:3, 3] *= factor
        cameras[name] = replace(camera, T_body_camera=T)
    return replace(rig, cameras=cameras)


def test_the_true_rig_measures_without_error() -> None:
    seen, truth = standing()
    score = score_held_out(truth.rig, seen)
    in_two = seen.seen.sum(axis=0) >= 2
    pairs = in_two.sum(axis=1)
    assert score.corners == in_two.sum()
    assert score.frames == (pairs > 1).sum()
    assert len(score.distance_error_m) == (pairs * (pairs - 1) // 2).sum()
    assert np.abs(score.distance_error_m).max() < 1e-8
    assert {name: len(px) for name, px in score.reprojection_px.items()} == {
        name: int((seen.seen[c] & in_two).sum()) for c, name in enumerate(seen.cameras)
    }
    assert max(px.max() for px in score.reprojection_px.values()) < 1e-5


def test_a_rig_that_is_a_percent_too_large_measures_a_percent_too_much() -> None:
    seen, truth = standing()
    score = score_held_out(larger(truth.rig, 1.01), seen)
    i, j = np.triu_indices(len(seen.targets.points), 1)
    longest = np.linalg.norm(seen.targets.points[i] - seen.targets.points[j], axis=1).max()
    assert score.distance_error_m.max() == pytest.approx(0.01 * longest, rel=1e-3)
    assert score.distance_error_m.min() > 0, "signed: measured minus true"


def test_a_corner_that_is_far_off_counts() -> None:
    seen, truth = standing()
    pixels = seen.pixels.copy()
    moment = int(np.flatnonzero(seen.seen[:, :, 0].sum(axis=0) >= 2)[0])
    camera = int(np.flatnonzero(seen.seen[:, moment, 0])[0])
    pixels[camera, moment, 0] += 40
    score, before = (score_held_out(truth.rig, item) for item in (replace(seen, pixels=pixels), seen))
    assert score.corners == before.corners
    assert len(score.distance_error_m) == len(before.distance_error_m)
    assert np.abs(score.distance_error_m).max() > 0.005
    assert score.reprojection_px[seen.cameras[camera]].max() > 5


def test_cameras_of_different_bodies_and_lone_cameras_measure_nothing() -> None:
    board, poses = room_tags()
    rig = preset_rig("optimus-helmet-backpack5")
    seen, truth = simulate(rig, board.targets, poses, person(), seconds=4, rate_hz=5, noise_px=0.0)
    score = score_held_out(truth.rig, seen)
    assert np.abs(score.distance_error_m).max() < 1e-6, "a point is never met by rays of two bodies, whose relative pose changes"
    alone = rig.select(["front"])
    one = Observations(("front",), seen.image_size[:1], seen.targets, seen.frame_index[:1], seen.times_s[:1], seen.pixels[:1])
    score = score_held_out(alone, one)
    assert (len(score.distance_error_m), score.corners, score.frames) == (0, 0, 0)
    assert score.reprojection_px["front"].shape == (0,)


def test_distances_are_measured_within_one_target_only() -> None:
    """A tag that stands elsewhere than before says nothing about the rig."""
    board, poses = room_tags()
    seen, truth = simulate(preset_rig("optimus-helmet5"), board.targets, poses, person(), seconds=4, rate_hz=5, noise_px=0.0)
    score = score_held_out(truth.rig, seen)
    in_two = seen.seen.sum(axis=0) >= 2
    per_tag = np.stack([in_two[:, seen.targets.points_of(g)].sum(axis=1) for g in range(24)])
    assert len(score.distance_error_m) == (per_tag * (per_tag - 1) // 2).sum()


def test_only_some_frames_can_be_left_as_if_the_others_had_not_been_filmed() -> None:
    seen, _ = standing()
    odd = only(seen, seen.frame_index % 2 == 1)
    assert (odd.frame_index[:, ::2] == NO_FRAME).all()
    assert np.isnan(odd.times_s[:, ::2]).all()
    assert not odd.seen[:, ::2].any()
    assert np.array_equal(odd.pixels[:, 1::2], seen.pixels[:, 1::2], equal_nan=True)
