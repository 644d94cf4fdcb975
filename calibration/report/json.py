"""``calibration_report.json``: the figures of a calibration for programs."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble import __version__
from bodydouble.calibration.cameras.models import name_of
from bodydouble.calibration.report.summary import CameraSummary, ReportSummary, finite_distance_errors, held_out_px, median, p95, rms
from bodydouble.calibration.rig_calibration import HeldOutScore
from bodydouble.check import Check, Verdict

FloatArray = npt.NDArray[np.float64]

REPORT_VERSION = 1
_LIBRARIES = ("numpy", "scipy", "opencv-contrib-python")


def report_json(
    summary: ReportSummary, checks: Sequence[Check], verdict: Verdict, purpose: str, settings: Mapping[str, str] | None = None
) -> str:
    """Return the text of ``calibration_report.json``; what was not measured is null.

    ``held_out`` holds what was measured on frames that the solver did not see, put into moments by the calibrated clocks: ``board_distance_mm``
    (median, rmse and p95 of the absolute errors of board distances, their signed mean and number), ``reprojection_px`` of each camera with the
    number of its corners, the numbers of triangulated ``corners`` and of ``frames`` (moments); ``held_out.as_stamped`` the same with the moments
    that the files' time stamps say and the rig that was found with these; ``held_out.noise_floor_mm`` what corner noise alone gives.
    ``time_offsets_ms`` is true capture time minus stamped time of each camera, null where clocks were taken as exact. Units are in the names; sigma
    are one standard deviation.
    """
    cameras = {camera.name: camera for camera in summary.cameras}
    content = {
        "report_version": REPORT_VERSION,
        "kind": summary.kind,
        "name": summary.title,
        "purpose": purpose,
        "verdict": verdict,
        "checks": [check.as_dict() for check in checks],
        "held_out": {
            **_score(summary.held_out, cameras),
            "noise_floor_mm": _spread_mm(summary.noise_floor_m),
            "as_stamped": _score(summary.held_out_as_stamped, cameras),
        },
        "train": {
            "reprojection_px": {name: _spread(camera.error_px) for name, camera in cameras.items()},
            "noise_px": {name: camera.noise_px for name, camera in cameras.items()},
            "views": {name: camera.views for name, camera in cameras.items()},
            "ignored_corners": {name: camera.ignored for name, camera in cameras.items()},
            "odd_views_px": summary.odd_views,
        },
        "frames": {"moments": summary.moments, "solved": summary.moments_solved},
        "time_offsets_ms": {name: 1000 * camera.time_offset_s if summary.clocks_were_solved else None for name, camera in cameras.items()},
        "time_offsets_sigma_ms": {name: _scaled(camera.sigma.time_offset_s, 1000) for name, camera in cameras.items()},
        "jitter_ms": 1000 * summary.jitter_s,
        "coverage_pct": {name: 100 * camera.coverage.share for name, camera in cameras.items()},
        "tilt_spread_deg": {name: math.degrees(math.hypot(*camera.tilt_rad)) for name, camera in cameras.items()},
        "intrinsics": {name: _intrinsics(camera) for name, camera in cameras.items()},
        "extrinsics": {name: _extrinsics(camera) for name, camera in cameras.items() if camera.T_body_camera is not None},
        "targets": _targets(summary),
        "pairs": {"cameras": list(cameras), "shared_moments": summary.shared.tolist()},
        "rejected": summary.rejected,
        "converged": summary.converged,
        "detect_seconds": summary.detect_seconds,
        "solve_seconds": summary.solve_seconds,
        "settings": dict(settings or {}),
        "versions": versions(),
    }
    return json.dumps(_without_nan(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def versions() -> dict[str, str]:
    """Return the versions of what made the report."""
    found = {"bodydouble": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


def _score(score: HeldOutScore | None, cameras: Iterable[str]) -> dict[str, Any]:
    pixels = {name: held_out_px(score, name) for name in cameras}
    return {
        "board_distance_mm": _distances(score),
        "corners": score.corners if score else 0,
        "frames": score.frames if score else 0,
        "reprojection_px": {name: {**_spread(values), "corners": len(values)} for name, values in pixels.items()},
    }


def _distances(score: HeldOutScore | None) -> dict[str, Any]:
    errors_m = finite_distance_errors(score)
    return {**_spread_mm(errors_m), "mean_signed": 1000 * float(errors_m.mean()) if len(errors_m) else None, "distances": len(errors_m)}


def _spread_mm(errors_m: FloatArray) -> dict[str, float]:
    errors_mm = 1000 * np.abs(errors_m)
    return {"median": median(errors_mm), "rmse": rms(errors_mm), "p95": p95(errors_mm)}


def _spread(values: Any) -> dict[str, float]:
    return {"median": median(values), "rms": rms(values)}


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _intrinsics(camera: CameraSummary) -> dict[str, Any]:
    model = camera.model
    content: dict[str, Any] = {
        "model": name_of(model) or type(model).__name__,
        "image_size_px": list(model.image_size),
        "focal_px": list(model.focal),
        "center_px": list(model.center),
        "distortion": list(model.distortion),
        "solved": camera.lens_was_solved,
        "sigma": {"focal_px": camera.sigma.focal_px, "center_px": camera.sigma.center_px},
    }
    if camera.parameter_sigma is not None:
        content["sigma"]["parameters"] = camera.parameter_sigma.tolist()
    return content


def _extrinsics(camera: CameraSummary) -> dict[str, Any]:
    return {
        "body": camera.body,
        "held": camera.is_reference,
        "T_body_camera": None if camera.T_body_camera is None else camera.T_body_camera.tolist(),
        "sigma": {"position_mm": _scaled(camera.sigma.position_m, 1000), "rotation_deg": _scaled(camera.sigma.rotation_rad, 180 / math.pi)},
    }


def _targets(summary: ReportSummary) -> dict[str, Any]:
    if summary.targets is None:
        return {}
    content = {}
    for g, name in enumerate(summary.targets.names):
        stood = bool(np.isfinite(summary.T_room_target[g]).all())
        content[name] = {
            "stood_still": stood,
            "T_room_target": summary.T_room_target[g].tolist() if stood else None,
            "sigma": {"rotation_deg": math.degrees(summary.target_sigma[g, 0]), "position_mm": 1000 * float(summary.target_sigma[g, 1])},
            "relative_size": summary.target_sizes.get(name),
        }
    return content


def _without_nan(value: Any) -> Any:
    """Return plain values with null in place of numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
