"""The chart of clock offsets. Simulated."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bodydouble.calibration.report.clock_chart import CONFIDENCE, clock_chart
from bodydouble.calibration.report.summary import ReportSummary, summarize


@pytest.fixture(scope="module")
def summary(simulated_calibration) -> ReportSummary:
    return summarize(simulated_calibration(moments=30))


def shapes(summary: ReportSummary) -> tuple[list[float], list[tuple[float, float]]]:
    """Return where the offsets and the 95 % intervals are drawn."""
    chart = clock_chart(summary)
    centers = [float(x) for x in re.findall(r'<circle class="\w+" cx="([\d.]+)"', chart)]
    lines = re.findall(r'<line class="whisker" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', chart)
    return centers, [(float(x1), float(x2)) for x1, y1, x2, y2 in lines if y1 == y2]


def test_offsets_and_their_intervals_are_drawn_to_one_scale(summary):
    centers, intervals = shapes(summary)
    offsets = [camera.time_offset_s for camera in summary.cameras]
    scale = (centers[4] - centers[1]) / (offsets[4] - offsets[1])
    for center, offset in zip(centers, offsets, strict=True):
        assert center == pytest.approx(centers[0] + scale * offset, abs=0.2)
    for (low, high), center in zip(intervals, centers[1:], strict=True):
        assert (low + high) / 2 == pytest.approx(center, abs=0.2)
        assert (high - low) / 2 == pytest.approx(scale * CONFIDENCE * 2e-4, abs=0.2)


def test_every_camera_has_its_name_and_value_and_the_held_clock_says_so(summary):
    chart = clock_chart(summary)
    assert all(f">{camera.name}</text>" in chart for camera in summary.cameras)
    assert ">held</text>" in chart
    assert ">-1.50 ± 0.20</text>" in chart


def test_a_spread_that_is_not_known_has_no_interval(summary):
    cameras = tuple(replace(camera, sigma=replace(camera.sigma, time_offset_s=float("nan"))) for camera in summary.cameras)
    _, intervals = shapes(replace(summary, cameras=cameras))
    assert intervals == []
    assert "nan" not in clock_chart(replace(summary, cameras=cameras))


def test_clocks_that_agree_still_make_a_chart(summary):
    cameras = tuple(replace(camera, time_offset_s=0.0, sigma=replace(camera.sigma, time_offset_s=None)) for camera in summary.cameras)
    centers, _ = shapes(replace(summary, cameras=cameras))
    assert len(set(centers)) == 1
