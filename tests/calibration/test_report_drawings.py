"""The histograms, and the maps over a camera's image. Simulated."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from bodydouble.calibration.report.camera_maps import MOST_ARROWS, coverage_map, residual_map
from bodydouble.calibration.report.histogram import distance_histogram, error_histogram, histogram_reach
from bodydouble.calibration.report.rig_sketch import body_scene, rig_sketches
from bodydouble.calibration.report.summary import CameraSummary, ReportSummary, summarize


@pytest.fixture(scope="module")
def summary(simulated_calibration) -> ReportSummary:
    return summarize(simulated_calibration(moments=30))


@pytest.fixture(scope="module")
def camera(summary) -> CameraSummary:
    return summary.cameras[0]


def test_a_few_wild_values_do_not_flatten_the_others_and_are_counted():
    errors = np.concatenate([np.linspace(-1, 1, 196), [300.0, 400.0, -500.0]])
    drawn = distance_histogram(errors)
    assert "2 beyond ▸" in drawn
    assert "◂ 1 beyond" in drawn
    assert len(re.findall('class="bar"', drawn)) > 5
    assert histogram_reach(np.concatenate([np.full(90, 0.3), np.full(10, 70.0)])) <= 4.0


def test_a_histogram_of_nothing_says_so():
    assert "not measured" in distance_histogram(np.zeros(0))
    assert "not measured" in error_histogram(np.zeros(0), np.zeros(0), name="front")


def test_errors_that_are_all_zero_can_be_drawn():
    assert "nan" not in distance_histogram(np.zeros(5)) + error_histogram(np.zeros(5), np.zeros(0), name="front")


def test_frames_solved_with_are_bars_and_held_out_ones_a_line():
    assert 'class="outline"' not in error_histogram(np.ones(5), np.zeros(0), name="front")
    drawn = error_histogram(np.ones(5), np.ones(3), name="front")
    assert 'class="outline"' in drawn
    assert 'class="bar"' in drawn
    assert 'class="bar"' not in error_histogram(np.zeros(0), np.ones(3), name="front")


def test_the_thick_lines_are_medians_so_that_one_wrong_corner_does_not_bend_them(camera):
    pixels = np.tile([[100.0, 100.0]], (9, 1))
    residual = np.tile([[0.1, 0.0]], (9, 1))
    thick = re.compile(r'class="thick" d="(M[^"]*)"')
    straight = thick.search(residual_map(replace(camera, pixels=pixels, residual=residual)))
    residual[0] = [60.0, -60.0]
    assert thick.search(residual_map(replace(camera, pixels=pixels, residual=residual))).group(1) == straight.group(1)


def test_residuals_are_drawn_to_a_limit_and_none_says_so(camera):
    many = replace(camera, pixels=np.random.default_rng(0).uniform(0, 900, (5000, 2)), residual=np.ones((5000, 2)))
    thin = re.search(r'class="thin" d="([^"]*)"', residual_map(many)).group(1)
    assert thin.count("M") == MOST_ARROWS
    assert "not measured" in residual_map(replace(camera, pixels=np.zeros((0, 2)), residual=np.zeros((0, 2))))


def test_cells_without_corners_are_crossed_out(camera):
    drawn = coverage_map(camera)
    empty = int(((camera.coverage.count == 0) & camera.coverage.visible).sum())
    assert re.search(r'class="crossed" d="([^"]*)"', drawn).group(1).count("M") == empty > 0


def test_the_rig_is_drawn_from_three_sides_in_one_scale_with_every_name(summary):
    sides = rig_sketches(body_scene(summary, "room"))
    assert len(sides) == 3
    bars = {re.search(r">([\d.]+ (?:m|cm|mm))</text>", drawing).group(1) for _, drawing in sides}
    assert len(bars) == 1
    for _, drawing in sides:
        assert all(f">{camera.name}</text>" in drawing for camera in summary.cameras)


def test_a_body_without_cameras_or_targets_is_an_empty_scene(summary):
    scene = body_scene(summary, "backpack")
    assert (scene.names, scene.targets, scene.positions.shape) == ((), (), (0, 3))
