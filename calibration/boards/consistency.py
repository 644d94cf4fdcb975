"""What the points of one view of a board say about each other: where the others are, how lines bend, which do not belong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FOR_BENDS = 9
"""Points from which the bend of the board's lines is taken: a block of three by three."""
_LOOSE = 0.5
"""Of a square's side: how far a marker may be from where the nearest others say."""
_OUT_OF_LINE = 0.04
_MORE_OUT_OF_LINE = 5.0
"""How far a corner may be from a plane seen through a simple lens: of a square's side, and times the median of the board."""


def local_maps(on_board: FloatArray, in_image: FloatArray, points: FloatArray, *, neighbours: int = 12) -> tuple[FloatArray, FloatArray]:
    """Return where ``points`` (K, 2) m of a board are in the image (K, 2), and the pixels (K, 2, 2) that a metre along x and y makes there.

    From the nearest known places ``on_board`` (N, 2), N >= 4, and their pixels ``in_image``, by a homography of their own for each point (direct
    linear transform): a lens's distortion is small within a few squares. Anything comes out where these places lie on one line.
    """
    near = _nearest(on_board, points, neighbours)
    away, seen = on_board[near] - points[:, None], in_image[near]
    middle = seen.mean(axis=1, keepdims=True)
    scale = np.abs(away).max(axis=(1, 2), keepdims=True)
    spread = np.abs(seen - middle).max(axis=(1, 2), keepdims=True)
    scale, spread = np.where(scale > 0, scale, 1.0), np.where(spread > 0, spread, 1.0)
    flat = np.concatenate([away / scale, np.ones((*away.shape[:2], 1))], axis=2)
    u, v = np.moveaxis((seen - middle) / spread, 2, 0)
    zero = np.zeros_like(flat)
    rows = np.concatenate(
        [np.concatenate([flat, zero, -u[..., None] * flat], axis=2), np.concatenate([zero, flat, -v[..., None] * flat], axis=2)], axis=1
    )
    _, vectors = np.linalg.eigh(np.swapaxes(rows, 1, 2) @ rows)
    H = vectors[:, :, 0].reshape(-1, 3, 3)
    H = H / np.where(np.abs(H[:, 2:, 2:]) > 1e-12, H[:, 2:, 2:], np.nan)
    guess = H[:, :2, 2] * spread[:, 0] + middle[:, 0]
    axes = (H[:, :2, :2] - H[:, :2, 2:] * H[:, 2:, :2]) * (spread / scale)
    return guess, axes


def edge_bends(points: FloatArray, pixels: FloatArray) -> FloatArray:
    """Return (K, 2, 2): how the board's lines along x [:, 0] and along y [:, 1] bend at each point, as a vector in 1/px.

    Second derivatives by the length of the line in the image, from the parabola through the nearest nine points; only the part across the line
    is a bend. Zero where the points do not tell.
    """
    near = _nearest(points, points, FOR_BENDS)
    u, v = np.moveaxis((points[near] - points[:, None]) / float(np.ptp(points, axis=0).max()), 2, 0)
    design = np.stack([np.ones_like(u), u, v, u * u / 2, v * v / 2, u * v], axis=2)
    values = np.linalg.pinv(design, rcond=1e-6) @ pixels[near]
    bends = values[:, 3:5] / np.maximum((values[:, 1:3] ** 2).sum(axis=2, keepdims=True), 1e-12)
    full = np.linalg.matrix_rank(design, tol=1e-6) == 6
    return np.asarray(np.where(full[:, None, None], bends, 0.0))


def _nearest(places: FloatArray, points: FloatArray, count: int) -> npt.NDArray[np.int64]:
    """Return the indices (K, count) of the places (N, 2) nearest to each point (K, 2), all of them where there are fewer."""
    away = ((places[None] - points[:, None]) ** 2).sum(axis=2)
    return np.argsort(away, axis=1, kind="stable")[:, :count]


def agreeing_markers(places: FloatArray, corners: FloatArray, square: float, turns: Sequence[int]) -> tuple[BoolArray, FloatArray]:
    """Tell which markers (M, 4, 2) lie where the two nearest others say; none when fewer than two agree.

    ``turns``: by how many corners the markers may be turned on the board, all alike; the turn on which most agree is taken. Returns (M,) and the
    corners, turned.
    """
    best = np.zeros(len(places), dtype=bool), corners
    for turn in turns:
        turned = np.roll(corners, turn, axis=1)
        good = _agreeing(places, turned, square)
        if good.sum() > best[0].sum():
            best = good, turned
    return best


def _agreeing(places: FloatArray, corners: FloatArray, square: float) -> BoolArray:
    good = np.ones(len(places), dtype=bool)
    while good.sum() >= 2:
        index = np.flatnonzero(good)
        middles, seen = places[index].mean(axis=1), corners[index].mean(axis=1)
        away = np.empty(len(index))
        for k in range(len(index)):
            others = np.delete(index, k)
            guess, axes = local_maps(places[others].reshape(-1, 2), corners[others].reshape(-1, 2), middles[k : k + 1], neighbours=8)
            away[k] = np.linalg.norm(guess[0] - seen[k]) / max(float(sides_px(axes, square)[0]), 1e-9)
        away[~np.isfinite(away)] = np.inf
        if away.max() <= _LOOSE:
            return good
        good[index[away.argmax()]] = False  # the worst first: it may be what makes others look wrong
    return np.zeros(len(places), dtype=bool)


def without_outliers(points: FloatArray, pixels: FloatArray, square: float, image_size: tuple[int, int]) -> FloatArray:
    """Return the pixels (K, 2) without those that do not lie on a plane seen through a lens; a corner is 0.04 squares or a pixel off at most.

    What the simple lens of ``_on_a_bent_plane`` leaves over everywhere is allowed five times.
    """
    result = pixels.copy()
    known = np.isfinite(result[:, 0])
    if known.sum() < 5:
        return result
    _, axes = local_maps(points[known], result[known], points[known])
    sides = sides_px(axes, square)
    away = np.linalg.norm(_on_a_bent_plane(points[known], result[known], image_size, float(np.median(sides))) - result[known], axis=1)
    limit = np.maximum(np.maximum(_OUT_OF_LINE * sides, 1.0), _MORE_OUT_OF_LINE * np.median(away))
    result[np.flatnonzero(known)[~(away < limit)]] = np.nan
    return result


def _on_a_bent_plane(points: FloatArray, pixels: FloatArray, image_size: tuple[int, int], side: float) -> FloatArray:
    """Return the pixels (K, 2) of ``points`` by a homography and one number of distortion about the image's centre, fitted robustly.

    Distortion is by Fitzgibbon's division model (2001), which follows even fisheye lenses; it is left out for fewer than 8 points. Iteratively
    reweighted least squares with Geman and McClure's weights.
    """
    import cv2

    half = max(image_size) / 2
    seen = (pixels - (np.array(image_size) - 1) / 2) / half
    middle, scale = points.mean(axis=0), float(np.ptp(points, axis=0).max())
    flat = (points - middle) / scale
    H, _ = cv2.findHomography(flat, seen, cv2.RANSAC, 0.1 * side / half)
    if H is None:
        H, _ = cv2.findHomography(flat, seen, 0)
    if H is None:
        return np.full_like(pixels, np.nan)
    values = np.append((H / H[2, 2]).ravel()[:8], 0.0)
    free = 9 if len(points) >= 8 else 8

    def predict(values: FloatArray) -> FloatArray:
        plane = np.c_[flat, np.ones(len(flat))] @ np.append(values[:8], 1.0).reshape(3, 3).T
        straight = plane[:, :2] / plane[:, 2:]
        bent = np.maximum(1 - 4 * values[8] * (straight**2).sum(axis=1, keepdims=True), 0.0)
        return np.asarray(straight * 2 / (1 + np.sqrt(bent)))

    for scale_px in (0.2 * side, 0.1 * side, 0.05 * side, *[max(0.02 * side, 0.5)] * 6):
        now = predict(values)
        rest = (seen - now).ravel()
        jacobian = np.stack([(predict(values + 1e-6 * unit) - now).ravel() / 1e-6 for unit in np.eye(9)[:free]], axis=1)
        weights = np.repeat(1 / (1 + (rest.reshape(-1, 2) ** 2).sum(axis=1) / (scale_px / half) ** 2) ** 2, 2)
        normal = (jacobian * weights[:, None]).T @ jacobian
        step = np.linalg.lstsq(normal + 1e-12 * np.eye(free), jacobian.T @ (weights * rest), rcond=None)[0]
        values[:free] += step
    return predict(values) * half + (np.array(image_size) - 1) / 2


def sides_px(axes: FloatArray, square: FloatArray | float) -> FloatArray:
    """Return how long a square's side is in the image, (K,) px: the root of its area."""
    return np.asarray(np.sqrt(np.abs(np.linalg.det(np.nan_to_num(axes)))) * square)
