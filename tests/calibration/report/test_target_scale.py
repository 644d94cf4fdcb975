"""A board whose file says another size than it has is found by its size against the others. Simulated captures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_capture import as_built, person, room_tags, simulate

from bodydouble.calibration.boards.board import Targets
from bodydouble.calibration.presets import preset_rig
from bodydouble.calibration.report.target_scale import relative_target_sizes


def declared(targets: Targets, sizes: dict[int, float]) -> Targets:
    """Return the targets as a file with wrong sizes would say: some so many times as large as they are."""
    scale = np.array([sizes.get(int(g), 1.0) for g in targets.target_of_point])
    return Targets(targets.names, targets.points * scale[:, None], targets.target_of_point)


@pytest.fixture(scope="module")
def capture():
    board, T_room_target = room_tags(0)
    rig = as_built(preset_rig("optimus-helmet5"), 0, clocks_apart_s=0.0)
    observations, truth = simulate(rig, board.targets, T_room_target, person(0), seconds=20, rate_hz=5)
    return observations, truth.rig


def test_targets_of_the_size_in_their_file_measure_alike_however_far_they_are(capture):
    observations, rig = capture
    sizes = relative_target_sizes(observations, rig)
    assert len(sizes) >= 4
    assert all(abs(size - 1) < 3e-3 for size in sizes.values())


def test_a_tag_that_is_smaller_than_its_file_says_stands_out(capture):
    observations, rig = capture
    wrong = next(iter(relative_target_sizes(observations, rig)))
    number = observations.targets.names.index(wrong)
    sizes = relative_target_sizes(replace(observations, targets=declared(observations.targets, {number: 1.02})), rig)
    assert sizes[wrong] == pytest.approx(1 / 1.02, abs=3e-3)
    assert all(abs(size - 1) < 3e-3 for name, size in sizes.items() if name != wrong)


def test_with_one_target_nothing_can_be_known(simulated_calibration):
    found = simulated_calibration(moments=30)
    assert relative_target_sizes(found.observations, found.rig) == {}


def test_cameras_that_see_nothing_together_measure_no_size(capture):
    observations, rig = capture
    alone = rig.select(rig.names[:1])
    assert relative_target_sizes(observations, alone) == {}
