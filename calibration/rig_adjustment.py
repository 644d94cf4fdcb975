"""Adjust a rig in two rounds: every moment by itself, then, where times are known, with motion and clocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.bundle.adjust import SETTLED, Adjustment, adjust
from bodydouble.calibration.bundle.motion_prior import MotionPrior
from bodydouble.calibration.bundle.priors import Priors
from bodydouble.calibration.bundle.slack import Slack
from bodydouble.calibration.bundle.state import STATIC, Layout, State, Structure, Views, layout
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.intrinsics import intrinsics_priors
from bodydouble.calibration.pose_graph import PoseGraph

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_FIRST_SLACK = Slack(rotation=5e-3, position=1e-3)
_SECOND_SLACK = Slack(rotation=2e-3, position=5e-4, time_s=5e-3)
_LONGEST_STEP_S = 1.0
"""Moments further apart say nothing about how fast something moved in between."""
_ROUNDS = 3
_FAR = 40.0
"""Squared size of a view's deviation, over the usual one, at which the view is more likely wrong than late."""
_LEAST_USUAL = 0.25
_MOST_GIVEN_UP = 0.15
"""Where more views than that are far off, they are no exceptions."""
_ROUGHLY = 1e-3
"""Where the first round, which takes clocks as exact, may end."""
_BURST = 9.0
"""Squared speed, over one that four out of five are below, of the fastest motion that counts."""
_LEAST_MOTION = MotionPrior(velocity=(0.05, 0.02), acceleration=(0.2, 0.05))


def adjust_rig(
    models: Sequence[CameraModel], structure: Structure, views: Views, graph: PoseGraph, *, solve_lens: BoolArray, clocks: bool,
    progress: Callable[[str, float, float], None] = lambda stage, done, total: None,
) -> tuple[Adjustment, Layout]:  # fmt: skip
    """Adjust a rig from where the pose graph put everything.

    ``solve_lens`` (C,) tells which lenses are not known yet; ``clocks`` whether ``structure.moment_s`` are times, so that a clock offset of each camera
    can be found. Returns the last round, and where its unknowns are in its covariance. The second round needs a good start: clocks far out would
    otherwise bend the rig.
    """
    cameras = len(models)
    P = max(len(model.parameters) for model in models)
    knots = _filled(graph.T_room_knot)
    state = State(
        tuple(models), graph.T_body_camera, np.zeros(cameras), np.where(np.isfinite(graph.T_room_target), graph.T_room_target, np.eye(4)),
        knots, np.zeros((*knots.shape[:2], 0, 6)),
    )  # fmt: skip
    free_lens = np.array([[i < len(model.parameters) for i in range(P)] for model in models]) & solve_lens[:, None]
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
    timed = (
        clocks
        and bool(structure.chains)
        and shared
        and structure.moment_s[-1] > structure.moment_s[0]
        and bool(np.isfinite(views.time_s).all())
    )
    tolerance = _ROUGHLY if timed else SETTLED
    first = adjust(
        state, structure, views, where, priors, tolerance=tolerance, progress=lambda step: progress("adjust", min(step, 40), 100)
    )
    if not timed:
        progress("adjust", 1, 1)
        return first, where
    rates, motion = _rates(first.state.T_room_knot, structure, views)
    free_clock = np.ones(cameras, dtype=bool)
    free_clock[next(iter(graph.reference_camera.values()), 0)] = False
    structure = replace(structure, order=3)
    where = layout(free_lens, free_mount, free_clock, free_target)
    priors = replace(priors, slack=_SECOND_SLACK, motion=motion)
    state = replace(first.state, rates=rates)
    for round_ in range(_ROUNDS):
        tell = lambda step, done=40 + 60 * round_ // _ROUNDS: progress("adjust", done + min(step, 60) // _ROUNDS, 100)  # noqa: E731
        last = adjust(state, structure, views, where, priors, progress=tell)
        given_up = _given_up(last)
        if given_up is None:
            break
        state, priors = last.state, replace(priors, slack=replace(last.slack, given_up=given_up))
    progress("adjust", 1, 1)
    return last, where


def _given_up(adjustment: Adjustment) -> BoolArray | None:
    """Return (V,) the views to do without from now on, None where these are those that were done without already.

    Only once all has settled: a camera whose clock is late is far off in all its views until that is known.
    """
    deviation, given_up = adjustment.deviation, ~adjustment.slack.believed(len(adjustment.deviation))
    usual = float(np.median(deviation[deviation > 0])) if (deviation > 0).any() else 0.0
    far = (deviation > _FAR * max(usual, _LEAST_USUAL)) & ~given_up
    if not far.any() or (far | given_up).mean() > _MOST_GIVEN_UP:
        return None
    return np.asarray(far | given_up)


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
        square = np.square(np.array(values)[:, part])
        # One moment in which a single camera took a flat target for its mirror image would make all motion look violent.
        return max(float(np.sqrt(np.mean(np.minimum(square, _BURST * np.quantile(square, 0.8))))), least)

    turn, move = slice(0, 3), slice(3, 6)
    velocity = (size(speeds, turn, _LEAST_MOTION.velocity[0]), size(speeds, move, _LEAST_MOTION.velocity[1]))
    acceleration = (size(accelerations, turn, _LEAST_MOTION.acceleration[0]), size(accelerations, move, _LEAST_MOTION.acceleration[1]))
    return rates, MotionPrior(velocity=velocity, acceleration=acceleration)


def _between(one: FloatArray, two: FloatArray) -> FloatArray:
    return np.concatenate([rotation.log(one[:3, :3].T @ two[:3, :3]), two[:3, 3] - one[:3, 3]])
