"""One bundle adjustment for every rig: robust Levenberg-Marquardt over cameras, clocks, targets and trajectories at once.

The unknowns of each moment couple only to those of the next, so they are eliminated by a banded Cholesky factorisation; what is left is a small
dense system of cameras, clocks and static targets (the Schur complement; Triggs et al., "Bundle Adjustment - A Modern Synthesis", 1999). The
scales of corner errors and of clock jitter are found by maximum likelihood in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bodydouble.calibration.bundle.influence import decided_unknowns
from bodydouble.calibration.bundle.linearization import Linearization, linearize, residuals
from bodydouble.calibration.bundle.noise import cost_of, scale_of, variance_of, weight_of
from bodydouble.calibration.bundle.normal import Normal, normal_equations
from bodydouble.calibration.bundle.priors import Priors, prior_normal
from bodydouble.calibration.bundle.slack import Slack, absorb
from bodydouble.calibration.bundle.solver import SingularError, solve
from bodydouble.calibration.bundle.state import STATIC, Layout, State, Structure, Views, stepped
from bodydouble.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_SPREAD = 2.5
"""How far the scale of one camera's corner errors may be from that of all."""
_STEPS = 100
_FIRM = 1e-9
"""Relative damping that keeps a view that decides nothing from making the equations singular."""
SETTLED = 1e-4
"""Relative gain of a step, and change of a scale, below which the adjustment has settled."""
_GIVE_UP = 1e9
_TRIES = 2
_FREE = 1e-2
"""Relative damping up to which a step is about as long as without any."""
_LOST = 1e-8
"""Weight of a view that was given up: enough to say where a board is that nobody else saw."""


@dataclass(frozen=True)
class Adjustment:
    """What the adjustment ended at."""

    state: State
    noise_px: FloatArray
    """(C,) one standard deviation of Gaussian corner errors of each camera that would leave the estimate as uncertain as it is."""
    slack: Slack
    """Spread of each view's own deviation from what the state says."""
    covariance: FloatArray
    """(size, size) of the global unknowns, numbered by the layout."""
    residual: FloatArray
    """(V, n, 2) predicted minus seen, px; 0 where not seen."""
    weight: FloatArray
    """(V, n) in (0, 1.4]: how much each point counted, about 1 for a good one; 0 where not seen."""
    deviation: FloatArray
    """(V,) squared size of each view's own deviation, in standard deviations; 0 where it has none or was given up."""
    steps: int
    converged: bool
    """Whether a further step would have gained next to nothing; False after too many steps, or where none gained what it promised."""


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator] # its matrices are too small to share out
def adjust(
    state: State, structure: Structure, views: Views, where: Layout, priors: Priors, *,
    steps: int = _STEPS, tolerance: float = SETTLED, progress: Callable[[int], None] = lambda step: None,
) -> Adjustment:  # fmt: skip
    """Find the most likely state.

    ``steps`` is the most that are taken, ``tolerance`` the relative gain below which the state has settled; ``progress`` is told the number of each step.

    Raises: DataError if the equations are singular (something was never seen).
    """
    try:
        return _adjust(_Problem(structure, views, where, priors, *_deviating(structure, views)), state, steps, tolerance, progress)
    except SingularError:
        raise DataError(
            "The calibration could not be solved: some camera or board is not tied to the others by anything that was seen. Film the board "
            "where two cameras see it at once, in several tilts, and calibrate again."
        ) from None


def _adjust(problem: _Problem, state: State, steps: int, tolerance: float, progress: Callable[[int], None]) -> Adjustment:
    views, cameras = problem.views, len(state.models)
    slack = problem.priors.slack if problem.free.any() else Slack()
    residual = problem.residuals(state)
    sigma = scale_of(residual, views, cameras, 0.0, common=True)
    damping, unknowns, apart, exact, converged, taken, stuck = 1e-4, 0.0, False, False, False, 0, 0
    while taken < steps:
        taken += 1
        state, gain, damping = problem.step(state, sigma, slack, residual, damping)
        progress(taken)
        if gain < 1e-3 and not exact:
            unknowns, exact = problem.decided_unknowns(state, sigma, slack, residual), True
        residual, slack_found = problem.after_slack(state, sigma, slack, residual)
        found = scale_of(residual, views, cameras, unknowns, common=True)
        # While the cameras do not fit each other yet, one scale for all: else one camera is believed and the others become outliers.
        apart = apart or bool(np.abs(np.log(found / sigma)).max() < 0.03)
        if apart:
            found = np.clip(scale_of(residual, views, cameras, unknowns), found / _SPREAD, found * _SPREAD)
        change = float(np.abs(np.log(found / sigma)).max())
        sigma, slack = found, slack_found
        converged = bool(gain < tolerance and change < 100 * tolerance and exact)
        if converged or stuck > _TRIES:
            break
        if damping >= _GIVE_UP:  # scales and slack have changed since: what is a step down may have, too
            stuck, damping = stuck + 1, 1e-4
    unknowns = problem.decided_unknowns(state, sigma, slack, residual)
    lost = ~slack.believed(len(views))[:, None]
    weight = np.where(views.seen, np.where(lost, _LOST, weight_of(residual, sigma[views.camera])), 0.0)
    variance = variance_of(residual, views, sigma, unknowns)
    even = np.where(views.seen, np.where(lost, _LOST, 1.0) / variance[views.camera][:, None], 0.0)
    covariance = solve(problem.equations(state, even, slack), damping=_FIRM, covariance=True).covariance
    return Adjustment(
        state, np.sqrt(variance), slack, covariance, problem.residuals(state), weight, problem.deviation(state, sigma, slack, residual),
        taken, converged,
    )  # fmt: skip


def _deviating(structure: Structure, views: Views) -> tuple[BoolArray, BoolArray]:
    """Return (V,) which views have a deviation of their own, and whose can be told: another camera saw the same target at the same moment.

    Views of what stands still share one pose a frame, and have none.
    """
    free = np.asarray(structure.chain_of_target[views.target] != STATIC)
    _, which = np.unique(views.moment * (views.target.max(initial=0) + 1) + views.target, return_inverse=True)
    return free, free & (np.bincount(which)[which] > 1)


@dataclass(frozen=True)
class _Problem:
    """What stays the same during the adjustment."""

    structure: Structure
    views: Views
    where: Layout
    priors: Priors
    free: BoolArray
    """(V,) views that have a deviation of their own."""
    informative: BoolArray
    """(V,) those whose deviation can be told."""
    latest: list[tuple[State, Linearization]] = field(default_factory=list)
    """The state that was linearized last: a step, its cost and what follows ask for the same."""

    def weights(self, residual: FloatArray, sigma: FloatArray, slack: Slack) -> FloatArray:
        """Return (V, n) 1 / px^2, robust; 0 where not seen."""
        scale, lost = sigma[self.views.camera], ~slack.believed(len(self.views))
        weight = np.where(lost[:, None], _LOST, weight_of(residual, scale)) / np.square(scale)[:, None]
        return np.where(self.views.seen, weight, 0.0)

    def linear(self, state: State) -> Linearization:
        """Return residuals and derivatives of all views."""
        if not (self.latest and self.latest[0][0] is state):
            self.latest[:] = [(state, linearize(state, self.structure, self.views, self.where.intrinsics.shape[1]))]
        return self.latest[0][1]

    def residuals(self, state: State) -> FloatArray:
        """Return predicted minus seen pixels (V, n, 2) of all views."""
        if self.latest and self.latest[0][0] is state:
            return self.latest[0][1].residual
        return residuals(state, self.structure, self.views)

    def equations(self, state: State, weights: FloatArray, slack: Slack) -> Normal:
        """Return the normal equations of views and priors."""
        linear = self.linear(state)
        covariance = slack.covariance(linear.rate, self.free) if slack else None
        data = normal_equations(linear, self.structure, self.views, self.where, weights, covariance)
        return data + prior_normal(state, self.structure, self.where, self.priors)[1]

    def after_slack(self, state: State, sigma: FloatArray, slack: Slack, before: FloatArray) -> tuple[FloatArray, Slack]:
        """Return the residuals without each view's own deviation, given those ``before`` for the weights; and the slack they suggest."""
        if not slack:
            return self.residuals(state), slack
        found = absorb(self.linear(state), self.weights(before, sigma, slack), slack, self.free, self.informative)
        lost = ~found.slack.believed(len(self.views))
        return np.where(lost[:, None, None], np.nan, found.residual), found.slack

    def deviation(self, state: State, sigma: FloatArray, slack: Slack, residual: FloatArray) -> FloatArray:
        """Return (V,) squared sizes of the views' own deviations, in standard deviations."""
        if not slack:
            return np.zeros(len(self.views))
        return absorb(self.linear(state), self.weights(residual, sigma, slack), slack, self.free, self.informative).cost

    def cost(self, state: State, sigma: FloatArray, slack: Slack, weights: FloatArray, linear: Linearization) -> float:
        """Return twice the negative log likelihood, without what does not depend on the state.

        ``linear`` says how a view's own deviation moves its pixels. It is that of the state a step starts from: the normal equations take it as
        known, and so must what they are held against, or a view that deviates much blocks every step.
        """
        cost = prior_normal(state, self.structure, self.where, self.priors)[0]
        if not slack:
            return cost + cost_of(self.residuals(state), self.views, sigma)
        found = absorb(replace(linear, residual=self.residuals(state)), weights, slack, self.free, self.informative)
        return (
            cost
            + cost_of(np.where(slack.believed(len(self.views))[:, None, None], found.residual, 0.0), self.views, sigma)
            + float(found.cost.sum())
        )

    def step(self, state: State, sigma: FloatArray, slack: Slack, residual: FloatArray, damping: float) -> tuple[State, float, float]:
        """Return the state after one step that lowers the cost, the relative gain, and the damping to go on with.

        Where no step lowers the cost, or only a short one, the gain is what an undamped one promised: nothing at a minimum, but much if it is stuck.

        Raises: SingularError.
        """
        # The slack is newer than the residuals: what it takes up by now must not count as an outlier of the corners.
        residual = self.after_slack(state, sigma, slack, residual)[0]
        weights = self.weights(residual, sigma, slack)
        normal = self.equations(state, weights, slack)
        linear = self.linear(state)
        cost = self.cost(state, sigma, slack, weights, linear)
        scale, solved = max(1.0, abs(cost)), False
        while damping < _GIVE_UP:
            trial = self._trial(state, normal, damping)
            if trial is not None:
                solved = True
                lower = self.cost(trial, sigma, slack, weights, linear)
                if np.isfinite(lower) and lower <= cost:
                    gain = (cost - lower) / scale
                    return trial, gain if damping < _FREE else max(gain, _promised(normal) / scale), max(damping / 8, 1e-9)
            damping *= 8
        if not solved:
            raise SingularError
        return state, _promised(normal) / scale, damping

    def _trial(self, state: State, normal: Normal, damping: float) -> State | None:
        try:
            solution = solve(normal, damping=damping)
            return stepped(state, self.where, -solution.global_step, -solution.local_step)
        except (SingularError, ValueError):  # ValueError: a camera that cannot be, such as one with a negative focal length
            return None

    def decided_unknowns(self, state: State, sigma: FloatArray, slack: Slack, residual: FloatArray) -> float:
        """Return how many unknowns the images decide and not the priors. Raises: SingularError."""
        prior = prior_normal(state, self.structure, self.where, self.priors)[1]
        return decided_unknowns(
            self.linear(state),
            self.structure,
            self.views,
            self.where,
            prior,
            self.weights(residual, sigma, slack),
            slack,
            self.free,
            damping=_FIRM,
        )


def _promised(normal: Normal) -> float:
    """Return by how much an undamped step would lower the cost were the equations exact; infinite where they are singular."""
    try:
        step = solve(normal, damping=_FIRM)
    except SingularError:
        return np.inf
    return float(normal.global_gradient @ step.global_step) + float((normal.local_gradient * step.local_step).sum())
