"""Which of many views to calibrate from: those that differ from each other, not every frame."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import Views
from bodydouble.calibration.observations import Observations

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NEAR = 0.03
"""In image widths: views of a board that lies nearly as in one already chosen bring the same error again, not another one."""


_WORTH = 0.3
"""A view that is blurred and near to others brings less than it spoils."""
_EXPOSURE_S = 1 / 100
"""How long a frame is exposed, about; where rows are read one after another, distortion by motion is of the same order."""
_LENS_VIEWS = 60
_BLUR_PX = 0.5
"""Motion blur at which a view counts half."""


def lens_views(observations: Observations, views: Views, camera: int) -> Views:
    """Return the views of one camera from which to find its lens: at most 60, sharp, spread over the image and over tilts."""
    own = views.select(views.camera == camera)
    return own.select(spread_views(own, observations.image_size[camera], _LENS_VIEWS, sharpness(observations, camera, own.moment)))


def sharpness(observations: Observations, camera: int, moments: IntArray) -> FloatArray:
    """Return (V,) in (0, 1] how little the targets moved while a camera's frames at some moments were exposed; 1 where that cannot be told."""
    seen = np.flatnonzero(observations.seen[camera].any(axis=-1))  # what was not looked at in between does not hide how fast it went
    fastest = np.full(observations.frame_index.shape[1], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # moments with no point in common
        step = np.nanmedian(np.linalg.norm(np.diff(observations.pixels[camera, seen], axis=0), axis=-1), axis=1)
        speed = step / np.diff(observations.times_s[camera, seen])
        fastest[seen] = np.nanmax(np.stack([np.append(np.nan, speed), np.append(speed, np.nan)]), axis=0)
    return np.asarray(1 / (1 + np.nan_to_num(fastest[moments]) * _EXPOSURE_S / _BLUR_PX))


def spread_views(views: Views, image_size: tuple[int, int], count: int, sharp: FloatArray | None = None) -> IntArray:
    """Return the indices of at most ``count`` views of one camera that are spread over the image and over tilts, richest and sharpest first.

    ``sharp`` (V,) in (0, 1] as ``sharpness``, all alike by default.

    Farthest-point sampling on where the corners of the target's bounding square would be in the image (an affine map from the target to the
    image, plus how much the map changes across it), in image widths (Gonzalez, "Clustering to minimize the maximum intercluster distance",
    1985). A view nearer than 3 % of the image to one already chosen is left out.
    """
    if len(views) == 0:
        return np.zeros(0, dtype=np.int64)
    features = np.stack([_placement(views, v, max(image_size)) for v in range(len(views))])
    points = views.seen.sum(axis=1)
    chosen = [int(np.argmax(points * (1.0 if sharp is None else sharp)))]
    distance = np.linalg.norm(features - features[chosen[0]], axis=1)
    share = (0.5 + 0.5 * points / max(points.max(), 1)) * (1.0 if sharp is None else sharp)
    while len(chosen) < min(count, len(views)):
        best = int(np.argmax(distance * share))
        if distance.max() < _NEAR or (distance * share)[best] < _WORTH * _NEAR:
            break
        chosen.append(best)
        distance = np.minimum(distance, np.linalg.norm(features - features[best], axis=1))
    return np.sort(np.array(chosen, dtype=np.int64))


def _placement(views: Views, v: int, width: float) -> FloatArray:
    seen = views.seen[v]
    X, uv = views.points[v][seen][:, :2], views.pixels[v][seen] / width
    scale = max(float(np.abs(views.points[v][seen]).max()), 1e-9)
    A = np.concatenate([X / scale, np.ones((len(X), 1))], axis=1)
    affine = np.linalg.lstsq(A, uv, rcond=None)[0]
    if len(X) >= 6:  # the quadratic part tells the tilt's sign, which the affine map does not
        quadratic = np.concatenate([A, (X / scale) ** 2, (X[:, :1] * X[:, 1:]) / scale**2], axis=1)
        bent = np.linalg.lstsq(quadratic, uv, rcond=None)[0][3:]
        return np.concatenate([affine.ravel(), np.clip(bent.ravel(), -0.2, 0.2)])
    return np.concatenate([affine.ravel(), np.zeros(6)])


def spread_moments(views: Views, count: int, *, burst: int = 4) -> IntArray:
    """Return at most ``count`` moments, in order, in runs of ``burst`` neighbours, so that speeds can be told: the richest of each stretch."""
    moments, which = np.unique(views.moment, return_inverse=True)
    if len(moments) <= count:
        return np.asarray(moments, dtype=np.int64)
    points = np.bincount(which, views.seen.sum(axis=1))
    chosen: list[int] = []
    for stretch in np.array_split(np.arange(len(moments)), max(1, count // burst)):
        richness = np.convolve(points[stretch], np.ones(burst), mode="valid") if len(stretch) >= burst else points[stretch][:1]
        first = int(stretch[0]) + int(np.argmax(richness))
        chosen += range(first, min(first + burst, int(stretch[-1]) + 1))
    return np.asarray(moments[np.array(chosen)], dtype=np.int64)
