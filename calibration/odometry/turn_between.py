"""How far a camera turned between two images that are far apart, from descriptors of what both show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.odometry.working_image import WorkingImage
from bodydouble.calibration.transform import nearest_rotation

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

_FEATURES = 600
_RATIO = 0.8
"""A match whose distance is above this share of the second best is no match (Lowe, "Distinctive image features", IJCV 2004)."""
_AGREES_RAD = 0.05
"""Where things are near, a camera that goes 5 cm sees them turn by more than this; what is far decides."""
_TRIALS = 200
_FEWEST = 8


def turn_between(working: WorkingImage, before: Image, after: Image) -> FloatArray | None:
    """Return R_after_before (3, 3), which turns directions in the earlier camera to the later one; None where the images have too little in common.

    The shift of the camera is neglected: the result is where to look, no measurement. Descriptors: Rublee et al., "ORB", ICCV 2011.
    """
    import cv2

    orb = cv2.ORB.create(nfeatures=_FEATURES)
    (k1, d1), (k2, d2) = orb.detectAndCompute(before, None), orb.detectAndCompute(after, None)
    if d1 is None or d2 is None or len(k2) < 2:
        return None
    pairs = [p for p in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(d1, d2, k=2) if len(p) == 2 and p[0].distance < _RATIO * p[1].distance]
    if len(pairs) < _FEWEST:
        return None
    one = working.rays(np.array([k1[p[0].queryIdx].pt for p in pairs]))
    two = working.rays(np.array([k2[p[0].trainIdx].pt for p in pairs]))
    good = np.isfinite(one).all(axis=1) & np.isfinite(two).all(axis=1)
    return rotation_of(one[good], two[good])


def rotation_of(one: FloatArray, two: FloatArray) -> FloatArray | None:
    """Return the rotation that takes most directions ``one`` (n, 3) near to ``two`` (n, 3), by sample consensus; None if fewer than eight agree."""
    if len(one) < _FEWEST:
        return None
    rng = np.random.default_rng(0)
    picks = np.stack([rng.permutation(len(one))[:3] for _ in range(_TRIALS)])
    R = nearest_rotation(np.einsum("tki,tkj->tij", two[picks], one[picks]))
    agree = np.einsum("ni,tij,nj->tn", two, R, one) > np.cos(_AGREES_RAD)
    best = agree[int(agree.sum(axis=1).argmax())]
    if best.sum() < _FEWEST:
        return None
    return np.asarray(nearest_rotation(two[best].T @ one[best]))
