"""What errors of the tag map and of the rig add to the uncertainty of a located body: to first order, and the same ones at every moment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.body_localization import Located
from bodydouble.calibration.moment_poses import predict
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.tag_map import TagMap

FloatArray = npt.NDArray[np.float64]


def systematic_covariance(found: Located, tag_map: TagMap | None, rig: Rig | None) -> FloatArray:
    """Return (M, 6, 6) to add to the covariance of the pose; of the map, of the rig, or of both.

    Each target's place and each camera's mount and clock err independently of each other, by the sigma that the files say (unknown ones count as
    0). Errors of a lens are left out: they are nearly all made up for by those of its mount, which was found together with it.
    """
    s = found.sightings
    rows = np.flatnonzero(np.isfinite(found.covariance[:, 0, 0]))
    result = np.full((s.moments, 6, 6), np.nan)
    result[rows] = 0.0
    part, agrees = s.take(rows), found.agrees[np.isin(s.moment_of_point, rows)]
    if len(part.frame) == 0:
        return result
    images = predict(part, found.knots.take(rows))
    weight = agrees / np.square(found.noise_px[part.camera_of_point])
    by_camera = images.J
    J = by_camera @ images.lift[part.frame]
    gain = found.covariance[rows][part.moment_of_point][:, :6] @ np.swapaxes(J, 1, 2) * weight[:, None, None]
    gain = np.where(np.isfinite(images.residual).all(axis=1)[:, None, None], gain, 0.0)
    added = np.zeros((len(rows), 6, 6))
    if tag_map is not None and tag_map.sigma is not None:
        by_place = images.J_point @ images.R_camera_room[part.frame]
        R = tag_map.T_room_target[part.target][:, :3, :3]
        by_target = np.concatenate([by_place @ (-R @ rotation.hat(part.p_target)), by_place], axis=-1)
        key = part.moment_of_point * len(tag_map.targets.names) + part.target
        sigma = np.repeat(np.nan_to_num(tag_map.sigma), 3, axis=1)
        added += _summed(gain @ by_target, key, part.moment_of_point, sigma[part.target], len(rows))
    if rig is not None:
        known = [rig.camera(name).sigma for name in part.cameras]
        sigma = np.array([[item.rotation_rad or 0.0] * 3 + [item.position_m or 0.0] * 3 + [item.time_offset_s or 0.0] for item in known])
        R_camera_body = part.T_camera_body[part.camera_of_point][:, :3, :3]
        by_mount = images.J_point @ np.concatenate([rotation.hat(images.in_camera), -R_camera_body], axis=-1)
        by_clock = by_camera @ images.by_time[part.frame][..., None]
        added += _summed(
            gain @ np.concatenate([by_mount, by_clock], axis=-1), part.frame, part.moment_of_point, sigma[part.camera_of_point], len(rows)
        )
    result[rows] = added
    return result


def _summed(by_point: FloatArray, key: npt.NDArray[np.int64], moment: npt.NDArray[np.int64], sigma: FloatArray, moments: int) -> FloatArray:
    """Return (M, 6, 6): the sum over groups of points (those with one ``key``) of K S K^T, K the sum of ``by_point`` (N, 6, k) of the group."""
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    K = np.add.reduceat(by_point[order], np.searchsorted(group[order], np.arange(len(first)))) * sigma[first][:, None]
    result = np.zeros((moments, 6, 6))
    np.add.at(result, moment[first], K @ np.swapaxes(K, 1, 2))
    return result
