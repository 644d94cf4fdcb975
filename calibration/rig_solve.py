"""Calibrate a rig from what its cameras saw of boards and tags: lenses, mounts, clocks, targets and trajectories in one adjustment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.assumed import R_ROOM_CAMERA_LEVEL
from bodydouble.calibration.bundle import Adjustment, adjust
from bodydouble.calibration.bundle_priors import Priors
from bodydouble.calibration.bundle_slack import Slack
from bodydouble.calibration.bundle_state import STATIC, Layout, State, Structure, Views, layout
from bodydouble.calibration.camera_model import CameraModel
from bodydouble.calibration.connections import check_connected
from bodydouble.calibration.held_out import in_step, only, score_held_out
from bodydouble.calibration.intrinsics import calibrate_lens, find_lens, intrinsics_priors
from bodydouble.calibration.motion_prior import MotionPrior
from bodydouble.calibration.observations import NO_FRAME, Observations, views_of
from bodydouble.calibration.pose_graph import PoseGraph, connect
from bodydouble.calibration.rig import MountedCamera, Rig, Sigma
from bodydouble.calibration.rig_calibration import RigCalibration
from bodydouble.calibration.transform import pose_from
from bodydouble.calibration.view_selection import sharpness, spread_moments, spread_views
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

TrainFrames = Literal["even", "odd", "all"]

LENS_VIEWS = 60
MOMENTS = 120
_FIRST_SLACK = Slack(rotation=5e-3, position=1e-3)
_SECOND_SLACK = Slack(rotation=2e-3, position=5e-4, time_s=5e-3)
_LONGEST_STEP_S = 1.0
"""Moments further apart say nothing about how fast something moved in between."""
_LEAST_MOTION = MotionPrior(velocity=(0.05, 0.02), acceleration=(0.2, 0.05))
_DIVERGED_PX = 20.0


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

    Raises: NotConnectedError naming cameras that nothing ties to the others; DataError when a lens cannot be found or the adjustment diverges.
    """
    began = time.monotonic()
    solved = _solve(observations, settings, progress)
    unseen = only(observations, _held_out(observations, settings.train))
    as_stamped = score_held_out(solved.rig, unseen)
    offset_s = np.array([solved.rig.camera(name).time_offset_s for name in observations.cameras])
    again = in_step(observations, offset_s)
    if not np.array_equal(again.frame_index, observations.frame_index):
        # Some clock is so far out that its frames belong to other moments: only now is it known which frames were taken together.
        solved = _solve(replace(again, times_s=again.times_s + offset_s[:, None]), settings, progress, solved)
        cameras = {
            name: replace(camera, time_offset_s=camera.time_offset_s + float(offset_s[observations.cameras.index(name)]))
            for name, camera in solved.rig.cameras.items()
        }
        solved = replace(solved, rig=replace(solved.rig, cameras=cameras))
        unseen = only(solved.observations, _held_out(solved.observations, settings.train))
    held_out = score_held_out(solved.rig, unseen)
    return replace(solved, held_out=held_out, held_out_as_stamped=as_stamped, solve_seconds=time.monotonic() - began)


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
        _lenses(observations, views, settings, progress)
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
    result, structure, where, first = _adjust(models, structure, views, graph, settings, progress)
    typical = float(np.median(np.linalg.norm(first.residual, axis=-1)[views.seen]))
    if not np.isfinite(typical) or typical > _DIVERGED_PX:
        raise DataError(
            f"The adjustment diverged: half of the corners are more than {typical:.0f} px off. Nothing was written. Check that the board file "
            "describes the board (`bodydouble board find IMAGE`), that all videos are of one recording, and their timestamps."
        )
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


def _held_out(observations: Observations, train: TrainFrames) -> BoolArray:
    return np.asarray((observations.frame_index != NO_FRAME) & ~_trained(observations, train), dtype=np.bool_)


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
        own = views.select(views.camera == c)
        sharp = sharpness(observations, c, own.moment)
        own = own.select(spread_views(own, observations.image_size[c], LENS_VIEWS, sharp))
        lens = settings.lens if isinstance(settings.lens, str) else settings.lens.get(name, "auto")
        try:
            size = observations.image_size[c]
            models.append((find_lens(own, size) if lens == "auto" else calibrate_lens(own, size, lens)).model)
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


def _adjust(
    models: list[CameraModel], structure: Structure, views: Views, graph: PoseGraph, settings: RigSettings, progress: Callable[[str, float, float], None]
) -> tuple[Adjustment, Structure, Layout, Adjustment]:  # fmt: skip
    """Adjust with still moments first; then, where times are known, with motion and clocks."""
    cameras = len(models)
    P = max(len(model.parameters) for model in models)
    knots = _filled(graph.T_room_knot)
    state = State(
        tuple(models), graph.T_body_camera, np.zeros(cameras), np.where(np.isfinite(graph.T_room_target), graph.T_room_target, np.eye(4)),
        knots, np.zeros((*knots.shape[:2], 0, 6)),
    )  # fmt: skip
    free_lens = np.array([[i < len(model.parameters) for i in range(P)] for model in models]) & (settings.fixed_intrinsics is None)
    free_mount = np.ones(cameras, dtype=bool)
    free_mount[list(graph.reference_camera.values())] = False
    free_target = (structure.chain_of_target == STATIC) & graph.placed_targets
    if graph.reference_target is not None:
        free_target[graph.reference_target] = False
    held_clock = np.zeros(cameras, dtype=bool)
    expected, sigma = np.zeros((cameras, P)), np.full((cameras, P), np.inf)
    for c, model in enumerate(models):
        expected[c, : len(model.parameters)], sigma[c, : len(model.parameters)] = intrinsics_priors(model)
    where = layout(free_lens, free_mount, held_clock, free_target)
    shared = len(np.unique(views.camera)) > 1
    priors = Priors(expected, sigma, slack=_FIRST_SLACK if structure.chains and shared else Slack())
    first = adjust(state, structure, views, where, priors, progress=lambda step: progress("adjust", min(step, 40), 100))
    timed = structure.moment_s[-1] > structure.moment_s[0] and settings.clocks and bool(np.isfinite(views.time_s).all())
    if not (timed and structure.chains and shared):
        progress("adjust", 1, 1)
        return first, structure, where, first
    rates, motion = _rates(first.state.T_room_knot, structure, views)
    free_clock = np.ones(cameras, dtype=bool)
    free_clock[next(iter(graph.reference_camera.values()), 0)] = False
    structure = replace(structure, order=3)
    where = layout(free_lens, free_mount, free_clock, free_target)
    priors = replace(priors, slack=_SECOND_SLACK, motion=motion)
    second = adjust(
        replace(first.state, rates=rates),
        structure,
        views,
        where,
        priors,
        progress=lambda step: progress("adjust", 40 + min(step, 60), 100),
    )
    progress("adjust", 1, 1)
    return second, structure, where, first


def _filled(knots: FloatArray) -> FloatArray:
    """Return the poses of all moments, those that are not placed as at the nearest moment that is."""
    result = knots.copy()
    for chain in result:
        known = np.flatnonzero(np.isfinite(chain[:, 0, 0]))
        if len(known):
            nearest = known[np.argmin(np.abs(np.arange(len(chain))[:, None] - known), axis=1)]
            chain[:] = chain[nearest]
        else:
            chain[:] = np.eye(4)
    return result


def _rates(knots: FloatArray, structure: Structure, views: Views) -> tuple[FloatArray, MotionPrior]:
    """Return rates (N, M, 2, 6) at the knots from differences between moments, and a motion prior as lively as what was seen."""
    chains, count = knots.shape[:2]
    rates = np.zeros((chains, count, 2, 6))
    speeds, accelerations = [], []
    times = structure.moment_s
    for chain in range(chains):
        own = (structure.camera_chain(views.camera) == chain) | (structure.chain_of_target[views.target] == chain)
        seen = np.bincount(views.moment[own], minlength=count) > 0
        for m in range(1, count - 1):
            before, after = times[m] - times[m - 1], times[m + 1] - times[m]
            if not seen[m - 1 : m + 2].all() or before + after > _LONGEST_STEP_S:
                continue
            steps = [_between(knots[chain, a], knots[chain, b]) / gap for a, b, gap in ((m - 1, m, before), (m, m + 1, after))]
            rates[chain, m, 0] = (steps[0] * after + steps[1] * before) / (before + after)
            speeds.append(rates[chain, m, 0])
            accelerations.append(2 * (steps[1] - steps[0]) / (before + after))
    if not speeds:
        return rates, MotionPrior()

    def size(values: list[FloatArray], part: slice, least: float) -> float:
        return max(float(np.sqrt(np.mean(np.square(np.array(values)[:, part])))), least)

    turn, move = slice(0, 3), slice(3, 6)
    velocity = (size(speeds, turn, _LEAST_MOTION.velocity[0]), size(speeds, move, _LEAST_MOTION.velocity[1]))
    acceleration = (size(accelerations, turn, _LEAST_MOTION.acceleration[0]), size(accelerations, move, _LEAST_MOTION.acceleration[1]))
    return rates, MotionPrior(velocity=velocity, acceleration=acceleration)


def _between(one: FloatArray, two: FloatArray) -> FloatArray:
    return np.concatenate([rotation.log(one[:3, :3].T @ two[:3, :3]), two[:3, 3] - one[:3, 3]])


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
    """Name the views that the robust loss all but ignored."""
    rejected = {}
    seen = views.seen
    for v in range(len(views)):
        weight = float(result.weight[v][seen[v]].mean())
        if weight < 0.1:
            frame = observations.frame_index[views.camera[v], moments[views.moment[v]]]
            off = float(np.median(np.linalg.norm(result.residual[v][seen[v]], axis=-1)))
            rejected[f"{observations.cameras[views.camera[v]]} frame {frame}"] = (
                f"its corners are {off:.1f} px off what the other views say"
            )
    return rejected
