"""The room frame of a calibrated rig: origin, up and scale, from measured points or from a board that lies on the floor."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.rig import Rig
from bodydouble.calibration.room.resection import ROOM, camera_poses, check_cameras, effective_sigma, subsets
from bodydouble.calibration.room.scene_adjustment import ScenePlacement, UndeterminedError, place, place_robustly
from bodydouble.calibration.room.scene_placement import Observed, Placement
from bodydouble.calibration.room.scene_points import FEWEST_POINTS, ScenePoints, on_one_line
from bodydouble.calibration.room.scene_report import warning_of_up, wrong_clicks, wrong_points
from bodydouble.calibration.room.scene_triangulation import triangulate_clicks
from bodydouble.calibration.transform import apply, nearest_rotation, pose_from
from bodydouble.errors import DataError, UsageError
from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]

_TRIPLES = 200
_STARTS = 4
_LOOSEST_M = 0.5
_OTHER_UNIT = 1.2
"""A scale further from 1 than this is another unit, or wrong points, and no board that was printed a little too large."""
_SIGNIFICANT = 3.0
_SMALLEST_PERCENT = 0.2
"""Scales closer to 1 than this harm nobody."""


@dataclass(frozen=True)
class FrameChange:
    """From an old room frame to a new one: ``p_new = R_new_old (scale p_old) + t``, with R and t of ``T_new_old``."""

    T_new_old: FloatArray
    """(4, 4); read-only."""
    scale: float = 1.0
    """Lengths in the new frame over those in the old one."""

    def __post_init__(self) -> None:
        freeze_arrays(self, {"T_new_old": ((4, 4), np.float64)})

    def points(self, p_old: npt.ArrayLike) -> FloatArray:
        """Return points (..., 3) of the old frame in the new one."""
        return apply(self.T_new_old, self.scale * np.asarray(p_old, dtype=np.float64))

    def poses(self, T_old_x: npt.ArrayLike) -> FloatArray:
        """Return poses (..., 4, 4) in the old frame, such as a map of tags ``T_room_target``, in the new one; rotations stay rotations.

        Where the scale is not 1 the tags themselves are that much larger too.
        """
        return np.asarray(self.T_new_old @ self._scaled(np.asarray(T_old_x, dtype=np.float64)))

    def rig(self, rig: Rig) -> Rig:
        """Return the rig in the new frame: cameras on the body "room" move, those on other bodies stay.

        Lengths of one calibration are right or wrong together, so a scale applies to the mounts on all bodies.
        """
        cameras = {
            name: replace(
                camera,
                T_body_camera=self.poses(camera.T_body_camera) if camera.body == ROOM else self._scaled(camera.T_body_camera),
            )
            for name, camera in rig.cameras.items()
        }
        return replace(rig, cameras=cameras)

    def _scaled(self, T: FloatArray) -> FloatArray:
        scaled = T.copy()
        scaled[..., :3, 3] *= self.scale
        return scaled


@dataclass(frozen=True)
class RoomFrame:
    """A rig in its new room frame, with what says how well that is known. C cameras and P points as in ``scene``."""

    rig: Rig
    change: FrameChange
    """What was done to the rig, to be applied to whatever else is in its room, such as a map of tags."""
    scene: ScenePoints
    scale_found: float
    """Lengths of the measured points over those of the rig, whether it was applied or not; NaN where only one camera saw them."""
    scale_sigma: float
    """One standard deviation of it."""
    sigma_rotation_rad: float
    """One standard deviation of the room frame against the rig about each axis."""
    sigma_position_m: float
    """The same of its place, at the middle of the measured points, along each axis."""
    error_m: FloatArray
    """(P, 3) points as the rig in its new frame sees them, minus as measured; NaN where fewer than two cameras saw a point."""
    residual_px: FloatArray
    """(C, P, 2) predicted minus clicked, wrong clicks too; NaN where not clicked."""
    outliers: tuple[str, ...]
    """A sentence for each wrong click and each wrong measurement; they were left out."""
    warnings: tuple[str, ...]


def align_to_points(rig: Rig, scene: ScenePoints, *, scale: bool = False) -> RoomFrame:
    """Put a calibrated rig into the frame of measured points that were clicked in the images of its static cameras.

    Clicks are triangulated and matched to the measured points (Umeyama, PAMI 1991; triples, so that a wrong one does no harm); where cameras
    share too few of them each proposes its own resection. The best is refined in pixels with the points inside their scatter. With ``scale`` the rig's lengths
    become those of the points; without, lengths stay and the scale that was found is only reported. A scene with more cameras than the rig, or
    fewer, is no error as long as the clicked ones are in the rig.

    Raises: UsageError, UnknownNameError where the clicks cannot be this rig's; DataError where they do not decide the frame.
    """
    check_cameras(rig, scene)
    names = scene.cameras
    models = tuple(rig.cameras[name].model for name in names)
    T_old_camera = np.stack([rig.cameras[name].T_body_camera for name in names])
    observed = Observed(scene.pixels, scene.points, scene.sigma_px, scene.sigma_m)
    starts = [
        Placement(models, np.zeros(len(models), dtype=np.int64), T_old_camera, item.T_new_old[None], scene.points, item.scale)
        for item in _proposals(models, T_old_camera, scene)
    ]
    several = bool((scene.seen.sum(axis=0) >= 2).any())
    if scale and not several:
        raise UsageError(
            "the scale cannot be found from one camera's image; click the points in a second camera, or leave the scale as it is."
        )
    found = _best([start if scale else replace(start, scale=1.0) for start in starts], observed, free_scale=scale)
    scaled = found if scale else None
    if several and not scale:
        with contextlib.suppress(DataError):  # the frame is known even where the scale is not
            scaled = _best(starts[:1], observed, free_scale=True)
    scale_found, scale_sigma = (
        (scaled.placement.scale, scaled.placement.scale * np.sqrt(scaled.covariance[-1, -1])) if scaled else (np.nan,) * 2
    )
    if not scale and np.isfinite(scale_found) and abs(np.log(scale_found)) > np.log(_OTHER_UNIT):
        raise DataError(
            f"the measured points are {scale_found:.4g} times as far apart as the rig sees them; check the units of both (metres), or ask for the "
            "scale of the points if the rig has none of its own."
        )
    change = FrameChange(found.placement.T_room_group[0], found.placement.scale)
    placed = change.rig(rig)
    sigma = np.sqrt(np.trace(found.covariance[:3, :3]) / 3)
    position = _position_sigma(found, scene)
    if position > _LOOSEST_M:
        raise DataError(
            f"the clicked points leave the room frame open to {position:.1f} m; click points that are farther apart from each other."
        )
    warnings = list(warning_of_up(placed, scene))
    if not scale and scale_found and abs(scale_found - 1) > max(_SIGNIFICANT * scale_sigma, _SMALLEST_PERCENT / 100):
        warnings.append(_scale_warning(scale_found, scale_sigma))
    kept = np.where(found.good_click[..., None], scene.pixels, np.nan)
    seen = triangulate_clicks(models, found.placement.T_room_camera, kept, found.sigma_px)
    outliers = (*wrong_clicks(scene, found), *wrong_points(scene, found))
    return RoomFrame(
        placed, change, scene, float(scale_found), float(scale_sigma), float(sigma), position, seen - scene.points, found.residual_px,
        outliers, tuple(warnings),
    )  # fmt: skip


def _scale_warning(scale: float, sigma: float) -> str:
    return (
        f"the measured points are {scale:.4f} times as far apart as the rig sees them (one sigma {sigma:.4f}): the square size of the board that the "
        f"rig was calibrated with may be wrong by {100 * (scale - 1):+.1f} %, or the points were measured so; if the points are right, take their scale"
    )


def _proposals(models: tuple[CameraModel, ...], T_old_camera: FloatArray, scene: ScenePoints) -> list[FrameChange]:
    """Return changes of frame that explain many of the clicks, best first."""
    expected = max(effective_sigma(model, scene) for model in models)
    found: list[FrameChange] = []
    p_old = triangulate_clicks(models, T_old_camera, scene.pixels, 5 * scene.sigma_px)
    known = np.flatnonzero(np.isfinite(p_old).all(axis=-1))
    for chosen in [known.tolist(), *subsets(known.tolist(), 3, _TRIPLES)]:
        if not on_one_line(p_old[chosen]) and not on_one_line(scene.points[chosen]):
            found.append(similarity(p_old[chosen], scene.points[chosen]))
    for row, model in enumerate(models):
        seen = scene.seen[row]
        if len(known) < FEWEST_POINTS <= seen.sum():
            for T_new_camera in camera_poses(model, scene.points[seen], scene.pixels[row, seen], expected):
                R = T_new_camera[:3, :3] @ T_old_camera[row, :3, :3].T
                found.append(FrameChange(pose_from(R, T_new_camera[:3, 3] - R @ T_old_camera[row, :3, 3])))
    if not found:
        raise DataError(
            "the clicks do not decide the room frame: three points that are not on one line are needed in two cameras, or four in one. Click more of them."
        )

    def cost(change: FrameChange) -> float:
        group = np.zeros(len(models), dtype=np.int64)
        pixels = Placement(models, group, T_old_camera, change.T_new_old[None], scene.points, change.scale).project()
        error = np.square(pixels - scene.pixels).sum(axis=-1)[scene.seen]
        return float(np.log1p(np.nan_to_num(error, nan=1e8) / (4 * expected**2)).sum())

    return sorted(found, key=cost)[:_STARTS]


def similarity(p_old: FloatArray, p_new: FloatArray) -> FrameChange:
    """Return the change of frame that takes points (n, 3) nearest to others in the sum of squares (Umeyama, PAMI 1991)."""
    middle_old, middle_new = p_old.mean(axis=0), p_new.mean(axis=0)
    old, new = p_old - middle_old, p_new - middle_new
    R = nearest_rotation(new.T @ old)
    scale = float(np.einsum("ni,ij,nj->", new, R, old) / np.square(old).sum())
    scale = scale if scale > 0 else 1.0
    return FrameChange(pose_from(R, middle_new - scale * R @ middle_old), scale)


def _best(starts: list[Placement], observed: Observed, *, free_scale: bool) -> ScenePlacement:
    found: list[tuple[Placement, float]] = []
    for start in starts:
        with contextlib.suppress(UndeterminedError):
            found.append(place_robustly(start, observed, free_scale=free_scale))
    with contextlib.suppress(UndeterminedError, ValueError):  # no start at all is a ValueError of min
        return place(min(found, key=lambda item: item[1])[0], observed, free_scale=free_scale)
    raise DataError("the clicks leave the room frame open; click more points, well apart from each other, in more cameras.")


def _position_sigma(found: ScenePlacement, scene: ScenePoints) -> float:
    """Return one standard deviation (m, each axis) of where the rig sees the middle of the points."""
    placement = found.placement
    T, middle = placement.T_room_group[0], scene.points.mean(axis=0)
    inner = T[:3, :3].T @ (middle - T[:3, 3])
    x, y, z = inner
    hat = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    J = np.hstack([-T[:3, :3] @ hat, np.eye(3), (T[:3, :3] @ inner)[:, None]])
    return float(np.sqrt(np.trace(J @ found.covariance @ J.T) / 3))
