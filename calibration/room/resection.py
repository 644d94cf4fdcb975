"""Where static cameras are, from measured points alone."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.pnp import target_poses
from bodydouble.calibration.rig import MountedCamera, Rig
from bodydouble.calibration.room.scene_adjustment import ScenePlacement, UndeterminedError, place, place_robustly
from bodydouble.calibration.room.scene_placement import Observed, Placement
from bodydouble.calibration.room.scene_points import FEWEST_POINTS, ScenePoints, check_inside, on_one_line
from bodydouble.calibration.room.scene_report import warning_of_up, wrong_clicks, wrong_points
from bodydouble.calibration.transform import invert, pose_distance, pose_from
from bodydouble.errors import DataError, UnknownNameError, UsageError

FloatArray = npt.NDArray[np.float64]

ROOM = "room"
_SUBSETS = 150
_REFINED = 4
"""Best of the starting poses that are refined."""
_SAME_POSE_RAD = np.radians(1.0)
_OTHER_POSE_RAD = np.radians(10.0)
"""Nearer ones differ by which click they believe, and the other cameras decide about that."""
_RIVAL = 9.2
"""Twice the logarithm of a likelihood ratio of 100: a second pose within it is as good as the best."""
_FLAT = 1e-3
_WORST = 10.0
"""Times the expected error, as RMS over a camera: more is no scatter of clicks."""
_LOOSEST_M = 0.5


@dataclass(frozen=True)
class Resection:
    """Cameras placed by measured points, with what says how well. C cameras and P points as in ``scene``."""

    rig: Rig
    """Of the rig that was given, or of the models alone: sigma of rotation and position are those of the new poses."""
    scene: ScenePoints
    residual_px: FloatArray
    """(C, P, 2) predicted minus clicked, wrong clicks too; NaN where not clicked."""
    rms_px: dict[str, float]
    """Of each camera, without wrong clicks."""
    points: FloatArray
    """(P, 3) m where the cameras see the measured points; as measured where sigma_m is 0 or nobody clicked."""
    sigma_px: float
    """Scatter of the clicks: as declared, or larger where the residuals say so."""
    sigma_m: float
    """Scatter of the measurements, likewise."""
    outliers: tuple[str, ...]
    """A sentence for each wrong click and each wrong measurement; they were left out."""
    warnings: tuple[str, ...]


def resect(rig_or_models: Rig | Mapping[str, CameraModel], scene: ScenePoints) -> Resection:
    """Find the poses of static cameras in the room from where they show measured points; the lenses are taken as they are.

    Each camera first by itself: poses of subsets of four points (``pnp.target_poses``, any lens), the one that explains most of the camera's
    points is refined. Then all cameras and the points together (``scene_adjustment.place``), because a point that was measured 5 mm off is so
    for every camera. Given a rig, its cameras on the body "room" are moved and all others stay as they are.

    Raises: UnknownNameError for a clicked camera that is not there; UsageError where a camera has too few points or points on one line;
    DataError where no pose explains a camera's clicks, or two do.
    """
    rig = rig_or_models if isinstance(rig_or_models, Rig) else _rig_of(rig_or_models, scene)
    check_cameras(rig, scene)
    static = [name for name, camera in rig.cameras.items() if camera.body == ROOM]
    missing = [name for name in static if name not in scene.cameras]
    if missing:
        raise UsageError(
            f"no point was clicked in camera '{missing[0]}', which stands in the room like {', '.join(scene.cameras) or 'no other'}; "
            "click its points, or leave the camera out."
        )
    observed = Observed(scene.pixels, scene.points, scene.sigma_px, scene.sigma_m)
    poses = np.stack([_camera_pose(rig.cameras[name].model, scene, row) for row, name in enumerate(scene.cameras)])
    count = len(scene.cameras)
    models = tuple(rig.cameras[name].model for name in scene.cameras)
    start = Placement(models, np.arange(count), np.broadcast_to(np.eye(4), (count, 4, 4)), poses, scene.points)
    try:
        found = place(start, observed)
    except UndeterminedError:
        raise DataError(
            "the measured points leave the cameras' poses open; click more points in each camera, well apart from each other."
        ) from None
    return _result(rig, scene, found)


def check_cameras(rig: Rig, scene: ScenePoints) -> None:
    """Check that the clicked cameras are in the rig, static, and of the size of the images. Raises: UsageError, UnknownNameError."""
    if not scene.seen.any():
        raise UsageError("no point was clicked in any camera; the scene needs [cameras.NAME] with point = [u, v] in pixels.")
    for row, name in enumerate(scene.cameras):
        camera = rig.camera(name)
        if camera.body != ROOM:
            raise UsageError(
                f"camera '{name}' is on body '{camera.body}', which moves; measured points place only cameras on body '{ROOM}'."
            )
        size, clicked = camera.model.image_size, scene.image_size[row]
        if clicked is not None and clicked != size:
            raise UsageError(
                f"camera '{name}' was clicked in an image of {clicked[0]}x{clicked[1]} px but calibrated at {size[0]}x{size[1]} px; "
                "click in an image of the calibrated size."
            )
        which = np.flatnonzero(scene.seen[row])
        check_inside(name, [scene.names[p] for p in which], scene.pixels[row, which], size)


def _rig_of(models: Mapping[str, CameraModel], scene: ScenePoints) -> Rig:
    for name in scene.cameras:
        if name not in models:
            raise UnknownNameError("camera", name, "the camera models", models)
    return Rig("room", (ROOM,), {name: MountedCamera(name, model, ROOM, np.eye(4)) for name, model in models.items()})


def _camera_pose(model: CameraModel, scene: ScenePoints, row: int) -> FloatArray:
    """Return T_room_camera (4, 4) of one camera."""
    name, seen = scene.cameras[row], scene.seen[row]
    points, pixels = scene.points[seen], scene.pixels[row, seen]
    if len(points) < FEWEST_POINTS:
        raise UsageError(
            f"camera '{name}' shows {len(points)} measured points; expected at least {FEWEST_POINTS}. Click more of them in its image."
        )
    if on_one_line(points):
        raise UsageError(
            f"the points clicked in camera '{name}' are all on one line, which leaves its pose open; click one beside that line."
        )
    observed = Observed(pixels[None], points, scene.sigma_px, scene.sigma_m)
    found: list[tuple[Placement, float]] = []
    for T in camera_poses(model, points, pixels, effective_sigma(model, scene))[:_REFINED]:
        start = Placement((model,), np.zeros(1, dtype=np.int64), np.eye(4)[None], T[None], points)
        with contextlib.suppress(UndeterminedError):
            found.append(place_robustly(start, observed))
    found.sort(key=lambda item: item[1])
    try:
        best = place(found[0][0], observed) if found else None
    except UndeterminedError:
        best = None
    if best is None:
        raise DataError(
            f"no pose of camera '{name}' explains its clicks; check that the points carry the right names and that the lens is that of this camera."
        )
    _check_fit(best, scene, row, model)
    for other, cost in found[1:]:
        angle, distance = pose_distance(found[0][0].T_room_group[0], other.T_room_group[0])
        if cost - found[0][1] < _RIVAL and angle > _OTHER_POSE_RAD:
            raise DataError(
                f"two poses of camera '{name}', {float(distance):.2f} m and {np.degrees(float(angle)):.0f} degrees apart, explain its clicks equally "
                "well; click more points, farther apart or at other heights."
            )
    T_room_camera: FloatArray = best.placement.T_room_group[0]
    return T_room_camera


def _check_fit(best: ScenePlacement, scene: ScenePoints, row: int, model: CameraModel) -> None:
    name = scene.cameras[row]
    rms = _rms(best.residual_px[0][best.good_click[0]])
    expected = effective_sigma(model, scene) * np.sqrt(2)
    if rms > _WORST * expected:
        raise DataError(
            f"no pose of camera '{name}' explains its clicks: the best is {rms:.0f} px off (RMS). Look for a point clicked under another's name, "
            "coordinates with the wrong sign (x forward, y left, z up), or a lens that is another camera's; a fifth point tells which click is wrong."
        )
    sigma = float(np.sqrt(np.trace(best.covariance[3:6, 3:6]) / 3))
    if sigma > _LOOSEST_M:
        raise DataError(
            f"the points clicked in camera '{name}' leave its position open to {sigma:.1f} m; click points that are farther apart from each other."
        )


def effective_sigma(model: CameraModel, scene: ScenePoints) -> float:
    """Return about how far a click is from a measured point in px, given both their scatters, at the distance of a filled image."""
    size = float(np.ptp(scene.points, axis=0).max())
    return float(np.hypot(scene.sigma_px, scene.sigma_m / size * max(model.image_size)))


def camera_poses(model: CameraModel, points: FloatArray, pixels: FloatArray, sigma_px: float) -> list[FloatArray]:
    """Return poses T_room_camera (4, 4) that explain many of the points (n, 3) at pixels (n, 2), best first.

    From all points and from subsets of four, so that a wrong click among them does no harm.
    """
    every = list(range(len(points)))
    scored: list[tuple[float, FloatArray]] = []
    for chosen in [every, *subsets(every, FEWEST_POINTS, _SUBSETS)]:
        for T_camera_room in _poses(model, points[chosen], pixels[chosen]):
            error = np.square(model.project(points @ T_camera_room[:3, :3].T + T_camera_room[:3, 3]) - pixels).sum(axis=-1)
            cost = float(np.log1p(np.nan_to_num(error, nan=1e8) / (4 * sigma_px**2)).sum())
            scored.append((cost, invert(T_camera_room)))
    scored.sort(key=lambda item: item[0])
    distinct: list[FloatArray] = []
    for _, T in scored:
        if all(pose_distance(T, other)[0] > _SAME_POSE_RAD for other in distinct):
            distinct.append(T)
        if len(distinct) >= 2 * _REFINED:
            break
    return distinct


def subsets(items: list[int], size: int, most: int) -> list[list[int]]:
    """Return all subsets of ``size`` items where there are at most ``most``, else that many at random, the same every time."""
    if len(items) < size:
        return []
    if math.comb(len(items), size) <= most:
        return [list(chosen) for chosen in itertools.combinations(items, size)]
    random = np.random.default_rng(0)
    return [random.choice(items, size, replace=False).tolist() for _ in range(most)]


def _poses(model: CameraModel, points: FloatArray, pixels: FloatArray) -> list[FloatArray]:
    """Return poses T_camera_room of points that may lie in any plane, or in none."""
    middle = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - middle)
    axes[2] *= np.sign(np.linalg.det(axes))
    local = (points - middle) @ axes.T
    if spread[2] < _FLAT * spread[0]:
        local[:, 2] = 0.0
    T_plane_room = pose_from(axes, -axes @ middle)
    return [T @ T_plane_room for T, _ in target_poses(model, local, pixels)]


def _result(rig: Rig, scene: ScenePoints, found: ScenePlacement) -> Resection:
    cameras = dict(rig.cameras)
    for row, name in enumerate(scene.cameras):
        block = found.covariance[6 * row : 6 * row + 6, 6 * row : 6 * row + 6]
        rotation_rad, position_m = (float(np.sqrt(np.trace(block[part, part]) / 3)) for part in (slice(0, 3), slice(3, 6)))
        sigma = replace(cameras[name].sigma, rotation_rad=rotation_rad, position_m=position_m)
        cameras[name] = replace(cameras[name], T_body_camera=found.placement.T_room_group[row], sigma=sigma)
    placed = replace(rig, cameras=cameras)
    outliers = (*wrong_clicks(scene, found), *wrong_points(scene, found))
    rms = {name: _rms(found.residual_px[row][found.good_click[row]]) for row, name in enumerate(scene.cameras)}
    points, warnings = found.placement.points, warning_of_up(placed, scene)
    return Resection(placed, scene, found.residual_px, rms, points, found.sigma_px, found.sigma_m, outliers, warnings)


def _rms(residual: FloatArray) -> float:
    return float(np.sqrt(np.square(residual).sum(axis=-1).mean())) if len(residual) else float("nan")
