"""The simulation that other tests believe."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_capture import as_built, charuco, hand_held, person, room_tags, simulate, standing_rig, with_clocks

from bodydouble.calibration import rotation
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.transform import apply, invert


@pytest.fixture(scope="module")
def tags():
    return room_tags()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("body", ["helmet", "backpack"])
def test_a_person_moves_like_one(seed, body):
    times = np.arange(0, 30, 0.01)
    T = person(seed)[body](times)
    turned = 100 * np.linalg.norm(rotation.log(np.swapaxes(T[:-1, :3, :3], 1, 2) @ T[1:, :3, :3]), axis=1)
    went = 100 * np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1)
    assert 0.2 < turned.max() < 2.5
    assert 0.2 < went.max() < 1.0
    assert np.abs(T[:, :2, 3]).max() < 0.8
    assert 1.2 < T[:, 2, 3].min() < T[:, 2, 3].max() < 1.9


def test_what_is_seen_is_where_the_truth_projects_it_at_the_true_time(tags):
    board, T_room_target = tags
    rig = as_built(preset_rig("optimus-helmet-backpack5"))
    seen, truth = simulate(rig, board.targets, T_room_target, person(), seconds=4, phases_s={"left_side": 0.003}, noise_px=0.0)
    for row, (name, camera) in enumerate(rig.cameras.items()):
        true_s = seen.times_s[row] + camera.time_offset_s
        assert np.allclose(true_s, truth.times_s + (0.003 if name == "left_side" else 0.0), atol=1e-12)
        T_camera_room = invert(truth.T_room_body(camera.body, true_s) @ camera.T_body_camera)
        points = apply(T_room_target[board.targets.target_of_point], board.targets.points)
        error = camera.model.project(apply(T_camera_room[:, None], points)) - seen.pixels[row]
        assert np.nanmax(np.abs(error)) < 1e-8
        assert np.isfinite(error).mean() > 0.1


def test_every_camera_sees_several_tags_nearly_always(tags):
    board, T_room_target = tags
    for name in ("optimus-helmet5", "optimus-helmet-backpack5"):
        seen, _ = simulate(preset_rig(name), board.targets, T_room_target, person(1), rate_hz=5)
        count = seen.seen.sum(axis=-1) / 4
        assert (count >= 3).mean() > 0.97
        assert (seen.seen.any(axis=(0, 1))).all(), "every tag is seen"


def test_without_a_common_view_no_tag_is_in_two_cameras_at_once(tags):
    board, T_room_target = tags
    seen, _ = simulate(preset_rig("optimus-helmet5"), board.targets, T_room_target, person(), seconds=2, exclusive=True)
    assert seen.seen.sum(axis=0).max() == 1
    assert (seen.shared_moments() - np.diag(np.diag(seen.shared_moments())) == 0).all()


def test_noise_outliers_gaps_and_clocks_are_as_asked_for(tags):
    board, T_room_target = tags
    rig = with_clocks(preset_rig("optimus-helmet5"), {"front": -0.004})
    same = {"seconds": 5, "seed": 3}
    plain, _ = simulate(rig, board.targets, T_room_target, person(), noise_px=0.0, missed=0.0, **same)
    noisy, _ = simulate(rig, board.targets, T_room_target, person(), noise_px=0.2, missed=0.1, outliers=0.05, **same)
    error = (noisy.pixels - plain.pixels)[noisy.seen]
    assert np.median(np.abs(error)) == pytest.approx(0.2 * 0.6745, rel=0.1)
    assert 0.02 < (np.linalg.norm(error, axis=-1) > 4).mean() < 0.08
    assert noisy.seen.sum() / plain.seen.sum() == pytest.approx(0.9, abs=0.02)
    assert np.allclose(plain.times_s[0] - plain.times_s[1], 0.004)
    gone, _ = simulate(rig, board.targets, T_room_target, person(), dropped=0.3, jitter_s=0.001, **same)
    assert (gone.frame_index < 0).mean() == pytest.approx(0.3, abs=0.05)
    assert np.array_equal(gone.frame_index < 0, np.isnan(gone.times_s))
    assert np.nanstd(gone.times_s - plain.times_s) == pytest.approx(0.001, rel=0.1)


def test_standing_cameras_share_the_view_of_a_board_that_is_moved():
    board = charuco()
    seen, truth = simulate(standing_rig(), board.targets, np.full((1, 4, 4), np.nan), {"board": hand_held()}, seconds=20, rate_hz=6)
    assert seen.shared_moments().min() > 50
    assert truth.T_room_body("board").shape == (120, 4, 4)
