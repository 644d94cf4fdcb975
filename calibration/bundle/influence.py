"""How many unknowns the images decide, so that the scale of what is left over can be put right for what was fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.linearization import Linearization
from bodydouble.calibration.bundle.normal import Normal, normal_equations
from bodydouble.calibration.bundle.slack import Slack, absorb
from bodydouble.calibration.bundle.solver import solve
from bodydouble.calibration.bundle.state import Layout, Structure, Views

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def decided_unknowns(
    linear: Linearization, structure: Structure, views: Views, where: Layout, prior: Normal, weights: FloatArray, slack: Slack, free: BoolArray, *,
    damping: float, probes: int = 2,
) -> float:  # fmt: skip
    """Return how many unknowns the images decide and not the priors: the trace of the matrix that takes observations to their prediction.

    ``weights`` (V, n) 1 / px^2; ``free`` (V,) which views have a deviation of their own, which counts as far as the images decide it. By
    Hutchinson's estimate on random residuals (Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990), whose terms cannot
    be negative however stiff the priors are. With A the derivatives and V the covariance of the residuals, both in units of the corners' errors,
    the trace is tr(I - 1/V) for the views' own deviations plus tr(1/V A 1/H A^T 1/V) for all else.

    Raises: SingularError.
    """
    covariance = slack.covariance(linear.rate, free) if slack else None
    stiff = replace(prior, global_gradient=0 * prior.global_gradient, local_gradient=0 * prior.local_gradient)
    random, decided = np.random.default_rng(0), 0.0
    for _ in range(probes):
        signs = random.choice([-1.0, 1.0], linear.residual.shape) / np.sqrt(np.maximum(weights, 1e-12))[..., None]
        probe = replace(linear, residual=np.where(weights[..., None] > 0, signs, 0.0))
        data = normal_equations(probe, structure, views, where, weights, covariance)
        step = solve(data + stiff, damping=damping)
        decided += float(data.global_gradient @ step.global_step) + float((data.local_gradient * step.local_step).sum())
    own = float(absorb(linear, weights, slack, free, free).decided.sum()) if slack else 0.0
    return own + decided / probes
