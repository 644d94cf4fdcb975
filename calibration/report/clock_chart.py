"""The clock offset of each camera with the interval that holds it 95 % of the time."""

from __future__ import annotations

import math

from bodydouble.calibration.report.summary import ReportSummary
from bodydouble.calibration.report.svg import CHARACTER, circle, drawing, line, round_step, shortened, tick_text, ticks, words
from bodydouble.calibration.report.text import with_sigma

CONFIDENCE = 1.96
"""Standard deviations on either side that hold 95 % of a Gaussian."""
_ROW = 24.0
_WIDTH = 860.0


def clock_chart(summary: ReportSummary) -> str:
    """Draw offsets (true capture time minus stamped time) in ms with 95 % intervals, one row a camera."""
    rows = [
        (
            shortened(camera.name, 28),
            1000 * camera.time_offset_s,
            None if camera.sigma.time_offset_s is None else 1000 * camera.sigma.time_offset_s,
        )
        for camera in summary.cameras
    ]
    reach = max(abs(offset) + CONFIDENCE * _finite(sigma) for _, offset, sigma in rows)
    reach = max(1.15 * reach, 0.1)
    left, right = 16 + CHARACTER * max(len(name) for name, *_ in rows), _WIDTH - 130
    bottom = 10 + _ROW * len(rows)

    def x(value: float) -> float:
        return left + (value + reach) / (2 * reach) * (right - left)

    content = []
    step = round_step(2 * reach, 8)
    for value in ticks(-reach, reach, 8):
        content.append(line(x(value), 6, x(value), bottom, "zero" if value == 0 else "grid"))
        content.append(words(x(value), bottom + 15, tick_text(value, step), "small", anchor="middle"))
    content.append(words((left + right) / 2, bottom + 31, "true capture time minus stamped time (ms)", "small quiet", anchor="middle"))
    for row, (name, offset, sigma) in enumerate(rows):
        y = 10 + _ROW * (row + 0.5)
        content.append(words(left - 8, y + 4, name, "name", anchor="end"))
        spread = CONFIDENCE * _finite(sigma)
        if spread:
            content.append(line(x(offset - spread), y, x(offset + spread), y, "whisker"))
            content += [line(x(end), y - 5, x(end), y + 5, "whisker") for end in (offset - spread, offset + spread)]
        content.append(circle(x(offset), y, 4, "camera" if sigma is not None else "hollow"))
        text = "held" if sigma is None and offset == 0 else with_sigma(offset, sigma, 2)
        content.append(words(right + 12, y + 4, text, "small"))
    return drawing(_WIDTH, bottom + 38, content, label="Clock offsets of the cameras with 95 % intervals")


def _finite(sigma: float | None) -> float:
    return sigma if sigma is not None and math.isfinite(sigma) else 0.0
