"""Whether a camera moved: simulated rigs whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_capture import charuco, hand_held, person, room_tags, simulate, standing_rig, with_clocks
from simulated_person import SimulatedPerson, exchanged, moved, see_person

from bodydouble.calibration import Rig, Sigma
from bodydouble.calibration.drift.check import check_drift
from bodydouble.calibration.drift.result import Drift
from bodydouble.calibration.observations import Observations
from bodydouble.calibration.presets import preset_rig
from bodydouble.errors import UnknownNameError, UsageError


def by_person(rig: Rig, seen: SimulatedPerson) -> Drift:
    return check_drift(rig, seen.pixels, seen.confidence, seen.times_s)


def by_board(rig: Rig, seen: Observations) -> Drift:
    return check_drift(rig, seen.pixels, None, seen.times_s, targets=seen.targets, kind="boards")


def calibrated(rig: Rig) -> Rig:
    """The rig as `calibrate rig` would leave it: with sigmas."""
    cameras = {name: replace(camera, sigma=Sigma(rotation_rad=3e-4, position_m=5e-4)) for name, camera in rig.cameras.items()}
    return replace(rig, cameras=cameras)


def see_board(rig: Rig, seed: int = 0) -> Observations:
    board = charuco()
    return simulate(rig, board.targets, np.full((1, 4, 4), np.nan), {"board": hand_held(seed)}, seed=seed, rate_hz=12)[0]


def test_a_rig_that_stands_still_is_called_still_whoever_walks_before_it() -> None:
    rig = standing_rig()
    found = [by_person(rig, see_person(rig, seed=seed)) for seed in range(3)]
    assert [drift.finding for drift in found] == ["still"] * 3
    assert all(camera.state == "still" for drift in found for camera in drift.cameras.values())


def test_a_board_finds_no_move_where_there_is_none() -> None:
    rig = calibrated(standing_rig())
    found = [by_board(rig, see_board(rig, seed)) for seed in range(3)]
    assert [drift.finding for drift in found] == ["still"] * 3
    assert max(camera.shift_px for drift in found for camera in drift.cameras.values()) < 1


@pytest.mark.parametrize(("turn_deg", "seed"), [((0.0, 2.0, 0.0), 0), ((1.5, 0.8, 0.0), 1)])
def test_a_camera_that_turned_is_named_by_a_persons_landmarks_alone(turn_deg: tuple[float, ...], seed: int) -> None:
    rig = standing_rig()
    drift = by_person(rig, see_person(rig, seed=seed, after=moved(rig, "cam2", turn_deg)))
    assert (drift.finding, drift.suspects) == ("moved", ("cam2",))
    camera = drift.cameras["cam2"]
    assert np.linalg.norm(camera.rotation_rad - np.radians(turn_deg)) < 3 * camera.sigma_rotation_rad
    assert camera.moved_mm < 3000 * camera.sigma_position_m
    assert camera.after_px < camera.before_px
    assert all(drift.cameras[name].state == "still" for name in ("cam0", "cam1", "cam3"))
    assert drift.since_s is None


@pytest.mark.parametrize("seed", range(2))
def test_a_board_names_a_camera_that_turned_by_half_a_degree_and_says_how_far(seed: int) -> None:
    rig = calibrated(standing_rig())
    turn_deg, shift_m = [0.3, -0.4, 0.0], [0.004, 0.0, 0.0]
    drift = by_board(rig, see_board(moved(rig, "cam1", turn_deg, shift_m), seed))
    assert (drift.finding, drift.suspects) == ("moved", ("cam1",))
    camera = drift.cameras["cam1"]
    assert np.linalg.norm(camera.rotation_rad - np.radians(turn_deg)) < 3.5 * camera.sigma_rotation_rad
    assert np.linalg.norm(camera.position_m - shift_m) < 3.5 * camera.sigma_position_m
    assert camera.noticed_deg < 0.5


def test_a_move_during_the_recording_is_dated() -> None:
    rig = standing_rig()
    walker = see_person(rig, seed=3, seconds=20, after=moved(rig, "cam0", [2.0, 1.0, 0.0]), moved_at_s=8.0)
    drift = by_person(rig, walker)
    assert (drift.finding, drift.suspects) == ("moved", ("cam0",))
    assert drift.since_s is not None
    assert abs(drift.since_s - 8.0) < 0.5
    assert drift.until_s is None
    off = {window.start_s: window.shift_px["cam0"] for window in drift.windows}
    assert min(shift for start, shift in off.items() if start > 8.5) > 3 * max(shift for start, shift in off.items() if start < 4)


def test_a_camera_that_was_put_back_is_off_until_then() -> None:
    rig = standing_rig()
    knocked = moved(rig, "cam3", [2.0, 1.0, 0.0])
    walker = see_person(knocked, seed=4, seconds=20, after=rig, moved_at_s=8.0)
    drift = by_person(rig, walker)
    assert (drift.finding, drift.suspects) == ("moved", ("cam3",))
    assert drift.since_s is None
    assert drift.until_s is not None
    assert abs(drift.until_s - 8.0) < 0.5


def test_a_camera_that_turned_far_is_named_with_its_angle() -> None:
    rig = calibrated(standing_rig())
    drift = by_board(rig, see_board(moved(rig, "cam2", [0.0, 8.0, 0.0])))
    assert (drift.finding, drift.suspects) == ("moved", ("cam2",))
    assert drift.cameras["cam2"].turned_deg == pytest.approx(8.0, abs=4 * np.degrees(drift.cameras["cam2"].sigma_rotation_rad))


def test_a_camera_of_a_worn_helmet_is_named_by_tags_that_its_neighbours_see_too() -> None:
    rig = calibrated(preset_rig("optimus-helmet5"))
    tags, T_room_target = room_tags()
    seen, _ = simulate(moved(rig, "left_down", [0.0, 1.0, 0.0]), tags.targets, T_room_target, person(), seconds=15, rate_hz=15)
    drift = by_board(rig, seen)
    assert (drift.finding, drift.suspects) == ("moved", ("left_down",))
    assert drift.cameras["left_down"].turned_deg == pytest.approx(1.0, abs=4 * np.degrees(drift.cameras["left_down"].sigma_rotation_rad))


def test_two_cameras_that_moved_are_both_named() -> None:
    rig = calibrated(standing_rig(5))
    drift = by_board(rig, see_board(moved(moved(rig, "cam1", [1.0, 0.0, 0.0]), "cam4", [0.0, 1.5, 0.0])))
    assert (drift.finding, drift.suspects) == ("several", ("cam1", "cam4"))
    assert all(drift.cameras[name].state == "moved" for name in ("cam1", "cam4"))


def test_of_two_cameras_alone_it_cannot_be_told_which_one_moved() -> None:
    rig = calibrated(standing_rig(2))
    drift = by_board(rig, see_board(moved(rig, "cam1", [1.0, 1.0, 0.0])))
    assert (drift.finding, drift.suspects) == ("one_of", ("cam0", "cam1"))
    assert {camera.state for camera in drift.cameras.values()} == {"suspect"}


def test_exchanged_videos_are_recognised() -> None:
    rig = standing_rig()
    drift = by_person(rig, exchanged(see_person(rig), 1, 3))
    assert (drift.finding, drift.suspects) == ("exchanged", ("cam1", "cam3"))
    board = see_board(rig)
    swapped = replace(board, pixels=board.pixels[[1, 0, 2, 3]])
    assert by_board(rig, swapped).suspects == ("cam0", "cam1")


def test_a_camera_that_films_something_else_is_not_said_to_have_moved() -> None:
    rig = standing_rig()
    walker, other = see_person(rig, seed=0), see_person(rig, seed=99)
    pixels = walker.pixels.copy()
    pixels[2] = other.pixels[2]
    drift = check_drift(rig, pixels, walker.confidence, walker.times_s)
    assert drift.finding == "incoherent"
    assert "cam2" in drift.suspects


def test_clock_offsets_of_the_rig_are_taken_out() -> None:
    rig = calibrated(with_clocks(standing_rig(), {"cam1": 0.03, "cam3": -0.03}))
    board = see_board(rig)
    assert by_board(rig, board).finding == "still"
    as_stamped = by_board(with_clocks(rig, {"cam1": 0.0, "cam3": 0.0}), board)
    assert by_board(rig, board).cameras["cam1"].before_px < 0.9 * as_stamped.cameras["cam1"].before_px


def test_cameras_that_share_nothing_cannot_be_checked() -> None:
    rig = standing_rig()
    walker = see_person(rig, seconds=2)
    pixels = walker.pixels.copy()
    pixels[1:] = np.nan
    drift = check_drift(rig, pixels, None, walker.times_s)
    assert drift.finding == "not_enough"
    assert {camera.state for camera in drift.cameras.values()} == {"unknown"}
    assert check_drift(rig, np.full_like(pixels, np.nan), None, walker.times_s).finding == "not_enough"


def test_cameras_on_bodies_that_move_against_each_other_are_not_compared() -> None:
    rig = standing_rig()
    cameras = {name: replace(camera, body=name) for name, camera in rig.cameras.items()}
    apart = replace(rig, bodies=tuple(cameras), cameras=cameras)
    assert by_person(apart, see_person(rig, seconds=2)).finding == "not_enough"


def test_a_camera_that_saw_little_is_unknown_and_does_not_spoil_the_others() -> None:
    rig = standing_rig()
    walker = see_person(rig)
    pixels = walker.pixels.copy()
    pixels[3, 5:] = np.nan
    drift = check_drift(rig, pixels, walker.confidence, walker.times_s)
    assert drift.finding == "still"
    assert [camera.state for camera in drift.cameras.values()] == ["still", "still", "still", "unknown"]


def test_recordings_without_times_are_checked_too() -> None:
    rig = calibrated(standing_rig())
    board = see_board(moved(rig, "cam0", [1.0, 0.0, 0.0]))
    drift = check_drift(rig, board.pixels, None, np.full_like(board.times_s, np.nan), targets=board.targets, kind="boards")
    assert drift.suspects == ("cam0",)


def test_arrays_that_do_not_fit_the_rig_are_refused() -> None:
    rig, pixels = standing_rig(), np.zeros((4, 3, 2, 2))
    with pytest.raises(UsageError, match=r"expected \(4, T, P, 2\)"):
        check_drift(rig, pixels[:3], None, np.zeros((3, 3)))
    with pytest.raises(UsageError, match="times has shape"):
        check_drift(rig, pixels, None, np.zeros((4, 2)))
    with pytest.raises(UsageError, match="confidence has shape"):
        check_drift(rig, pixels, np.zeros((4, 3)), np.zeros((4, 3)))
    with pytest.raises(UnknownNameError, match="boards, landmarks"):
        check_drift(rig, pixels, None, np.zeros((4, 3)), kind="stars")  # type: ignore[arg-type]
