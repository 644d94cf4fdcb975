"""Tables of the report: checks, pairs of cameras, lenses, mounts, targets and rejected views."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bodydouble.calibration.cameras.models import name_of
from bodydouble.calibration.report.actions import Action
from bodydouble.calibration.report.summary import CameraSummary, ReportSummary, median, rms
from bodydouble.calibration.report.text import NOT_MEASURED, escaped, number, quantity, short_labels, with_sigma
from bodydouble.check import Check

MOST_REJECTED = 60
MOST_TARGETS = 60


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Sequence[int] = (), css: str = "plain") -> str:
    """Return a table of cells that are already HTML; columns ``numeric`` stand to the right."""

    def cell(kind: str, column: int, content: str) -> str:
        css = ' class="n"' if column in numeric else ""
        return f"<{kind}{css}>{content}</{kind}>"

    titles = "".join(cell("th", column, title) for column, title in enumerate(head))
    body = "".join(f"<tr>{''.join(cell('td', column, content) for column, content in enumerate(row))}</tr>" for row in rows)
    return f'<div class="wide"><table class="{css}"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def badge(verdict: str) -> str:
    """Return a verdict in its colour."""
    return f'<span class="badge {escaped(verdict)}">{escaped(verdict)}</span>'


def remedies_table(actions: Sequence[Action]) -> str:
    """Return what did not pass with what to do."""
    return table(
        ("", "Check", "Found", "What to do"),
        ((badge(action.verdict), escaped(action.title), _found(action), remedy_text(action.remedy)) for action in actions),
        css="remedies",
    )


def passed_table(checks: Sequence[Check]) -> str:
    """Return what passed."""
    return table(
        ("", "Check", "Found"), ((badge(check.verdict), escaped(check.name), escaped(check.found)) for check in checks if check.verdict == "PASS")
    )  # fmt: skip


def _found(action: Action) -> str:
    limit = f'<br><span class="quiet">{escaped(action.limit)}</span>' if action.limit else ""
    return "<br>".join(map(escaped, action.found)) + limit


def remedy_text(text: str) -> str:
    """Return a remedy with what stands between backticks as code; a name with a backtick leaves all as it is."""
    parts = escaped(text).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def pair_matrix(summary: ReportSummary) -> str:
    """Return in how many moments each pair of cameras saw the same."""
    names = [camera.name for camera in summary.cameras]
    labels = short_labels(names)
    head = "".join(f'<th class="turned"><span>{escaped(label)}</span></th>' for label in labels)
    rows = []
    for r, name in enumerate(names):
        cells = []
        for c in range(len(names)):
            moments = int(summary.shared[r, c])
            if r == c:
                css = "own"
            elif summary.cameras[r].body != summary.cameras[c].body:
                css = "apart"
            else:
                css = "none" if moments == 0 else "s1" if moments < 10 else "s2" if moments < 50 else "s3"
            cells.append(f'<td class="{css}">{moments}</td>')
        rows.append(f'<tr><th class="side">{escaped(name if labels[r] == name else f"{labels[r]}  {name}")}</th>{"".join(cells)}</tr>')
    return f'<div class="wide"><table class="pairs"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def errors_table(summary: ReportSummary) -> str:
    """Return views, noise and reprojection errors of each camera: on what was solved, and on what was held out."""
    rows = []
    for camera in summary.cameras:
        solved, unseen = camera.error_px, camera.held_out_px
        rows.append(
            (
                escaped(camera.name), str(camera.views), f"{len(camera.pixels):,}", "" if camera.ignored is None else f"{camera.ignored:,}",
                number(camera.noise_px), number(median(solved)), number(rms(solved)),
                *((number(median(unseen)), number(rms(unseen))) if len(unseen) else (NOT_MEASURED, "")),
                quantity(100 * camera.coverage.share, "%"), quantity(math.degrees(math.hypot(*camera.tilt_rad)), "°"),
            )
        )  # fmt: skip
    head = (
        "Camera", "Views", "Corners", "of these ignored", "Noise (px)", "Solved: median (px)", "RMS (px)", "Held out: median (px)", "RMS (px)",
        "Coverage", "Tilt",
    )  # fmt: skip
    return table(head, rows, numeric=range(1, len(head)), css="errors")


def intrinsics_table(cameras: Sequence[CameraSummary]) -> str:
    """Return lens, focal length and principal point of each camera with one standard deviation."""
    rows = []
    for camera in cameras:
        model = camera.model
        focal, center = (camera.sigma.focal_px, camera.sigma.center_px) if camera.lens_was_solved else (None, None)
        fx, fy, cx, cy = (
            with_sigma(value, sigma, 2) for value, sigma in zip((*model.focal, *model.center), (focal, focal, center, center), strict=True)
        )
        if camera.parameter_sigma is not None:
            distortion = ", ".join(f"{k:.4g} ± {s:.1g}" for k, s in zip(model.distortion, camera.parameter_sigma[4:], strict=False))
        else:
            distortion = ", ".join(f"{k:.4g}" for k in model.distortion)
        how = "solved" if camera.lens_was_solved else "given, not solved"
        lens = f"{escaped(name_of(model) or type(model).__name__)}, {how}".replace(" ", "\u00a0", 1)
        size = f"{model.image_size[0]} × {model.image_size[1]}"
        rows.append((escaped(camera.name), lens, size, fx, fy, cx, cy, distortion))
    head = ("Camera", "Lens", "Image (px)", "fx (px)", "fy (px)", "cx (px)", "cy (px)", "Distortion")
    return table(head, rows, numeric=(2, 3, 4, 5, 6))


def extrinsics_table(summary: ReportSummary) -> str:
    """Return where each camera sits on its body, with one standard deviation of position (each axis) and rotation."""
    rows = []
    for camera in summary.cameras:
        if camera.T_body_camera is None:
            continue
        x, y, z = np.round(1000 * camera.T_body_camera[:3, 3], 1) + 0.0  # no "-0.0"
        position, rotation = camera.sigma.position_m, camera.sigma.rotation_rad
        if camera.is_reference:
            spread, turned = "held", "held"
        else:
            spread = quantity(None if position is None else 1000 * position, "mm")
            turned = quantity(None if rotation is None else math.degrees(rotation), "°")
        direction = ", ".join(f"{value:+.3f}" for value in np.round(camera.T_body_camera[:3, 2], 3) + 0.0)
        rows.append((escaped(camera.name), escaped(camera.body), f"{x:.1f}, {y:.1f}, {z:.1f}", spread, direction, turned))
    return table(
        ("Camera", "Body", "Position x, y, z (mm)", "σ of each axis", "Looks along x, y, z", "σ of rotation"), rows, numeric=(2, 3, 4, 5)
    )


def targets_table(summary: ReportSummary) -> str:
    """Return boards and tags that stood still with their place and one standard deviation; "" where all moved."""
    if summary.targets is None:
        return ""
    rows = []
    for g in np.flatnonzero(np.isfinite(summary.T_room_target).all(axis=(-2, -1))):
        x, y, z = np.round(1000 * summary.T_room_target[g, :3, 3], 1) + 0.0
        rotation, position = (float(value) for value in summary.target_sigma[g])
        spread = quantity(1000 * position, "mm") if math.isfinite(position) else "held"
        turned = quantity(math.degrees(rotation), "°") if math.isfinite(rotation) else "held"
        rows.append((escaped(summary.targets.names[g]), f"{x:.1f}, {y:.1f}, {z:.1f}", spread, turned))
    more = f'<p class="note">And {len(rows) - MOST_TARGETS} more: see the JSON file.</p>' if len(rows) > MOST_TARGETS else ""
    head = ("Board or tag", "Position x, y, z (mm)", "σ of each axis", "σ of rotation")
    return table(head, rows[:MOST_TARGETS], numeric=(1, 2, 3)) + more if rows else ""


def odd_views_table(odd_views: Mapping[str, float]) -> str:
    """Return the views that are far off and were solved with all the same."""
    rows = [(escaped(view), quantity(off, "px")) for view, off in odd_views.items()]
    more = f'<p class="note">And {len(rows) - MOST_REJECTED} more: see the JSON file.</p>' if len(rows) > MOST_REJECTED else ""
    return table(("View", "Median error"), rows[:MOST_REJECTED], css="narrow") + more


def rejected_table(rejected: Mapping[str, str]) -> str:
    """Return the views that were left out, with the reason."""
    rows = [(escaped(view), escaped(reason)) for view, reason in rejected.items()]
    more = f'<p class="note">And {len(rows) - MOST_REJECTED} more: see the JSON file.</p>' if len(rows) > MOST_REJECTED else ""
    return table(("View", "Why"), rows[:MOST_REJECTED]) + more
