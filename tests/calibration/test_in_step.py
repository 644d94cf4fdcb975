"""Which frames were taken together, once clocks are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from simulated_capture import Truth, charuco, hand_held, simulate, standing_rig

from bodydouble.calibration.held_out import score_held_out
from bodydouble.calibration.in_step import groupings, in_step
from bodydouble.calibration.observations import NO_FRAME, Observations


def standing(**options: object) -> tuple[Observations, Truth]:
    board = charuco()
    return simulate(
        standing_rig(), board.targets, np.full((1, 4, 4), np.nan), {board.name: hand_held(1, spread=(0.2, 0.2, 0.1))},
        **{"seconds": 2, "rate_hz": 10, "noise_px": 0.0, "missed": 0.0} | options,  # type: ignore[arg-type]
    )  # fmt: skip


def test_frames_of_a_late_clock_find_their_true_partners() -> None:
    """One camera's stamps are two frames late; by its corrected times each of its frames meets those taken when it was."""
    seen, truth = standing(clock_offsets_s={"cam1": 0.2})
    as_stamped = in_step(seen, np.zeros(4))  # as a recording's frames are grouped; `simulate` knows which belong together
    bad = score_held_out(truth.rig, as_stamped)
    good = score_held_out(truth.rig, in_step(as_stamped, np.array([0.0, 0.2, 0.0, 0.0])))
    assert np.median(np.abs(bad.distance_error_m)) > 1e-4
    assert np.abs(good.distance_error_m).max() < 1e-8
    assert good.corners >= bad.corners - len(seen.targets.points) * 4


def test_regrouping_keeps_every_frame_once_with_what_it_saw() -> None:
    seen, _ = standing(clock_offsets_s={"cam2": 0.03}, dropped=0.2, phases_s={"cam3": 0.04}, seed=5)
    again = in_step(seen, np.array([0.0, 0.0, 0.03, 0.0]))
    for c in range(4):
        frames = again.frame_index[c][again.frame_index[c] != NO_FRAME]
        assert len(set(frames.tolist())) == len(frames)
        assert set(frames.tolist()) <= set(seen.frame_index[c].tolist())
        for m in np.flatnonzero(again.frame_index[c] != NO_FRAME):
            before = int(np.flatnonzero(seen.frame_index[c] == again.frame_index[c, m])[0])
            assert np.array_equal(again.pixels[c, m], seen.pixels[c, before], equal_nan=True)
            assert again.times_s[c, m] == seen.times_s[c, before], "stamps stay what they are"


def test_stills_have_no_times_and_stay_as_they_are() -> None:
    seen, _ = standing()
    stills = replace(seen, times_s=np.full(seen.times_s.shape, np.nan))
    assert in_step(stills, np.array([0.0, 0.5, 0.0, 0.0])) is stills


def test_only_clocks_that_are_out_by_a_good_part_of_a_frame_leave_a_doubt() -> None:
    seen, _ = standing()  # ten frames a second
    clear = np.array([0.0, 0.008, -0.02, 0.024])
    (one,) = groupings(seen, clear)
    assert np.array_equal(one, clear)
    doubtful = groupings(seen, np.array([0.0, -0.045, 0.008, 0.27]))
    assert {tuple(np.round(offsets, 9)) for offsets in doubtful} == {
        (0.0, below, 0.008, above) for below in (-0.1, 0.0) for above in (0.2, 0.3)
    }  # fmt: skip


def test_stills_leave_no_doubt() -> None:
    seen, _ = standing()
    stills = replace(seen, times_s=np.full(seen.times_s.shape, np.nan))
    assert len(groupings(stills, np.zeros(4))) == 1
