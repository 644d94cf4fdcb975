"""The part of the report that counts most: errors on frames that the solver did not see, in millimetres on the board."""

from __future__ import annotations

import numpy as np

from bodydouble.calibration.report.histogram import distance_histogram
from bodydouble.calibration.report.summary import ReportSummary, finite_distance_errors, median, p95, rms
from bodydouble.calibration.report.tables import table
from bodydouble.calibration.report.text import NOT_MEASURED, counted, escaped, listed, quantity
from bodydouble.calibration.rig_calibration import HeldOutScore


def held_out_section(summary: ReportSummary) -> str:
    """Return how far board distances are off on unseen frames, by the calibrated clocks and as stamped, and whom this does not speak of."""
    head = "<h2>Measured on frames that the solver did not see</h2>"
    held_out, errors = summary.held_out, 1000 * summary.distance_error_m
    if held_out is None or len(errors) == 0:
        return (
            f"{head}<p><b>Distances: {NOT_MEASURED}.</b> No two cameras of one body saw the same points of a board on a frame that was held out from "
            "the solver. All other figures on this page say how well the result fits what it was made from, which is not the same as how well it measures.</p>"
        )
    text = (
        f"<p>{counted(held_out.frames, 'moment')} took no part in the calibration. In them {counted(held_out.corners, 'board corner')} seen by two "
        f"or more cameras were triangulated with the finished rig, and {counted(len(errors), 'distance')} between corners of the same board at the "
        "same moment were compared with the board. No corner was left out for its error, and where the board was believed to be was not used.</p>"
    )
    caption = (
        f"Triangulated minus true distance. Shaded: half of all distances are off by less than {quantity(median(np.abs(errors)), 'mm')}. "
        f"Mean {errors.mean():+.3f} mm; a mean far from 0 is a rig that is too large or too small."
        f"{_noise(summary)}"
    )
    drawing = distance_histogram(errors)
    return f'{head}{text}{_unmeasured(summary)}<figure class="full">{drawing}<figcaption>{caption}</figcaption></figure>{_clocks(summary)}'


def unmeasured_cameras(summary: ReportSummary) -> list[str]:
    """Return the cameras that no held-out corner was seen by together with another camera."""
    return [camera.name for camera in summary.cameras if len(camera.held_out_px) == 0]


def _noise(summary: ReportSummary) -> str:
    floor = 1000 * np.abs(summary.noise_floor_m)
    if len(floor) == 0:
        return ""
    return (
        f" Noise of the corners alone, at these distances from the cameras, puts half of them off by less than {quantity(median(floor), 'mm')}: that much is "
        "how these cameras measure with any calibration."
    )


def _unmeasured(summary: ReportSummary) -> str:
    names = unmeasured_cameras(summary)
    if not names:
        return ""
    return (
        f"<p><b>{escaped(listed(names))}: {NOT_MEASURED}.</b> No corner on a held-out frame was seen by "
        f"{'this camera' if len(names) == 1 else 'these cameras'} and another one, so the figures here say nothing of "
        f"{'it' if len(names) == 1 else 'them'}.</p>"
    )


def _clocks(summary: ReportSummary) -> str:
    """Return both ways to put unseen frames into moments, where the clocks were calibrated."""
    held_out, stamped = summary.held_out, summary.held_out_as_stamped
    if held_out is None or stamped is None or not summary.clocks_were_solved:
        return ""
    if one_figure(held_out, stamped):
        return (
            "<p>The calibrated clocks put all unseen frames into the same moments as their time stamps do, so there is one figure only.</p>"
        )
    offsets = [1000 * camera.time_offset_s for camera in summary.cameras]
    rows = [_row("by the calibrated clocks (all figures above)", held_out), _row("as the time stamps of the files say", stamped)]
    return (
        f"<p>Which frames were taken together depends on the clocks, and they are up to {quantity(max(offsets) - min(offsets), 'ms')} apart. The first "
        "row holds for recordings that are read with this rig's <code>time_offset_s</code>, as bodydouble does. The second is the same measurement with "
        "the frames put together as stamped, and with the rig that was found that way: what programs get that take the stamps as they are. The board "
        "moved between frames that were not taken together, and that is the difference.</p>"
        + table(
            ("Unseen frames put together", "Median (mm)", "RMSE (mm)", "p95 (mm)", "Distances", "Moments"), rows, numeric=(1, 2, 3, 4, 5)
        )
    )


def one_figure(one: HeldOutScore, other: HeldOutScore) -> bool:
    """Return whether both scores measured the same distances with the same result."""
    return one.distance_error_m.shape == other.distance_error_m.shape and np.array_equal(one.distance_error_m, other.distance_error_m)


def _row(name: str, score: HeldOutScore) -> tuple[str, ...]:
    errors = 1000 * np.abs(finite_distance_errors(score))
    figures = (quantity(value, "") for value in (median(errors), rms(errors), p95(errors)))
    return (name, *figures, f"{len(errors):,}", str(score.frames))
