"""An adjustment that ended nowhere is an error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.boards.board import join_targets
from bodydouble.calibration.divergence import DivergedError, check_settled
from bodydouble.errors import DataError


def test_a_good_calibration_is_none(simulated_calibration) -> None:
    check_settled(simulated_calibration())


def test_one_camera_that_nothing_explains_is_named_though_the_others_fit(simulated_calibration) -> None:
    calibration = simulated_calibration(("left", "middle", "right"))
    off = np.where((calibration.views.camera == 1)[:, None, None], 15.0, 0.0)
    residual = np.where(calibration.views.seen[..., None], calibration.residual + off, 0.0)
    with pytest.raises(DivergedError, match=r"'middle' more than 21 px \(at most 13 px are usual\)\. Nothing was written\.") as error:
        check_settled(replace(calibration, residual=residual, weight=calibration.weight * 1e-3))
    assert error.value.cameras == ("middle",)
    assert isinstance(error.value, DataError)


def test_errors_of_a_bad_but_settled_calibration_are_left_to_the_checks(simulated_calibration) -> None:
    check_settled(simulated_calibration(noise_px=3.0))


def test_numbers_that_are_none_are_a_divergence(simulated_calibration) -> None:
    calibration = simulated_calibration(("left", "right"))
    with pytest.raises(DivergedError) as error:
        check_settled(replace(calibration, residual=np.full_like(calibration.residual, np.nan)))
    assert error.value.cameras == ("left", "right")


def test_boards_whose_sizes_contradict_each_other_are_named(simulated_calibration) -> None:
    """The same board, once as it is and once by a file that says it is a tenth larger."""
    calibration = simulated_calibration(moments=80)
    seen = calibration.observations
    second = replace(seen.targets, names=("second",), points=seen.targets.points * 1.1)
    both = replace(seen, targets=join_targets([seen.targets, second]), pixels=np.concatenate([seen.pixels, seen.pixels], axis=2))
    broken = replace(calibration, observations=both, residual=calibration.residual + 50)
    with pytest.raises(
        DivergedError, match=r"differ from the size in their file: 'board' \+4\.8 %, 'second' -4\.8 %\. Measure them with a ruler"
    ):
        check_settled(broken)
