"""Has a camera moved since the calibration? What a recording's own points say, without a board if need be."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.board import Targets
from bodydouble.calibration.drift_evidence import Evidence, Explanation, evidence_of, f_tail
from bodydouble.calibration.drift_exchange import find_exchange
from bodydouble.calibration.drift_fit import POSE, Linear, Placement, first_places, fit, linearise, moved_by, scale_of
from bodydouble.calibration.drift_points import SharedPoints, shared_points
from bodydouble.calibration.drift_settings import DriftSettings, PointKind, PointLimits, drift_settings
from bodydouble.calibration.drift_step import Step, find_step, windows_of
from bodydouble.calibration.rig import Rig
from bodydouble.errors import UsageError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Finding = Literal["still", "moved", "one_of", "several", "image", "exchanged", "incoherent", "not_enough"]
"""Nobody moved; one camera did; one of a few, which cannot be told; several did; an image is cut or scaled differently; two cameras have each other's
videos; the cameras do not see the same thing at the same time; too little is shared."""

_FAR = np.radians(1.5)
_DEVIATION = 1.25
"""One standard deviation of errors that are normal in the middle, over the scale of the Student's t that fits them."""
_ODDS = 9.2
"""Twice the logarithm of 100: one explanation is taken when it is a hundred times likelier than another."""
_SAME = 0.02
"""Explanations whose gains differ by less than this share are the same but for how far the cameras are from a small change."""


@dataclass(frozen=True)
class CameraDrift:
    """What is known of one camera. The axes are its own as calibrated: x right, y down, z forward."""

    name: str
    state: Literal["still", "moved", "suspect", "unknown"]
    """Suspect: it or another one moved; unknown: the recording cannot tell."""
    rotation_rad: FloatArray
    """(3,) by how much it turned, as a rotation vector, if it alone (or with the others that moved) moved."""
    position_m: FloatArray
    """(3,)"""
    sigma_rotation_rad: float
    """One standard deviation along the direction of ``rotation_rad``."""
    sigma_position_m: float
    shift_px: float
    """Root mean square of how far the points it sees went in its image."""
    sigma_px: float
    noticed_px: float
    """The smallest shift that would have been noticed nearly always."""
    p_value: float
    """How likely it is that chance makes it look as if this camera had moved, over all cameras."""
    shared_moments: int
    shared_points: int
    partner: str
    """The camera that it shares most moments with, "" for none."""
    before_px: float
    """Median distance in its image between what it saw and what the others say, as calibrated."""
    after_px: float
    """The same once the cameras that moved are put where they are now."""

    @property
    def turned_deg(self) -> float:
        """Angle by which it turned."""
        return float(np.degrees(np.linalg.norm(self.rotation_rad)))

    @property
    def moved_mm(self) -> float:
        """Distance by which it moved."""
        return float(1000 * np.linalg.norm(self.position_m))


@dataclass(frozen=True)
class ImageChange:
    """How a camera's image seems to be cut and scaled: seen pixel = (calibrated pixel + 0.5) * (1 + zoom) - 0.5 + shift."""

    zoom: float
    shift_px: tuple[float, float]
    certain: bool
    """False where a turn of the camera explains the images about as well."""


@dataclass(frozen=True)
class Residuals:
    """Where points were seen, and how far off they are, as calibrated and as found. One camera's."""

    pixels: FloatArray
    """(N, 2)"""
    before: FloatArray
    """(N, 2) predicted minus seen."""
    after: FloatArray
    """(N, 2)"""


@dataclass(frozen=True)
class Drift:
    """The result of a drift check."""

    finding: Finding
    cameras: dict[str, CameraDrift]
    suspects: tuple[str, ...]
    """The cameras that the finding is about."""
    kind: PointKind
    noise_px: float
    """One standard deviation of the points' errors, found from the recording."""
    expected_noise_px: float
    moments: int
    pass_px: float
    fail_px: float
    since_s: float | None = None
    """When it moved, if that was during the recording; then the cameras' changes are those after it."""
    image: ImageChange | None = None
    image_size: dict[str, tuple[int, int]] = field(default_factory=dict)
    residuals: dict[str, Residuals] = field(default_factory=dict, repr=False)


def check_drift(
    rig: Rig, pixels: FloatArray, confidence: FloatArray | None, times: FloatArray, noise_px: FloatArray | float | None = None, *,
    targets: Targets | None = None, part_of_point: IntArray | None = None, kind: PointKind = "landmarks",
    settings: DriftSettings | None = None,
) -> Drift:  # fmt: skip
    """Say whether a camera has moved since ``rig`` was calibrated, which one, and by how much.

    ``pixels`` (C, T, P, 2) of P points at T moments in the rig's cameras in its order, NaN where not seen; ``confidence`` (C, T, P) in [0, 1];
    ``times`` (C, T) s as stamped, NaN where there are none. Points are what several cameras of one body saw at the same moment; nothing is known of
    their places unless they are those of ``targets``. ``noise_px``, which broadcasts to (C, T, P), is their expected error; only its proportions matter
    much, as its size is found from the recording. ``part_of_point`` (P,) tells which points err together all the time, such as those of a hand.

    Each hypothesis "this camera moved by six numbers, all others stand as calibrated" is held against "nobody moved", see ``drift_evidence``. Raises:
    UsageError for arrays that do not fit the rig.
    """
    settings = settings or drift_settings()
    limits = settings.of(kind)
    _check_shapes(rig, pixels, confidence, times, targets, part_of_point)
    shared = settings.shared
    expected = limits.noise_px if noise_px is None else noise_px
    points = shared_points(rig, pixels, confidence, times, expected, targets, part_of_point, shared)
    checker = _Checker(rig, points, limits, settings)
    return checker.run()


def _check_shapes(
    rig: Rig, pixels: FloatArray, confidence: FloatArray | None, times: FloatArray, targets: Targets | None, part_of_point: IntArray | None
) -> None:
    C = len(rig.cameras)
    if pixels.ndim != 4 or pixels.shape[0] != C or pixels.shape[3] != 2:
        raise UsageError(f"pixels have shape {pixels.shape}; expected ({C}, T, P, 2) for the {C} cameras of rig '{rig.name}'.")
    _, T, P = pixels.shape[:3]
    for name, shape, found in (
        ("times", (C, T), np.shape(times)),
        ("confidence", (C, T, P), None if confidence is None else np.shape(confidence)),
        ("part_of_point", (P,), None if part_of_point is None else np.shape(part_of_point)),
        ("targets.points", (P, 3), None if targets is None else np.shape(targets.points)),
    ):
        if found is not None and found != shape:
            raise UsageError(f"{name} has shape {found}; expected {shape} to fit pixels of shape {pixels.shape}.")


class _Checker:
    """The steps of one check, with what they share."""

    def __init__(self, rig: Rig, points: SharedPoints, limits: PointLimits, settings: DriftSettings) -> None:
        self.rig, self.limits, self.shared = rig, limits, settings.shared
        self.kind: PointKind = "boards" if limits is settings.boards else "landmarks"
        self.names, self.C = rig.names, len(rig.cameras)
        motion = np.tile(np.eye(4), (1, self.C, 1, 1))
        self.motion = motion
        place = first_places(points, motion, np.zeros(points.blocks, dtype=np.int64)) if points.blocks else np.zeros((0, 3))
        self.points = points.select(Placement(motion, place).placed)
        self.expected = float(np.median(points.sigma[points.seen])) if points.blocks else limits.noise_px
        self.pairs = self.points.shared_moments()
        self.able = np.diag(self.pairs) >= self.shared.fewest_moments.value

    def run(self) -> Drift:
        if self.able.sum() < 2:
            return self._drift("not_enough", (), None, None)
        exchanged = find_exchange(self.points)
        if exchanged is not None:
            return self._drift("exchanged", exchanged, None, None)
        window = windows_of(self.points, int(self.shared.windows.value), int(self.shared.fewest_moments.value))
        state = self._fit_all(window, np.zeros((int(window.max()) + 1, self.C, POSE)))
        step = self._step(state)
        evidence = self._evidence(state, step)
        explanations = [evidence.explain((c,)) for c in range(self.C)]
        best = max(explanations, key=lambda item: item.gain)
        if self._significant(best) and np.linalg.norm(best.change[0, :3]) > _FAR:
            state, step, evidence = self._nearer(state, step, best)
            explanations = [evidence.explain((c,)) for c in range(self.C)]
        return self._judge(state, step, evidence, explanations)

    def _fit_all(self, window: IntArray, prior: FloatArray) -> _State:
        free = self.able.copy()
        motion = moved_by(prior)
        place = fit(self.points, Placement(motion, first_places(self.points, motion, window)), window, free, 1.0, prior=prior)
        scale = scale_of(self.points, place, window, free, 1.0)
        for _ in range(2):
            place = fit(self.points, place, window, free, scale, prior=prior, widen=False)
            scale = scale_of(self.points, place, window, free, scale)
        return _State(window, place, scale, linearise(self.points, place, window, scale))

    def _nearer(self, state: _State, step: Step | None, best: Explanation) -> tuple[_State, Step | None, Evidence]:
        """Fit again from where the best explanation puts its camera: far from there the problem is not linear."""
        change = self._change(best)
        after = state.window >= (step.window if step else 0)
        place = self._refined(change, after, best.cameras, state.scale)
        prior = np.zeros((len(state.place.motion), self.C, POSE))
        prior[step.window if step else 0 :] = place.change[0]
        state = self._fit_all(state.window, prior)
        step = self._step(state)
        return state, step, self._evidence(state, step)

    def _refined(self, change: FloatArray, blocks: BoolArray, cameras: tuple[int, ...], scale: float) -> Placement:
        """Return where the images of some blocks put ``cameras`` when all others stand as calibrated."""
        some = self.points.select(blocks)
        zeros = np.zeros(some.blocks, dtype=np.int64)
        free = np.isin(np.arange(self.C), cameras)
        motion = moved_by(change)[None]
        return fit(some, Placement(motion, first_places(some, motion, zeros)), zeros, free, scale)

    def _change(self, explanation: Explanation) -> FloatArray:
        change = np.zeros((self.C, POSE))
        change[list(explanation.cameras)] = explanation.change
        return change

    def _step(self, state: _State) -> Step | None:
        step = find_step(self.points, state.linear, state.place, state.window, self.shared.alike_s.value)
        if step is None or step.p_value > self.limits.significance.value:
            return None
        (camera,) = step.explanation.cameras
        shift = self._shift(state, camera, step.explanation.change[0], state.window >= step.window)
        return step if shift >= self._pass_px(state) else None

    def _evidence(self, state: _State, step: Step | None) -> Evidence:
        blocks = state.window >= (step.window if step else 0)
        return evidence_of(
            self.points, state.linear, state.place, state.window, blocks, self._calibration(self._noise(state)), self.shared.alike_s.value
        )

    def _noise(self, state: _State) -> float:
        return state.scale * self.expected * _DEVIATION

    def _pass_px(self, state: _State) -> float:
        return self.limits.pass_limit_px(self._noise(state))

    def _fail_px(self, state: _State) -> float:
        return self.limits.fail_limit_px(self._noise(state))

    def _calibration(self, noise_px: float) -> FloatArray:
        """Return the covariance (6 C, 6 C) of what the calibration got wrong, and of what looks like a turn and is the points' common error."""
        variance = np.zeros((self.C, POSE))
        for c, camera in enumerate(self.rig.cameras.values()):
            rotation, position = camera.sigma.rotation_rad, camera.sigma.position_m
            rotation = np.radians(self.shared.sigma_rotation_deg.value) if rotation is None else rotation
            position = self.shared.sigma_position_mm.value / 1000 if position is None else position
            bias = self.limits.view_bias.value * noise_px / min(camera.model.focal)
            variance[c] = np.repeat([rotation**2 + bias**2, position**2], 3)
        return np.diag(variance.ravel())

    def _significant(self, item: Explanation) -> bool:
        return item.p_value * self.C < self.limits.significance.value

    def _gram(self, state: _State, camera: int, blocks: BoolArray) -> FloatArray:
        """Return (6, 6) the mean square shift in px^2 of what a camera sees, by its change."""
        rows = state.linear.by_pose[camera][blocks][state.linear.weight[camera][blocks] > 0]
        return np.asarray(np.einsum("nik,nil->kl", rows, rows) / max(len(rows), 1))

    def _shift(self, state: _State, camera: int, change: FloatArray, blocks: BoolArray) -> float:
        return float(np.sqrt(change @ self._gram(state, camera, blocks) @ change))

    def _judge(self, state: _State, step: Step | None, evidence: Evidence, explanations: list[Explanation]) -> Drift:
        after = state.window >= (step.window if step else 0)
        incoherent = self._incoherent(state)
        if incoherent is not None:
            return self._drift("incoherent", incoherent, state, step, explanations=explanations, evidence=evidence)
        best = max(explanations, key=lambda item: item.gain)
        shifts = [self._shift(state, c, item.change[0], after) for c, item in enumerate(explanations)]
        (leader,) = best.cameras
        if not self._significant(best) or shifts[leader] < self._pass_px(state):
            return self._drift("still", (), state, step, explanations=explanations, evidence=evidence)
        several = self._several(state, evidence, best, after)
        if several is not None:
            return self._drift("several", several.cameras, state, step, explanations=explanations, evidence=evidence, joint=several)
        rivals = tuple(
            c for c, item in enumerate(explanations)
            if best.gain - item.gain < max(_ODDS, _SAME * best.gain) and self._significant(item)
        )  # fmt: skip
        if len(rivals) > 1:
            return self._drift("one_of", rivals, state, step, explanations=explanations, evidence=evidence)
        image = self._image(state, evidence, leader)
        finding: Finding = "image" if image is not None and image.certain else "moved"
        return self._drift(finding, (leader,), state, step, explanations=explanations, evidence=evidence, image=image)

    def _incoherent(self, state: _State) -> tuple[int, ...] | None:
        """Return the cameras that see something else than the others even if all could have moved; all cameras if nothing fits."""
        off = np.linalg.norm(state.linear.residual, axis=-1) / (self.points.sigma * state.scale)
        own = np.array([np.median(values) if len(values := off[c][np.isfinite(off[c])]) else 0.0 for c in range(self.C)])
        typical = float(np.median(own[self.able]))
        strange = np.flatnonzero(own > 4 * max(typical, 0.7))
        return tuple(strange) if len(strange) else None

    def _several(self, state: _State, evidence: Evidence, best: Explanation, after: BoolArray) -> Explanation | None:
        """Return the cameras that must have moved besides the best one alone, if there are."""
        found = best
        while len(found.cameras) < self.C - 1:
            size = len(found.cameras) + 1
            sets = [s for s in itertools.combinations(range(self.C), size) if size == 2 or set(found.cameras) <= set(s)]
            wider = max((evidence.explain(s) for s in sets), key=lambda item: item.gain)
            terms = max(wider.terms - found.terms, 1e-3)
            p = f_tail(wider.gain - found.gain, terms, evidence.freedom) * len(sets)
            shifts = [self._shift(state, c, change, after) for c, change in zip(wider.cameras, wider.change, strict=True)]
            if p >= self.limits.significance.value or min(shifts) < self._pass_px(state):
                break
            found = wider
        return found if len(found.cameras) > 1 else None

    def _image(self, state: _State, evidence: Evidence, camera: int) -> ImageChange | None:
        """Return how the image is cut or scaled, if that explains the images at least about as well as a move."""
        moved, _ = evidence.image_gain(camera, slice(0, POSE))
        gain, values = evidence.image_gain(camera, slice(POSE, POSE + 3))
        if gain < moved - max(_ODDS, _SAME * moved):
            return None
        return ImageChange(float(values[0]), (float(values[1]), float(values[2])), gain > moved + _ODDS)

    def _drift(
        self, finding: Finding, suspects: tuple[int, ...], state: _State | None, step: Step | None, *,
        explanations: list[Explanation] | None = None, evidence: Evidence | None = None, joint: Explanation | None = None,
        image: ImageChange | None = None,
    ) -> Drift:  # fmt: skip
        raise NotImplementedError


@dataclass(frozen=True)
class _State:
    window: IntArray
    place: Placement
    scale: float
    linear: Linear
