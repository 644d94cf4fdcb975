"""Which points of the feet are planted, and that they stand still then."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bodydouble.retarget.contacts import anchored, find_contacts, phases

FloatArray = npt.NDArray[np.float64]
TIMES = np.arange(240) / 60.0


def step(start: float, stop: float, *, rise: float = 0.12, stride: float = 0.5) -> FloatArray:
    """Return a foot (T, 3) m that stands, steps forward between two times (s), and stands again."""
    s = np.clip((TIMES - start) / (stop - start), 0, 1)
    smooth = s * s * (3 - 2 * s)
    return np.stack([stride * smooth, np.full_like(s, 0.1), 0.02 + rise * np.sin(np.pi * s) ** 2], axis=1)


def test_a_foot_is_planted_before_and_after_a_step_and_not_in_it() -> None:
    found = find_contacts(TIMES, {"left_heel": step(1.5, 2.2)})
    mask = found.planted["left_heel"]
    assert mask[:85].all()
    assert mask[140:].all()
    assert not mask[100:125].any()
    assert found.floor_m == pytest.approx(0.02, abs=1e-6)
    np.testing.assert_allclose(found.ground["left_heel"][mask], 0.02, atol=1e-6)


def test_noise_does_not_lift_a_foot_but_a_fast_one_is_not_planted() -> None:
    noise = np.random.default_rng(0).normal(scale=0.001, size=(240, 3))
    assert find_contacts(TIMES, {"left_heel": step(5, 6) + noise}, {"left_heel": 0.02}).planted["left_heel"].all()
    sliding = step(5, 6) + np.stack([0.5 * TIMES, 0 * TIMES, 0 * TIMES], axis=1)
    assert not find_contacts(TIMES, {"left_heel": sliding}).planted["left_heel"].any()


def test_a_foot_on_a_box_is_planted_on_the_box() -> None:
    up = step(1.5, 2.2, rise=0.2)
    up[:, 2] += 0.3 * np.clip((TIMES - 1.5) / 0.7, 0, 1)
    other = step(2.4, 3.1, rise=0.2)
    other[:, 2] += 0.3 * np.clip((TIMES - 2.4) / 0.7, 0, 1)
    found = find_contacts(TIMES, {"left_heel": up, "right_heel": other})
    assert found.planted["left_heel"][200:].all()
    np.testing.assert_allclose(found.ground["left_heel"][200:], 0.32, atol=0.01)


def test_a_foot_held_still_in_the_air_is_not_planted() -> None:
    lifted = step(0.5, 1.0)
    lifted[:, 2] = np.interp(TIMES, [0, 0.5, 1.0, 4.0], [0.02, 0.02, 0.3, 0.3])
    found = find_contacts(TIMES, {"left_heel": lifted, "right_heel": step(9, 10)})
    assert not found.planted["left_heel"][70:].any()
    assert found.planted["right_heel"].all()


def test_a_foot_that_turns_round_at_its_lowest_is_not_planted() -> None:
    swing = np.stack([0.01 * TIMES, np.full_like(TIMES, 0.1), 0.5 - 0.48 * np.cos(2.0 * np.pi * 0.25 * (TIMES - 2.0))], axis=1)
    found = find_contacts(TIMES, {"left_toe_tip": swing}, {"left_toe_tip": 0.005})
    assert not found.planted["left_toe_tip"].any()
    assert found.floor_m == swing[:, 2].min()


def test_a_foot_that_comes_to_rest_for_a_moment_is_planted() -> None:
    down_and_up = step(5, 6)
    down_and_up[:, 2] += np.maximum(0, np.abs(TIMES - 2.0) - 0.15) ** 2 * 3.0
    assert find_contacts(TIMES, {"left_heel": down_and_up}, {"left_heel": 0.005}).planted["left_heel"][120]


def test_missing_places_are_not_planted_and_no_feet_are_no_error() -> None:
    gone = step(1.5, 2.2)
    gone[30:60] = np.nan
    mask = find_contacts(TIMES, {"left_heel": gone}).planted["left_heel"]
    assert not mask[30:60].any()
    assert mask[:20].all()
    assert find_contacts(TIMES, {}).planted == {}
    assert not find_contacts(TIMES, {"left_heel": np.full((240, 3), np.nan)}).planted["left_heel"].any()


def test_what_is_planted_gets_one_place_on_the_ground_and_the_way_between_stays_smooth() -> None:
    heel = step(1.5, 2.2)
    found = find_contacts(TIMES, {"left_heel": heel})
    drifting = heel + np.stack([0.01 * np.sin(3 * TIMES), 0 * TIMES, 0.03 + 0 * TIMES], axis=1)
    mask = found.planted["left_heel"]
    moved = drifting + anchored(mask, found.ground["left_heel"], drifting)
    for start, stop in phases(mask):
        assert np.ptp(moved[start:stop], axis=0).max() < 1e-12
        assert moved[start, 2] == pytest.approx(0.02, abs=1e-6)
    assert np.abs(np.diff(moved, axis=0)).max() < 0.03


def test_a_single_frame_of_someone_standing_is_a_contact() -> None:
    found = find_contacts(np.array([0.0]), {"left_heel": np.array([[0.0, 0.1, 0.02]])})
    assert found.planted["left_heel"].all()
