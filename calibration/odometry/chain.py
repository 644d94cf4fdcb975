"""The chain of poses: moment by moment against the points known so far, which keyframes add to; each stretch between breaks is a piece of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import rotation
from bodydouble.calibration.odometry.adjustment import adjust
from bodydouble.calibration.odometry.bearings import Points, triangulated
from bodydouble.calibration.odometry.body_pose import AGREES, find_pose
from bodydouble.calibration.odometry.sights import Sights, Views
from bodydouble.calibration.transform import pose_from

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FEWEST_POINTS = 15
"""Points that must agree with a pose; with fewer there is a gap."""
LEAST_SHARE = 0.3
"""Share of the known points in view that must agree with a pose."""
_FEWEST_AT_START = 20
_WINDOW = 8
"""Keyframes that are adjusted together while the chain grows, of which the first two stay."""
_BACK = 18
"""Moments back to which a new point's sights are used."""
_LEAST_KNOWN = 0.3
"""1/m: points whose inverse distance is known worse are not used yet."""
_NEAREST_M = 0.15
_STARTS = 3
_IN_STEP_S = 5e-5
"""Frames that close in time count as taken at once: at 2 rad/s they differ by a tenth of a milliradian."""
_FIRST_NOISE_PX = 0.4
_NOISE_PX = (0.1, 2.0)
"""Bounds of what a feature's error may be: below a tenth of a pixel nothing is believed."""
_MOST_TRAVEL = 2.0
"""m/s: what is taken for granted about speed when the body is looked for again after a gap."""


class Chain:
    """Poses of one body at T moments, as they are found, and the points that they were found by."""

    def __init__(self, sights: Sights, T_body_camera: FloatArray, times_s: FloatArray, late_s: FloatArray) -> None:
        """Start with nothing known. ``late_s`` (C, T): by how much each camera's frame is after its moment."""
        self.sights, self._T_body_camera, self._times_s, self._late_s = sights, T_body_camera, times_s, late_s
        self.starts = sights.starts
        self.T = np.full((sights.moments, 4, 4), np.nan)
        self.piece = np.full(sights.moments, -1)
        """(T,) number of the piece that a pose belongs to; -1 without a pose."""
        self.rate = np.zeros((sights.moments, 6))
        self.points = Points.unknown(sights.points)
        self.piece_of_point = np.full(sights.points, -1)
        self.wrong = np.zeros(sights.points, dtype=np.bool_)
        """(P,) points that move, or were never one point."""
        self.scale = np.ones(sights.moments)
        """(T,) by how much the sights of a moment are worse than ``noise_px``."""
        self.noise_px = _FIRST_NOISE_PX
        self.late = bool((np.abs(np.nan_to_num(late_s)) > _IN_STEP_S).any())
        self._still = Views.of(sights, T_body_camera, np.zeros_like(late_s), self.rate)

    def views(self, rows: IntArray) -> Views:
        """Return what the body saw in these sights, with the rates known so far."""
        return Views.of(self.sights.take(rows), self._T_body_camera, self._late_s, self.rate) if self.late else self._still.take(rows)

    def sigma_rad(self, rows: IntArray, *, scaled: bool = True) -> FloatArray:
        """Return one standard deviation of each sight."""
        sigma = self.noise_px * self.sights.sigma_rad[rows]
        return sigma * self.scale[self.sights.moment[rows]] if scaled else sigma

    def grow(self, tell: Callable[[int], None] = lambda moment: None) -> None:
        """Find the pose of every moment in order."""
        are_keyframes = np.zeros(self.sights.moments, dtype=np.bool_)
        are_keyframes[self.sights.keyframes] = True
        current, window = -1, list[int]()
        for moment in range(self.sights.moments):
            if current >= 0:
                self._locate(moment, current)
                if self.late and window == [moment - 1] and self.piece[moment] == current:
                    self._start_moving(moment, current)
            if are_keyframes[moment]:
                if self.piece[moment] == current and current >= 0:
                    window = [*window, moment][-_WINDOW:]
                elif self._begin(moment, current + 1):
                    current, window = current + 1, [moment]
                if window and window[-1] == moment:
                    self._add_points(moment, current)
                    if len(window) > 1:
                        self._adjust(window)
            tell(moment)

    def _rows(self, moment: int) -> IntArray:
        return np.arange(self.starts[moment], self.starts[moment + 1])

    def known_rows(self, moment: int, piece: int) -> IntArray:
        """Return the sights of a moment whose points are known in a piece."""
        rows = self._rows(moment)
        point = self.sights.point[rows]
        return np.asarray(rows[(self.piece_of_point[point] == piece) & ~self.wrong[point]])

    def _locate(self, moment: int, piece: int) -> None:
        rows = self.known_rows(moment, piece)
        if len(rows) < FEWEST_POINTS:
            return
        before = np.flatnonzero(self.piece[:moment] == piece)[-2:]
        guess = self._predicted(before, moment)
        found = find_pose(
            guess, self.views(rows), self.points.take(self.sights.point[rows]), self.sigma_rad(rows, scaled=False), seed=moment
        )
        if found is None or found.agrees.sum() < max(FEWEST_POINTS, LEAST_SHARE * len(rows)):
            return
        gone = float(np.linalg.norm(found.T[:3, 3] - self.T[before[-1], :3, 3]))
        if gone > 0.1 + 2 * _MOST_TRAVEL * (self._times_s[moment] - self._times_s[before[-1]]):
            return
        self.T[moment], self.piece[moment], self.scale[moment] = found.T, piece, found.scale

    def _predicted(self, before: IntArray, moment: int) -> FloatArray:
        """Return the pose if the body goes on as it did, and tell ``rate``."""
        last = np.asarray(self.T[before[-1]])
        if len(before) < 2 or before[-1] != moment - 1 or before[-2] != moment - 2:
            return last
        one, gap, ahead = self.T[before[-2]], *np.diff(self._times_s[[moment - 2, moment - 1, moment]])
        self.rate[moment, :3] = rotation.log(one[:3, :3].T @ last[:3, :3]) / gap
        self.rate[moment, 3:] = (last[:3, 3] - one[:3, 3]) / gap
        return pose_from(last[:3, :3] @ rotation.exp(self.rate[moment, :3] * ahead), last[:3, 3] + self.rate[moment, 3:] * ahead)

    def _begin(self, moment: int, piece: int) -> bool:
        """Start a piece at a moment at which enough points have a distance."""
        rows = self._rows(moment)
        _, numbers = self._triangulated(rows[~self.wrong[self.sights.point[rows]]], at_origin=True)
        if len(numbers) < _FEWEST_AT_START:
            return False
        self.T[moment], self.piece[moment] = np.eye(4), piece
        return True

    def _start_moving(self, second: int, piece: int) -> None:
        """Place the first points of a piece again, now that its second pose tells the rate by which cameras out of step saw them from elsewhere."""
        first = second - 1
        gap = self._times_s[second] - self._times_s[first]
        for _ in range(_STARTS):
            one, two = self.T[first], self.T[second]
            rate = np.concatenate([rotation.log(one[:3, :3].T @ two[:3, :3]), two[:3, 3] - one[:3, 3]]) / gap
            self.rate[first] = self.rate[second] = rate
            self.piece_of_point[self.piece_of_point == piece] = -1
            self._add_points(first, piece)
            self._locate(second, piece)

    def _triangulated(self, rows: IntArray, *, at_origin: bool = False) -> tuple[Points, IntArray]:
        """Return the points of some sights that can be placed well enough, and their numbers."""
        numbers, local = np.unique(self.sights.point[rows], return_inverse=True)
        T = np.eye(4)[None].repeat(len(rows), axis=0) if at_origin else self.T[self.sights.moment[rows]]
        found = triangulated(T[:, :3, :3], T[:, :3, 3], self.views(rows), local, len(numbers), self.sigma_rad(rows))
        with np.errstate(invalid="ignore"):
            good = (found.sigma < _LEAST_KNOWN) & (found.inverse_m > -3 * found.sigma) & (found.inverse_m < 1 / _NEAREST_M)
        return found.take(good), numbers[good]

    def _add_points(self, moment: int, piece: int) -> None:
        first = max(moment - _BACK, 0)
        rows = np.arange(self.starts[first], self.starts[moment + 1])
        own = np.zeros(self.sights.points, dtype=np.bool_)
        own[self.sights.point[self._rows(moment)]] = True
        own &= ~self.wrong & (self.piece_of_point != piece)
        rows = rows[own[self.sights.point[rows]] & (self.piece[self.sights.moment[rows]] == piece)]
        if len(rows):
            found, numbers = self._triangulated(rows)
            self.points = self.points.with_rows(numbers, found)
            self.piece_of_point[numbers] = piece

    def _adjust(self, window: list[int]) -> None:
        self.adjust_keyframes(np.array(window), held=min(2, len(window) - 1) if len(window) >= _WINDOW else 1, steps=3)

    def adjust_keyframes(self, keyframes: IntArray, *, held: int, steps: int, covariance: bool = False) -> FloatArray:
        """Adjust keyframes of one piece with all points that two sights of them show; return their covariance (K, 6, 6) if asked for."""
        piece = int(self.piece[keyframes[0]])
        rows = np.concatenate([self.known_rows(int(moment), piece) for moment in keyframes])
        twice = np.bincount(self.sights.point[rows], minlength=self.sights.points) >= 2
        rows = rows[twice[self.sights.point[rows]]]
        numbers, local = np.unique(self.sights.point[rows], return_inverse=True)
        if len(numbers) < FEWEST_POINTS:
            return np.full((len(keyframes), 6, 6), np.nan)
        keyframe = np.searchsorted(keyframes, self.sights.moment[rows])
        done = adjust(self.T[keyframes], self.points.take(numbers), self.views(rows), keyframe, local, self.sigma_rad(rows), held=held,
                      steps=steps, covariance=covariance)  # fmt: skip
        self.T[keyframes] = done.T
        self.points = self.points.with_rows(numbers, done.points)
        seen, off = np.bincount(local), np.bincount(local, done.square > AGREES**2)
        self.wrong[numbers[off > 0.5 * seen]] = True
        agreeing = done.square[done.square < AGREES**2]
        free = 2 * len(rows) - 3 * len(numbers) - 6 * len(keyframes)
        if len(agreeing) > 100 and free > 100:
            # Two residuals of equal sigma: the median of their squared length is 2 ln 2; what was fitted has taken a part of them away.
            sigma = np.sqrt(np.median(agreeing) / (2 * np.log(2)) * 2 * len(rows) / free)
            self.noise_px = float(np.clip(self.noise_px * sigma, *_NOISE_PX))
        return done.covariance
