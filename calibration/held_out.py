"""How good a calibration is on frames that the solver did not see, in millimetres on the board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.observations import NO_FRAME, Observations
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.rig_calibration import HeldOutScore
from bodydouble.calibration.transform import invert
from bodydouble.calibration.triangulation import triangulate_pixels

FloatArray = npt.NDArray[np.float64]


def score_held_out(rig: Rig, observations: Observations) -> HeldOutScore:
    """Triangulate every point that two or more cameras of one body saw at a moment, and compare distances with the board's.

    ``observations`` hold the held-out frames only. Moments are taken as they are: see ``in_step`` for clocks that are known to be apart.
    """
    targets = observations.targets
    errors: list[FloatArray] = []
    reprojection: dict[str, list[FloatArray]] = {name: [] for name in observations.cameras}
    corners, frames = 0, 0
    for body in rig.bodies:
        rows = [c for c, name in enumerate(observations.cameras) if rig.camera(name).body == body]
        if len(rows) < 2:
            continue
        mounted = [rig.camera(observations.cameras[c]) for c in rows]
        shape = observations.pixels.shape
        pixels = observations.pixels[rows].reshape(len(rows), -1, 2)
        several = np.isfinite(pixels[..., 0]).sum(axis=0) >= 2
        flat = np.full((pixels.shape[1], 3), np.nan)
        T_camera_body = np.stack([invert(camera.T_body_camera) for camera in mounted])
        flat[several], residual = triangulate_pixels([camera.model for camera in mounted], T_camera_body, pixels[:, several])
        for camera, off in zip(mounted, residual, strict=True):
            distance = np.linalg.norm(off, axis=-1)
            reprojection[camera.name].append(distance[np.isfinite(distance)])
        points = flat.reshape(shape[1], shape[2], 3)
        found = np.isfinite(points[..., 0])
        corners += int(found.sum())
        for moment in np.flatnonzero(found.any(axis=1)):
            before = len(errors)
            for g in range(len(targets.names)):
                which = targets.points_of(g)
                which = which[found[moment, which]]
                if len(which) > 1:
                    one, two = np.triu_indices(len(which), 1)
                    measured, true = points[moment, which], targets.points[which]
                    errors.append(np.linalg.norm(measured[one] - measured[two], axis=1) - np.linalg.norm(true[one] - true[two], axis=1))
            frames += len(errors) > before
    joined = {name: np.concatenate([*parts, np.zeros(0)]) for name, parts in reprojection.items()}
    return HeldOutScore(np.concatenate([*errors, np.zeros(0)]), corners, frames, joined)


def only(observations: Observations, frames: npt.NDArray[np.bool_]) -> Observations:
    """Return the observations as if the recording had only some frames (C, T)."""
    return replace(
        observations,
        frame_index=np.where(frames, observations.frame_index, NO_FRAME),
        times_s=np.where(frames, observations.times_s, np.nan),
        pixels=np.where(frames[..., None, None], observations.pixels, np.nan),
    )
