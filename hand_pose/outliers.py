"""A camera's whole hand that disagrees with the others: another person's, another thing, the other hand. It is switched off for that frame.

Robust losses judge ray by ray; 21 rays that are wrong together look like a hand. So each view of a hand has a switch of its own (switchable constraints,
Suenderhauf and Protzel 2012), which closes gradually with its median residual, and only where other cameras agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LEFT_HAND, RIGHT_HAND

FloatArray = npt.NDArray[np.float64]

FIRST_SIGMA, LAST_SIGMA = 4.0, 6.0
"""Median residual of a view's hand from which it counts less, and from which it counts nothing."""
AGREES_SIGMA = 2.5
"""Another camera whose median residual is below this says that the fit is right."""


def switches(weight: FloatArray, scaled: FloatArray) -> FloatArray:
    """Return a factor (C, T, 2) in [0, 1] for the left and the right hand in each view.

    ``weight`` (C, T, 75) and the residuals ``scaled`` (C, T, 75, 2) in sigmas of a fit.
    """
    found = np.ones((*weight.shape[:2], 2))
    for side, rows in enumerate((LEFT_HAND, RIGHT_HAND)):
        seen = weight[..., rows] > 0
        sizes = np.where(seen, np.linalg.norm(np.nan_to_num(scaled[..., rows, :], nan=np.inf), axis=-1), np.nan)
        median = np.full(seen.shape[:2], np.nan)
        some = seen.any(axis=-1)
        median[some] = np.nanmedian(sizes[some], axis=-1)
        with np.errstate(invalid="ignore"):
            agrees = median < AGREES_SIGMA
            others = agrees.sum(axis=0) - agrees > 0
            closed = np.clip((median - FIRST_SIGMA) / (LAST_SIGMA - FIRST_SIGMA), 0.0, 1.0)
        found[..., side] = np.where(some & others, 1.0 - closed, 1.0)
    return found


def switched(weight: FloatArray, factor: FloatArray) -> FloatArray:
    """Return the weights (C, T, 75) with those of hands multiplied by ``factor`` (C, T, 2)."""
    found = weight.copy()
    found[..., LEFT_HAND] *= factor[..., :1]
    found[..., RIGHT_HAND] *= factor[..., 1:]
    return found
