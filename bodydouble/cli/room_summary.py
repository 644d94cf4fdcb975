"""What is told about a room frame, or about cameras that were placed by measured points: to a person and to a program."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodydouble.calibration import Resection, RoomFrame


def lines(result: Resection | RoomFrame) -> list[str]:
    """Return what a person is told about a room frame or a resection."""
    import numpy as np

    from bodydouble.calibration.room.resection import Resection

    scene = result.scene
    said = []
    if isinstance(result, Resection):
        for name, rms in result.rms_px.items():
            camera = result.rig.camera(name)
            x, y, z = camera.T_body_camera[:3, 3]
            sigma = camera.sigma
            known = ""
            if sigma.position_m is not None and sigma.rotation_rad is not None:
                known = f", known to {1000 * sigma.position_m:.1f} mm and {math.degrees(sigma.rotation_rad):.2f} degrees"
            count = int(scene.seen[scene.cameras.index(name)].sum())
            said.append(f"{name}: at ({x:.3f}, {y:.3f}, {z:.3f}) m{known}; {count} points, {rms:.2f} px RMS")
        if result.sigma_m > 0:
            shift = np.linalg.norm(result.points - scene.points, axis=-1)
            said.append(f"measured points: {1000 * shift.max():.1f} mm at most from where the cameras see them")
    else:
        angle = math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(result.change.T_new_old[:3, :3])) - 1) / 2))))
        said.append(
            f"turned by {angle:.2f} degrees and moved by {np.linalg.norm(result.change.T_new_old[:3, 3]):.3f} m; known to "
            f"{math.degrees(result.sigma_rotation_rad):.2f} degrees and {1000 * result.sigma_position_m:.1f} mm"
        )
        if math.isfinite(result.scale_found):
            taken = "taken" if result.change.scale != 1.0 else "not taken"
            said.append(f"scale {result.scale_found:.4f} (one sigma {result.scale_sigma:.4f}), {taken}")
        error = np.linalg.norm(result.error_m, axis=-1)
        if np.isfinite(error).any():
            worst = int(np.nanargmax(error))
            rms = math.sqrt(float(np.nanmean(np.square(error))))
            said.append(f"points are {1000 * rms:.1f} mm off (RMS), '{scene.names[worst]}' most with {1000 * error[worst]:.1f} mm")
        residual = np.square(result.residual_px).sum(axis=-1)
        said.append(
            f"{int(scene.seen.sum())} pixels in {', '.join(scene.cameras)} are {math.sqrt(float(np.nanmean(residual))):.2f} px off (RMS)"
        )
    said += [f"WRONG: {text}" for text in result.outliers]
    return said + [f"WARNING: {text}" for text in result.warnings]


def as_dict(result: Resection | RoomFrame) -> dict[str, Any]:
    """Return the same for a program; what is not known is null."""
    import numpy as np

    from bodydouble.calibration.room.resection import Resection

    scene = result.scene
    distance = np.linalg.norm(result.residual_px, axis=-1)
    described: dict[str, Any] = {
        "residual_px": {
            camera: {scene.names[p]: _number(distance[row, p]) for p in np.flatnonzero(scene.seen[row])}
            for row, camera in enumerate(scene.cameras)
        },
        "outliers": list(result.outliers),
        "warnings": list(result.warnings),
    }
    if isinstance(result, Resection):
        shift = 1000 * np.linalg.norm(result.points - scene.points, axis=-1)
        sigma = {name: result.rig.camera(name).sigma for name in scene.cameras}
        return {
            "rms_px": {name: _number(value) for name, value in result.rms_px.items()},
            "position_sigma_mm": {name: None if s.position_m is None else _number(1000 * s.position_m) for name, s in sigma.items()},
            "rotation_sigma_deg": {
                name: None if s.rotation_rad is None else _number(math.degrees(s.rotation_rad)) for name, s in sigma.items()
            },
            "point_shift_mm": {name: _number(value) for name, value in zip(scene.names, shift, strict=True)},
            "click_sigma_px": _number(result.sigma_px),
            "measured_sigma_mm": _number(1000 * result.sigma_m),
            **described,
        }
    error = 1000 * np.linalg.norm(result.error_m, axis=-1)
    return {
        "T_new_old": result.change.T_new_old.tolist(),
        "scale": result.change.scale,
        "scale_found": _number(result.scale_found),
        "scale_sigma": _number(result.scale_sigma),
        "rotation_sigma_deg": _number(math.degrees(result.sigma_rotation_rad)),
        "position_sigma_mm": _number(1000 * result.sigma_position_m),
        "error_mm": {name: _number(value) for name, value in zip(scene.names, error, strict=True)},
        **described,
    }


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
