"""Which cameras moved, by what a stretch of time says: one hypothesis held against the others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.drift.evidence import Evidence, Explanation, evidence_of, f_quantile, f_tail
from bodydouble.calibration.drift.fit import Linear
from bodydouble.calibration.drift.placement import POSE, Placement
from bodydouble.calibration.drift.points import SharedPoints
from bodydouble.calibration.drift.result import Finding
from bodydouble.calibration.drift.settings import PointLimits, SharedLimits
from bodydouble.calibration.rig import Rig

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_DEVIATION = 1.25
"""One standard deviation of errors that are normal in the middle, over the scale of the Student's t that fits them."""
_ODDS = 9.2
"""Twice the logarithm of 100: one explanation is taken when it is a hundred times likelier than another."""
_SAME = 0.02
"""Explanations whose gains differ by less than this share are the same but for how far the cameras are from a small change."""
_NEARLY_ALWAYS = 1.64
"""Standard deviations that are exceeded 19 times of 20."""


@dataclass(frozen=True)
class Agreement:
    """All cameras and points moved until they agree best, window by window."""

    window: IntArray
    """(B,)"""
    place: Placement
    scale: float
    """Factor on the expected errors."""
    linear: Linear


@dataclass(frozen=True)
class Judgement:
    """What some blocks say."""

    finding: Finding
    blocks: BoolArray
    evidence: Evidence
    single: list[Explanation]
    """One for each camera."""
    joint: Explanation
    """Of the cameras that are taken to have moved, or the best single one."""
    suspects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Judge:
    """Judges stretches of time of one check."""

    rig: Rig
    points: SharedPoints
    able: BoolArray
    """(C,) which cameras share enough to be judged."""
    expected_px: float
    """Median expected error of the points."""
    agreement: Agreement
    limits: PointLimits
    shared: SharedLimits

    @property
    def noise_px(self) -> float:
        """One standard deviation of the points' errors."""
        return self.agreement.scale * self.expected_px * _DEVIATION

    @property
    def pass_px(self) -> float:
        """The largest shift that is left alone."""
        return self.limits.pass_limit_px(self.noise_px)

    def evidence(self, blocks: BoolArray) -> Evidence:
        """Return what some blocks (B,) say."""
        found = self.agreement
        return evidence_of(self.points, found.linear, found.place, found.window, blocks, self._calibration(), self.shared.alike_s.value)

    def significant(self, item: Explanation) -> bool:
        """Tell whether chance hardly explains as much."""
        return item.p_value * len(self.able) < self.limits.significance.value

    def shift_px(self, camera: int, change: FloatArray, blocks: BoolArray) -> float:
        """Return by how many px, root mean square, a change (6,) moves what a camera sees in its image."""
        linear = self.agreement.linear
        rows = linear.by_pose[camera][blocks][linear.weight[camera][blocks] > 0]
        return float(np.sqrt(np.square(rows @ change).sum() / max(len(rows), 1)))

    def judge(self, blocks: BoolArray) -> Judgement:
        """Return which cameras some blocks say have moved, or whether none has."""
        evidence = self.evidence(blocks)
        single = [evidence.explain((c,)) for c in range(len(self.able))]
        best = max(single, key=lambda item: item.gain)
        (leader,) = best.cameras
        if not self.significant(best) or self.shift_px(leader, best.change[0], blocks) < self.pass_px:
            return Judgement("still", blocks, evidence, single, best)
        joint = self._joint(evidence, best, blocks)
        sets = itertools.combinations(np.flatnonzero(self.able).tolist(), len(joint.cameras))
        rivals = [s for s in sets if joint.gain - evidence.explain(s).gain < max(_ODDS, _SAME * joint.gain)]
        suspects = tuple(sorted(set().union(*rivals, joint.cameras)))
        finding: Finding = "several" if len(joint.cameras) > 1 else "moved" if len(suspects) == 1 else "one_of"
        return Judgement(finding, blocks, evidence, single, joint, suspects)

    def noticed_rad(self, evidence: Evidence, camera: int) -> float:
        """Return the turn about the camera's x or y axis, whichever is harder to see, that the test finds 19 times of 20."""
        precision = evidence.precision(camera)
        terms, least = evidence.explain((camera,)).terms, float(min(precision[0, 0], precision[1, 1]))
        if terms <= 0 or least <= 0:
            return float("inf")
        gain = terms * f_quantile(self.limits.significance.value / len(self.able), terms, evidence.freedom)
        smallest = self.pass_px / min(self.rig.cameras[self.rig.names[camera]].model.focal)
        return max(float((np.sqrt(gain) + _NEARLY_ALWAYS) / np.sqrt(least)), float(smallest + _NEARLY_ALWAYS / np.sqrt(least)))

    def _joint(self, evidence: Evidence, best: Explanation, blocks: BoolArray) -> Explanation:
        """Return the cameras that must have moved, if the best one alone does not explain it all."""
        found = best
        able = np.flatnonzero(self.able).tolist()
        while len(found.cameras) < len(able) - 1:
            size = len(found.cameras) + 1
            sets = [s for s in itertools.combinations(able, size) if size == 2 or set(found.cameras) <= set(s)]
            wider = max((evidence.explain(s) for s in sets), key=lambda item: item.gain)
            p = f_tail(wider.gain - found.gain, max(wider.terms - found.terms, 1e-3), evidence.freedom) * len(sets)
            shifts = [self.shift_px(c, change, blocks) for c, change in zip(wider.cameras, wider.change, strict=True)]
            if p >= self.limits.significance.value or min(shifts) < self.pass_px:
                break
            found = wider
        return found

    def _calibration(self) -> FloatArray:
        """Return the covariance (6 C, 6 C) of what the calibration got wrong, and of the points' common error, which looks like a turn or a move."""
        variance = np.zeros((len(self.able), POSE))
        for c, camera in enumerate(self.rig.cameras.values()):
            rotation, position = camera.sigma.rotation_rad, camera.sigma.position_m
            rotation = np.radians(self.shared.sigma_rotation_deg.value) if rotation is None else rotation
            position = self.shared.sigma_position_mm.value / 1000 if position is None else position
            bias = self.limits.view_bias.value * self.noise_px / min(camera.model.focal)
            variance[c] = np.repeat([rotation**2 + bias**2, position**2 + (bias * self._distance_m[c]) ** 2], 3)
        return np.diag(variance.ravel())

    @property
    def _distance_m(self) -> FloatArray:
        """(C,) median distance of what each camera shares; 0 where it shares nothing."""
        place = self.agreement.place.place
        where = place[:, :3, 3] if place.ndim == 3 else place
        apart = np.linalg.norm(where - self.points.T_body_camera[:, None, :3, 3], axis=-1)
        seen = self.points.seen.any(axis=-1) & np.isfinite(apart)
        return np.array([np.median(apart[c][seen[c]]) if seen[c].any() else 0.0 for c in range(len(self.able))])
