"""Calibrate a rig from what its cameras saw of boards and tags: lenses, mounts, clocks, targets and trajectories in one adjustment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.assumed import R_ROOM_CAMERA_LEVEL
from bodydouble.calibration.bundle.adjust import Adjustment
from bodydouble.calibration.bundle.state import STATIC, Layout, Structure, Views
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.connections import NotConnectedError, check_connected
from bodydouble.calibration.divergence import check_settled
from bodydouble.calibration.held_out import only, score_held_out
from bodydouble.calibration.in_step import groupings, in_step
from bodydouble.calibration.intrinsics import find_lens
from bodydouble.calibration.observations import NO_FRAME, Observations, views_of
from bodydouble.calibration.pose_graph import PoseGraph, connect
from bodydouble.calibration.rig import MountedCamera, Rig, Sigma
from bodydouble.calibration.rig_adjustment import adjust_rig
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.calibration.transform import pose_from
from bodydouble.calibration.view_selection import lens_views, spread_moments
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

TrainFrames = Literal["even", "odd", "all"]

MOMENTS = 120
_IGNORED = 0.1
"""A view that counts this much less than usual is named."""


@dataclass(frozen=True)
class RigSettings:
    """What a person may choose about the calibration of a rig."""

    lens: str | Mapping[str, str] = "auto"
    """Name of the lens of all cameras ("auto" finds out), or camera to name; where ``start`` does not tell."""
    start: Rig | None = None
    """Which camera sits on which body, where from to start, and, for the camera that is held, where it stays."""
    fixed_intrinsics: Rig | None = None
    """Lenses that are known and kept."""
    targets_move: bool | None = None
    """Whether boards move in the room; by default they do if all cameras are mounted on "room"."""
    train: TrainFrames = "even"
    clocks: bool = True
    """Whether to find a clock offset of each camera (where times are known)."""


def calibrate_rig(
    observations: Observations, settings: RigSettings = RigSettings(), *, progress: Callable[[str, float, float], None] = lambda stage, done, total: None
) -> RigCalibration:  # fmt: skip
    """Calibrate the rig that took ``observations``.

    ``progress(stage, done, total)`` is told of the stages "lenses", "place", "adjust". The frame of a body is that of its reference camera's mount
    in ``settings.start``, else the reference camera's own (for "room": level, looking along x); that of the room with static targets is the best
    seen target's.

    Raises: NotConnectedError naming cameras that nothing ties to the others; DivergedError naming those that what was found does not explain;
    DataError when a lens cannot be found.
    """
    began = time.monotonic()
    solved = _solve(observations, settings, progress)
    unseen = only(observations, _held_out(observations, solved, settings.train))
    as_stamped = score_held_out(solved.rig, unseen)
    candidates = [solved]
    for offset_s in groupings(observations, _offsets(solved)):
        regrouped = in_step(observations, offset_s)
        if not any(np.array_equal(regrouped.frame_index, other.observations.frame_index) for other in candidates):
            candidates += _solve_in_step(solved, regrouped, offset_s, settings, progress)
    if len(candidates) > 1:
        solved = min(candidates, key=lambda candidate: _misfit(candidate, settings.train))
    in_time = in_step(observations, _offsets(solved)) if len(candidates) == 1 else solved.observations
    unseen_in_time = only(in_time, _held_out(in_time, solved, settings.train))
    same = solved is candidates[0] and np.array_equal(unseen_in_time.frame_index, unseen.frame_index)
    held_out = as_stamped if same else score_held_out(solved.rig, unseen_in_time)
    result = replace(solved, held_out=held_out, held_out_as_stamped=as_stamped, solve_seconds=time.monotonic() - began)
    check_settled(result)
    return result


def _offsets(solved: RigCalibration) -> FloatArray:
    return np.array([solved.rig.camera(name).time_offset_s for name in solved.observations.cameras])


def _misfit(solved: RigCalibration, train: TrainFrames) -> float:
    """Return how badly boards come out on the frames that were solved with, in m; where no two cameras saw a point at once, corner noise in px."""
    errors = score_held_out(solved.rig, only(solved.observations, _trained(solved.observations, train))).distance_error_m
    return float(np.median(np.abs(errors))) if len(errors) else float(np.median(solved.noise_px))


def _solve_in_step(
    before: RigCalibration, regrouped: Observations, offset_s: FloatArray, settings: RigSettings, progress: Callable[[str, float, float], None]
) -> list[RigCalibration]:  # fmt: skip
    """Solve again with frames put into moments by ``offset_s`` (C,) s; nothing if the cameras are not connected in that way."""
    corrected = replace(regrouped, times_s=regrouped.times_s + offset_s[:, None])
    try:
        solved = _solve(corrected, settings, progress, before)
    except NotConnectedError:
        return []  # the frames that may be used of some camera have no partner among the others'
    cameras = {
        name: replace(camera, time_offset_s=camera.time_offset_s + float(offset_s[solved.observations.cameras.index(name)]))
        for name, camera in solved.rig.cameras.items()
    }
    return [replace(solved, rig=replace(solved.rig, cameras=cameras), observations=regrouped)]


def _solve(
    observations: Observations, settings: RigSettings, progress: Callable[[str, float, float], None], before: RigCalibration | None = None
) -> RigCalibration:  # fmt: skip
    """Calibrate from moments as they are, starting with the lenses of ``before``; without the score on unseen frames."""
    trained = _trained(observations, settings.train)
    views = views_of(observations.where(trained))
    if len(views) == 0:
        raise DataError(
            f"No frame among the {settings.train} ones shows four or more corners of a board that are not on one line. Film the board nearer, whole and sharp."
        )
    models = (
        _lenses(observations.where(trained), views, settings, progress)
        if before is None
        else [before.rig.camera(name).model for name in observations.cameras]
    )
    structure, moments = _structure(observations, views, settings)
    views = _renumbered(views, moments)
    progress("place", 0, 1)
    graph, usable = connect(models, structure, views, _start_mounts(observations, settings))
    check_connected(graph, structure, observations.where(trained))
    views = views.select(usable & _placed(graph, structure, views))
    progress("place", 1, 1)
    fixed = settings.fixed_intrinsics.names if settings.fixed_intrinsics is not None else ()
    result, where = adjust_rig(
        models, structure, views, graph, solve_lens=np.array([name not in fixed for name in observations.cameras]), clocks=settings.clocks,
        progress=progress,
    )  # fmt: skip
    rig = _rig(observations, settings, result, where, graph)
    sigma = np.full((len(observations.targets.names), 2), np.nan)
    for g, columns in enumerate(where.target):
        if (columns < where.size).all():
            sigma[g] = _spread(result.covariance, columns)
    static = structure.chain_of_target == STATIC
    return RigCalibration(
        rig=rig,
        reference={_body_names(observations, settings)[body]: observations.cameras[c] for body, c in graph.reference_camera.items()},
        observations=observations,
        T_room_target=np.where(static[:, None, None], result.state.T_room_target, np.nan),
        target_sigma=sigma,
        views=replace(views, moment=moments[views.moment]),
        residual=result.residual,
        weight=result.weight,
        noise_px=result.noise_px,
        jitter_s=result.slack.time_s,
        held_out=score_held_out(rig, only(observations, np.zeros(observations.frame_index.shape, dtype=np.bool_))),
        rejected=_rejected(observations, views, moments, result),
        converged=result.converged,
    )


def _trained(observations: Observations, train: TrainFrames) -> BoolArray:
    """Return (C, T) which frames are solved with.

    Even or odd is the number of the frame in the camera that has the most frames, for all frames taken at that moment: what was taken together
    is never on both sides. Where that camera has no frame, the lowest number of the others' counts.
    """
    there: BoolArray = observations.frame_index != NO_FRAME
    if train == "all":
        return there
    master = int(np.argmax(there.sum(axis=1)))
    lowest = np.where(there, observations.frame_index, np.iinfo(np.int64).max).min(axis=0)
    number = np.where(there[master], observations.frame_index[master], lowest)
    return np.asarray(there & (number % 2 == (0 if train == "even" else 1)), dtype=np.bool_)


def _held_out(observations: Observations, solved: RigCalibration, train: TrainFrames) -> BoolArray:
    """Return (C, T) which frames ``solved`` did not see, whatever moments they are put into."""
    seen = np.where(_trained(solved.observations, train), solved.observations.frame_index, NO_FRAME)
    return np.array([~np.isin(own, [NO_FRAME, *known]) for own, known in zip(observations.frame_index, seen, strict=True)])


def _body_names(observations: Observations, settings: RigSettings) -> tuple[str, ...]:
    return settings.start.bodies if settings.start is not None else ("room",)


def _lenses(
    observations: Observations, views: Views, settings: RigSettings, progress: Callable[[str, float, float], None]
) -> list[CameraModel]:
    models: list[CameraModel] = []
    for c, name in enumerate(observations.cameras):
        progress("lenses", c, len(observations.cameras))
        known = next((rig for rig in (settings.fixed_intrinsics, settings.start) if rig is not None and name in rig.names), None)
        if known is not None:
            models.append(known.camera(name).model)
            continue
        lens = settings.lens if isinstance(settings.lens, str) else settings.lens.get(name, "auto")
        try:
            models.append(find_lens(lens_views(observations, views, c), observations.image_size[c], lens).model)
        except DataError as error:
            raise DataError(f"Camera '{name}': {error}") from None
    progress("lenses", 1, 1)
    return models


def _structure(observations: Observations, views: Views, settings: RigSettings) -> tuple[Structure, npt.NDArray[np.int64]]:
    bodies = _body_names(observations, settings)
    body_of_camera = np.array([bodies.index(settings.start.camera(name).body) if settings.start else 0 for name in observations.cameras])
    moving_bodies = [b for b, body in enumerate(bodies) if body != "room" and (body_of_camera == b).any()]
    chain_of_body = np.full(len(bodies), STATIC)
    chain_of_body[moving_bodies] = np.arange(len(moving_bodies))
    move = settings.targets_move if settings.targets_move is not None else not moving_bodies
    targets = len(observations.targets.names)
    chain_of_target = len(moving_bodies) + np.arange(targets) if move else np.full(targets, STATIC)
    moments = spread_moments(views, MOMENTS)
    timed = bool(np.isfinite(observations.times_s).any()) and settings.clocks and (move or bool(moving_bodies))
    times = observations.moment_s[moments] if timed else np.arange(len(moments), dtype=np.float64)
    return Structure(body_of_camera, chain_of_body, chain_of_target, times, 1), moments


def _renumbered(views: Views, moments: npt.NDArray[np.int64]) -> Views:
    """Return the views of some moments, numbered by their place among these."""
    views = views.select(np.isin(views.moment, moments))
    return replace(views, moment=np.searchsorted(moments, views.moment))


def _start_mounts(observations: Observations, settings: RigSettings) -> FloatArray:
    level = pose_from(R_ROOM_CAMERA_LEVEL, np.zeros(3))
    mounts = np.tile(level, (len(observations.cameras), 1, 1))
    if settings.start is not None:
        for c, name in enumerate(observations.cameras):
            mounts[c] = settings.start.camera(name).T_body_camera
    return mounts


def _placed(graph: PoseGraph, structure: Structure, views: Views) -> BoolArray:
    """Return (V,) which views have everything they hang on in place."""
    body, target = structure.camera_chain(views.camera), structure.chain_of_target[views.target]
    good = graph.placed_cameras[views.camera]
    for chain in (body, target):
        if structure.chains:
            knots = np.isfinite(graph.T_room_knot[np.maximum(chain, 0), views.moment, 0, 0])
            good = good & ((chain == STATIC) | knots)
    return np.asarray(good & ((target != STATIC) | graph.placed_targets[views.target]))


def _rig(observations: Observations, settings: RigSettings, result: Adjustment, where: Layout, graph: PoseGraph) -> Rig:
    bodies = _body_names(observations, settings)
    cameras = {}
    for c, name in enumerate(observations.cameras):
        body = settings.start.camera(name).body if settings.start else "room"
        lens = np.sqrt(np.append(np.diag(result.covariance), np.nan)[where.intrinsics[c]])
        turned, moved = map(float, _spread(result.covariance, where.mount[c]))
        clock = float(_spread(result.covariance, where.offset[c : c + 1])[0])
        held = c in graph.reference_camera.values()
        sigma = Sigma(
            focal_px=_known(float(np.sqrt(np.mean(np.square(lens[:2]))))), center_px=_known(float(np.sqrt(np.mean(np.square(lens[2:4]))))),
            rotation_rad=0.0 if held else _known(turned), position_m=0.0 if held else _known(moved), time_offset_s=_known(clock),
        )  # fmt: skip
        cameras[name] = MountedCamera(
            name, result.state.models[c], body, result.state.T_body_camera[c], sigma, time_offset_s=float(result.state.offset_s[c])
        )
    return Rig(settings.start.name if settings.start else "calibrated", bodies, cameras)


def _spread(covariance: FloatArray, columns: npt.NDArray[np.int64]) -> FloatArray:
    """Return one standard deviation of each half of some unknowns (rotation, position), root mean square over the axes; NaN where held."""
    if (columns >= len(covariance)).any():
        return np.full(2, np.nan)
    variance = np.diag(covariance)[columns]
    half = max(len(columns) // 2, 1)
    return np.asarray(np.sqrt([variance[:half].mean(), variance[-half:].mean()]))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _rejected(observations: Observations, views: Views, moments: npt.NDArray[np.int64], result: Adjustment) -> dict[str, str]:
    """Name the views that the robust losses all but ignored."""
    rejected = {}
    seen = views.seen
    for v in np.flatnonzero(np.where(seen, result.weight, 0.0).sum(axis=1) < _IGNORED * seen.sum(axis=1)):
        frame = observations.frame_index[views.camera[v], moments[views.moment[v]]]
        off = float(np.median(np.linalg.norm(result.residual[v][seen[v]], axis=-1)))
        how_far = (
            f"its corners are {off:.1f} px off what the other views say"
            if np.isfinite(off)
            else "the other views put it outside of what the lens maps"
        )
        rejected[f"{observations.cameras[views.camera[v]]} frame {frame}"] = how_far
    return rejected
