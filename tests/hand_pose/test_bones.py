from __future__ import annotations

import numpy as np
import pytest

from bodydouble.hand_pose.bones import STATURE_MEAN, STATURE_SIGMA, estimate_constants, length_sigmas, stature_from_limbs, typical_lengths
from bodydouble.hand_pose.human import BONES
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.skeleton import TYPICAL_LENGTHS

LIMBS = [BONES.index(name) for name in ("upper_arm", "forearm", "thigh", "shank", "trunk", "hip_half_width")]
FINGERS = [index for index, name in enumerate(BONES) if name.endswith(("_proximal", "_middle", "_palm"))]


def test_typical_lengths_grow_with_the_stature():
    np.testing.assert_allclose(typical_lengths(1.73), [TYPICAL_LENGTHS[name] for name in BONES])
    np.testing.assert_allclose(typical_lengths(3.46), 2 * typical_lengths(1.73))
    assert (length_sigmas(1.73) > 0).all()
    assert (length_sigmas(1.73) < 0.25 * typical_lengths(1.73)).all()


def test_bone_lengths_of_another_person_are_found_within_a_few_percent(simulated):
    seen = Observations.of(simulated.landmarks, simulated.rig)
    frames = np.arange(0, 30, 4)
    found = estimate_constants(seen, frames, simulated.configurations[frames], 1.70)
    lengths, fitted = found.lengths, found.poses
    share = lengths / simulated.human.lengths - 1
    assert np.abs(share[LIMBS]).max() < 0.03
    assert abs(share[BONES.index("shoulder_half_width")]) < 0.06  # the clavicle moves, so that where it begins is hard to see
    before = np.abs(typical_lengths(1.70) / simulated.human.lengths - 1)
    assert before[LIMBS].max() > 0.08
    assert (np.abs(share) < before)[FINGERS].all()  # small in the image, so that the prior still counts
    assert len(fitted) == len(frames)


def test_bones_that_nobody_saw_keep_their_typical_length(simulated, hide):
    hidden = np.zeros((4, 30, 75), dtype=bool)
    hidden[:, :, 33:] = True
    seen = Observations.of(hide(simulated.landmarks, hidden), simulated.rig)
    lengths = estimate_constants(seen, np.array([3, 20]), simulated.configurations[[3, 20]], 1.80).lengths
    unseen = [index for index, name in enumerate(BONES) if name.endswith(("_middle", "_distal"))]
    np.testing.assert_allclose(lengths[unseen], typical_lengths(1.80)[unseen], rtol=1e-3)


def test_one_frame_says_less_than_the_prior_and_gives_no_absurd_length(make_simulated):
    person = make_simulated(frames=1, noise_px=15.0)
    seen = Observations.of(person.landmarks, person.rig)
    lengths = estimate_constants(seen, np.array([0]), person.configurations[:1], 1.75).lengths
    assert np.abs(lengths / typical_lengths(1.75) - 1).max() < 0.25


@pytest.mark.parametrize("stature", [1.50, 1.73, 2.00])
def test_the_stature_is_told_by_the_limbs(make_simulated, stature):
    points = make_simulated(frames=5, stature=stature).points
    found, sigma = stature_from_limbs(points)
    assert found == pytest.approx(stature, abs=2 * sigma)
    assert 0.02 < sigma < 0.06


def test_outliers_and_gaps_do_not_change_the_stature_much(simulated):
    points = np.array(simulated.points)
    points[::3, 15] += 1.0
    points[::2, 27] = np.nan
    assert stature_from_limbs(points)[0] == pytest.approx(stature_from_limbs(simulated.points)[0], abs=0.02)


def test_fewer_limbs_leave_more_doubt(simulated):
    one_arm = np.full_like(simulated.points, np.nan)
    one_arm[:, [11, 13, 15]] = simulated.points[:, [11, 13, 15]]
    assert stature_from_limbs(one_arm)[1] > stature_from_limbs(simulated.points)[1]


def test_without_a_limb_the_stature_is_the_populations():
    assert stature_from_limbs(np.full((4, 75, 3), np.nan)) == (STATURE_MEAN, STATURE_SIGMA)
