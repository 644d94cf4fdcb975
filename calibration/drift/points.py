"""What several cameras of one rigid body saw of the same thing at the same moment, laid out for the drift check."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.boards.board import Targets
from bodydouble.calibration.cameras.camera_model import CameraModel
from bodydouble.calibration.drift.settings import SharedLimits
from bodydouble.calibration.rig import Rig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_NEIGHBOUR_S = 0.25
"""Frames further apart say nothing about how fast a point moved in between."""
_TRUSTED = 0.7
"""Share of a point's motion between its frame and the moment that is taken out by its speed; the rest stays as its error."""
_FEWEST_OF_TARGET = 4


@dataclass(frozen=True)
class SharedPoints:
    """B blocks of up to m points in C cameras: one point of unknown place a block, or all points of one known target at one moment.

    A block holds what cameras of one body saw; every block has at least two of them.
    """

    models: tuple[CameraModel, ...]
    T_body_camera: FloatArray
    """(C, 4, 4) as calibrated."""
    body: IntArray
    """(C,) which body each camera sits on."""
    pixels: FloatArray
    """(C, B, m, 2) at the moment's time; NaN where not seen."""
    sigma: FloatArray
    """(C, B, m) expected error in px, up to a common factor that the check finds; 1 where not seen."""
    moment: IntArray
    """(B,) index of a moment, increasing."""
    time_s: FloatArray
    """(B,) of the moment; its number where there are no times."""
    part: IntArray
    """(B, m) which points err together."""
    known: FloatArray | None
    """(B, m, 3) m in the frame of the block's target, or None where nothing is known of the points."""

    @property
    def seen(self) -> BoolArray:
        """(C, B, m) which points were seen."""
        return np.isfinite(self.pixels[..., 0])

    @property
    def blocks(self) -> int:
        """Number of blocks B."""
        return int(self.pixels.shape[1])

    def select(self, blocks: BoolArray | IntArray) -> SharedPoints:
        """Return some of the blocks."""
        known = None if self.known is None else self.known[blocks]
        return replace(
            self, pixels=self.pixels[:, blocks], sigma=self.sigma[:, blocks], moment=self.moment[blocks],
            time_s=self.time_s[blocks], part=self.part[blocks], known=known,
        )  # fmt: skip

    def shared_moments(self) -> IntArray:
        """Return (C, C) at how many moments two cameras saw the same point; on the diagonal, at how many one shared any."""
        seen = self.seen
        C = len(self.models)
        counts = np.zeros((C, C), dtype=np.int64)
        for a in range(C):
            for b in range(C):
                both = (seen[a] & (seen[b] if a != b else True)).any(axis=-1)
                counts[a, b] = len(np.unique(self.moment[both]))
        return counts


def shared_points(
    rig: Rig, pixels: FloatArray, confidence: FloatArray | None, times: FloatArray, noise_px: FloatArray | float,
    targets: Targets | None, part_of_point: IntArray | None, limits: SharedLimits,
) -> SharedPoints:  # fmt: skip
    """Lay out what cameras of ``rig``, in its order, saw: ``pixels`` (C, T, P, 2), ``confidence`` (C, T, P), ``times`` (C, T) stamped, NaN for none.

    ``noise_px`` broadcasts to (C, T, P). Pixels are brought to the mean time of their moment by their own speed. With ``targets`` (P points) each
    target at each moment is one block, else each point is. Recordings with more than is needed are thinned out, so that every camera keeps what it shares.
    """
    C, T, P = pixels.shape[:3]
    bodies = np.array([rig.bodies.index(camera.body) for camera in rig.cameras.values()])
    models = tuple(camera.model for camera in rig.cameras.values())
    sigma = np.broadcast_to(np.asarray(noise_px, dtype=np.float64), (C, T, P)).copy()
    bad = ~np.isfinite(pixels).all(axis=-1) | ~np.isfinite(sigma) | ~(sigma > 0)
    if confidence is not None:
        bad |= ~(np.nan_to_num(confidence) >= limits.least_confidence.value)
    for c, model in enumerate(models):
        here = ~bad[c]
        bad[c, here] |= ~np.isfinite(model.rays(pixels[c, here])).all(axis=-1)
    pixels, sigma = np.where(bad[..., None], np.nan, pixels), np.where(bad, 1.0, sigma)
    offsets = np.array([camera.time_offset_s for camera in rig.cameras.values()])
    pixels, sigma, moment_s = _in_step(pixels, sigma, np.asarray(times, dtype=np.float64) + offsets[:, None])
    parts = np.arange(P) if part_of_point is None else np.asarray(part_of_point, dtype=np.int64)
    layout = _by_point(bodies, np.isfinite(pixels[..., 0])) if targets is None else _by_target(bodies, np.isfinite(pixels[..., 0]), targets)
    if len(layout.moment):
        kept = _thinned(layout, np.isfinite(pixels[..., 0]), bodies, limits)
        layout = _Layout(layout.moment[kept], layout.point[kept], layout.body[kept])
    point, at = np.maximum(layout.point, 0), layout.moment[:, None]
    there = (bodies[:, None] == layout.body[None])[..., None] & (layout.point >= 0)
    return SharedPoints(
        models, np.stack([camera.T_body_camera for camera in rig.cameras.values()]), bodies,
        np.where(there[..., None], pixels[:, at, point], np.nan), np.where(there, sigma[:, at, point], 1.0),
        layout.moment, moment_s[layout.moment], parts[point],
        None if targets is None else np.where((layout.point >= 0)[..., None], targets.points[point], 0.0),
    )  # fmt: skip


def _in_step(pixels: FloatArray, sigma: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return pixels and sigma at the mean time of each moment, and the moments' times (T,)."""
    T = pixels.shape[1]
    timed = np.isfinite(times)
    if not timed.any():
        return pixels, sigma, np.arange(T, dtype=np.float64)
    moment_s = np.where(timed, times, 0.0).sum(axis=0) / np.maximum(timed.sum(axis=0), 1)
    alone = ~timed.any(axis=0)
    moment_s[alone] = np.interp(np.flatnonzero(alone), np.flatnonzero(~alone), moment_s[~alone])
    before, after = np.roll(pixels, 1, axis=1), np.roll(pixels, -1, axis=1)
    before_s, after_s = np.roll(times, 1, axis=1), np.roll(times, -1, axis=1)
    before[:, 0], after[:, -1], before_s[:, 0], after_s[:, -1] = np.nan, np.nan, np.nan, np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        velocity = np.full_like(pixels, np.nan)
        for first, first_s, last, last_s, longest in (
            (pixels, times, after, after_s, _NEIGHBOUR_S), (before, before_s, pixels, times, _NEIGHBOUR_S),
            (before, before_s, after, after_s, 2 * _NEIGHBOUR_S),
        ):  # fmt: skip
            gap = (last_s - first_s)[..., None, None]
            found = (last - first) / gap
            velocity = np.where(np.isfinite(found) & (gap > 0) & (gap <= longest), found, velocity)
    velocity = np.nan_to_num(velocity)
    early = np.nan_to_num(moment_s - times)[..., None]
    way = np.linalg.norm(velocity, axis=-1) * np.abs(early)
    # A jump to another limb is no speed.
    share = np.minimum(1.0, 3 * sigma / np.maximum(way, 1e-9))
    moved = pixels + velocity * (early * share)[..., None]
    return moved, np.hypot(sigma, (1 - _TRUSTED) * way), moment_s


@dataclass(frozen=True)
class _Layout:
    moment: IntArray
    """(B,)"""
    point: IntArray
    """(B, m) index of a point, -1 for none."""
    body: IntArray
    """(B,)"""


def _by_point(bodies: IntArray, seen: BoolArray) -> _Layout:
    found = [
        (*np.nonzero(seen[bodies == body].sum(axis=0) >= 2), body)
        for body in np.unique(bodies)
    ]  # fmt: skip
    moment, point = (np.concatenate([item[i] for item in found]) for i in (0, 1))
    body = np.concatenate([np.full(len(item[0]), item[2]) for item in found])
    order = np.argsort(moment, kind="stable")
    return _Layout(moment[order], point[order, None], body[order])


def _by_target(bodies: IntArray, seen: BoolArray, targets: Targets) -> _Layout:
    """A target counts where enough of its points were seen by two cameras each: those alone give its place by triangulation."""
    groups = [targets.points_of(g) for g in range(len(targets.names))]
    m = max((len(group) for group in groups), default=1)
    rows = []
    for body in np.unique(bodies):
        own = seen[bodies == body]
        for group in groups:
            spans = (own[:, :, group].sum(axis=0) >= 2).sum(axis=-1) >= _FEWEST_OF_TARGET
            rows += [(moment, np.pad(group, (0, m - len(group)), constant_values=-1), body) for moment in np.flatnonzero(spans)]
    rows.sort(key=lambda row: row[0])
    moment, body = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 2))
    return _Layout(moment, np.array([row[1] for row in rows], dtype=np.int64).reshape(-1, m), body)


def _thinned(layout: _Layout, seen: BoolArray, bodies: IntArray, limits: SharedLimits) -> BoolArray:
    """Return which blocks to keep: moments spread over the recording, for each camera by itself so that none is left without."""
    most, points = int(limits.most_moments.value), limits.most_points.value
    per_moment = (layout.point >= 0).sum() / len(np.unique(layout.moment))
    most = max(int(limits.fewest_moments.value), min(most, int(points / max(per_moment, 1))))
    moments = np.unique(layout.moment)
    if len(moments) <= most:
        return np.ones(len(layout.moment), dtype=bool)
    chosen = set(_spread(moments, most).tolist())
    for c in range(len(bodies)):
        visible = (seen[c][layout.moment[:, None], np.maximum(layout.point, 0)] & (layout.point >= 0)).any(axis=1)
        own = np.unique(layout.moment[visible & (layout.body == bodies[c])])
        lacking = min(most // 4, len(own)) - len(chosen & set(own.tolist()))
        if lacking > 0:
            chosen |= set(_spread(np.array([t for t in own if t not in chosen]), lacking).tolist())
    return np.isin(layout.moment, np.array(sorted(chosen)))


def _spread(values: IntArray, count: int) -> IntArray:
    return np.asarray(values[np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(np.int64))])
