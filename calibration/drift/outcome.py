"""From judgements to what is told of each camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift.evidence import Explanation
from bodydouble.calibration.drift.fit import fit, residuals
from bodydouble.calibration.drift.judge import Judge, Judgement
from bodydouble.calibration.drift.placement import POSE, Placement, first_places, moved_by
from bodydouble.calibration.drift.points import SharedPoints
from bodydouble.calibration.drift.result import CameraDrift, CameraState, DriftWindow, Residuals
from bodydouble.calibration.rig import Rig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def unknown_camera(rig: Rig, c: int, pairs: IntArray, shown: Residuals | None, state: CameraState = "unknown") -> CameraDrift:
    """Return what is known of a camera without a judgement; ``pairs`` (C, C) as ``SharedPoints.shared_moments``."""
    others = np.where(np.arange(len(pairs)) == c, -1, pairs[c])
    partner = rig.names[int(others.argmax())] if others.max(initial=0) > 0 else ""
    before, after = (float(np.median(np.linalg.norm(r, axis=1))) for r in (shown.before, shown.after)) if shown else (np.nan, np.nan)
    none = np.full(3, np.nan)
    return CameraDrift(rig.names[c], state, none, none, np.nan, np.nan, np.nan, np.nan, np.nan, int(pairs[c, c]), partner, before, after)


def judged_camera(judge: Judge, judged: Judgement, c: int, pairs: IntArray, shown: Residuals | None) -> CameraDrift:
    """Return what a judgement says of one camera."""
    known = unknown_camera(judge.rig, c, pairs, shown)
    named: CameraState = "moved" if set(judged.suspects) == set(judged.joint.cameras) else "suspect"
    if not judge.able[c]:
        return known
    item = judged.joint if c in judged.joint.cameras and judged.finding != "still" else judged.single[c]
    row = item.cameras.index(c)
    change, covariance = item.change[row], item.covariance[POSE * row : POSE * (row + 1), POSE * row : POSE * (row + 1)]
    noticed = judge.noticed_rad(judged.evidence, c)
    model = judge.rig.cameras[known.name].model
    coarsest = judge.limits.coarsest_share.value * max(model.image_size) / min(model.focal)
    return replace(
        known, state=named if c in judged.suspects else "still" if noticed <= coarsest else "unknown",
        rotation_rad=change[:3], position_m=change[3:],
        sigma_rotation_rad=_along(covariance[:3, :3], change[:3]), sigma_position_m=_along(covariance[3:, 3:], change[3:]),
        shift_px=judge.shift_px(c, change, judged.blocks), noticed_deg=float(np.degrees(noticed)),
        p_value=min(1.0, judged.single[c].p_value * len(judge.able)),
    )  # fmt: skip


def change_of_all(explanation: Explanation, C: int) -> FloatArray:
    """Return (C, 6), zero for cameras that are not said to have moved."""
    change = np.zeros((C, POSE))
    change[list(explanation.cameras)] = explanation.change
    return change


def drift_windows(judge: Judge, moved: Explanation) -> tuple[DriftWindow, ...]:
    """Return how far the images of the cameras in question were off in each window."""
    found = []
    for w in range(len(judge.agreement.place.motion)):
        blocks = judge.agreement.window == w
        item = judge.evidence(blocks).explain(moved.cameras)
        shift = {judge.rig.names[c]: judge.shift_px(c, x, blocks) for c, x in zip(item.cameras, item.change, strict=True)}
        time = judge.points.time_s[blocks]
        found.append(DriftWindow(float(time.min()), float(time.max()), shift))
    return tuple(found)


def residuals_of(points: SharedPoints, names: tuple[str, ...], moved: Explanation | None, scale: float) -> dict[str, Residuals]:
    """Return what is off before and after the cameras are put where they are now; points meet as well as they can in both."""
    if not points.blocks:
        return {}
    zeros, nobody = np.zeros(points.blocks, dtype=np.int64), np.zeros(len(names), dtype=bool)
    off = []
    for change in [np.zeros((len(names), POSE)), *([change_of_all(moved, len(names))] if moved else [])]:
        motion = moved_by(change)[None]
        start = Placement(motion, first_places(points, motion, zeros))
        off.append(residuals(points, fit(points, start, zeros, nobody, scale), zeros))
    seen = points.seen & np.isfinite(np.stack(off)).all(axis=(0, -1))
    return {
        name: Residuals(points.pixels[c][seen[c]], off[0][c][seen[c]], off[-1][c][seen[c]])
        for c, name in enumerate(names) if seen[c].any()
    }  # fmt: skip


def _along(covariance: FloatArray, direction: FloatArray) -> float:
    """Return one standard deviation along a direction (3,)."""
    unit = direction / max(float(np.linalg.norm(direction)), 1e-12)
    return float(np.sqrt(unit @ covariance @ unit))
