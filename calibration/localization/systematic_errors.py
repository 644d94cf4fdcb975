"""What errors of the tag map and of the rig add to the uncertainty of a located body: to first order, and the same ones at every moment.

A map's sigma are those of its targets against the one that the room's frame is tied to. What they have in common is the error of that one, which
turns the whole room: it does not average out over many targets, so it counts apart. It is no larger than the smallest sigma of the others. In the
same way the mounts of a rig are known against that of one camera, and the clocks of a body against that of another body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.localization.body_localization import Located
from bodydouble.calibration.localization.moment_poses import Images, Knots, frame_normals, predict
from bodydouble.calibration.localization.sightings import Sightings
from bodydouble.calibration.localization.tag_map import TagMap
from bodydouble.calibration.rig import Rig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def systematic_covariance(found: Located, tag_map: TagMap | None, rig: Rig | None) -> FloatArray:
    """Return (M, 6, 6) to add to the covariance of the pose; of the map, of the rig, or of both.

    Sigma that the files do not say count as 0. Errors of a lens are left out: they are nearly all made up for by those of its mount, which was found
    together with it.
    """
    s = found.sightings
    rows = np.flatnonzero(np.isfinite(found.covariance[:, 0, 0]))
    result = np.full((s.moments, 6, 6), np.nan)
    result[rows] = 0.0
    part, knots = s.take(rows), found.knots.take(rows)
    if len(part.frame) == 0:
        return result
    images = predict(part, knots)
    weight = found.agrees[np.isin(s.moment_of_point, rows)] / np.square(found.noise_px[part.camera_of_point])
    weight[~np.isfinite(images.residual).all(axis=1)] = 0.0
    by_camera = images.J
    shrink = np.linalg.inv(np.eye(6) + frame_normals(part, images, weight).D @ part.slack)
    by_frame = found.covariance[rows][part.moment][:, :6] @ np.swapaxes(images.lift, 1, 2) @ shrink
    gain = by_frame[part.frame] @ np.swapaxes(by_camera, 1, 2) * weight[:, None, None]
    gain[weight == 0] = 0.0
    if tag_map is not None and tag_map.sigma is not None:
        result[rows] += _of_map(part, knots, images, gain, tag_map)
    if rig is not None:
        result[rows] += _of_rig(part, knots, images, gain, rig)
    return result


def _of_map(s: Sightings, knots: Knots, images: Images, gain: FloatArray, tag_map: TagMap) -> FloatArray:
    assert tag_map.sigma is not None
    sigma = np.nan_to_num(tag_map.sigma)
    parts = _parts(sigma)
    by_place = images.J_point @ images.R_camera_room[s.frame]
    R = tag_map.T_room_target[s.target][:, :3, :3]
    by_target = np.concatenate([by_place @ (-R @ rotation.hat(s.p_target)), by_place], axis=-1)
    key = s.moment_of_point * len(sigma) + s.target
    added = _summed(gain @ by_target, key, s.moment_of_point, np.repeat(parts.own, 3, axis=1)[s.target], s.moments)
    about = knots.T[:, :3, 3] - tag_map.T_room_target[parts.tied, :3, 3].mean(axis=0) if parts.tied.any() else knots.T[:, :3, 3]
    turn = np.concatenate([np.swapaxes(knots.T[:, :3, :3], 1, 2), -rotation.hat(about)], axis=1)
    return added + _of_whole(turn, parts.common)


def _of_rig(s: Sightings, knots: Knots, images: Images, gain: FloatArray, rig: Rig) -> FloatArray:
    known = [rig.camera(name).sigma for name in s.cameras]
    mounts = _parts(np.array([[item.rotation_rad or 0.0, item.position_m or 0.0] for item in known]))
    clock = np.array([item.time_offset_s or 0.0 for item in known])
    together = float(clock.min())
    own = np.concatenate([np.repeat(mounts.own, 3, axis=1), np.sqrt(np.square(clock) - together**2)[:, None]], axis=1)
    R_camera_body = s.T_camera_body[s.camera_of_point][:, :3, :3]
    by_mount = images.J_point @ np.concatenate([rotation.hat(images.in_camera), -R_camera_body], axis=-1)
    by_clock = images.J @ images.by_time[s.frame][..., None]
    added = _summed(gain @ np.concatenate([by_mount, by_clock], axis=-1), s.frame, s.moment_of_point, own[s.camera_of_point], s.moments)
    places = [rig.camera(name).T_body_camera[:3, 3] for name, tied in zip(s.cameras, mounts.tied, strict=True) if tied]
    about = np.mean(places, axis=0) if places else np.zeros(3)
    R = knots.T[:, :3, :3]
    turn = np.concatenate([np.broadcast_to(np.eye(3), R.shape), R @ rotation.hat(about)], axis=1)
    drift = together**2 * knots.rate[:, :, None] * knots.rate[:, None, :]
    return added + _of_whole(turn, mounts.common) + drift


@dataclass(frozen=True)
class _Parts:
    """Sigma of rotation (rad) and position (m), taken apart."""

    tied: npt.NDArray[np.bool_]
    """(K,) what the others are known against."""
    common: FloatArray
    """(2,)"""
    own: FloatArray
    """(K, 2)"""


def _parts(sigma: FloatArray) -> _Parts:
    tied = (sigma == 0).all(axis=1)
    common = sigma[~tied].min(axis=0) if tied.any() and not tied.all() else np.zeros(2)
    return _Parts(tied, common, np.sqrt(np.maximum(np.square(sigma) - np.square(common), 0.0)))


def _of_whole(turn: FloatArray, common: FloatArray) -> FloatArray:
    """Return (M, 6, 6) of a rotation by which poses change as ``turn`` (M, 6, 3) says, and of a shift; ``common`` (2,) their sigma."""
    result = common[0] ** 2 * turn @ np.swapaxes(turn, 1, 2)
    result[:, 3:, 3:] += common[1] ** 2 * np.eye(3)
    return np.asarray(result)


def _summed(by_point: FloatArray, key: IntArray, moment: IntArray, sigma: FloatArray, moments: int) -> FloatArray:
    """Return (M, 6, 6): the sum over groups of points (those with one ``key``) of K S K^T, K the sum of ``by_point`` (N, 6, k) of the group."""
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    K = np.add.reduceat(by_point[order], np.searchsorted(group[order], np.arange(len(first)))) * sigma[first][:, None]
    result = np.zeros((moments, 6, 6))
    np.add.at(result, moment[first], K @ np.swapaxes(K, 1, 2))
    return result
